"""Coming and going: the bare handshake, and everything that hypha-rpc does around it."""

import asyncio
import contextlib
import io

from measure import Effort, Family, Measure, Round
from rawpeer import RawPeer
from servers import Target

RAW, REAL, AT_ONCE = 200, 30, 10


def run(target: Target, effort: Effort) -> Round:
    raw, joined = effort.times(RAW), effort.times(RAW)
    RawPeer(target).close()
    with target.spent(settle=True) as handshakes:
        for _ in range(raw):
            RawPeer(target).close()
    with target.spent(settle=True) as joins:
        for _ in range(joined):
            peer = RawPeer(target)
            peer.join()
            peer.close()
    with contextlib.redirect_stdout(io.StringIO()):
        real, cpu = asyncio.run(_real(target, effort.times(REAL)))
    return {
        "raw": handshakes.cpu / raw,
        "join": joins.cpu / joined,
        "real": cpu / real,
        "time": handshakes.wall / raw,
    }


async def _real(target: Target, count: int) -> tuple[int, float]:
    """(connections, CPU seconds) of the real client, some at once: it waits much in between."""
    from hypha_rpc import connect_to_server

    async def once() -> None:
        server = await connect_to_server({"server_url": target.url})
        await server.disconnect()

    await once()
    groups = max(1, count // AT_ONCE)
    with target.spent(settle=True) as spent:
        for _ in range(groups):
            await asyncio.gather(*(once() for _ in range(AT_ONCE)))
    return groups * AT_ONCE, spent.cpu


MS = 1e3
FAMILY = Family(
    "connect",
    (
        Measure("real", "connect + disconnect of hypha-rpc: CPU", "ms", MS, target=0.2, goal=0.1),
        Measure("join", "the same by raw sockets: CPU", "ms", MS),
        Measure("raw", "bare handshake and close: CPU", "ms", MS),
        Measure("time", "bare handshake and close: time", "ms", MS),
    ),
    run,
)
