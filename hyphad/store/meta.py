"""Small things the daemon remembers about itself, such as the ids of its earlier starts (D-5)."""

import asyncio
import sqlite3
from typing import Any

from hyphad.store.database import Database
from hyphad.store.rows import from_json, good_rows, text_of, to_json


class Meta:
    """JSON values by name; read from memory, changed through the disk."""

    def __init__(self, db: Database) -> None:
        self._db = db
        rows = db.read("SELECT key, value FROM meta")
        self._texts = dict(good_rows("meta", "key", rows, _parse))

    def get(self, key: str, default: Any = None) -> Any:
        """A value of its own for each caller, who may change it."""
        text = self._texts.get(key)
        return default if text is None else from_json(text, object)

    def set(self, key: str, value: Any) -> "asyncio.Future[None]":
        """To be seen when the future resolves. Raises `Invalid` if it is no plain JSON."""
        text = to_json(value)

        def upsert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, text),
            )

        return self._db.write(upsert, lambda _: self._texts.update({key: text}))

    def raise_to(self, key: str, value: float) -> "asyncio.Future[float]":
        """The greater of a number and what stands there, also if another process wrote that."""

        def raise_it(connection: sqlite3.Connection) -> float:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            found = max(value, float(from_json(row["value"], float))) if row is not None else value
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, to_json(float(found))),
            )
            return found

        return self._db.write(
            raise_it, lambda found: self._texts.update({key: to_json(float(found))})
        )


def _parse(row: dict[str, Any]) -> tuple[str, str]:
    from_json(row["value"], object)
    return text_of(row["key"]), row["value"]
