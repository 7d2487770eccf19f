"""Calls between two real clients: small ones, and an array of 4 MiB there and back."""

import asyncio
import contextlib
import io
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

from measure import Effort, Family, Measure, Round
from servers import Target

CALLS, ARRAYS, ARRAY_BYTES = 300, 5, 4 << 20


def provide(url: str, workspace: str, token: str, pipe: Connection) -> None:
    """A process of its own: a client whose service echoes, until the pipe is closed."""

    async def main() -> None:
        from hypha_rpc import connect_to_server

        client = {"server_url": url, "workspace": workspace, "token": token}
        async with connect_to_server(client) as server:
            config = {"visibility": "public"}
            service = {
                "id": "bench",
                "config": config,
                "echo": lambda data=None: data,
                "size": len,
            }
            pipe.send((await server.register_service(service)).id)
            with contextlib.suppress(EOFError):
                await asyncio.to_thread(pipe.recv)

    with contextlib.redirect_stdout(io.StringIO()):
        asyncio.run(main())


@contextlib.asynccontextmanager
async def provider(target: Target, server: Any) -> Any:
    """The id of an echo service that another process offers in the workspace of `server`."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    token = await server.generate_token()
    process = context.Process(
        target=provide, args=(target.url, server.config.workspace, token, its), daemon=True
    )
    process.start()
    its.close()
    try:
        yield await asyncio.to_thread(mine.recv)
    finally:
        mine.close()
        await asyncio.to_thread(process.join, 10)


def run(target: Target, effort: Effort) -> Round:
    with contextlib.redirect_stdout(io.StringIO()):
        return asyncio.run(_run(target, effort))


async def _run(target: Target, effort: Effort) -> Round:
    import numpy
    from hypha_rpc import connect_to_server

    calls, arrays = effort.times(CALLS), effort.times(ARRAYS)
    values: Round = {}
    async with (
        connect_to_server({"server_url": target.url, "method_timeout": 60}) as server,
        provider(target, server) as service_id,
    ):
        service = await server.get_service(service_id)
        await service.echo("warm")
        times = []
        with target.spent() as spent:
            for _ in range(calls):
                start = time.perf_counter()
                await service.echo("Hello")
                times.append(time.perf_counter() - start)
        values["echo"] = statistics.median(times)
        values["echo cpu"] = spent.cpu / calls
        data = numpy.frombuffer(numpy.random.default_rng(1).bytes(ARRAY_BYTES), "uint8")
        await service.echo(data[: 1 << 19])
        times = []
        with target.spent() as spent:
            for _ in range(arrays):
                start = time.perf_counter()
                back = await service.echo(data)
                times.append(time.perf_counter() - start)
        if not numpy.array_equal(back, data):
            raise AssertionError("The array came back changed")
        values["array"] = ARRAY_BYTES / statistics.median(times)
        values["array cpu"] = spent.cpu / arrays
    return values


MS, MIB = 1e3, 1 / (1 << 20)
FAMILY = Family(
    "rpc",
    (
        Measure("echo", "call between two hypha-rpc clients: time", "ms", MS),
        Measure("echo cpu", "call between two hypha-rpc clients: CPU", "ms", MS),
        Measure(
            "array",
            "4 MiB array echo of hypha-rpc",
            "MiB/s",
            MIB,
            target=6,
            goal=8,
            more_is_better=True,
        ),
        Measure("array cpu", "4 MiB array echo: CPU", "ms", MS),
    ),
    run,
)
