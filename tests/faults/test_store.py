"""The store under violence: killed while it writes, and on a disk that is really full."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import full_disk
import pytest
from full_disk import own_mounts
from ledger import Ledger
from scribe import Scribe

import hyphad
from hyphad.store.database import Database

ROUNDS = int(os.environ.get("HYPHAD_KILL_ROUNDS", "20"))
LONGEST = 0.3


def run_and_kill(data: Path) -> list[str]:
    """What one process had acknowledged when it was killed at a random moment."""
    scribe = Scribe(data)
    first = scribe.first_line().strip()
    killed: list[str] = []
    timer = threading.Timer(random.uniform(0, LONGEST), lambda: killed.extend(scribe.kill()))
    timer.start()
    timer.join()
    return [first, *killed]


def test_what_was_acknowledged_survives_kill_9_at_any_moment(tmp_path, caplog):  # WS-47
    ledger = Ledger()

    async def look() -> None:
        db = Database.open(tmp_path / "hyphad.db")
        await ledger.compare(db)
        await db.close()

    for turn in range(ROUNDS):
        for line in run_and_kill(tmp_path):
            ledger.note(line)
        # Every other round goes on from the log as it was left, unseen by anybody.
        if turn % 2:
            asyncio.run(look())
    assert [line for line in caplog.messages if line.startswith("bad_row")] == []
    assert len(ledger.tasks) > ROUNDS
    assert ledger.deleted
    assert all(ledger.sets.values())


def test_on_a_full_disk_changes_fail_and_resume(tmp_path):  # D-28
    command = own_mounts()
    if command is None:
        pytest.skip("no mount namespaces here")
    environment = {**os.environ, "PYTHONPATH": str(Path(hyphad.__file__).parents[1])}
    done = subprocess.run(
        [*command, sys.executable, full_disk.__file__, tmp_path],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
