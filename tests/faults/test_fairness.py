"""One client that asks for much: others have their turn in between, and nothing is mixed up."""

import asyncio
import json
import time

from hubs import FLAGS
from rawclient import RawClient, pack
from tickets import ticket

TOKEN = "services.default.generate_token"
ECHO = "services.default.echo"
BINARY, TEXT, MORE, CLOSE, FIN = 2, 1, 0, 8, 0x80


def frame(data: bytes, kind: int = BINARY, fin: int = FIN) -> bytes:
    """A WebSocket frame as a client sends it, masked with zeros."""
    size = len(data)
    if size < 126:
        head = bytes((fin | kind, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((fin | kind, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((fin | kind, 0xFF)) + size.to_bytes(8, "big")
    return head + bytes(4) + data


def call(raw: RawClient, method: str, number: int) -> bytes:
    header = {"type": "method", "to": raw.manager, "method": method, "session": f"s{number}"}
    return frame(pack(header, {"args": [], "promise": "*", "t": 15.0}))


async def test_others_are_served_amid_a_flood_of_calls(hub):
    """Thousands of calls that come at once are begun one by one."""
    count = 2000
    async with (
        RawClient.connect(hub.ws_url, "flood", token=ticket("fay")) as flood,
        RawClient.connect(hub.ws_url, "other", token=ticket("ole")) as other,
    ):
        flood.socket.transport.write(b"".join(call(flood, TOKEN, n) for n in range(count)))
        await flood.take(lambda header, _: header.get("method") == "s0.resolve")
        served = []
        while len(served) < 5:
            await other.call(ECHO, 1)
            served.append(len(flood.frames))
        assert served[-1] < count - 1, "the others had to wait for all of it"
        async with asyncio.timeout(30):
            while len(flood.frames) < count - 1:
                await flood.settle()
        sessions = [header["method"] for header, _ in flood.frames if "resolve" in header["method"]]
        assert set(sessions) == {f"s{n}.resolve" for n in range(1, count)}


async def test_what_comes_in_one_read_keeps_its_order(hub):  # WIRE-39
    """Frames, fragments and the goodbye: all that was sent before the end arrives."""
    count = 6000
    async with RawClient.connect(hub.ws_url, "target", token=ticket("ole")) as target:
        sender = await RawClient.open(hub.ws_url, "sender", token=ticket("ole"))
        notes = [pack({"type": "note", "to": target.address, "n": n}) for n in range(count)]
        sent = b""
        for number, note in enumerate(notes):
            if number % 10 == 0:
                sent += frame(note[:5], BINARY, 0) + frame(note[5:20], MORE, 0)
                sent += frame(note[20:], MORE)
            elif number % 10 == 1:
                sent += frame(json.dumps({"type": "ping"}).encode(), TEXT) + frame(note)
            else:
                sent += frame(note)
        sender.socket.transport.write(sent + frame((1000).to_bytes(2, "big"), CLOSE))
        await sender.closed()
        end = time.monotonic() + 20
        while len(target.frames) < count and time.monotonic() < end:
            await target.settle()
        assert [header["n"] for header, _ in target.frames] == list(range(count))


async def test_a_message_in_endless_pieces_is_refused(make_hyphad):  # WIRE-19
    daemon = make_hyphad("--max-frame-bytes", "100000", *FLAGS).start()
    raw = await RawClient.open(daemon.ws_url)
    raw.socket.transport.write(frame(b"", BINARY, 0) + frame(b"x" * 1000, MORE, 0) * 101)
    assert (await raw.closed())[0] == 1009
