"""What a store had been promised to keep, by the lines that a scribe says (`scribe`)."""

from scribe import WRITERS

from hyphad.store.blocks import Blocks
from hyphad.store.database import Database
from hyphad.store.eventlog import EventLog
from hyphad.store.meta import Meta
from hyphad.store.queues import QueueTable
from hyphad.store.revocations import Revocations
from hyphad.store.workspaces import WorkspaceTable


class Ledger:
    """What was acknowledged before the process or the machine died, over any number of deaths."""

    def __init__(self) -> None:
        self.tasks: set[int] = set()
        self.deleted: set[int] = set()
        self.doubtful: set[int] = set()
        self.newest: dict[tuple[str, str], int] = {}
        self.sets: dict[str, set[str]] = {"revoked": set(), "blocked": set(), "logged": set()}

    def note(self, line: str) -> None:
        word, *rest = line.split()
        if word == "pushed":
            self.tasks.add(int(rest[0]))
        elif word == "deleting":
            self.doubtful.add(int(rest[0]))
        elif word == "deleted":
            self.deleted.add(int(rest[0]))
        elif word in ("saved", "set"):
            self.newest[word, rest[0]] = int(rest[1])
        else:
            self.sets[word].add(rest[0])

    async def compare(self, db: Database) -> None:
        """Everything acknowledged is there, everything deleted is not."""
        tasks = {task[2] for task in QueueTable(db).all()}
        assert self.tasks - self.doubtful <= tasks
        assert not self.deleted & tasks
        saved = {record["id"]: record["n"] for record in WorkspaceTable(db).all()}
        meta = Meta(db)
        for (word, workspace), n in self.newest.items():
            found = saved.get(workspace) if word == "saved" else meta.get(workspace)
            assert found is not None, (word, workspace)
            assert found >= n
        revocations, blocks = Revocations(db), Blocks(db)
        assert all(key in revocations for key in self.sets["revoked"])
        assert all(blocks.reason("ip", ip) for ip in self.sets["blocked"])
        logged = set()
        for name in range(WRITERS):
            events = await EventLog(db).find(f"ws-{name}", "me")
            logged |= {str(event["data"]) for event in events}
        assert self.sets["logged"] <= logged
