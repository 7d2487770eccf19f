"""One-time codes: invitations to sign up, and links to set a password (AUTH-98, AUTH-99).

Only digests are kept: who reads the database cannot use the codes in it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, number_of, text_of, to_json

INVITE, RESET = "invite", "reset"


@dataclass(frozen=True, slots=True)
class Code:
    """What a code is good for. `user_id` is whose password it sets; `roles` what it invites to."""

    digest: str
    purpose: str
    expires_at: float
    created_by: str
    user_id: str | None = None
    roles: tuple[str, ...] = ("user",)


class CodeTable:
    """Codes are used up by `accounts.spend`, in one transaction with what they allow."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    def add(self, code: Code) -> "asyncio.Future[None]":
        """A newer link to set a password replaces the older ones of that user."""
        row = (
            code.digest,
            code.purpose,
            code.expires_at,
            code.created_by,
            code.user_id,
            to_json(list(code.roles)),
        )
        now = self._clock()

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM codes WHERE expires_at <= ?", (now,))
            if code.user_id is not None:
                connection.execute("DELETE FROM codes WHERE user_id = ?", (code.user_id,))
            connection.execute(
                "INSERT INTO codes (digest, purpose, expires_at, created_by, user_id, roles)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

        return self._db.write(insert)

    async def find(self, digest: str, purpose: str) -> Code | None:
        """A code that may still be used."""
        rows = await self._db.query(
            "SELECT * FROM codes WHERE digest = ? AND purpose = ? AND expires_at > ?",
            (digest, purpose, self._clock()),
        )
        found = good_rows("codes", "digest", rows, _parse)
        return found[0] if found else None

    def drop_of(self, user_id: str) -> "asyncio.Future[None]":
        """Links of a user that are out in the world work no more."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM codes WHERE user_id = ?", (user_id,))

        return self._db.write(delete)


def _parse(row: dict[str, Any]) -> Code:
    user_id = row["user_id"]
    return Code(
        text_of(row["digest"]),
        text_of(row["purpose"]),
        number_of(row["expires_at"]),
        text_of(row["created_by"]),
        None if user_id is None else text_of(user_id),
        tuple(str(role) for role in from_json(row["roles"], list)),
    )
