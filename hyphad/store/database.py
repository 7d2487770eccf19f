"""The database: one file, one thread that writes to it, one that reads from it.

    database = Database.open(Path("hyphad.db"))
    rows = database.read("SELECT id FROM workspaces")
    await database.write(lambda db: db.execute("DELETE FROM workspaces WHERE id = ?", ("ws-a",)))
    await database.close()

A write has happened when its future resolves: it is in the write-ahead log and the log is synced.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from hyphad.core.errors import Unavailable
from hyphad.store import migrations
from hyphad.store.backup import copy_database
from hyphad.store.errors import StoreError, for_caller, primary_code
from hyphad.store.files import make_private
from hyphad.store.writer import Change, Writer

__all__ = ["Database", "StoreError"]

log = logging.getLogger(__name__)

T = TypeVar("T")

BUSY_SECONDS = 5.0
CLOSED = "hyphad is shutting down; nothing was changed. Try again when it is back."


class Database:
    """Made by `open`; used from one event loop."""

    def __init__(
        self, file: Path, writing: sqlite3.Connection, reading: sqlite3.Connection
    ) -> None:
        self.file = file
        self._writing = writing
        self._reading = reading
        self._writer = Writer(writing)
        self._reader = ThreadPoolExecutor(1, "hyphad-reader")
        self._closed = False

    @classmethod
    def open(cls, file: Path, shared: bool = False) -> "Database":
        """Open or create, check if the last run was cut off, migrate. Raises `StoreError`.

        With `shared` a running daemon has the file open too: its schema stays as it is.
        """
        try:
            # The last one to close the database removes the log; if it is there, nobody did.
            wal = file.with_name(file.name + "-wal")
            cut_off = wal.exists() and wal.stat().st_size > 0
            make_private(file)
            writing = _connect(file)
            try:
                _refuse_newer(writing, file)
                if cut_off and not shared:
                    _check(writing, file)
                _set_up(writing, file)
                if shared:
                    _refuse_older(writing, file)
                migrations.migrate(writing, file)
                reading = _connect(file)
            except BaseException:
                writing.close()
                raise
        except OSError as error:
            raise StoreError(
                f"The database {file} cannot be opened: {error.strerror}. "
                "Give this user access to it, or choose another directory with --data-dir."
            ) from error
        except sqlite3.Error as error:
            raise _not_usable(file, error) from error
        return cls(file, writing, reading)

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows at once, on this thread; for start-up. Raises `StoreError`."""
        try:
            return _rows(self._reading, sql, params)
        except sqlite3.DatabaseError as error:
            raise _not_usable(self.file, error) from error

    async def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Rows, read by the reader thread. Sees every write that was acknowledged before."""
        return await self.fetch(lambda connection: _rows(connection, sql, params))

    async def fetch(self, reading: Callable[[sqlite3.Connection], T]) -> T:
        """What `reading` makes of the reader's connection, in the reader thread."""
        if self._closed:
            raise Unavailable(CLOSED)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reader, reading, self._reading)
        except (sqlite3.Error, UnicodeEncodeError) as error:
            if self._closed:
                raise Unavailable(CLOSED) from error
            told = for_caller(error)
            if told is error:
                raise
            raise told from error

    def write(
        self,
        action: Callable[[sqlite3.Connection], T],
        then: Callable[[T], None] | None = None,
    ) -> "asyncio.Future[T]":
        """Have the writer run `action`; the future resolves once its transaction is on disk.

        `action` may run twice and must touch nothing but the connection. `then` gets its result
        on the loop, before the future resolves and even if the future was cancelled meanwhile:
        the place to let memory follow the disk. A disk that refuses is a `StorageError` (D-28).
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(Unavailable(CLOSED))
        else:
            self._writer.put(Change(action, future, then))
        return future

    def version(self) -> "asyncio.Future[int]":
        """Changes whenever another process has changed the file, and only then."""
        return self.write(lambda db: int(db.execute("PRAGMA data_version").fetchone()[0]))

    def write_behind(self, action: Callable[[sqlite3.Connection], Any]) -> None:
        """Like `write`, but nobody waits; a failure is a log line, at most one a minute."""
        if not self._closed:
            self._writer.put(Change(action))

    async def close(self) -> None:
        """Write what waits, then empty and remove the log, which marks a clean end."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._shut)

    async def backup(self, target: Path) -> None:
        """A copy of this moment in one file, 0600, while work goes on. Raises `StoreError`."""
        await asyncio.to_thread(self._copy, target)

    def _copy(self, target: Path) -> None:
        if target.exists() and target.samefile(self.file):
            raise StoreError(f"{target} is the database itself. Choose another place for the copy.")
        with closing(_connect(self.file)) as source:
            copy_database(source, target)

    def _shut(self) -> None:
        self._reading.interrupt()
        self._reader.shutdown()
        self._reading.close()
        self._writer.stop()
        with suppress(sqlite3.Error):  # a full disk: the log stays and is read at the next start
            self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writing.close()


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.text_factory = _text
    connection.execute("PRAGMA cache_size=-1024")
    return connection


def _text(raw: bytes) -> str:
    """Damaged text must not hide the rows around it; who parses the row finds the damage."""
    return raw.decode("utf-8", "surrogateescape")


def _rows(connection: sqlite3.Connection, sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sql, params)]


def _refuse_newer(connection: sqlite3.Connection, file: Path) -> None:
    schema, known = migrations.schema_of(connection), len(migrations.MIGRATIONS)
    if schema > known:
        raise StoreError(
            f"The database {file} was written by a newer hyphad (schema {schema}, this one knows "
            f"{known}). Install the newer version, or restore a backup."
        )


def _refuse_older(connection: sqlite3.Connection, file: Path) -> None:
    if migrations.schema_of(connection) < len(migrations.MIGRATIONS):
        raise StoreError(
            f"The hyphad that is using the database {file} is an older one. Restart it first."
        )


def _check(connection: sqlite3.Connection, file: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _damaged(file, str(found).splitlines()[-1])
    log.info("checked file=%s reason='the last run did not end cleanly' result=ok", file)


def _set_up(connection: sqlite3.Connection, file: Path) -> None:
    if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
        raise StoreError(
            f"The file system of {file} cannot keep a write-ahead log. "
            "Choose a directory on a local disk with --data-dir."
        )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={16 << 20}")


def _not_usable(file: Path, error: sqlite3.Error) -> StoreError:
    code = primary_code(error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(file, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"Another program holds the database {file}. Close it and start again.")
    return StoreError(
        f"The database {file} cannot be used: {error}. "
        "Check that its disk is not full and that this user may write there."
    )


def _damaged(file: Path, reason: str) -> StoreError:
    return StoreError(
        f"The database {file} is damaged ({reason}). "
        "Restore a backup, or move the file away to start empty."
    )
