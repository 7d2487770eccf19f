"""How much of each workspace lies on disk, counted where it lies."""

from typing import NamedTuple

from hyphad.store.database import Database

_EVENTS = "SELECT count(*) AS n, total(length(data)) AS size FROM events WHERE workspace = ?"
_TASKS = "SELECT count(*) AS n, total(length(task)) AS size FROM queue_tasks WHERE workspace = ?"


class Amount(NamedTuple):
    """Of one kind of thing."""

    number: int
    size: int


class Stored:
    """Logged events and waiting tasks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, workspace: str) -> tuple[Amount, Amount]:
        """Events and tasks of a workspace; asked of the disk, for pages that people open."""
        amounts = []
        for sql in (_EVENTS, _TASKS):
            (row,) = await self._db.query(sql, (workspace,))
            amounts.append(Amount(int(row["n"]), int(row["size"])))
        return amounts[0], amounts[1]
