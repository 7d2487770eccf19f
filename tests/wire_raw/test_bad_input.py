"""Frames that no client would send: the sender hears a clear word or nothing, nobody else does."""

import asyncio
import contextlib
import os
import random

import msgpack
import pytest
import websockets
from hubs import FLAGS
from rawclient import RawClient, answered_right_behind_the_hello, pack
from tickets import ticket

ECHO = "services.default.echo"


class Bystander:
    """Two clients that call each other all the time; a call that fails or waits ends the test."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopping = False
        self.calls = 0

    async def __aenter__(self) -> "Bystander":
        token = ticket("bea")
        self._one = await RawClient.open(self._url, token=token)
        self._two = await RawClient.open(self._url, token=token)
        self._two.serving["services.x.f"] = lambda value: value
        self._task = asyncio.ensure_future(self._keep_calling())
        return self

    async def __aexit__(self, *error: object) -> None:
        before = self.calls
        while self.calls < before + 2:
            assert not self._task.done(), self._task.exception()
            await asyncio.sleep(0.01)
        self._stopping = True
        await self._task
        assert self._one.frames == [] and self._two.frames == []
        await self._one.close()
        await self._two.close()

    async def _keep_calling(self) -> None:
        while not self._stopping:
            to = self._two.address
            assert await self._one.call("services.x.f", self.calls, to=to, seconds=5) == self.calls
            assert await self._one.call(ECHO, self.calls, seconds=5) == self.calls
            self.calls += 1


def _seeds() -> list[bytes]:
    call = pack(
        {"type": "method", "to": "x", "method": "services.default.echo", "session": "s"},
        {"args": [1], "promise": "*", "t": 15.0},
    )
    return [
        b"",
        b"\xc1",
        b"\x00",
        b"\xff" * 100,
        b"text",
        msgpack.packb([1, 2]),
        msgpack.packb("text"),
        msgpack.packb({}),
        msgpack.packb({1: 2}),
        msgpack.packb({b"type": b"method"}),
        call[: len(call) // 2],
        call[:20],
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff" * 10,
        b"\x81\xa2to" + b"\x91" * 100_000,
        b"\x81\xa2to" + b"\x81\xa1a" * 100_000 + b"\x01",
        b"\x81\xa2to\xc6\xff\xff\xff\xff",
        b"\x81\xa2to\xdb\xff\xff\xff\xff",
        b"\x81" * 5000,
        pack({"type": "method", "to": "x"}) + b"\xc1\xc1",
        pack({"type": "method", "to": "x"}) + b"\xdf\xff\xff\xff\xff",
        pack({"type": "method", "to": "x"}) + msgpack.packb([1, 2]),
        pack({"type": "method", "to": "x"}) + msgpack.packb(5),
        pack({"type": "method", "to": "x"}) + msgpack.packb({5: 6}),
        pack({"type": "method", "to": "x", "n": 2**64 - 1, "e": msgpack.ExtType(9, b"")}),
    ]


@pytest.mark.parametrize("number", range(len(_seeds())))
async def test_garbage_frames(hub, number):  # WIRE-40, WIRE-120
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        await raw.socket.send(_seeds()[number])
        await raw.settle()
        assert all(header.get("method") == "s.reject" for header, _ in raw.frames)


async def test_random_frames(hub):  # WIRE-40
    """Right frames with wrong bytes in them."""
    rng = random.Random(7)
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        seeds = [seed for seed in _seeds() if 10 < len(seed) < 500]
        seeds.append(
            pack(
                {"type": "method", "to": raw.manager, "method": ECHO, "session": "s"},
                {"args": [{"a": [1, 2, {"_rtype": "set", "_rvalue": [1]}]}], "promise": "*"},
            )
        )
        for _ in range(3000):
            data = bytearray(rng.choice(seeds))
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            await raw.socket.send(bytes(data[: rng.randint(1, len(data))]))
        await raw.settle()


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"to": "x"},
        {"type": "method"},
        {"type": 5, "to": "x"},
        {"type": "method", "to": 5},
        {"type": "method", "to": None},
        {"type": "method", "to": ["x"]},
        {"type": "method", "to": ""},
        {"type": "method", "to": "a/b/c"},
        {"type": None, "to": "x"},
    ],
    ids=str,
)
async def test_headers_that_are_not_right(hub, header):  # WIRE-38, WIRE-40, WIRE-44
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        await raw.send(header)
        await raw.send({**header, "session": "s"})
        head, extra = await raw.taken("s.reject")
        assert head["to"] == raw.address and head["from"].count("/") == 1
        text = extra["args"][0]["_rvalue"]
        assert text == "PermissionError: Invalid message: 'to' and 'type' are required"
        await raw.settle()
        assert raw.frames == []


@pytest.mark.parametrize("session", [5, None, ["s"], {"a": 1}, b"s", 1.5, True, ""])
async def test_sessions_of_another_type(hub, session):  # WIRE-40
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        for to in ("nobody", "ws-x/nobody", raw.manager, raw.address, "ws-x/*", "*"):
            for method in (ECHO, "services.default.list_services", "s.resolve", 5, None):
                head = {"type": "method", "to": to, "method": method, "session": session}
                await raw.send(head, {"args": [1], "promise": "*", "t": 1})
        await raw.settle()


@pytest.mark.parametrize(
    "to",
    ["/", "/x", "x/", "*/", "//", " ", "\x00", "ü" * 5000, "x" * 100_000, "../etc/passwd", "a\nb",
     "ws-user-bea/\u202e", "%2e", "a:b", "a@b", "a|b"],
    ids=lambda text: repr(text)[:20],
)  # fmt: skip
async def test_absurd_targets(hub, to):  # WIRE-44, WIRE-52
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        text = await raw.rejection("services.x.f", to=to)
        assert "not connected" in text or "Invalid message" in text
        assert ".py" not in text


@pytest.mark.parametrize(
    "extra",
    [
        {"args": None},
        {"args": 5},
        {"with_kwargs": True},
        {"with_kwargs": True, "args": [5]},
        {"with_kwargs": True, "args": [{5: 6}]},
        {"promise": 5},
        {"promise": {"resolve": 5, "interval": "x"}},
        {"promise": {"interval": -1}},
        {"t": -5},
        {"t": "soon"},
        {"t": float("nan")},
        {"t": float("inf")},
        {"t": 1e-300},
        {"t": 10**18},
        {"_enc": {"v": 2, "pub": b"x" * 32, "nonce": b"y" * 24}, "data": b"z"},
    ],
    ids=str,
)
async def test_odd_payloads_for_the_manager(hub, extra):  # WIRE-37, WIRE-84
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        server = raw.info["manager_id"].removeprefix("manager-")
        for to, method, args in (
            (raw.manager, ECHO, [1]),
            (raw.manager, "services.default.get_service", ["~"]),
            (f"public/{server}", "services.queue.pop", ["q", 0]),
        ):
            await raw.begin(method, *args, to=to, extra=extra)
        await raw.settle()
        for header, body in raw.frames:
            if header["method"].endswith(".reject"):
                assert "InternalError" not in body["args"][0]["_rvalue"]


@pytest.mark.parametrize("depth", [100, 1000, 100_000])
async def test_deeply_nested_values(hub, depth):  # WIRE-71
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        deep = b"\x91" * depth + b"\x01"
        head = {"type": "method", "from": "x", "to": raw.manager, "method": ECHO, "session": "s"}
        await raw.socket.send(pack(head) + b"\x82\xa4args\x91" + deep + b"\xa7promise\xa1*")
        header, extra = await raw.take(lambda h, e: h["method"] in ("s.resolve", "s.reject"))
        if header["method"] == "s.reject":
            assert "Invalid message" in extra["args"][0]["_rvalue"]
        await raw.settle()


async def test_a_bomb_of_empty_lists(hub):  # WIRE-135
    """Sixteen million empty lists in one frame: an error, not gigabytes."""
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        count = 16_000_000
        head = {"type": "method", "from": "x", "to": raw.manager, "method": ECHO, "session": "s"}
        body = b"\x82\xa7promise\xa1*\xa4args\xdd" + count.to_bytes(4, "big") + b"\x90" * count
        await raw.socket.send(pack(head) + body)
        _, extra = await raw.taken("s.reject")
        assert "Invalid message" in extra["args"][0]["_rvalue"]


async def test_names_of_megabytes(hub):  # WIRE-14, D-14, D-20
    big = "x" * 3_000_000
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        for method, args in (
            ("get_service", [big]),
            ("get_service_info", [f"{big}/{big}:x"]),
            ("list_services", [big]),
            ("list_services", [{"service_id": big}]),
            ("subscribe", [big]),
            ("unregister_service", [big]),
            ("register_service", [{"id": f"{raw.address}:{big}"}]),
            ("register_service", [{"id": f"{raw.address}:a", "docs": big}]),
            ("get_service_type", [big]),
            ("ping", [big]),
            ("generate_token", [{"client_id": big}]),
            ("generate_token", [{"workspace": big}]),
            ("parse_token", [big]),
            ("revoke_token", [big]),
            ("create_workspace", [{"id": big}]),
        ):
            text = ""
            with contextlib.suppress(AssertionError):
                text = await raw.rejection(f"services.default.{method}", *args)
            assert len(text) < 2000, (method, len(text))


async def test_a_hostile_pattern_is_matched_in_linear_time(hub):  # D-20
    async with Bystander(hub.ws_url), RawClient.connect(hub.ws_url) as raw:
        await raw.register("a" * 200)
        query = {"service_id": "*a" * 100 + "*b"}
        assert await raw.call("services.default.list_services", query) == []
        text = await raw.rejection("services.default.list_services", {"service_id": "*a" * 200})
        assert "256" in text


async def test_a_connection_cut_in_the_middle_of_a_frame(hub):  # WIRE-133
    async with Bystander(hub.ws_url):
        for size in (1, 2, 5, 9, 13, 1000):
            raw = await RawClient.open(hub.ws_url)
            frame = b"\x82\xff" + (1 << 20).to_bytes(8, "big") + b"mask" + b"x" * 1000
            raw.socket.transport.write(frame[:size])
            raw.abort()


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\x01\x00",  # not masked
        b"\xf2\x81mask\x00",  # reserved bits
        b"\x83\x81mask\x00",  # an opcode that is none
        b"\x09\x81mask\x00",  # a ping in pieces
        b"\x89\xfe\x00\xffmask" + b"x" * 255,  # a ping that is too long
        b"\x80\x81mask\x00",  # a continuation of nothing
        b"\x88\x81mask\x00",  # a goodbye of one byte
    ],
    ids=["unmasked", "reserved", "opcode", "split ping", "long ping", "continuation", "close"],
)
async def test_broken_websocket_frames(hub, frame):  # WIRE-133
    async with Bystander(hub.ws_url):
        raw = await RawClient.open(hub.ws_url)
        raw.socket.transport.write(frame)
        with contextlib.suppress(websockets.ConnectionClosed, TimeoutError):
            async with asyncio.timeout(1):
                await raw.socket.wait_closed()
        raw.abort()


async def test_a_message_of_endless_pieces(make_hyphad):  # WIRE-19
    """Fragments add up to the limit of a frame, and not beyond."""
    daemon = make_hyphad("--max-frame-bytes", "1000000", *FLAGS).start()

    async def pieces():
        for _ in range(300):
            yield os.urandom(10_000)

    async with Bystander(daemon.ws_url):
        raw = await RawClient.open(daemon.ws_url)
        with contextlib.suppress(websockets.ConnectionClosed):
            await raw.socket.send(pieces())
        assert (await raw.closed())[0] in (1009, 1006)


async def test_half_open_handshakes_hold_nobody_up(hub):  # WIRE-7
    silent = [await RawClient.dial(hub.ws_url) for _ in range(50)]
    async with Bystander(hub.ws_url):
        raw = await RawClient.open(hub.ws_url)
        await raw.close()
    for raw in silent:
        raw.abort()


async def test_frames_right_behind_the_hello_wait_until_the_client_is_in(hub):
    await answered_right_behind_the_hello(hub)
