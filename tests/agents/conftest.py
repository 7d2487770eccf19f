"""A daemon, a real client that offers services to agents, and a way to speak JSON-RPC to it."""

from collections.abc import Iterator

import pytest
from coroutines import pytest_pyfunc_call
from hubs import hub
from hypothesis import settings
from kitchen import services
from mcp_http import Mcp
from providers import Provider
from running import Hyphad

__all__ = ["hub", "pytest_pyfunc_call"]

settings.register_profile("hyphad", database=None, deadline=None)
settings.load_profile("hyphad")


@pytest.fixture(scope="module")
def provider(hub: Hyphad) -> Iterator[Provider]:
    """The client `chef`, with the services of `kitchen`."""
    client = Provider(hub.url, client_id="chef")
    for service in services():
        client.register(service)
    yield client
    client.stop()


@pytest.fixture(scope="module")
def ws(provider: Provider) -> str:
    return provider.workspace


@pytest.fixture
def mcp(hub: Hyphad, ws: str) -> Mcp:
    """MCP without any library: `mcp("tools/list", service="kitchen")`."""
    return Mcp(hub, ws)
