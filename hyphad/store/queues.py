"""Tasks that wait in queues: there after a restart, gone once they were taken (WS-65)."""

import asyncio
import sqlite3
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, text_of, to_json


class QueueTable:
    """The order of ids is the order of the queue."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[tuple[str, str, int, Any]]:
        """(workspace, queue, task id, task), oldest first."""
        rows = self._db.read("SELECT id, workspace, queue, task FROM queue_tasks ORDER BY id")
        return good_rows("queue_tasks", "id", rows, _parse)

    def push(self, workspace: str, queue: str, task: Any) -> "asyncio.Future[int]":
        """The task's id, once it is on disk. Raises `Invalid` if it is no plain JSON."""
        row = (workspace, queue, to_json(task))

        def insert(connection: sqlite3.Connection) -> int:
            sql = "INSERT INTO queue_tasks (workspace, queue, task) VALUES (?, ?, ?)"
            return int(connection.execute(sql, row).lastrowid or 0)

        return self._db.write(insert)

    def delete(self, task_id: int) -> "asyncio.Future[None]":
        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM queue_tasks WHERE id = ?", (task_id,))

        return self._db.write(delete)

    def restore(self, workspace: str, queue: str, task_id: int, task: Any) -> None:
        """A task whose taker has gone, at its old place in the queue; written behind."""
        row = (task_id, workspace, queue, to_json(task))
        sql = "INSERT OR IGNORE INTO queue_tasks (id, workspace, queue, task) VALUES (?, ?, ?, ?)"
        self._db.write_behind(lambda connection: connection.execute(sql, row))

    def drop_workspace(self, workspace: str) -> None:
        """The tasks of a workspace that is gone; written behind."""
        self._db.write_behind(
            lambda connection: connection.execute(
                "DELETE FROM queue_tasks WHERE workspace = ?", (workspace,)
            )
        )


def _parse(row: dict[str, Any]) -> tuple[str, str, int, Any]:
    task = from_json(row["task"], object)
    return text_of(row["workspace"]), text_of(row["queue"]), int(row["id"]), task
