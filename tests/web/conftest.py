"""A daemon, and a real client that offers it all kinds of services to be called over HTTP."""

from collections.abc import Iterator

import pytest
from coroutines import pytest_pyfunc_call
from everyservice import Remembered, services
from hubs import hub
from providers import Provider
from running import Hyphad

__all__ = ["hub", "pytest_pyfunc_call"]


@pytest.fixture(scope="module")
def provider(hub: Hyphad) -> Iterator[Provider]:
    """The client `prov` with the services `t`, `c` (with context) and `prot` (protected)."""
    client = Provider(hub.url, client_id="prov")
    client.seen = Remembered()
    for service in services(client.seen):
        client.register(service)
    yield client
    client.stop()


@pytest.fixture(scope="module")
def ws(provider: Provider) -> str:
    """The path of the provider's workspace: `/ws-user-...`."""
    return f"/{provider.workspace}"
