"""The end of the daemon: SIGTERM under load, what clients hear, and nothing left behind."""

import asyncio
import contextlib
import signal
import time

import pytest
import websockets
from coroutines import until
from hubs import FLAGS
from rawclient import RawClient, Rejected, pack
from tickets import ticket

ECHO = "services.default.echo"
CARRIERS = [(), ("--no-fast-websocket",)]  # both ways in which WebSockets are carried


async def test_clients_hear_why(make_hyphad):  # WIRE-24, WIRE-106
    daemon = make_hyphad(*FLAGS).start()
    clients = [await RawClient.open(daemon.ws_url) for _ in range(20)]
    silent = await RawClient.dial(daemon.ws_url)
    began = time.monotonic()
    assert await asyncio.to_thread(daemon.stop) == 0
    assert time.monotonic() - began < 5
    for raw in clients:
        assert await raw.closed() == (1001, "Server is shutting down")
        assert raw.texts == []
    await silent.closed()


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_stop_under_load(make_hyphad, carrier):  # WIRE-106, 01 section 21 number 14
    """Calls, registrations, long messages, a deaf client, an open request: out in five seconds."""
    daemon = make_hyphad(*carrier, *FLAGS).start()
    deaf = await RawClient.open(daemon.ws_url, "deaf", token=ticket("lou"))
    deaf.socket.transport.pause_reading()
    workers = [await RawClient.open(daemon.ws_url, f"w{n}", token=ticket("lou")) for n in range(8)]
    server = f"public/{workers[0].info['manager_id'].removeprefix('manager-')}"
    _, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    writer.write(b"POST /public/services/queue/push HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
    stop = asyncio.Event()

    async def work(raw: RawClient, index: int) -> int:
        count = 0
        with contextlib.suppress(websockets.ConnectionClosed, Rejected, AssertionError):
            while not stop.is_set():
                await raw.begin("services.queue.pop", f"q{count}", 60, to=server)
                await raw.call("services.queue.push", "work", {"n": count, "i": index}, to=server)
                await raw.register(f"s{count % 5}", docs="x" * 1000)
                await raw.call(ECHO, b"x" * 200_000)
                await raw.send({"type": "note", "to": "deaf"}, {"pad": b"x" * 50_000})
                count += 1
        return count

    working = [asyncio.ensure_future(work(raw, index)) for index, raw in enumerate(workers)]
    await asyncio.sleep(1)
    assert daemon.process is not None
    process = daemon.process
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert time.monotonic() - began < 5
    stop.set()
    counts = await asyncio.gather(*working)
    assert all(counts)
    assert "Traceback" not in daemon.log, daemon.log[-3000:]
    writer.close()
    deaf.abort()
    daemon.process = None
    await asyncio.to_thread(daemon.start)
    async with RawClient.connect(daemon.ws_url, token=ticket("lou")) as raw:
        server = f"public/{raw.info['manager_id'].removeprefix('manager-')}"
        kept = await raw.call("services.queue.get_length", "work", to=server)
        assert kept >= sum(counts)  # what was acknowledged is there


async def test_two_signals(make_hyphad):  # WIRE-106
    daemon = make_hyphad(*FLAGS).start()
    raw = await RawClient.open(daemon.ws_url)
    process = daemon.process
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(process.wait, 10) == 0
    await raw.closed()
    assert "Traceback" not in daemon.log


async def test_a_signal_while_starting(make_hyphad):  # WIRE-107
    """At any moment of the start it ends soon and leaves a data directory that works."""
    daemon = make_hyphad(*FLAGS)
    for delay in (0.05, 0.2, 0.35, 0.5):
        process = daemon.spawn()
        await asyncio.sleep(delay)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) in (0, -signal.SIGTERM)
    daemon.start()


async def test_nothing_listens_before_all_is_ready(make_hyphad, tmp_path):  # WIRE-107
    """Connections are refused, not answered badly, until the startup functions are through."""
    gate = tmp_path / "gate"
    module = tmp_path / "slow_start.py"
    module.write_text(
        "import asyncio, pathlib\n"
        "async def hypha_startup(server):\n"
        f"    while not pathlib.Path({str(gate)!r}).exists():\n"
        "        await asyncio.sleep(0.02)\n"
    )
    daemon = make_hyphad("--startup-functions", f"{module}:hypha_startup", *FLAGS)
    process = daemon.spawn()
    refused = 0
    for _ in range(40):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
            writer.close()
            raise AssertionError("it listens already")
        refused += 1
        await asyncio.sleep(0.02)
    assert refused == 40 and process.poll() is None
    gate.touch()
    await until(lambda: "hyphad listening" in daemon.log)
    async with RawClient.connect(daemon.ws_url) as raw:
        assert await raw.call(ECHO, 1) == 1


async def test_frames_on_their_way_are_still_delivered(make_hyphad):  # WIRE-106
    daemon = make_hyphad(*FLAGS).start()
    target = await RawClient.open(daemon.ws_url, "t", token=ticket("lou"))
    sender = await RawClient.open(daemon.ws_url, "s", token=ticket("lou"))
    data = pack({"type": "note", "to": target.address, "pad": b"x" * 100_000})
    target.socket.transport.pause_reading()
    for _ in range(20):
        await sender.socket.send(data)
    await sender.settle()
    stopping = asyncio.ensure_future(asyncio.to_thread(daemon.stop))
    target.socket.transport.resume_reading()
    assert await target.closed() == (1001, "Server is shutting down")
    assert sum(header["type"] == "note" for header, _ in target.frames) == 20
    assert await stopping == 0
