"""Restarts that nobody notices: calls wait or fail at once, connections queue, nothing hangs."""

import asyncio
import contextlib
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from coroutines import until
from hypha_rpc import connect_to_server
from rawclient import RawClient
from running import Hyphad

RESTARTS = 3
CALLERS = 4

# Started with the descriptor of a listening socket, as systemd starts it.
ACTIVATED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@contextlib.contextmanager
def kept_socket(daemon: Hyphad) -> Iterator[None]:
    """The daemon's socket stays open between its runs, so that nobody is refused meanwhile."""
    with socket.create_server(("127.0.0.1", daemon.port), backlog=100) as listening:
        daemon.passed = [listening.fileno()]
        daemon.wrapper = [sys.executable, "-c", ACTIVATED, str(listening.fileno())]
        yield


class Calls:
    """One call after the other, and what became of them."""

    def __init__(self, call: Callable[[], Awaitable[Any]], pause: float = 0.001) -> None:
        self._call = call
        self._pause = pause
        self._ending = False
        self.outcomes: Counter[str] = Counter()
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while not self._ending:
            try:
                await self._call()
                self.outcomes["ok"] += 1
            except Exception as error:
                self.outcomes[f"{type(error).__name__}: {error}"] += 1
            await asyncio.sleep(self._pause)

    async def end(self) -> None:
        self._ending = True
        await self._task

    async def progress(self) -> None:
        """Wait until calls succeed again."""
        before = self.outcomes["ok"]
        await until(lambda: self.outcomes["ok"] > before + 2, seconds=60, what="a call succeeds")

    @property
    def failures(self) -> list[str]:
        return [text for text in self.outcomes if text != "ok"]


async def test_calls_over_restarts_wait_or_fail_but_never_hang(make_hyphad, caplog):
    # WIRE-106, D-26
    daemon: Hyphad = make_hyphad()
    # Refused, the client would try again at intervals that double: too long on a busy machine.
    with kept_socket(daemon):
        await asyncio.to_thread(daemon.start)
        await calls_over_restarts(daemon, caplog)
    assert "Traceback" not in daemon.log
    assert not (daemon.data / "transit.msgpack").exists()


async def calls_over_restarts(daemon: Hyphad, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        connect_to_server({"server_url": daemon.url}) as provider,
        connect_to_server({"server_url": daemon.url}) as consumer,
    ):
        record = await provider.register_service(
            {"id": "s", "config": {"visibility": "public"}, "same": lambda n: n}
        )
        api = await consumer.get_service(record.id)
        between = [Calls(lambda: api.same(1)) for _ in range(CALLERS)]
        server = Calls(lambda: consumer.echo(1), 0.01)
        for number in range(1, RESTARTS + 1):
            await asyncio.gather(*(calls.progress() for calls in (*between, server)))
            assert await asyncio.to_thread(daemon.stop) == 0
            await asyncio.to_thread(daemon.start)
            # A client that loses its connection before it says this forgets who waits for it.
            back, both = "Successfully reconnected", 2 * number
            await until(lambda both=both, back=back: caplog.text.count(back) >= both, seconds=25)
        await asyncio.gather(*(calls.progress() for calls in (*between, server)))
        await asyncio.gather(*(calls.end() for calls in (*between, server)))
    failures = [text for calls in (*between, server) for text in calls.failures]
    assert not [text for text in failures if "timed out" in text]


async def test_connections_queue_while_the_daemon_restarts(make_hyphad):
    daemon: Hyphad = make_hyphad()
    with kept_socket(daemon):
        await asyncio.to_thread(daemon.start)

        async def fetch() -> None:
            status, _ = await asyncio.to_thread(daemon.get, "/health/liveness")
            assert status == 200

        async def connect() -> None:
            async with RawClient.connect(daemon.ws_url) as raw:
                assert await raw.call("services.default.echo", 1) == 1

        fetching = Calls(fetch, 0.01)
        for _ in range(RESTARTS):
            await fetching.progress()
            assert await asyncio.to_thread(daemon.stop) == 0
            connecting = asyncio.ensure_future(connect())
            await asyncio.to_thread(daemon.start)
            await connecting
        await fetching.progress()
        await fetching.end()
        assert fetching.failures == []
