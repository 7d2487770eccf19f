"""Connections in silence: the idle timeout, and what keeps a connection alive."""

import asyncio
import contextlib

from hubs import FLAGS
from rawclient import RawClient


async def test_silence_ends_a_connection(make_hyphad):  # WIRE-18, WIRE-24
    """Any frame keeps it: a ping as text, or a call. A client that says nothing is told why."""
    daemon = make_hyphad("--ws-idle-timeout", "2", *FLAGS).start()
    quiet = await RawClient.open(daemon.ws_url)
    pinging = await RawClient.open(daemon.ws_url)
    calling = await RawClient.open(daemon.ws_url)

    async def keep() -> None:
        while True:
            await pinging.send_text({"type": "ping"})
            await calling.send({"type": "note", "to": "nobody"})
            await asyncio.sleep(0.4)

    keeping = asyncio.ensure_future(keep())
    loop = asyncio.get_running_loop()
    began = loop.time()
    code, reason = await quiet.closed()
    assert (code, reason) == (1001, "Idle timeout (2s)")
    assert quiet.texts == [{"type": "error", "message": "Idle timeout (2s)"}]
    assert loop.time() - began > 1.5
    await asyncio.sleep(1)
    for raw in (pinging, calling):
        assert await raw.call("services.default.echo", 1) == 1
    keeping.cancel()
    for raw in (pinging, calling):
        await raw.close()


async def test_no_timeout_at_all(make_hyphad):  # WIRE-18
    daemon = make_hyphad("--ws-idle-timeout", "0", *FLAGS).start()
    async with RawClient.connect(daemon.ws_url) as raw:
        with contextlib.suppress(TimeoutError):
            await raw.closed(1.5)
        assert await raw.call("services.default.echo", 1) == 1
