"""The table of workspaces: owners, config, env, bookmarks, service types in one record (WS-47)."""

import asyncio
import sqlite3
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, text_of, to_json

# What a workspace leaves behind, and its successor of the same name must not find (WS-43).
_BELONGINGS = ("queue_tasks", "events")


class WorkspaceTable:
    """Both futures resolve when the change is on disk."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[dict[str, Any]]:
        """Every record that can be read, in the order they were first written."""
        rows = self._db.read("SELECT id, record FROM workspaces ORDER BY rowid")
        return good_rows("workspaces", "id", rows, _parse)

    def save(self, record: dict[str, Any]) -> "asyncio.Future[None]":
        """Insert or replace, as the record is now. Raises `Invalid` if it is no plain JSON."""
        row = (record["id"], to_json(record))

        def upsert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO workspaces (id, record) VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                row,
            )

        return self._db.write(upsert)

    def delete(self, workspace_id: str) -> "asyncio.Future[None]":
        """The record goes, and its queues and events with it."""

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM workspaces WHERE id = ?", (workspace_id,))
            for table in _BELONGINGS:
                connection.execute(f"DELETE FROM {table} WHERE workspace = ?", (workspace_id,))

        return self._db.write(delete)


def _parse(row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = from_json(row["record"], dict)
    if record.get("id") != text_of(row["id"]):
        raise ValueError("the record has another id")
    return record
