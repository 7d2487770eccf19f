"""Power cuts at any moment, on a disk that loses and tears what was not synced."""

import random
import sqlite3
from pathlib import Path

import pytest
from powercut import Found, record, replay, sqlite_library

SECONDS = 0.5
STATES = 150

assert sqlite3.sqlite_version  # loads the library that the recorder looks for
needs_library = pytest.mark.skipif(
    sqlite_library() is None, reason="sqlite3 is built into this Python"
)


def cuts(folder: Path, synchronous: str, states: int) -> Found:
    (folder / "replayed").mkdir()
    operations = record(folder / "recorded", SECONDS, synchronous)
    return replay(operations, folder / "replayed", states, random.Random(4711))


@needs_library
def test_what_was_acknowledged_survives_a_power_cut_at_any_moment(tmp_path):  # WS-47
    found = cuts(tmp_path, "FULL", STATES)
    assert found.wrong == []
    assert found.states > STATES / 2
    assert found.said > 100


@needs_library
@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_a_store_that_syncs_less_would_be_caught(synchronous, tmp_path):
    assert cuts(tmp_path, synchronous, 30).wrong
