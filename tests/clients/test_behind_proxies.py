"""Real clients reach hyphad through the real nginx and Caddy, set up as the samples in `conf/`."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from providers import Provider
from proxies import CADDY, NGINX, Certificate, caddy, nginx
from running import Hyphad

LARGE = 24 << 20
STRANGER = "127.0.0.2"  # not the address of the proxy, which is trusted


@dataclass
class Site:
    """A daemon behind a proxy: where that is, and a client that came through it."""

    daemon: Hyphad
    port: int
    path: str
    certificate: Certificate
    provider: Provider

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}{self.path}"

    def open(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """An answer of which only the head has been read; `path` begins at the root."""
        connection = http.client.HTTPSConnection(
            "localhost",
            self.port,
            timeout=30,
            context=self.certificate.trusting,
            source_address=(STRANGER, 0),
        )
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def service(self, function: str) -> str:
        return f"{self.path}/{self.provider.workspace}/services/proxied/{function}"


def serving(sample: str, path: str, folder: Path) -> Iterator[Site]:
    certificate = Certificate(folder)
    flags = ["--trusted-proxies", "127.0.0.1", "--access-log", "--base-path", path or "/"]
    hyphad = Hyphad(folder, *flags)
    hyphad.spawn()
    hyphad.wait_for_log("hyphad listening on")
    proxy = caddy if sample.endswith("example.org") else nginx
    with proxy(sample, hyphad, certificate) as port:
        url = f"https://localhost:{port}{path}"
        provider = Provider(url, ssl=certificate.trusting)
        functions = {"echo": lambda data: data, "size": _size, "count": _count}
        provider.register({"id": "proxied", **functions})
        yield Site(hyphad, port, path, certificate, provider)
        provider.stop()
    hyphad.stop()


def _size(data: str) -> int:
    return len(data)


def _count(n: int) -> Iterator[int]:
    yield from range(n)


@pytest.fixture(
    scope="module",
    params=[
        ("nginx.conf", ""),
        ("nginx-path.conf", "/hub"),
        ("hub.example.org", ""),
        ("lab.example.org", "/hub"),
    ],
    ids=lambda given: given[0],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A sample of nginx by its file, one of Caddy by its host."""
    sample, path = request.param
    if (CADDY if sample.endswith("example.org") else NGINX) is None:
        pytest.skip("the proxy is not installed here")
    yield from serving(sample, path, tmp_path_factory.mktemp("proxied"))


def test_calls_over_websockets(site: Site) -> None:
    other = Provider(site.url, ssl=site.certificate.trusting)
    array = np.arange(500_000, dtype="float64")

    async def work() -> tuple[Any, Any]:
        service = await other.server.get_service(f"{site.provider.workspace}/proxied")
        return await service.echo("over nginx"), await service.echo(array)

    text, found = other.run(work)
    assert text == "over nginx"
    assert np.array_equal(found, array)
    other.stop()


def test_a_large_body_arrives_whole(site: Site) -> None:
    body = json.dumps({"data": "x" * LARGE}).encode()
    answer = site.open("POST", site.service("size"), body, **{"Content-Type": "application/json"})
    assert (answer.status, json.loads(answer.read())) == (200, LARGE)


def test_streams_are_not_held_back(site: Site) -> None:
    answer = site.open("GET", f"{site.path}/rpc?client_id=streamed")
    assert answer.status == 200
    assert answer.read1(10)  # the stream goes on: a buffering proxy would show nothing yet
    answer.close()
    items = site.open("GET", site.service("count?n=3"))
    assert items.read().count(b"data: ") == 4


def test_the_address_and_the_request_id_are_those_of_the_client(site: Site) -> None:
    own = {"X-Forwarded-For": "203.0.113.9"}
    answer = site.open("GET", site.service("echo?data=who"), **own)
    assert answer.status == 200
    request_id = answer.getheader("X-Request-Id")
    assert request_id
    site.daemon.wait_for_log(request_id)
    [line] = [line for line in site.daemon.log.splitlines() if request_id in line]
    assert f"remote={STRANGER} " in line, "what a client says of itself is not believed"


def test_pages_find_what_belongs_to_them(site: Site) -> None:
    page = site.open("GET", f"{site.path}/")
    assert page.status == 200
    assert b"<html" in page.read()
    assert json.loads(site.open("GET", f"{site.path}/assets/config.json").read())
    outside = "/.well-known/oauth-protected-resource"
    known = site.open("GET", f"{outside}{site.path}/{site.provider.workspace}/mcp/proxied/mcp")
    assert "json" in known.getheader("Content-Type", "")


def test_what_is_not_below_the_path_is_none_of_it(site: Site) -> None:
    assert b"store" in site.open("GET", f"{site.path}/health/readiness").read()
    if site.path:
        assert b"store" not in site.open("GET", "/health/readiness").read()
