"""At its limits the server says so, serves those it has, and takes others when there is room."""

import asyncio
import contextlib
import json
import resource
import secrets
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import websockets
from coroutines import until
from hubs import FLAGS
from rawclient import RawClient, Refused
from running import Hyphad
from tickets import ticket

from hyphad import memory
from hyphad.daemon.upkeep import Upkeep

ECHO = "services.default.echo"
POP = "services.queue.pop"
SCHEMA = {"f": {"type": "function", "function": {"name": "f"}}}


async def _come(daemon: Hyphad, remote: str) -> RawClient:
    """A client that a proxy says is at `remote`."""
    headers = {"X-Forwarded-For": remote}
    raw = await RawClient.dial(daemon.ws_url, additional_headers=headers)
    with contextlib.suppress(websockets.ConnectionClosed):
        await raw.socket.send(json.dumps({"client_id": f"c-{secrets.token_hex(4)}"}))
    await raw.greeted()
    raw.start()
    return raw


@pytest.mark.parametrize("carrier", [(), ("--no-fast-websocket",)])
async def test_connections_of_one_address(make_hyphad, carrier):
    daemon = make_hyphad(
        "--trusted-proxies", "127.0.0.1", "--max-connections-per-address", "3", *carrier
    ).start()
    mine = [await _come(daemon, "10.0.0.1") for _ in range(3)]
    with pytest.raises(Refused) as caught:
        await _come(daemon, "10.0.0.1")
    text = "Connection limit exceeded: address 10.0.0.1 has 3/3 connections"
    assert (caught.value.message, caught.value.code) == (text, 1008)
    other = await _come(daemon, "10.0.0.2")
    assert await mine[0].call(ECHO, 1) == await other.call(ECHO, 1) == 1
    await mine.pop().close()
    again = await _come(daemon, "10.0.0.1")
    assert await again.call(ECHO, 2) == 2
    for raw in (*mine, other, again):
        await raw.close()


def test_http_connections_of_one_address(make_hyphad):
    """This machine may have a hundred times as many as another."""
    daemon = make_hyphad("--max-connections-per-address", "1").start()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            sock = socket.create_connection(("127.0.0.1", daemon.port), 10)
            stack.enter_context(sock)
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        status, body, headers = daemon.request("/metrics")
        assert (status, headers["connection"]) == (429, "close")
        assert b"Too many connections from your address" in body
        assert daemon.request("/health/liveness")[0] == 200
    assert _eventually(lambda: daemon.request("/metrics")[0] == 200)


def _eventually(true) -> bool:
    return any(true() for _ in range(200))


async def test_calls_of_one_user(make_hyphad):  # WIRE-27
    """All clients of a user share in it, and so do his calls over HTTP."""
    daemon = make_hyphad("--max-calls-per-user", "5", *FLAGS).start()
    async with (
        RawClient.connect(daemon.ws_url, "a", token=ticket("ann")) as one,
        RawClient.connect(daemon.ws_url, "b", token=ticket("ann")) as two,
        RawClient.connect(daemon.ws_url, "c", token=ticket("bob")) as other,
    ):
        server = f"public/{one.info['manager_id'].removeprefix('manager-')}"
        for raw in (one, two, one, two, one):
            await raw.begin(POP, "busy", 60, to=server)
        text = "RuntimeError: Too many calls of yours are running; wait for some of them."
        assert (await one.rejection(POP, "busy", 0, to=server)).startswith(text)
        assert (await two.rejection(ECHO, 1)).startswith(text)
        assert await other.call(POP, "busy", 0, to=server) is None
        other.serving["services.s.f"] = lambda *_: 7
        await other.register("s", config={"visibility": "public"}, service_schema=SCHEMA)
        path = f"/{other.workspace}/services/s/f"
        status, body = await _ask(daemon, path, "ann")
        assert status == 429
        assert b"Too many calls of yours are running" in body
        assert await _ask(daemon, path, "bob") == (200, b"7")
        await one.close()  # its calls are over
        await until(lambda: "disconnected client=ws-user-ann/a" in daemon.log)
        assert await _ask(daemon, path, "ann") == (200, b"7")
        assert await two.call(ECHO, 1) == 1


async def _ask(daemon: Hyphad, path: str, user: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {ticket(user)}"}
    return (await asyncio.to_thread(daemon.request, path, headers=headers))[:2]


async def test_subscriptions_of_one_client(make_hyphad):  # WS-61
    daemon = make_hyphad("--max-subscriptions-per-client", "2", *FLAGS).start()
    async with RawClient.connect(daemon.ws_url) as raw:
        await raw.subscribe("a")
        await raw.subscribe("b")
        text = await raw.rejection("services.default.subscribe", ["c"])
        assert text.startswith("ValueError: Too many subscriptions: at most 2 a connection")


# file descriptors


def test_the_limit_of_files_is_raised(make_hyphad):
    daemon = make_hyphad()
    daemon.wrapper = ["prlimit", "--nofile=200:3000"]
    daemon.start()
    assert daemon.process is not None
    assert resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE) == (3000, 3000)


async def test_without_file_descriptors_newcomers_wait(make_hyphad):
    """Who is connected goes on; who waited is served as soon as somebody has left."""
    daemon = make_hyphad(*FLAGS).start()
    assert daemon.process is not None
    pid = daemon.process.pid
    async with RawClient.connect(daemon.ws_url, token=ticket("ann")) as raw:
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 40, used + 40))
        with contextlib.ExitStack() as stack:
            for _ in range(30):
                sock = socket.create_connection(("127.0.0.1", daemon.port), 10)
                stack.enter_context(sock)
            await until(lambda: "not_accepting" in daemon.log)
            asking = asyncio.ensure_future(asyncio.to_thread(daemon.request, "/health/liveness"))
            assert await raw.call(ECHO, 1) == 1
            token = await raw.call("services.default.generate_token")
            assert token
            assert not asking.done()
        assert (await asking)[0] == 200
        assert daemon.log.count("not_accepting") == 1
        assert "Traceback" not in daemon.log


# memory


async def test_short_of_memory_it_turns_newcomers_away(make_hyphad):
    """In a way that clients take as temporary; health is told all the same."""
    daemon = make_hyphad("--max-memory-bytes", "1000000", *FLAGS).start()
    status, body, headers = await asyncio.to_thread(daemon.request, "/metrics")
    assert (status, headers["retry-after"]) == (503, "60")
    assert b"short of memory" in body
    assert (await asyncio.to_thread(daemon.request, "/health/liveness"))[0] == 200
    with pytest.raises(Refused) as caught:
        await RawClient.open(daemon.ws_url)
    assert (caught.value.message, caught.value.code) == (None, 1013)
    assert "short of memory" in str(caught.value.reason)
    assert daemon.log.count("short_of_memory resident=") == 1


class Peer:
    """A link that takes nothing, or one that does."""

    def __init__(self, drained):
        self.drained = drained
        self.closed = False

    def give_up(self):
        self.closed = True


def test_memory_that_is_there_again(monkeypatch):
    """Above the bound who takes nothing is closed, and only they; below it all may come again."""
    slow, fine = Peer(object()), Peer(None)
    admission = SimpleNamespace(short_of_memory=False)
    router = SimpleNamespace(links={"a": slow, "b": fine})
    settings = SimpleNamespace(max_memory_bytes=1000)
    upkeep = Upkeep(
        SimpleNamespace(settings=settings, router=router),
        SimpleNamespace(admission=admission),
        None,
    )
    for used, short in ((999, False), (1001, True), (990, True), (900, False)):
        monkeypatch.setattr(memory, "resident", lambda used=used: used)
        upkeep._watch_memory()
        assert admission.short_of_memory is short
    assert (slow.closed, fine.closed) == (True, False)


def test_the_bound_is_within_what_there_is():
    assert 0 < memory.resident() < memory.ceiling()
