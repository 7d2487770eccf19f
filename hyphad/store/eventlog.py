"""The event log of workspaces: what `log` and `log_event` wrote, for `get_events` (WS-57).

It is bounded twice: the newest events of each workspace are kept, and one answer has a size that
the daemon's memory can carry.
"""

import asyncio
import sqlite3
from datetime import UTC, datetime
from typing import Any

from hyphad.core.errors import Invalid
from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, to_json

MAX_EVENTS = 100_000
TRIM_EVERY = 1000
MAX_DATA = 1 << 20
MAX_ANSWER = 32 << 20


class EventLog:
    """Events on disk; nothing of them is kept in memory. `keep` is per workspace."""

    def __init__(self, db: Database, keep: int = MAX_EVENTS, trim_every: int = TRIM_EVERY) -> None:
        self._db = db
        self._keep = keep
        self._trim_every = trim_every
        # How many rows each workspace has, as the writer has counted: when to trim, not how much.
        self._counts: dict[str, int] = {}

    def add(
        self, event_type: str, workspace: str, user_id: str, data: Any
    ) -> "asyncio.Future[None]":
        """Resolves when the event is on disk. Raises `Invalid` for data that is no JSON or long."""
        text = to_json(data)
        if len(text) > MAX_DATA:
            raise Invalid(f"Event data may be {MAX_DATA} bytes long as JSON, this is {len(text)}")
        row = (event_type, workspace, user_id, _iso(datetime.now(UTC)), text)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO events (event_type, workspace, user_id, timestamp, data)"
                " VALUES (?, ?, ?, ?, ?)",
                row,
            )
            self._trim(connection, workspace)

        return self._db.write(insert)

    async def find(
        self,
        workspace: str,
        user_id: str,
        event_type: str | None = None,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Events of one user in one workspace, oldest first; both ends are included (WS-57)."""
        where, params = _filter(workspace, user_id, event_type, start, end)
        sql = (
            "SELECT id, event_type, workspace, user_id, timestamp, data FROM events"
            f" WHERE {where} ORDER BY id"
        )

        def reading(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            rows, size = [], 0
            for row in connection.execute(sql, params):
                size += len(row["data"] or "")
                if size > MAX_ANSWER:
                    raise Invalid(
                        f"These events are over {MAX_ANSWER >> 20} MiB together; "
                        "ask for one event_type or a shorter time"
                    )
                rows.append(dict(row))
            return good_rows("events", "id", rows, _parse)

        return await self._db.fetch(reading)

    async def stats(
        self,
        workspace: str,
        user_id: str,
        event_type: str | None = None,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
    ) -> list[dict[str, Any]]:
        """How many of each type: `{"event_type", "count"}`."""
        where, params = _filter(workspace, user_id, event_type, start, end)
        return await self._db.query(
            "SELECT event_type, count(*) AS count FROM events"
            f" WHERE {where} GROUP BY event_type ORDER BY event_type",
            params,
        )

    def drop_workspace(self, workspace: str) -> None:
        """The events of a workspace that is gone; written behind."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM events WHERE workspace = ?", (workspace,))
            self._counts.pop(workspace, None)

        self._db.write_behind(delete)

    def _trim(self, connection: sqlite3.Connection, workspace: str) -> None:
        """Runs in the writer. Counts once per workspace and run, then looks only when due."""
        count = self._counts.get(workspace)
        if count is None:
            sql = "SELECT count(*) FROM events WHERE workspace = ?"
            count = connection.execute(sql, (workspace,)).fetchone()[0] - 1
        self._counts[workspace] = count + 1
        if count + 1 < self._keep + self._trim_every:
            return
        connection.execute(
            "DELETE FROM events WHERE workspace = :workspace AND id <= (SELECT id FROM events"
            " WHERE workspace = :workspace ORDER BY id DESC LIMIT 1 OFFSET :keep)",
            {"workspace": workspace, "keep": self._keep},
        )
        self._counts[workspace] = self._keep


def _filter(
    workspace: str,
    user_id: str,
    event_type: str | None,
    start: str | datetime | None,
    end: str | datetime | None,
) -> tuple[str, list[str]]:
    where, params = ["workspace = ?", "user_id = ?"], [workspace, user_id]
    for condition, value in (
        ("event_type = ?", event_type),
        ("timestamp >= ?", _moment("start_time", start)),
        ("timestamp <= ?", _moment("end_time", end)),
    ):
        if value is not None:
            where.append(condition)
            params.append(value)
    return " AND ".join(where), params


def _moment(name: str, value: str | datetime | None) -> str | None:
    """A point in time as the table has it; without a zone it is UTC. Raises `Invalid`."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Invalid(f"{name}: an ISO date such as 2026-01-31T12:00:00 is expected") from None
    return None if value is None else _iso(value)


def _iso(moment: datetime) -> str:
    """Naive UTC with microseconds: always as long, so that text order is time order."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")


def _parse(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "data": from_json(row["data"], object)}
