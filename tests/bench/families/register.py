"""Services: registering them, listing a hundred of them."""

import asyncio
import contextlib
import io
import statistics
import time
from typing import Any

from measure import Effort, Family, Measure, Round
from rawpeer import RawPeer
from servers import Target

SERVICES = 100
LISTS = 20
FUNCTIONS = ("one", "two", "three")


def run(target: Target, effort: Effort) -> Round:
    with contextlib.redirect_stdout(io.StringIO()):
        values = asyncio.run(_real(target, effort))
    peer = RawPeer(target)
    peer.join()
    with target.spent(settle=True) as spent:
        for number in range(SERVICES):
            peer.register(f"service-{number}", *FUNCTIONS)
    values["raw register"] = spent.cpu / SERVICES
    lists = effort.times(LISTS)
    times = []
    with target.spent() as spent:
        for _ in range(lists):
            start = time.perf_counter()
            found = peer.call("services.default.list_services")
            times.append(time.perf_counter() - start)
    _check(found)
    values["raw list"] = statistics.median(times)
    values["raw list cpu"] = spent.cpu / lists
    peer.close()
    return values


async def _real(target: Target, effort: Effort) -> Round:
    from hypha_rpc import connect_to_server

    def echo(data: str) -> str:
        """Give back what is given."""
        return data

    times = []
    async with connect_to_server({"server_url": target.url}) as server:
        with target.spent(settle=True) as spent:
            for number in range(SERVICES):
                functions = dict.fromkeys(FUNCTIONS, echo)
                await server.register_service({"id": f"service-{number}", **functions})
        for _ in range(effort.times(LISTS)):
            start = time.perf_counter()
            found = await server.list_services()
            times.append(time.perf_counter() - start)
        _check(found)
    return {"register": spent.cpu / SERVICES, "list": statistics.median(times)}


def _check(found: list[Any]) -> None:
    if len(found) < SERVICES:
        raise AssertionError(f"{len(found)} services of {SERVICES} are listed")


MS = 1e3
FAMILY = Family(
    "register",
    (
        Measure("register", "register a service, hypha-rpc: CPU", "ms", MS, target=0.15, goal=0.06),
        Measure("raw register", "register a service, raw socket: CPU", "ms", MS),
        # Most of this one is the client, unpacking; so only the next one has a target.
        Measure("list", "list 100 services, hypha-rpc: time", "ms", MS),
        Measure("raw list", "list 100 services, raw socket: time", "ms", MS, target=0.25),
        Measure("raw list cpu", "list 100 services: CPU", "ms", MS),
    ),
    run,
)
