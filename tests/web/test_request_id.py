"""Each request has an id, which its answer, the log and the called service know."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from providers import Provider
from running import Hyphad

HEADER = "X-Request-Id"


def session(context: dict[str, Any]) -> str:
    return str(context["session"])


@pytest.fixture(scope="module")
def url(hub: Hyphad) -> Any:
    provider = Provider(hub.url)
    config = {"require_context": True}
    provider.register({"id": "tell", "config": config, "session": session})
    yield f"/{provider.workspace}/services/tell/session"
    provider.stop()


def test_the_service_sees_the_id_that_the_answer_has(hub: Hyphad, url: str) -> None:
    status, body, headers = hub.request(url, None, {HEADER: "proxy-42_a"})
    assert (status, headers["x-request-id"]) == (200, "proxy-42_a")
    assert json.loads(body).startswith("proxy-42_a-")


@pytest.mark.parametrize("given", ["", "x" * 65, "a.b", "a b", "ü"])
def test_what_is_no_id_is_replaced(hub: Hyphad, url: str, given: str) -> None:
    seen = set()
    for _ in range(2):
        status, body, headers = hub.request(url, None, {HEADER: given.encode().decode("latin-1")})
        assert status == 200
        assert re.fullmatch(r"[A-Za-z0-9_-]{16}", headers["x-request-id"])
        assert json.loads(body).startswith(headers["x-request-id"] + "-")
        seen.add(headers["x-request-id"])
    assert len(seen) == 2


def test_the_log_has_it(make_hyphad: Callable[..., Hyphad]) -> None:
    daemon = make_hyphad("--access-log").start()
    status, _, headers = daemon.request("/nowhere/at/all", None, {HEADER: "mine"})
    assert (status, headers["x-request-id"]) == (404, "mine")
    daemon.stop()
    assert "uri=/nowhere/at/all status=404" in daemon.log
    assert "request=mine" in daemon.log
