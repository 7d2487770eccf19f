"""One daemon, one browser and one microscope for all tests of the console.

They are fixtures of the package: the browser's driver keeps an event loop running, which tests of
other folders could not do with.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from browsers import chromium
from hubs import ROOT_TOKEN, shared_hub
from instrument import Instrument
from providers import Provider
from running import Hyphad
from tickets import ticket


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hyphad]:
    yield from shared_hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="package")
def instrument() -> Instrument:
    return Instrument()


@pytest.fixture(scope="package")
def lab(hub: Hyphad, instrument: Instrument) -> Iterator[Provider]:
    """Alice's microscope."""
    yield from _microscope(hub, instrument, token=ticket("alice"))


@pytest.fixture(scope="package")
def root_lab(hub: Hyphad) -> Iterator[Provider]:
    """The administrator's."""
    yield from _microscope(hub, Instrument(), token=ROOT_TOKEN, workspace="ws-user-root")


def _microscope(hub: Hyphad, instrument: Instrument, **config: str) -> Iterator[Provider]:
    client = Provider(hub.url, client_id="microscope", **config)
    for service in instrument.services():
        client.register(service)
    yield client
    client.stop()
