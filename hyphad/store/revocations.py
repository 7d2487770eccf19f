"""Revoked tokens: remembered until they would have expired anyway (WS-60, AUTH-35)."""

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterable

from hyphad.store.database import Database

log = logging.getLogger(__name__)


class Revocations:
    """Asked at every authentication, so it answers from memory; changed only through the disk."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock
        self._expires: dict[str, float] = {}
        self.load()

    def load(self) -> None:
        """A row whose time is damaged stays revoked: the one damage that must not be skipped."""
        self._expires.clear()
        for row in self._db.read("SELECT key, expires_at FROM revoked"):
            expires_at = row["expires_at"]
            if not isinstance(expires_at, int | float):
                log.error("bad_row table=revoked id=%r reason='no number; kept'", row["key"])
                expires_at = math.inf
            self._expires[str(row["key"])] = float(expires_at)

    def __contains__(self, key: object) -> bool:
        return key in self._expires

    def __len__(self) -> int:
        return len(self._expires)

    def add(self, keys: Iterable[str], expires_at: float) -> "asyncio.Future[None]":
        """Revoke until `expires_at` (unix seconds); in force when the future resolves."""
        rows = [(key, expires_at) for key in keys]

        def upsert(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO revoked (key, expires_at) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE"
                " SET expires_at = max(expires_at, excluded.expires_at)",
                rows,
            )

        def remember(_: None) -> None:
            for key, until in rows:
                self._expires[key] = max(until, self._expires.get(key, until))

        return self._db.write(upsert, remember)

    def purge(self) -> None:
        """Forget those that have expired; on disk a little later."""
        now = self._clock()
        expired = [key for key, expires_at in self._expires.items() if expires_at < now]
        if not expired:
            return
        for key in expired:
            del self._expires[key]
        self._db.write_behind(
            lambda connection: connection.execute(
                "DELETE FROM revoked WHERE expires_at < ?", (now,)
            )
        )
