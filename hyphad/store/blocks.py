"""Users and addresses that an administrator has blocked (WS-66, AUTH-141)."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from hyphad.store.database import Database
from hyphad.store.rows import good_rows, number_of, text_of

Kind = Literal["user", "ip"]


class Block(NamedTuple):
    """Why, and until when (unix seconds)."""

    reason: str
    expires_at: float


class Blocks:
    """Asked at every authentication, so it answers from memory; changed only through the disk."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock
        self._blocks: dict[tuple[str, str], Block] = {}
        self.load()

    def load(self) -> None:
        rows = self._db.read("SELECT kind, value, reason, expires_at FROM blocks ORDER BY rowid")
        self._blocks = dict(good_rows("blocks", "value", rows, _parse))

    def reason(self, kind: Kind, value: str) -> str | None:
        """Why this user or address is blocked at this moment; `None` if it is not."""
        block = self._blocks.get((kind, value))
        return block.reason if block and block.expires_at > self._clock() else None

    def list(self) -> list[dict[str, Any]]:
        """What is in force: `{"kind", "value", "reason", "expires_at"}`, oldest first."""
        now = self._clock()
        return [
            {"kind": kind, "value": value, **block._asdict()}
            for (kind, value), block in self._blocks.items()
            if block.expires_at > now
        ]

    def add(self, kind: Kind, value: str, reason: str, expires_at: float) -> "asyncio.Future[None]":
        """Block, or change the block; in force when the future resolves."""
        block = Block(reason, expires_at)

        def upsert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO blocks (kind, value, reason, expires_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (kind, value) DO UPDATE"
                " SET reason = excluded.reason, expires_at = excluded.expires_at",
                (kind, value, *block),
            )

        return self._db.write(upsert, lambda _: self._blocks.update({(kind, value): block}))

    def remove(self, kind: Kind, value: str) -> "asyncio.Future[bool]":
        """Lift a block; tells whether there was one in force."""
        was_blocked = self.reason(kind, value) is not None

        def delete(connection: sqlite3.Connection) -> bool:
            connection.execute("DELETE FROM blocks WHERE kind = ? AND value = ?", (kind, value))
            return was_blocked

        return self._db.write(delete, lambda _: self._drop(kind, value))

    def purge(self) -> None:
        """Forget those that have expired; on disk a little later."""
        now = self._clock()
        expired = [key for key, block in self._blocks.items() if block.expires_at <= now]
        if not expired:
            return
        for key in expired:
            self._drop(*key)
        self._db.write_behind(
            lambda connection: connection.execute(
                "DELETE FROM blocks WHERE expires_at <= ?", (now,)
            )
        )

    def _drop(self, kind: str, value: str) -> None:
        self._blocks.pop((kind, value), None)


def _parse(row: dict[str, Any]) -> tuple[tuple[str, str], Block]:
    key = (text_of(row["kind"]), text_of(row["value"]))
    return key, Block(text_of(row["reason"]), number_of(row["expires_at"]))
