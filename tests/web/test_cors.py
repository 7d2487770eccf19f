"""Pages of other origins: what they may read, and that no cookie goes along (HTTP-65, D-2)."""

from collections.abc import Callable

import pytest
from running import Hyphad

PAGE = "http://page.example"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{}/services/t/hello", 200),
        ("{}/services", 200),
        ("{}/services/t/nofn", 404),
        ("{}/services/prot/hello", 403),
        ("/health", 200),
        ("/static/icon.svg", 200),
        ("/static/none", 404),
        ("/assets/config.json", 200),
        ("/nowhere", 404),
        ("/rpc", 400),
    ],
)
def test_every_answer_may_be_read(hub: Hyphad, ws: str, path: str, status: int) -> None:
    body = b"" if path == "/rpc" else None
    headers = {"Origin": PAGE}
    found, _, answer = hub.request(path.format(ws), body, headers)
    assert (found, answer["access-control-allow-origin"]) == (status, "*")
    assert "access-control-allow-credentials" not in answer
    assert "Retry-After" in answer["access-control-expose-headers"]


def test_bad_credentials_are_told_across_origins(hub: Hyphad, ws: str) -> None:
    headers = {"Origin": PAGE, "Authorization": "Bearer x"}
    status, _, answer = hub.request(f"{ws}/services/t/hello", headers=headers)
    assert (status, answer["access-control-allow-origin"]) == (401, "*")


@pytest.mark.parametrize(
    "path", ["{}/services/t/hello", "/rpc", "/nowhere/at/all", "/static/x", "/health"]
)
def test_preflights_need_no_credentials(hub: Hyphad, ws: str, path: str) -> None:  # WIRE-100
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    status, data, answer = hub.request(path.format(ws), headers=headers, method="OPTIONS")
    assert (status, data) == (200, b"OK")
    assert answer["access-control-allow-origin"] == "*"
    assert answer["access-control-allow-methods"] == (
        "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    )
    allowed = answer["access-control-allow-headers"]
    for name in ("Authorization", "Content-Type", "Accept", "Mcp-Session-Id", "Last-Event-ID"):
        assert name in allowed
    assert answer["access-control-max-age"] == "600"


def test_unknown_headers_are_refused(hub: Hyphad, ws: str) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "X-Evil",
    }
    answer = hub.request(f"{ws}/services/t/hello", headers=headers, method="OPTIONS")
    assert answer[:2] == (400, b"Disallowed CORS headers")


def test_a_list_of_origins(make_hyphad: Callable[..., Hyphad]) -> None:  # D-2
    daemon = make_hyphad("--allow-origins", "http://a.example,http://b.example").start()

    def headers(origin: str, method: str = "GET") -> tuple[int, dict[str, str]]:
        given = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        status, _, answer = daemon.request("/health", headers=given, method=method)
        return status, answer

    for origin in ("http://a.example", "http://b.example"):
        for method in ("GET", "OPTIONS"):
            status, answer = headers(origin, method)
            assert status == 200
            assert answer["access-control-allow-origin"] == origin
            assert answer["access-control-allow-credentials"] == "true"
            assert "Origin" in answer["vary"]
    status, answer = headers(PAGE)
    assert (status, "access-control-allow-origin" in answer) == (200, False)
    status, answer = headers(PAGE, "OPTIONS")
    assert (status, "access-control-allow-origin" in answer) == (400, False)
