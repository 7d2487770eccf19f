"""Fixtures that every folder of tests may use."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from running import Hyphad

# No example is too slow on a busy machine; `tests/faults/fuzz.py` tries many more of them.
settings.register_profile("hyphad", deadline=None, max_examples=50)
settings.load_profile("hyphad")

ROOT_TOKEN = "Zk9vQ2xYw7RfT1uLm4NpS8aHbJcEdGiK"


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """Commands that tests run in this process set the level for good: not for the next test."""
    logger = logging.getLogger("hyphad")
    before = logger.level
    yield
    logger.setLevel(before)


@pytest.fixture(scope="module")
def hyphad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hyphad]:
    """A running daemon, shared by the tests of one module. It has a root token."""
    daemon = Hyphad(tmp_path_factory.mktemp("hyphad"), "--root-token", ROOT_TOKEN).start()
    yield daemon
    if daemon.process is not None:
        daemon.stop()


@pytest.fixture
def make_hyphad(tmp_path: Path) -> Iterator[Callable[..., Hyphad]]:
    """Makes daemons of its own for a test; what still runs at the end is killed."""
    made: list[Hyphad] = []

    def make(*flags: str, env: dict[str, str] | None = None) -> Hyphad:
        folder = tmp_path / f"d{len(made)}"
        folder.mkdir()
        made.append(Hyphad(folder, *flags, env=env))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None:
            daemon.kill()
