"""The daemon most tests here talk to: it knows the secret that the tests sign tickets with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Hyphad
from tickets import JWT_SECRET

ROOT_TOKEN = "Zk9vQ2xYw7RfT1uLm4NpS8aHbJcEdGiK"
FLAGS = ("--jwt-secret", JWT_SECRET, "--root-token", ROOT_TOKEN)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hyphad]:
    """A running daemon, shared by the tests of one module."""
    yield from shared_hub(tmp_path_factory.mktemp("hub"))


def shared_hub(folder: Path) -> Iterator[Hyphad]:
    """A daemon, until the generator is resumed; then its log must be without tracebacks."""
    daemon = Hyphad(folder, *FLAGS).start()
    yield daemon
    if daemon.process is not None:
        daemon.stop()
    unexpected = [line for line in daemon.log.splitlines() if "Traceback" in line]
    assert not unexpected, daemon.log
