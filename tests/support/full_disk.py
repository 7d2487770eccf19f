"""A small disk that fills up, in a mount namespace of its own, and a store on it.

    unshare --mount python full_disk.py <directory>

Ends with 0 when everything was as D-28 says; otherwise with a traceback.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

from hyphad.core.errors import StorageError
from hyphad.store.blocks import Blocks
from hyphad.store.database import Database, StoreError
from hyphad.store.datadir import DataDir
from hyphad.store.queues import QueueTable
from hyphad.store.revocations import Revocations
from hyphad.store.workspaces import WorkspaceTable

SIZE = 3 << 20


def own_mounts() -> list[str] | None:
    """The command that gives a process mounts of its own, if this system permits it."""
    if shutil.which("unshare") is None:
        return None
    command = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "-r", "--mount"]
    probe = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    done = subprocess.run(probe, check=False, capture_output=True)
    return command if done.returncode == 0 else None


def mount(directory: Path) -> None:
    """Only this process and its children see it."""
    options = f"size={SIZE},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True)


def fill_up(filler: Path) -> None:
    with filler.open("ab", buffering=0) as out:
        for piece in (1 << 16, 1):
            try:
                while True:
                    out.write(b"x" * piece)
            except OSError:
                pass


async def refused(future: "asyncio.Future[object]") -> None:
    try:
        await future
    except StorageError as error:
        assert str(error).startswith("The disk is full (or refuses writes); nothing was changed.")
    else:
        raise AssertionError("a full disk took a change")


async def main(directory: Path) -> None:
    mount(directory)
    data, filler = DataDir(directory / "data"), directory / "filler"
    data.open()
    db = Database.open(data.database_file)
    table, queues = WorkspaceTable(db), QueueTable(db)
    revocations, blocks = Revocations(db), Blocks(db)
    await table.save({"id": "ws-a", "n": 1})
    await revocations.add(["first"], 1e12)
    big = {"id": "ws-a", "n": 2, "text": "x" * 300_000}

    for turn in range(3):
        fill_up(filler)
        await refused(table.save(big))
        waiting = [
            revocations.add(["second"], 1e12),
            blocks.add("user", "bob", "r" * 300_000, 1e12),
            *(queues.push("ws-a", "q", "x" * 100_000) for _ in range(5)),
        ]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert any(isinstance(result, StorageError) for result in done), done
        assert blocks.reason("user", "bob") is None
        assert ("second" in revocations) == (done[0] is None or turn > 0)
        assert "first" in revocations
        acknowledged = [result for result in done[2:] if isinstance(result, int)]
        assert {task[2] for task in queues.all()} >= set(acknowledged)
        assert [record["n"] for record in table.all()] == [1 + turn]

        filler.unlink()
        await table.save({"id": "ws-a", "n": 2 + turn})
        await revocations.add(["second"], 1e12)
        assert await db.query("SELECT count(*) AS n FROM workspaces") == [{"n": 1}]

    fill_up(filler)
    await db.close()
    filler.unlink()
    db = Database.open(data.database_file)
    assert [record["n"] for record in WorkspaceTable(db).all()] == [4]
    assert "second" in Revocations(db)

    await db.close()
    fill_up(filler)
    try:
        Database.open(data.database_file)
    except StoreError as error:
        assert "Check that its disk is not full" in str(error), error
    else:
        raise AssertionError("opened on a full disk")
    filler.unlink()

    db = Database.open(data.database_file)
    fill_up(filler)
    try:
        await db.backup(directory / "copy.db")
    except StoreError as error:
        assert "Free some space" in str(error), error
    else:
        raise AssertionError("copied to a full disk")
    assert not (directory / "copy.db.part").exists()
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
