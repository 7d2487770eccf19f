"""Calls of a service function over HTTP; the provider is a real client, or one of small cost."""

import asyncio
import contextlib
import io
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from httpclient import HttpConnection, storm
from measure import Effort, Family, Measure, Round
from rawpeer import RawPeer
from servers import Target

from families import rpc

CALLS, AT_ONCE = 300, 8


def provide(target: Target, pipe: Connection) -> None:
    """A process of its own: an echo service of a raw peer."""
    peer = RawPeer(target)
    peer.join()
    pipe.send((peer.workspace, peer.register("bench", "echo")))
    peer.serve("bench", {"echo": lambda data=None, **_: data})


@contextlib.contextmanager
def raw_provider(target: Target) -> Iterator[tuple[str, str]]:
    """(workspace, service id) of an echo service in another process."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=provide, args=(target, its), daemon=True)
    process.start()
    its.close()
    try:
        yield mine.recv()
    finally:
        process.kill()
        process.join()


def request(target: Target, workspace: str, service_id: str) -> bytes:
    """A POST that calls `echo`."""
    body = json.dumps({"data": "Hello"}).encode()
    path = f"/{workspace}/services/{service_id.rpartition('/')[2]}/echo"
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def calls(target: Target, message: bytes, effort: Effort, prefix: str) -> Round:
    status, body = HttpConnection(target.port).ask(message)
    if status != 200 or json.loads(body) != "Hello":
        raise AssertionError(f"HTTP {status}: {body[:200]!r}")
    storm(target.port, message, 30, 1)
    count = effort.times(CALLS)
    with target.spent() as spent:
        times = storm(target.port, message, count, 1)
    cuts = statistics.quantiles(times, n=100)
    start = time.perf_counter()
    crowded = storm(target.port, message, count, AT_ONCE)
    rate = count / (time.perf_counter() - start)
    return {
        f"{prefix} cpu": spent.cpu / count,
        f"{prefix} p50": cuts[49],
        f"{prefix} p99": cuts[98],
        f"{prefix} p99 crowded": statistics.quantiles(crowded, n=100)[98],
        f"{prefix} rate": rate,
    }


def run(target: Target, effort: Effort) -> Round:
    with raw_provider(target) as (workspace, service_id):
        values = calls(target, request(target, workspace, service_id), effort, "raw")
    with contextlib.redirect_stdout(io.StringIO()):
        values |= asyncio.run(_real(target, effort))
    return values


async def _real(target: Target, effort: Effort) -> Round:
    from hypha_rpc import connect_to_server

    async with (
        connect_to_server({"server_url": target.url}) as server,
        rpc.provider(target, server) as service_id,
    ):
        message = request(target, server.config.workspace, service_id)
        return await asyncio.to_thread(calls, target, message, effort, "real")


def _measures() -> list[Measure]:
    result = []
    for prefix, who in (("real", "hypha-rpc provider"), ("raw", "raw provider")):
        best = prefix == "real"
        result += [
            Measure(
                f"{prefix} cpu", f"HTTP call, {who}: CPU", "ms", 1e3, goal=0.08 if best else None
            ),
            Measure(f"{prefix} p50", f"HTTP call, {who}: p50", "ms", 1e3),
            Measure(f"{prefix} p99", f"HTTP call, {who}: p99", "ms", 1e3),
            Measure(
                f"{prefix} p99 crowded", f"HTTP calls, {who}, {AT_ONCE} at once: p99", "ms", 1e3
            ),
            Measure(
                f"{prefix} rate",
                f"HTTP calls, {who}, {AT_ONCE} at once",
                "1/s",
                goal=10 if best else None,
                more_is_better=True,
            ),
        ]
    return result


FAMILY = Family("http", tuple(_measures()), run)
