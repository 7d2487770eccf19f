"""Which clients are here, so that after a restart they are expected back (D-26).

Nobody waits for these writes: changes are gathered for a moment, and of each client only its last
state is written. One write is under way at a time; if the disk refuses it, it is tried again.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

from hyphad.core.errors import StorageError
from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, text_of, to_json

GATHER_SECONDS = 0.1
RETRY_SECONDS = 5.0

# The user and services of each client that has changed; None: it has left.
_States = dict[str, tuple[str, Callable[[], list[str]]] | None]


class PresenceTable:
    """The clients with their user and the names of their services."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._changed: _States = {}
        self._unseen: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing = self._closed = False

    def all(self) -> list[tuple[str, str, list[str]]]:
        """(client, user id, service names) of those that were here when the last run ended."""
        rows = self._db.read("SELECT client, user_id, services FROM presence ORDER BY rowid")
        clients = good_rows("presence", "client", rows, _parse)
        self._unseen = {client for client, _, _ in clients}
        return clients

    def save(self, client: str, user_id: str, services: Callable[[], list[str]]) -> None:
        """`services` is asked for their names when it comes to writing, not at each change."""
        self._change(client, (user_id, services))

    def remove(self, client: str) -> None:
        self._change(client, None)

    def drop_unseen(self) -> None:
        """Forget those of the last run that have not come back: they are expected only once."""
        for client in list(self._unseen):
            self.remove(client)

    def close(self) -> None:
        """Keep what is here now for the next run: connections that end after this stay known.

        To be called when the daemon stops, before it closes connections and the database.
        """
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._changed:
            self._db.write_behind(_writing(self._changed))

    def _change(self, client: str, state: tuple[str, Callable[[], list[str]]] | None) -> None:
        if self._closed:
            return
        self._unseen.discard(client)
        self._changed[client] = state
        self._schedule(GATHER_SECONDS)

    def _schedule(self, delay: float) -> None:
        if self._timer is None and not self._writing and self._changed and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(delay, self._flush)

    def _flush(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, {}
        self._writing = True

        def written(done: "asyncio.Future[None]") -> None:
            self._writing = False
            if isinstance(done.exception(), StorageError):
                self._changed = {**changed, **self._changed}
                self._schedule(RETRY_SECONDS)
            else:
                self._schedule(GATHER_SECONDS)

        self._db.write(_writing(changed)).add_done_callback(written)


def _writing(changed: _States) -> Callable[[sqlite3.Connection], None]:
    gone = [(client,) for client, state in changed.items() if state is None]
    here = [
        (client, state[0], to_json(state[1]()))
        for client, state in changed.items()
        if state is not None
    ]
    return lambda connection: _write(connection, gone, here)


def _write(
    connection: sqlite3.Connection, gone: list[tuple[str]], here: list[tuple[str, str, str]]
) -> None:
    connection.executemany("DELETE FROM presence WHERE client = ?", gone)
    connection.executemany(
        "INSERT INTO presence (client, user_id, services) VALUES (?, ?, ?)"
        " ON CONFLICT (client) DO UPDATE"
        " SET user_id = excluded.user_id, services = excluded.services",
        here,
    )


def _parse(row: dict[str, Any]) -> tuple[str, str, list[str]]:
    services = [text_of(name) for name in from_json(row["services"], list)]
    return text_of(row["client"]), text_of(row["user_id"]), services
