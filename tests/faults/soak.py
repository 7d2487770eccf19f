"""A long mixed load on one daemon, and what it holds afterwards. Run by hand:

    python tests/faults/soak.py --minutes 30

RPC, HTTP calls, event streams, large arrays, churn and dropped connections run side by side on
loopback. Every minute it prints memory, file descriptors and tasks; at the end everything must be
as it was before the load, else it exits with 1.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from hypha_rpc import connect_to_server

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from running import Hyphad

SETTLE_SECONDS = 25
MAX_GROWTH_MIB = 24


class Load:
    """What runs, and how often each part of it has succeeded."""

    def __init__(self, daemon: Hyphad, until: float) -> None:
        self.daemon = daemon
        self.until = until
        self.done: dict[str, int] = {}
        self.failed: dict[str, int] = {}

    async def repeat(self, name: str, work: Any, pause: float) -> None:
        while time.monotonic() < self.until:
            try:
                await work()
                self.done[name] = self.done.get(name, 0) + 1
            except Exception as error:
                self.failed[name] = self.failed.get(name, 0) + 1
                print(f"{name} failed: {type(error).__name__}: {str(error)[:200]}", flush=True)
                await asyncio.sleep(1)
            await asyncio.sleep(pause * random.random())


async def _provider(url: str) -> tuple[Any, str]:
    def count(n: int) -> Any:
        yield from range(n)

    server = await connect_to_server({"server_url": url})
    service = await server.register_service(
        {
            "id": "soak",
            "config": {"visibility": "public"},
            "echo": lambda data: data,
            "count": count,
        }
    )
    return server, service.id


async def _run(daemon: Hyphad, minutes: float) -> bool:
    before, files = await _state(daemon), _files(daemon)
    load = Load(daemon, time.monotonic() + 60 * minutes)
    server, service_id = await _provider(daemon.url)
    consumer = await connect_to_server({"server_url": daemon.url})
    service = await consumer.get_service(service_id)
    array = np.random.default_rng(1).random((512, 1024))
    workspace, name = service_id.split("/")
    call = f"{daemon.url}/{workspace}/services/{name}"

    async def rpc() -> None:
        assert await asyncio.gather(*(service.echo(i) for i in range(50))) == list(range(50))

    async def arrays() -> None:
        assert (await service.echo(array)).shape == array.shape

    async def http() -> None:
        body = json.dumps({"data": {"x": [1, 2, 3]}}).encode()
        assert json.loads(await _fetch(f"{call}/echo", body)) == {"x": [1, 2, 3]}

    async def stream() -> None:
        assert (await _fetch(f"{call}/count?n=20")).count(b"data: ") == 21

    async def left_stream() -> None:
        await _fetch(f"{call}/count?n=100000", stop_after=2000)

    async def mcp() -> None:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        headers = {"Accept": "application/json, text/event-stream"}
        await _fetch(f"{daemon.url}/{workspace}/mcp/{name}/mcp", json.dumps(body).encode(), headers)

    async def churn() -> None:
        other = await connect_to_server({"server_url": daemon.url})
        try:
            await other.register_service({"id": "x", "f": lambda: 1})
            await (await other.get_service(service_id)).echo("hello")
        finally:
            await other.disconnect()

    async def dropped() -> None:
        other = await connect_to_server({"server_url": daemon.url})
        try:
            await other.rpc._connection._websocket.close(1011)
            await asyncio.sleep(1.5)
            await other.echo("back")
        finally:
            await other.disconnect()

    parts = [
        ("rpc", rpc, 0.2), ("arrays", arrays, 1.0), ("http", http, 0.1), ("stream", stream, 0.5),
        ("left_stream", left_stream, 2.0), ("mcp", mcp, 0.5), ("churn", churn, 0.5),
        ("dropped", dropped, 5.0),
    ]  # fmt: skip
    memory: list[float] = []
    reporter = asyncio.ensure_future(_report(daemon, load, memory))
    await asyncio.gather(*(load.repeat(*part) for part in parts))
    reporter.cancel()
    await consumer.disconnect()
    await server.disconnect()
    await asyncio.sleep(SETTLE_SECONDS)
    after = await _state(daemon)
    print("before", before, "\nafter ", after, "\ndone  ", load.done, "\nfailed", load.failed)
    same = ("connections", "services", "workspaces", "descriptors", "calls", "tasks")
    leaks = {key: (before[key], after[key]) for key in same if after[key] > before[key]}
    grown = after["memory_mib"] - before["memory_mib"]
    print(f"memory grew by {grown:.1f} MiB, late by {_slope(memory):.1f} MiB an hour")
    print(f"left over: {leaks or 'nothing'}", *(sorted(_files(daemon) - files) if leaks else ()))
    return not leaks and not load.failed and grown < MAX_GROWTH_MIB


async def _report(daemon: Hyphad, load: Load, memory: list[float]) -> None:
    while True:
        await asyncio.sleep(60)
        state = await _state(daemon)
        memory.append(state["memory_mib"])
        print(time.strftime("%H:%M:%S"), state, load.done, flush=True)


def _slope(memory: list[float]) -> float:
    """MiB an hour, by least squares over the values of each minute but those of the first third."""
    late = memory[len(memory) // 3 :]
    if len(late) < 2:
        return 0.0
    return float(np.polyfit(range(len(late)), late, 1)[0]) * 60


async def _fetch(
    url: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    stop_after: int | None = None,
) -> bytes:
    def fetch() -> bytes:
        given = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(url, body, given)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read(stop_after) if stop_after else answer.read()

    return await asyncio.to_thread(fetch)


async def _state(daemon: Hyphad) -> dict[str, float]:
    """What the daemon holds, as the process and its own counters say."""
    health = json.loads(await _fetch(f"{daemon.url}/health"))
    status = await asyncio.to_thread(_status, daemon)
    return {
        "memory_mib": health["memory"]["rss_mb"],
        "connections": health["connections"]["active"],
        "calls": health["objects"]["rpc_objects"],
        "services": status["services"],
        "workspaces": status["workspaces"],
        "tasks": health["tasks"]["active"],
        # SQLite keeps one more handle of the database from the first backup for the next.
        "descriptors": sum(not name.endswith("/hyphad.db") for name in _files(daemon)),
    }


def _files(daemon: Hyphad) -> set[str]:
    """What the daemon has open, by number and name."""
    assert daemon.process is not None
    found = set()
    for link in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{link.name}:{link.readlink()}")
    return found


def _status(daemon: Hyphad) -> dict[str, Any]:
    from hyphad.commands.status import ask

    found = ask(daemon.data)
    assert found is not None
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        daemon = Hyphad(Path(folder), "--http-rate-limit", "0").start()
        try:
            return 0 if asyncio.run(_run(daemon, minutes)) else 1
        finally:
            daemon.stop()


if __name__ == "__main__":
    sys.exit(main())
