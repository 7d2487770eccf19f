"""Where people are signed in: browsers, programs, and tokens they made to hand out (AUTH-108).

A session is one first-hand token, by its id; the token itself is not kept. Tokens of programs that
programs made are not listed: they descend from one of these and end with it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import good_rows, number_of, text_of

BROWSER, PROGRAM, TOKEN = "browser", "program", "token"


@dataclass(frozen=True, slots=True)
class Session:
    """`label` says in words who it was made for; times are unix seconds."""

    jti: str
    user_id: str
    kind: str
    label: str
    workspace: str | None
    permission: str | None
    address: str
    created_at: float
    expires_at: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class SessionTable:
    """Nothing of them is kept in memory: they are looked at rarely."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock

    def add(self, session: Session) -> "asyncio.Future[None]":
        row = tuple(asdict(session).values())

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (self._clock(),))
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

        return self._db.write(insert)

    async def of(self, user_id: str | None = None) -> list[Session]:
        """Those of one user, or all, that have not expired; newest first."""
        where, params = "expires_at > ?", [self._clock()]
        if user_id is not None:
            where, params = f"{where} AND user_id = ?", [*params, user_id]  # type: ignore[list-item]
        rows = await self._db.query(
            f"SELECT * FROM sessions WHERE {where} ORDER BY created_at DESC, rowid DESC", params
        )
        return good_rows("sessions", "jti", rows, _parse)

    async def find(self, jti: str) -> Session | None:
        rows = await self._db.query("SELECT * FROM sessions WHERE jti = ?", (jti,))
        found = good_rows("sessions", "jti", rows, _parse)
        return found[0] if found else None

    def remove(self, jti: str) -> "asyncio.Future[None]":
        return self._delete("jti", jti)

    def remove_of(self, user_id: str) -> "asyncio.Future[None]":
        return self._delete("user_id", user_id)

    def _delete(self, column: str, value: str) -> "asyncio.Future[None]":
        def delete(connection: sqlite3.Connection) -> None:
            connection.execute(f"DELETE FROM sessions WHERE {column} = ?", (value,))

        return self._db.write(delete)


def _parse(row: dict[str, Any]) -> Session:
    workspace, permission = row["workspace"], row["permission"]
    return Session(
        text_of(row["jti"]),
        text_of(row["user_id"]),
        text_of(row["kind"]),
        text_of(row["label"]),
        None if workspace is None else text_of(workspace),
        None if permission is None else text_of(permission),
        text_of(row["address"]),
        number_of(row["created_at"]),
        number_of(row["expires_at"]),
    )
