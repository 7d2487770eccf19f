"""Failed attempts by key, so that a restart is no fresh start for who guesses (AUTH-106)."""

import sqlite3
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import good_rows, number_of, text_of


class ThrottleTable:
    """`(failures, when the last one was)` by key; written behind, never waited for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[tuple[str, int, float]]:
        """Oldest first."""
        rows = self._db.read("SELECT key, failures, last FROM throttle ORDER BY last")
        return good_rows("throttle", "key", rows, _parse)

    def save(self, key: str, failures: int, last: float) -> None:
        row = (key, failures, last)
        self._db.write_behind(
            lambda connection: connection.execute(
                "INSERT INTO throttle (key, failures, last) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE"
                " SET failures = excluded.failures, last = excluded.last",
                row,
            )
        )

    def remove(self, keys: list[str]) -> None:
        def delete(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM throttle WHERE key = ?", [(key,) for key in keys])

        self._db.write_behind(delete)


def _parse(row: dict[str, Any]) -> tuple[str, int, float]:
    return text_of(row["key"]), int(number_of(row["failures"])), number_of(row["last"])
