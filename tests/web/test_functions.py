"""`functions` services over HTTP: events in, answers out."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from providers import Provider
from running import Hyphad

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET,POST,PUT,DELETE,OPTIONS",
    "access-control-allow-headers": "Authorization,Content-Type",
    "access-control-expose-headers": "Content-Disposition",
}


def dump(event: dict[str, Any]) -> dict[str, Any]:
    body = event["body"]
    return {"body": {**event, "body": None if body is None else list(body)}}


def fail(event: dict[str, Any]) -> None:
    raise ValueError("func err")


FUNCTIONS: dict[str, Any] = {
    "id": "fn",
    "type": "functions",
    "index": lambda event: {"body": "Home page"},
    "dump": dump,
    "api": {"v1": {"users": lambda e: {"body": "users"}, "index": lambda e: {"body": "v1"}}},
    "text": lambda event: {"status": 201, "headers": {"X-A": "1"}, "body": "Grüße"},
    "binary": lambda event: {"body": b"\x00\x01\x02"},
    "cookies": lambda event: {
        "headers": {"Set-Cookie": ["a=1", "b=2", "access_token=planted"]},
        "body": "ok",
    },
    "away": lambda event: {"status": 302, "headers": {"Location": "/elsewhere"}},
    "empty": lambda event: {"status": 204},
    "listed": lambda event: {"body": [1, 2]},
    "fail": fail,
    "not_a_dict": lambda event: "text",
    "bad_status": lambda event: {"status": "200"},
    "bad_headers": lambda event: {"headers": "x"},
    "evil_header": lambda event: {"headers": {"X-A": "1\r\nX-Evil: 1"}},
    "bad_body": lambda event: {"body": 5},
}


@pytest.fixture(scope="module")
def client(hub: Hyphad) -> Iterator[Provider]:
    provider = Provider(hub.url, client_id="f")
    provider.register(FUNCTIONS)
    default = lambda event: {"status": 404, "body": "default " + event["function_path"]}  # noqa: E731
    provider.register({"id": "with_default", "type": "functions", "default": default})
    yield provider
    provider.stop()


@pytest.fixture
def fn(client: Provider) -> str:
    return f"/{client.workspace}/apps/fn"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"Home page"),
        ("/index", b"Home page"),
        ("/text/", "Grüße".encode()),
        ("//text", "Grüße".encode()),
        ("/api/v1/users", b"users"),
        ("/api/v1", b"v1"),
        ("/api/v1/", b"v1"),
        ("/binary", b"\x00\x01\x02"),
        ("/listed", b"[1,2]"),
    ],
)
def test_paths_find_functions(hub: Hyphad, fn: str, path: str, body: bytes) -> None:  # HTTP-78
    status, data, headers = hub.request(fn + path)
    assert (status < 300, data) == (True, body)
    assert int(headers["content-length"]) == len(body)


def test_default_stands_in(hub: Hyphad, client: Provider) -> None:  # HTTP-78
    base = f"/{client.workspace}/apps/with_default"
    for path, shown in (("/", "/"), ("/x/y", "/x/y"), ("/x/y/", "/x/y"), ("/a.b", "/a.b")):
        assert hub.request(base + path)[:2] == (404, f"default {shown}".encode())


@pytest.mark.parametrize("path", ["/none", "/api", "/api/v2", "/api.v1.users", "/id", "/config"])
def test_missing_functions(hub: Hyphad, fn: str, path: str) -> None:  # HTTP-78
    status, data, headers = hub.request(fn + path)
    assert (status, data) == (404, f"Function not found: {path.strip('/')}".encode())
    assert headers["content-type"] == "text/plain; charset=utf-8"


def test_the_event(hub: Hyphad, fn: str) -> None:  # HTTP-79, AUTH-49
    headers = {"Content-Type": "text/x-test", "X-A": "1", "Cookie": "access_token=stale; a=1"}
    _, data, _ = hub.request(f"{fn}/dump/?a=1&b=x%20y&_mode=random", b"hi", headers)
    event = json.loads(data)
    assert list(event) == [
        "type", "asgi", "http_version", "server", "client", "scheme", "method", "root_path",
        "path", "raw_path", "query_string", "headers", "state", "workspace", "service_id",
        "body", "user",
    ]  # fmt: skip
    assert (event["method"], event["path"], event["raw_path"]) == ("POST", "/dump/", "/dump/")
    assert event["query_string"] == "a=1&b=x%20y&_mode=random"
    assert event["headers"]["x-a"] == "1"
    assert event["headers"]["cookie"] == "a=1"
    assert bytes(event["body"]) == b"hi"
    assert (event["user"]["id"], event["user"]["is_anonymous"]) == ("anonymouz-http", True)
    assert json.loads(hub.request(f"{fn}/dump")[1])["body"] is None


def test_the_user_is_the_caller(hub: Hyphad, fn: str, client: Provider) -> None:  # AUTH-49
    headers = {"Authorization": f"Bearer {client.token()}"}
    event = json.loads(hub.request(f"{fn}/dump", headers=headers)[1])
    assert event["user"]["parent"] == client.server.config.user["id"]


def test_answers(hub: Hyphad, fn: str) -> None:  # HTTP-80
    status, data, headers = hub.request(f"{fn}/text")
    assert (status, data, headers["x-a"]) == (201, "Grüße".encode(), "1")
    assert "content-type" not in headers
    assert {name: headers[name] for name in CORS} == CORS
    assert hub.request(f"{fn}/away")[2]["location"] == "/elsewhere"
    status, data, headers = hub.request(f"{fn}/empty")
    assert (status, data, "content-length" in headers) == (204, b"", False)
    assert hub.request(f"{fn}/listed")[2]["content-type"] == "application/json"
    status, data, headers = hub.request(f"{fn}/text", method="HEAD")
    assert (status, data, headers["content-length"]) == (201, b"", str(len("Grüße".encode())))


def test_lists_are_repeated_headers(hub: Hyphad, fn: str) -> None:  # HTTP-80, D-13
    connection = http.client.HTTPConnection("127.0.0.1", hub.port)
    connection.request("GET", f"{fn}/cookies")
    assert connection.getresponse().headers.get_all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fail", "Internal Server Error: ValueError: func err"),
        ("not_a_dict", "Internal Server Error: functions must return a dict"),
        ("bad_status", "Internal Server Error: AssertionError"),
        ("bad_headers", "Internal Server Error: headers must be a dict"),
        ("evil_header", "Internal Server Error: invalid header"),
        ("bad_body", "Internal Server Error: TypeError: A body must be bytes, not int"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_functions_that_fail(
    hub: Hyphad, fn: str, method: str, name: str, text: str
) -> None:  # HTTP-80
    status, data, headers = hub.request(f"{fn}/{name}", method=method)
    assert (status, data.decode()[: len(text)]) == (500, text)
    assert "x-evil" not in headers
    assert headers["access-control-allow-origin"] == "*"


def test_functions_are_ordinary_functions_too(hub: Hyphad, client: Provider) -> None:  # HTTP-81
    path = f"/{client.workspace}/services/fn/text"
    status, answer = hub.post(path, {"event": {"x": 1}})
    assert (status, answer) == (200, {"status": 201, "headers": {"X-A": "1"}, "body": "Grüße"})


STARTUP = """
async def start(server):
    await server.register_service({
        "id": "own", "type": "functions",
        "index": lambda event: {"body": event["user"]["id"]},
        "cookie": lambda event: {"headers": {"Set-Cookie": "access_token=own"}, "body": ""},
    })
    async def serve(args, context=None):
        await args["send"]({"type": "http.response.start", "status": 200, "headers": []})
        message = await args["receive"]()
        await args["send"]({"type": "http.response.body", "body": message["body"]})
    await server.register_service({"id": "app", "type": "asgi", "serve": serve})
"""


def test_services_of_the_server_itself(make_hyphad: Callable[..., Hyphad], tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(STARTUP)
    daemon = make_hyphad("--startup-functions", f"{tmp_path}/start.py:start").start()
    assert daemon.request("/public/apps/own/")[:2] == (200, b"anonymouz-http")
    assert daemon.request("/public/apps/own/cookie")[2]["set-cookie"] == "access_token=own"
    assert daemon.request("/public/apps/app/x", b"hello")[:2] == (200, b"hello")
