"""1 GiB from one real client to another in calls of 16 MiB; the bare relay is one of plain TCP."""

import asyncio
import contextlib
import io
import multiprocessing
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection

from measure import Effort, Family, Measure, Round
from servers import FLOOR, REFERENCE, Target

from families.rpc import provider

CALLS, CALL_BYTES = 64, 16 << 20
MIB = 1 << 20
POLL_SECONDS = 0.05


class Peak:
    """The most memory that a server has had while the body ran."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._over = threading.Event()
        self.before = self.most = target.rss()

    @contextlib.contextmanager
    def watched(self) -> Iterator["Peak"]:
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield self
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            self.most = max(self.most, self._target.rss())


def run(target: Target, effort: Effort) -> Round:
    if target.kind == FLOOR:
        return _plain(target, effort.times(CALLS) * CALL_BYTES)
    # The reference takes minutes for the whole of it; a MiB costs the same from the first one on.
    calls = effort.times(CALLS if target.kind != REFERENCE else CALLS // 16)
    with contextlib.redirect_stdout(io.StringIO()):
        return asyncio.run(_calls(target, calls))


async def _calls(target: Target, calls: int) -> Round:
    from hypha_rpc import connect_to_server

    data = bytes(CALL_BYTES)
    async with (
        connect_to_server({"server_url": target.url, "method_timeout": 120}) as server,
        provider(target, server) as service_id,
    ):
        service = await server.get_service(service_id)
        assert await service.size(data[:MIB]) == MIB
        with Peak(target).watched() as peak, target.spent() as spent:
            for _ in range(calls):
                assert await service.size(data) == CALL_BYTES
    total = calls * CALL_BYTES
    return {
        "cpu": spent.cpu / total * MIB,
        "rate": total / MIB / spent.wall,
        "memory": peak.most - peak.before,
    }


def _plain(target: Target, total: int) -> Round:
    """The same number of bytes through a relay that only reads and writes."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_relay, args=(its,), daemon=True)
    process.start()
    address = ("127.0.0.1", mine.recv())
    with socket.create_connection(address) as source, socket.create_connection(address) as sink:
        relay = replace(target, pid=process.pid or 0)
        reader = threading.Thread(target=_read, args=(sink, total))
        reader.start()
        block = bytes(MIB)
        with relay.spent() as spent:
            for _ in range(total // MIB):
                source.sendall(block)
            reader.join()
    process.join(10)
    return {"cpu": spent.cpu / total * MIB, "rate": total / MIB / spent.wall}


def _relay(pipe: Connection) -> None:
    """What the first connection sends goes to the second one."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pipe.send(listening.getsockname()[1])
        source, sink = listening.accept()[0], listening.accept()[0]
    buffer = memoryview(bytearray(256 << 10))
    while count := source.recv_into(buffer):
        sink.sendall(buffer[:count])


def _read(sink: socket.socket, total: int) -> None:
    buffer = bytearray(MIB)
    while total > 0:
        total -= sink.recv_into(buffer)


FAMILY = Family(
    "large",
    (
        Measure("cpu", "1 GiB between hypha-rpc clients: CPU per MiB", "us", 1e6),
        Measure("rate", "1 GiB between hypha-rpc clients", "MiB/s", more_is_better=True),
        Measure("memory", "1 GiB: memory above that at rest", "MiB", 1 / MIB),
    ),
    run,
    floor=True,
)
