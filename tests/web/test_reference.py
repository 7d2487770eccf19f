"""The same requests to the reference server and to hyphad, where the reference is right.

Runs where `HYPHAD_BENCH_REFERENCE` names a Python that has the package `hypha`.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everyservice import Remembered, services
from providers import Provider
from running import Hyphad, free_port

START_SECONDS = 90
TOLD = ("Location", "X-Twice", "Content-Type")
JSON = {"Content-Type": "application/json"}
MSGPACK = {"Content-Type": "application/msgpack"}


def shown(event: dict[str, Any]) -> dict[str, Any]:
    """What a function is told of its request, but for what differs from run to run."""
    headers = {k: v for k, v in event["headers"].items() if k not in ("host", "connection")}
    kept = {k: v for k, v in event.items() if k not in ("client", "server", "asgi", "user")}
    body = event["body"] and event["body"].decode()
    return {"body": json.dumps({**kept, "headers": headers, "body": body}, sort_keys=True)}


async def tell(asgi: dict[str, Any]) -> None:
    """An application that answers with the scope and the body of its request."""
    scope, body, more = asgi["scope"], b"", True
    while more:
        message = await asgi["receive"]()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    names = ("type", "http_version", "method", "scheme", "root_path", "path", "state", "service_id")
    told = {name: scope[name] for name in names}
    told["query_string"] = scope["query_string"].decode()
    headers = [[b"content-type", b"text/x-told"], [b"x-twice", b"1"], [b"x-twice", b"2"]]
    await asgi["send"]({"type": "http.response.start", "status": 203, "headers": headers})
    for part in (json.dumps(told, sort_keys=True).encode(), body):
        message = {"type": "http.response.body", "body": part, "more_body": True}
        await asgi["send"](message)
    await asgi["send"]({"type": "http.response.body"})


APPS: list[dict[str, Any]] = [
    {
        "id": "fn", "type": "functions", "index": lambda event: {"body": "Home page"},
        "show": shown,
        "api": {"v1": {"users": lambda e: {"body": "users"}, "index": lambda e: {"body": "v1"}}},
        "empty": lambda event: {"status": 204}, "bytes": lambda event: {"body": b"\0\1\2"},
    },
    {"id": "all", "type": "functions", "default": shown},
    {"id": "web", "type": "asgi", "serve": tell},
]  # fmt: skip


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


class Side:
    """One server with the services of the tests on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.provider = Provider(url, client_id="prov")
        for service in [*services(Remembered()), *APPS]:
            self.provider.register(service)
        self.token = self.provider.token()

    def ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str]:
        """(status, body) with everything that is this server's own made the same."""
        where = f"{self.url}/{self.provider.workspace}/{path}"
        named = {name: value.format(token=self.token) for name, value in headers.items()}
        request = urllib.request.Request(where, body, named)
        try:
            with _opener.open(request, timeout=30) as answer:
                status, data, found = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, data, found = error.code, error.read(), error.headers
        text = data.decode("latin-1").replace(self.provider.workspace, "WS")
        told = [
            f"{name}: {value.partition(';')[0]}"
            for name in TOLD
            for value in found.get_all(name) or ()
            if data or name != "Content-Type"
        ]
        text = "\n".join((*told, text)) if path.startswith("apps/") else text
        return status, text.replace(self.url, "URL").replace(self.provider.workspace, "WS")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    python = os.environ.get("HYPHAD_BENCH_REFERENCE")
    if not python:
        pytest.skip("HYPHAD_BENCH_REFERENCE is not set")
    port, folder = free_port(), tmp_path_factory.mktemp("reference")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "hypha.server", "--host=127.0.0.1", f"--port={port}"],
            cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder / "log")
        side = Side(url)
        yield side
        side.provider.stop()
    finally:
        process.kill()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health/readiness", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def ours(hub: Hyphad) -> Iterator[Side]:
    side = Side(hub.url)
    yield side
    side.provider.stop()


REQUESTS: list[tuple[str, bytes | None, dict[str, str]]] = [
    ("services/prov:t/hello?name=World", None, {}),
    ("services/t/hello", b'{"name":"W"}', JSON),
    ("services/t/hello", b"", JSON),
    ("services/*:t/hello", None, {}),
    ("services/t@*/hello", None, {}),
    (
        "services/t/echo?a=1&b=1.5&c=-3&d=1e3&g=true&h=null&i=%5B1%2C2%5D&j=%7B%22x%22%3A1%7D&k="
        "&l=%22q%22&m=007&n=1_000&p=%205&q=%2B5",
        None,
        {},
    ),
    ("services/t/echo?workspace=z&service_id=y&function_key=x&_mode=random&mode=m", None, {}),
    ("services/t/echo?a=1&a=2&0=5", None, {}),
    ("services/t/echo?a=%7Bbad", None, {}),
    ("services/t/echo", b"{bad", JSON),
    ("services/t/echo", b"\x81\x01\x02", MSGPACK),
    ("services/t/echo", b"\x81\xa1a\x02", MSGPACK),
    ("services/t/nest.a.f?a=3&b=4", None, {}),
    ("services/t/nest%2Ea%2Ef", None, {}),
    ("services/t/nest", None, {}),
    ("services/t/nest.a.k", None, {}),
    ("services/t/const", None, {}),
    ("services/t/const", None, MSGPACK),
    ("services/t/id", None, {}),
    ("services/t/type", None, {}),
    ("services/t/name", None, {}),
    ("services/t/config.visibility", None, {}),
    ("services/t/config.url", None, {}),
    ("services/t/zero", None, {}),
    ("services/t/nest.a.zz", None, {}),
    ("services/t/nofn_at_all", None, {}),
    ("services/nothing_like_it/x", None, {}),
    ("services/t/fail", None, {}),
    ("services/t/fail_later", None, {}),
    ("services/t/fail?kind=KeyError&message=missing-key", None, {}),
    ("services/t/fail?kind=PermissionError&message=no+way", None, {}),
    ("services/t/fail?kind=RuntimeError&message=generic+failure", None, {}),
    ("services/t/value?name=none", None, {}),
    ("services/t/value?name=text", None, {}),
    ("services/t/value?name=tuple", None, {}),
    ("services/t/value?name=set", None, {}),
    ("services/t/value?name=none", None, MSGPACK),
    ("services/t/value?name=bytes", None, MSGPACK),
    ("services/t/value?name=tuple", None, MSGPACK),
    ("services/t/value?name=array", None, MSGPACK),
    ("services/t/value?name=number", None, MSGPACK),
    ("services/t/value?name=object", None, {}),
    ("services/prot/hello", None, {}),
    ("services/prot/hello", None, {"Authorization": "Bearer {token}"}),
    ("services/prot/hello", None, {"Authorization": "{token}"}),
    ("services/prot/hello", None, {"Cookie": "access_token={token}"}),
    ("services/prot/hello?token=x&access_token=y", None, {}),
    ("services/t/hello", None, {"Authorization": "Bearer nonsense"}),
    ("services/ws/list_services", None, {}),
    ("services/ws/echo?data=5", None, {}),
    ("services/ws/generate_token", None, {}),
    ("info", None, {}),
    ("apps/nosvc/", None, {}),
    ("apps/fn", None, {}),
    ("apps/fn/", None, {}),
    ("apps/fn/index", None, {}),
    ("apps/fn/show/?a=1&b=x%20y", None, {"Accept": "a/b", "X-A": "1"}),
    ("apps/fn/show", b"text", {"Content-Type": "text/plain"}),
    ("apps/fn/api/v1/users", None, {}),
    ("apps/fn/api/v1", None, {}),
    ("apps/fn/api/nothing", None, {}),
    ("apps/fn/empty", None, {}),
    ("apps/fn/bytes", None, {}),
    ("apps/all/", None, {}),
    ("apps/all/x/y?c=d", b"body", {}),
    ("apps/web/", None, {}),
    ("apps/web/a%20b/c?x=1&y=%2F", None, {}),
    ("apps/web/up", b"x" * 300_000, {}),
    ("apps/t/", None, {}),
]


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_both_say_the_same(reference: Side, ours: Side, number: int) -> None:
    path, body, headers = REQUESTS[number]
    expected, found = (side.ask(path, body, headers) for side in (reference, ours))
    assert (found[0], without_hint(found[1])) == (expected[0], without_hint(expected[1]))


def without_hint(text: str) -> Any:
    """The body, without what only hyphad adds to it."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        value.pop("hint", None)
    return value
