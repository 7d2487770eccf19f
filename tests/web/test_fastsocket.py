"""Many frames in one read: handled in turns, in order, and held back where there is cause."""

import asyncio
from types import SimpleNamespace

import pytest
from picows import WSMsgType

from hyphad.web import fastsocket
from hyphad.web.fastsocket import Batch, Listener


class Parser:
    def get_buffer(self, hint):
        return memoryview(bytearray(10 << 20))


class Wire:
    """What stands below: a transport that can be told to stop reading."""

    def __init__(self):
        self.reading = True
        self.protocol = Parser()
        self.is_disconnected = self.is_close_frame_sent = False
        self.underlying_transport = self

    def set_write_buffer_limits(self, high, low):
        pass

    def get_write_buffer_size(self):
        return 0

    def send(self, kind, data):
        pass

    send_reuse_external_bytearray = send

    def get_protocol(self):
        return self.protocol

    def set_protocol(self, protocol):
        self.protocol = protocol

    def send_close(self, code, reason=b""):
        self.is_close_frame_sent = True

    def disconnect(self, graceful=True):
        self.is_disconnected = True

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


class Conversation:
    """What stands above: notes what it is told, and may ask to wait."""

    def __init__(self, *_):
        self.heard = []
        self.waits = {}

    def on_binary(self, data):
        self.heard.append(data)
        return self.waits.pop(data, None)

    def on_text(self, text):
        self.heard.append(text)

    def on_end(self, code):
        self.heard.append(code)


@pytest.fixture
def listener(monkeypatch):
    """A listener for which every look at the clock takes a quarter of a turn."""
    now = 0.0

    def clock():
        nonlocal now
        now += fastsocket.TURN_SECONDS / 4
        return now

    monkeypatch.setattr(fastsocket, "perf_counter", clock)
    monkeypatch.setattr(fastsocket, "Conversation", Conversation)
    made = Listener(None, "", "", 1000, Batch())
    made.on_ws_connected(Wire())
    return made


def read(listener, *messages, last=True):
    """One read that brings these frames; a number is a goodbye."""
    for number, message in enumerate(messages, 1):
        kind = WSMsgType.CLOSE if isinstance(message, int) else WSMsgType.BINARY
        data = message.to_bytes(2, "big") if isinstance(message, int) else message
        frame = SimpleNamespace(
            msg_type=kind,
            fin=True,
            last_in_buffer=last and number == len(messages),
            get_payload_as_bytes=lambda data=data: data,
        )
        listener.on_ws_frame(listener._ws, frame)


async def test_a_long_read_is_handled_in_turns(listener):
    sent = [b"%d" % n for n in range(20)]
    heard = listener._conversation.heard
    read(listener, *sent)
    assert 0 < len(heard) < 20
    assert not listener._ws.reading
    turns = 0
    while not listener._ws.reading:
        before = len(heard)
        await asyncio.sleep(0)
        turns += len(heard) > before
    assert heard == sent
    assert turns > 2


async def test_one_frame_is_handled_at_once(listener):
    for n in range(20):
        read(listener, b"%d" % n)
    assert len(listener._conversation.heard) == 20
    assert listener._ws.reading


async def test_nothing_overtakes_a_frame_that_waits(listener):
    conversation = listener._conversation
    conversation.waits = {b"a": asyncio.Future(), b"c": asyncio.Future()}
    first, second = conversation.waits.values()
    read(listener, b"a", b"b", b"c", b"d")
    for _ in range(5):
        await asyncio.sleep(0)
    assert conversation.heard == [b"a"]
    first.set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert conversation.heard == [b"a", b"b", b"c"]
    assert not listener._ws.reading
    second.set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert conversation.heard == [b"a", b"b", b"c", b"d"]
    assert listener._ws.reading


async def test_the_goodbye_comes_after_what_was_said_before(listener):
    sent = [b"%d" % n for n in range(20)]
    read(listener, *sent, 1000)
    assert not listener._ws.is_close_frame_sent
    for _ in range(40):
        await asyncio.sleep(0)
    assert listener._ws.is_close_frame_sent
    listener.on_ws_disconnected(listener._ws)
    assert listener._conversation.heard == [*sent, 1000]


async def test_what_was_sent_before_a_connection_broke_still_counts(listener):
    conversation = listener._conversation
    conversation.waits = {b"3": asyncio.Future()}
    sent = [b"%d" % n for n in range(20)]
    read(listener, *sent)
    listener.on_ws_disconnected(listener._ws)
    assert None not in conversation.heard
    for _ in range(40):
        await asyncio.sleep(0)
    assert conversation.heard == [*sent, None]


async def test_who_sends_very_much_is_read_in_smaller_portions(listener):
    wire = listener._ws
    read(listener, b"x")
    assert len(wire.protocol.get_buffer(-1)) == 10 << 20
    read(listener, *[b"x"] * (fastsocket.MANY_FRAMES // 2))
    while not wire.reading:
        await asyncio.sleep(0)
    assert len(wire.protocol.get_buffer(-1)) == fastsocket.READ_LARGE
    sent = [b"%d" % n for n in range(fastsocket.MANY_FRAMES * 2)]
    listener._conversation.heard.clear()
    read(listener, *sent)
    while not wire.reading:
        await asyncio.sleep(0)
    assert listener._conversation.heard == sent
    assert len(wire.protocol.get_buffer(-1)) == fastsocket.READ_LESS


async def test_the_end_of_a_connection_that_waits_is_told_once(listener):
    conversation = listener._conversation
    wait = conversation.waits[b"a"] = asyncio.Future()
    read(listener, b"a")
    transport = listener._transport
    transport.link = object()
    listener.on_ws_disconnected(listener._ws)
    wait.set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert conversation.heard == [b"a", None]
    assert transport.link is None, "a cycle keeps the memory of a connection that has ended"


async def test_long_frames_are_read_in_portions(listener):
    read(listener, bytes(fastsocket.READ_LARGE + 1))
    assert len(listener._ws.protocol.get_buffer(-1)) == fastsocket.READ_LARGE
