"""A process that writes to a store, and says of each change that it was acknowledged.

Started with a data directory, it writes until it is killed. A line on its output is one change:
`pushed <id>`, `deleting <id>`, `deleted <id>`, `saved <workspace> <n>`, `revoked <key>`,
`logged <n>`, `blocked <ip>`, `set <n>`.
"""

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import hyphad
from hyphad.store.blocks import Blocks
from hyphad.store.database import Database
from hyphad.store.datadir import DataDir
from hyphad.store.eventlog import EventLog
from hyphad.store.meta import Meta
from hyphad.store.queues import QueueTable
from hyphad.store.revocations import Revocations
from hyphad.store.workspaces import WorkspaceTable

WRITERS = 6
FOREVER = 1e12


class Scribe:
    """The process, from outside."""

    def __init__(self, data: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(hyphad.__file__).parents[1])}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(data)], stdout=subprocess.PIPE, env=environment
        )

    def first_line(self) -> str:
        """Waits until it writes."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode()

    def kill(self) -> list[str]:
        """SIGKILL; then everything it has said since."""
        assert self._process.stdout is not None
        self._process.kill()
        with self._process.stdout as output:
            lines = output.read().decode().splitlines()
        self._process.wait()
        return lines


def say(*words: object) -> None:
    """One whole line, at once, past every buffer of this process."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def write(
    name: int,
    database: Database,
    number: "itertools.count[int]",
    say: Callable[..., None] = say,
) -> None:
    """Change something of every kind, again and again."""
    queues, workspaces = QueueTable(database), WorkspaceTable(database)
    revocations, blocks = Revocations(database), Blocks(database)
    events, meta = EventLog(database), Meta(database)
    workspace = f"ws-{name}"
    while True:
        n = next(number)
        task_id = await queues.push(workspace, "q", {"n": n, "text": "x" * (n % 3000)})
        say("pushed", task_id)
        await workspaces.save({"id": workspace, "n": n})
        say("saved", workspace, n)
        if n % 3 == 0:
            say("deleting", task_id)
            await queues.delete(task_id)
            say("deleted", task_id)
        await revocations.add([f"key-{n}"], FOREVER)
        say("revoked", f"key-{n}")
        await events.add("log", workspace, "me", n)
        say("logged", n)
        await blocks.add("ip", f"ip-{n}", "r", FOREVER)
        say("blocked", f"ip-{n}")
        await meta.set(workspace, n)
        say("set", workspace, n)


async def _main(data: Path) -> None:
    directory = DataDir(data)
    directory.open()
    database = Database.open(directory.database_file)
    number = itertools.count(time.time_ns() // 1000)
    await asyncio.gather(*(write(name, database, number) for name in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
