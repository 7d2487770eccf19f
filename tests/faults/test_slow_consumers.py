"""A client that stops reading: it ends, its senders are slowed down, nobody else notices."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from coroutines import until
from hubs import FLAGS
from rawclient import RawClient, pack
from running import Hyphad
from tickets import ticket

ECHO = "services.default.echo"
CARRIERS = [(), ("--no-fast-websocket",)]  # both ways in which WebSockets are carried


async def _deaf(url: str, client_id: str, **hello: str) -> RawClient:
    """A connected client with small buffers that reads nothing after the handshake."""
    raw = await RawClient.dial(url, max_queue=1)
    await raw.socket.send(json.dumps({"client_id": client_id, **hello}))
    await raw.greeted()
    await raw.send_text({"type": "ping"})
    raw.socket.transport.pause_reading()
    return raw


async def _flood(sender: RawClient, target: RawClient, size: int, stop: asyncio.Event) -> int:
    """Send frames until told to stop; how many there was room for."""
    data = pack({"type": "note", "to": target.address, "pad": b"x" * size})
    count = 0
    while not stop.is_set():
        sending = asyncio.ensure_future(sender.socket.send(data))
        done, _ = await asyncio.wait(
            [sending, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if sending not in done:
            sending.cancel()
            break
        count += 1
    return count


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_client_that_reads_nothing_is_closed(make_hyphad, carrier):  # WIRE-27
    daemon = make_hyphad(
        "--slow-consumer-seconds", "1.5", "--reconnect-grace", "0.5", *carrier, *FLAGS
    ).start()
    deaf = await _deaf(daemon.ws_url, "deaf", token=ticket("sue"))
    async with (
        RawClient.connect(daemon.ws_url, "sender") as sender,
        RawClient.connect(daemon.ws_url, "one", token=ticket("sue")) as one,
        RawClient.connect(daemon.ws_url, "two", token=ticket("sue")) as two,
    ):
        await one.subscribe("client_disconnected")
        two.serving["services.x.f"] = lambda n: n
        stop = asyncio.Event()
        flood = asyncio.ensure_future(_flood(sender, deaf, 100_000, stop))
        while "slow_consumer client=ws-user-sue/deaf" not in daemon.log:
            assert await one.call("services.x.f", 1, to=two.address) == 1
            assert await one.call(ECHO, 2) == 2
            await asyncio.sleep(0.02)
        stop.set()
        sent = await flood
        assert sent * 100_000 < 32 << 20, "the sender was not slowed down"
        event = await one.take_type("client_disconnected")
        assert event["data"]["id"] == "deaf"
        assert await sender.call(ECHO, 3) == 3
        text = await sender.rejection("services.x.f", to=deaf.address)
        assert text == "Target peer ws-user-sue/deaf is not connected"
        deaf.abort()


async def test_one_that_wakes_up_in_time_hears_why(make_hyphad):  # WIRE-27
    daemon = make_hyphad("--slow-consumer-seconds", "0.5", *FLAGS).start()
    deaf = await _deaf(daemon.ws_url, "deaf", token=ticket("sue"))
    async with RawClient.connect(daemon.ws_url, "sender") as sender:
        stop = asyncio.Event()
        flood = asyncio.ensure_future(_flood(sender, deaf, 100_000, stop))
        await until(lambda: "slow_consumer client=ws-user-sue/deaf" in daemon.log)
        stop.set()
        await flood
        deaf.socket.transport.resume_reading()
        deaf.start()
        assert await deaf.closed() == (1001, "Slow consumer")


async def test_a_queue_has_an_end(make_hyphad):  # WIRE-27
    """Over the bound of the queue the client goes at once, however many senders share in it."""
    daemon = make_hyphad(
        "--slow-consumer-seconds", "600", "--max-queue-bytes", "6000000", *FLAGS
    ).start()
    deaf = await _deaf(daemon.ws_url, "deaf", token=ticket("sue"))
    senders = [await RawClient.open(daemon.ws_url, f"s{n}") for n in range(12)]
    data = pack({"type": "note", "to": deaf.address, "pad": b"x" * 900_000})
    for sender in senders:
        await sender.socket.send(data)
    await until(lambda: "slow_consumer client=ws-user-sue/deaf" in daemon.log)
    metrics = await asyncio.to_thread(daemon.request, "/metrics")
    assert b"hyphad_slow_consumers_closed_total 1\n" in metrics[1]
    for sender in senders:
        assert await sender.call(ECHO, 1) == 1
        await sender.close()
    deaf.abort()


async def test_long_answers_that_nobody_takes(make_hyphad):  # WIRE-27, WIRE-77, D-16
    """The memory they may fill has a bound; who reads is answered, who asks for more is refused."""
    daemon = make_hyphad("--max-unfinished-per-client", "40000000", *FLAGS).start()
    deaf = await _deaf(daemon.ws_url, "deaf", token=ticket("sue"))
    async with RawClient.connect(daemon.ws_url, token=ticket("sue")) as other:
        before = _resident(daemon)
        data = b"x" * (10 << 20)
        for _ in range(24):
            await deaf.begin(ECHO, data)
            assert await other.call(ECHO, 1) == 1
        assert _resident(daemon) - before < 250 << 20
        deaf.socket.transport.resume_reading()
        deaf.start()
        rejected = "RuntimeError: Too many long answers are on their way to you."

        def is_refusal(header, extra):
            return header["method"].endswith(".reject") and rejected in str(extra)

        await deaf.take(is_refusal)
        path = "services.built-in.message_cache."
        await deaf.taken(path + "create")
        deaf.abort()


def _resident(daemon: Hyphad) -> int:
    """Bytes of memory that the process occupies."""
    assert daemon.process is not None
    pages = Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def metrics(daemon: Hyphad) -> bytes:
    return daemon.request("/metrics")[1]


async def test_one_that_reads_slowly_gets_everything(make_hyphad):  # WIRE-27
    daemon = make_hyphad(*FLAGS).start()
    slow = await _deaf(daemon.ws_url, "slow", token=ticket("sue"))
    async with RawClient.connect(daemon.ws_url, "sender") as sender:
        count = 900

        async def send() -> None:
            for number in range(count):
                header = {"type": "note", "to": slow.address, "n": number}
                await sender.send({**header, "pad": b"x" * 100_000})

        sending = asyncio.ensure_future(send())
        await until(lambda: b'_slow_consumer_bytes{client="ws-user-sue/slow"}' in metrics(daemon))
        assert not sending.done()
        slow.socket.transport.resume_reading()
        slow.start()
        await slow.take(lambda h, e: h.get("n") == count - 1, 20)
        await sending
        numbers = [header["n"] for header, _ in slow.frames if header["type"] == "note"]
        assert numbers == list(range(count - 1))
    await slow.close()


async def test_events_for_a_deaf_subscriber_cost_the_others_nothing(make_hyphad):  # WIRE-27
    daemon = make_hyphad("--max-queue-bytes", "5000000", *FLAGS).start()
    deaf = await RawClient.open(daemon.ws_url, "deaf", token=ticket("sue"))
    await deaf.subscribe("service_added")
    deaf.socket.transport.pause_reading()
    async with (
        RawClient.connect(daemon.ws_url, "busy", token=ticket("sue")) as busy,
        RawClient.connect(daemon.ws_url, "ears", token=ticket("sue")) as ears,
    ):
        await ears.subscribe("service_added")
        number = 0
        while "slow_consumer client=ws-user-sue/deaf" not in daemon.log:
            await busy.register(f"s{number % 900}", docs="x" * 60_000)
            number += 1
            assert number < 1000
        await until(lambda: sum(h["type"] == "service_added" for h, _ in ears.frames) == number)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_too_many_messages_are_slowed_down(make_hyphad, carrier):  # WIRE-21, D-23
    """Above the rate a client is read more slowly; it is never closed, and loses nothing."""
    daemon = make_hyphad(
        "--ws-msg-rate-limit", "400", "--ws-msg-burst-limit", "100", *carrier, *FLAGS
    ).start()
    async with (
        RawClient.connect(daemon.ws_url, "fast") as fast,
        RawClient.connect(daemon.ws_url, "other") as other,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(1000):
            await fast.send({"type": "note", "to": other.address, "n": number})
        assert await other.call(ECHO, 1) == 1
        await other.take(lambda h, e: h.get("n") == 999, 20)
        assert loop.time() - began > 1.0
        assert [header["n"] for header, _ in other.frames] == list(range(999))
        assert await fast.call(ECHO, 1) == 1
