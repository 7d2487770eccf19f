"""The audit log on disk: the newest hundred thousand security events (AUTH-109)."""

import sqlite3
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, number_of, text_of, to_json

KEPT = 100_000
TRIM_EVERY = 1000
MAX_LISTED = 1000
_COLUMNS = ("event", "outcome", "actor", "subject", "address")


class AuditTable:
    """Rows are written behind: an event must not fail, or wait for, what it reports."""

    def __init__(self, db: Database, keep: int = KEPT, trim_every: int = TRIM_EVERY) -> None:
        self._db = db
        self._keep = keep
        self._trim_every = trim_every

    def add(self, moment: float, values: dict[str, str], detail: dict[str, Any]) -> None:
        """`values` has event, outcome, actor, subject and address; `detail` is plain JSON."""
        row = (moment, *(values[name] for name in _COLUMNS), to_json(detail))

        def insert(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "INSERT INTO audit (moment, event, outcome, actor, subject, address, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            last = done.lastrowid or 0
            if last % self._trim_every == 0:
                connection.execute("DELETE FROM audit WHERE id <= ?", (last - self._keep,))

        self._db.write_behind(insert)

    async def find(
        self, limit: int = 100, event: str | None = None, user: str | None = None
    ) -> list[dict[str, Any]]:
        """The newest events, newest first; of one kind or about one user, if that is given.

        Waits for what was added before.
        """
        await self._db.write(lambda _: None)
        where, params = ["1"], []
        if event:
            where.append("event = ?")
            params.append(event)
        if user:
            where.append("(actor = ? OR subject = ?)")
            params += [user, user]
        rows = await self._db.query(
            f"SELECT * FROM audit WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
            (*params, max(1, min(limit, MAX_LISTED))),
        )
        return good_rows("audit", "id", rows, _parse)


def _parse(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "moment": number_of(row["moment"]),
        **{name: text_of(row[name]) for name in _COLUMNS},
        "detail": from_json(row["detail"], dict),
    }
