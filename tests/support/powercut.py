"""Power cuts: what SQLite writes and syncs is recorded, and replayed up to any moment.

    python tests/support/powercut.py --seconds 5 --states 5000

A disk may lose what was not synced when the power went: all of it, none of it, or any part, and
any one write may have come through halfway. From the record this makes the files as such a disk
would show them, opens each with the real store, and compares with what had been acknowledged.

The recorder is a SQLite file system (VFS) that passes everything on to the real one. It is made
with `ctypes`, so it needs a Python whose `sqlite3` is linked to the system's library.
"""

import argparse
import asyncio
import ctypes
import itertools
import logging
import os
import random
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scribe
from ledger import Ledger

from hyphad.store.database import Database
from hyphad.store.datadir import DATABASE_NAME, DataDir

CHECKPOINT_PAGES = 40
FILES = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-journal")

# (what, file, offset or size, data)
Operation = tuple[str, str, int, bytes]

# SQLite keeps the name it gives to `open`: the pointer itself must be passed on.
_OPEN = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(ctypes.Structure):
    """`struct sqlite3_vfs`, up to what is replaced here."""

    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("path_size", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("rest", c_void_p * 16),
    ]


class _Methods(ctypes.Structure):
    """`struct sqlite3_io_methods`."""

    _fields_ = [
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("rest", c_void_p * 13),
    ]


_kept: list[Any] = []  # SQLite holds pointers to these for as long as the process lives.


class Recorder:
    """What was done to the files of one folder, in order, and what was said meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.operations: list[Operation] = []
        self._folder = str(folder.resolve())
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}

    def say(self, *words: object) -> None:
        """An acknowledgement: everything before it must be kept from now on."""
        self._note("said", "", 0, " ".join(map(str, words)).encode())

    def _note(self, what: str, file: str, number: int = 0, data: bytes = b"") -> None:
        with self._lock:
            self.operations.append((what, file, number, data))

    def install(self, library: ctypes.CDLL) -> Callable[[], None]:
        """Record from now on; what is returned ends that for files opened later."""
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
        library.sqlite3_vfs_unregister.argtypes = [POINTER(_Vfs)]
        real = library.sqlite3_vfs_find(None)
        ours = _Vfs()
        ctypes.memmove(ctypes.byref(ours), real, ctypes.sizeof(_Vfs))
        ours.name = b"recorder"
        tables: dict[int, _Methods] = {}

        def opened(_: int, name: int | None, file: int, flags: int, out: int) -> int:
            code: int = real.contents.open(ctypes.addressof(real.contents), name, file, flags, out)
            path = ctypes.string_at(name).decode() if name else ""
            if code == 0 and os.path.dirname(path) == self._folder:  # noqa: PTH120
                self._names[file] = os.path.basename(path)  # noqa: PTH119
                table = ctypes.cast(file, POINTER(c_void_p))
                original = int(table[0] or 0)
                if original not in tables:
                    tables[original] = self._methods(original)
                table[0] = ctypes.addressof(tables[original])
            return code

        def deleted(_: int, name: bytes, sync: int) -> int:
            code: int = real.contents.delete(ctypes.addressof(real.contents), name, sync)
            path = name.decode()
            if os.path.dirname(path) == self._folder:  # noqa: PTH120
                self._note("delete", os.path.basename(path), sync)  # noqa: PTH119
            return code

        ours.open, ours.delete = _OPEN(opened), _DELETE(deleted)
        _kept.extend((ours, tables, opened, deleted, self))
        library.sqlite3_vfs_register(ctypes.byref(ours), 1)

        def end() -> None:
            library.sqlite3_vfs_register(real, 1)
            library.sqlite3_vfs_unregister(ctypes.byref(ours))

        return end

    def _methods(self, original: int) -> _Methods:
        """The method table of a file, with those that change the disk watched."""
        theirs = ctypes.cast(original, POINTER(_Methods)).contents
        ours = _Methods()
        ctypes.memmove(ctypes.byref(ours), original, ctypes.sizeof(_Methods))

        def write(file: int, data: int, size: int, offset: int) -> int:
            code: int = theirs.write(file, data, size, offset)
            if code == 0:
                self._note("write", self._names[file], offset, ctypes.string_at(data, size))
            return code

        def truncate(file: int, size: int) -> int:
            code: int = theirs.truncate(file, size)
            self._note("truncate", self._names[file], size)
            return code

        def sync(file: int, flags: int) -> int:
            code: int = theirs.sync(file, flags)
            if code == 0:
                self._note("sync", self._names[file])
            return code

        ours.write, ours.truncate, ours.sync = _WRITE(write), _TRUNCATE(truncate), _SYNC(sync)
        _kept.append((ours, theirs, write, truncate, sync))
        return ours


def sqlite_library() -> ctypes.CDLL | None:
    """The library that `sqlite3` itself uses; None where it is built in."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split()[-1]
        if "libsqlite3" in path:
            return ctypes.CDLL(path)
    return None


@dataclass
class Disk:
    """Files as they are for sure, and what was done to them since the last sync."""

    sure: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Operation]] = field(default_factory=dict)

    def take(self, operation: Operation) -> None:
        what, file, number, _ = operation
        if what == "delete":
            self.pending[file] = [operation]
            if number:
                self._sync_directory()
        elif what == "sync":
            if file != DATABASE_NAME and self._is_new(file):
                self._sync_directory()  # as SQLite does with the first sync of a new side file
            self.sure = self._after(self.pending.pop(file, []), self.sure)
        else:
            self.pending.setdefault(file, []).append(operation)

    def _is_new(self, file: str) -> bool:
        operations = self.pending.get(file)
        return file not in self.sure or bool(operations and operations[0][0] == "delete")

    def _sync_directory(self) -> None:
        """Which files there are is certain now, though not what is in them."""
        for file, operations in self.pending.items():
            if operations and operations[0][0] == "delete":
                self.sure.pop(file, None)
                del operations[0]

    def crashed(self, rng: random.Random) -> dict[str, bytearray]:
        """The files after a power cut at this moment, as one of the disks there are shows them."""
        kind = rng.choice(("nothing", "everything", "part", "part", "torn", "torn"))
        survived: list[Operation] = []
        for operations in self.pending.values():
            if kind == "everything":
                survived += operations
            elif kind in ("part", "torn"):
                chosen = [op for op in operations if rng.random() < 0.5]
                if kind == "torn" and chosen:
                    at = rng.randrange(len(chosen))
                    chosen[at] = _torn(chosen[at], rng)
                survived += chosen
        return self._after(survived, {name: bytearray(data) for name, data in self.sure.items()})

    @staticmethod
    def _after(operations: list[Operation], files: dict[str, bytearray]) -> dict[str, bytearray]:
        for what, name, number, data in operations:
            if what == "delete":
                files.pop(name, None)
                continue
            file = files.setdefault(name, bytearray())
            if what == "truncate":
                del file[number:]
                continue
            if len(file) < number:
                file.extend(bytes(number - len(file)))
            file[number : number + len(data)] = data
        return files


def _torn(operation: Operation, rng: random.Random) -> Operation:
    """A write of which only the beginning, or only some sectors, came through."""
    what, file, offset, data = operation
    if what != "write" or len(data) < 2:
        return operation
    if rng.random() < 0.5:
        return what, file, offset, data[: rng.randrange(1, len(data))]
    skipped = 512 * rng.randrange(len(data) // 512 + 1)
    return what, file, offset + skipped, data[skipped:]


@contextmanager
def recording(folder: Path) -> Iterator[Recorder]:
    """Record what SQLite does in a folder."""
    library = sqlite_library()
    assert library is not None
    recorder = Recorder(folder)
    end = recorder.install(library)
    try:
        yield recorder
    finally:
        end()


def record(folder: Path, seconds: float, synchronous: str = "FULL") -> list[Operation]:
    """A store that is written to by many for a while, then closed, in an empty folder."""

    async def work(recorder: Recorder) -> None:
        directory = DataDir(folder)
        directory.open()
        database = Database.open(directory.database_file)

        def tune(db: sqlite3.Connection) -> None:
            db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")

        await database.write(tune)
        connection = await database.write(lambda db: db)
        connection.execute(f"PRAGMA synchronous={synchronous}")
        number = itertools.count(1)
        writers = [
            asyncio.ensure_future(scribe.write(name, database, number, recorder.say))
            for name in range(scribe.WRITERS)
        ]
        done, _ = await asyncio.wait(writers, timeout=seconds)
        for task in writers:
            task.cancel()
        assert not done, done
        await database.close()
        directory.close()

    with recording(folder) as recorder:
        asyncio.run(work(recorder))
    return recorder.operations


@dataclass
class Found:
    """How many power cuts there were, and what was wrong after which."""

    states: int = 0
    operations: int = 0
    said: int = 0
    wrong: list[str] = field(default_factory=list)


def replay(operations: list[Operation], folder: Path, states: int, rng: random.Random) -> Found:
    """Cut the power `states` times, at moments spread over the record, and look each time."""
    found = Found(operations=len(operations))
    chances = states / max(1, len(operations))
    disk, ledger = Disk(), Ledger()
    for position, operation in enumerate(operations):
        if operation[0] == "said":
            ledger.note(operation[3].decode())
            found.said += 1
        else:
            disk.take(operation)
        for _ in range(int(chances) + (rng.random() < chances % 1)):
            found.states += 1
            flaw = _look(disk.crashed(rng), ledger, folder)
            if flaw:
                found.wrong.append(f"at operation {position}: {flaw}")
    return found


def _look(files: dict[str, bytearray], ledger: Ledger, folder: Path) -> str:
    """Open what the disk shows as the daemon would; what is wrong with it."""
    for name in (*FILES, f"{DATABASE_NAME}-shm"):
        (folder / name).unlink(missing_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    file = folder / DATABASE_NAME

    async def look() -> None:
        database = Database.open(file)
        try:
            await ledger.compare(database)
        finally:
            await database.close()

    try:
        asyncio.run(look())
        with closing(sqlite3.connect(file)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        return "" if found == "ok" else str(found)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--states", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory() as there, tempfile.TemporaryDirectory() as here:
        operations = record(Path(there) / "data", given.seconds)
        found = replay(operations, Path(here), given.states, random.Random(given.seed))
    print(
        f"seed {given.seed}: {found.states} power cuts in {found.operations} operations with "
        f"{found.said} acknowledgements; wrong: {len(found.wrong)}"
    )
    print("\n".join(found.wrong[:20]))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
