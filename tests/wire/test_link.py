"""A link: what waits for the first frame, what is held back, who is told to wait, who is closed."""

import asyncio

import pytest

from hyphad.wire import frame
from hyphad.wire.link import FIRST_FRAME_WAIT, HIGH_WATER, MAX_OPEN_CALLS, FlowLimits

MIB = 1 << 20


async def test_who_is_on_the_other_side_is_packed_once(connect):  # WIRE-41, WIRE-45
    link = connect("ws-a/c1", "rw")
    assert frame.unpack(frame.head({"type": "x"}, link.stamp, 2)) == {
        "type": "x",
        "ws": "ws-a",
        "user": link.caller.user.to_dict(),
    }


async def test_frames_wait_for_the_first_frame_of_the_client(connect):  # D-25, WIRE-11
    link = connect("ws-a/c1", fresh=True)
    for number in range(5):
        link.send(b"frame", b"%d" % number)
    assert link.transport.frames == []
    link.send_text("connection_info")
    assert link.transport.texts == ["connection_info"]
    link.touch()
    assert link.transport.frames == [b"frame%d" % number for number in range(5)]
    link.send(b"next")
    assert link.transport.frames[-1] == b"next"
    link.touch()
    assert len(link.transport.frames) == 6


async def test_frames_do_not_wait_longer_than_five_seconds(connect):  # D-25
    link = connect("ws-a/c1", fresh=True)
    link.send(b"frame")
    await asyncio.sleep(FIRST_FRAME_WAIT - 0.1)
    assert link.transport.frames == []
    await asyncio.sleep(0.2)
    assert link.transport.frames == [b"frame"]


async def test_what_waits_for_the_first_frame_is_bounded(connect):  # D-25, WIRE-27
    link = connect("ws-a/c1", fresh=True)
    link.transport.stuck = True
    piece = b"x" * MIB
    for _ in range(HIGH_WATER // MIB):
        link.send(piece)
    assert link.transport.frames == []
    link.send(b"one more")
    assert len(link.transport.frames) == HIGH_WATER // MIB + 1
    assert link.drained is not None, "senders wait as for any client that does not read"


async def test_nothing_is_sent_on_a_link_that_has_ended(connect):  # WIRE-133
    link = connect("ws-a/c1")
    waiting = connect("ws-a/c2", fresh=True)
    waiting.send(b"frame")
    for each in (link, waiting):
        each.end()
        each.send(b"frame")
        each.send_text("text")
        each.close(1000, "again")
        each.release()
        assert each.transport.frames == each.transport.texts == each.transport.closed == []
        assert not each.alive
    await asyncio.sleep(FIRST_FRAME_WAIT + 1)
    assert waiting.transport.frames == []


async def test_a_link_is_closed_once_and_then_silent(connect):
    link = connect("ws-a/c1")
    link.close(1001, "Idle timeout (600s)")
    link.close(1008, "another reason")
    link.send(b"frame")
    link.send_text("text")
    assert link.transport.closed == [(1001, "Idle timeout (600s)")]
    assert link.transport.frames == link.transport.texts == []
    assert link.close_code == 1001


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("", ""),
        ("r" * 123, "r" * 123),
        ("r" * 124, "r" * 123),
        ("é" * 100, "é" * 61),
        ("a" + "😀" * 40, "a" + "😀" * 30),
    ],
)
async def test_a_close_reason_is_cut_to_what_the_protocol_allows(connect, reason, sent):  # WIRE-12
    link = connect("ws-a/c1")
    link.close(1001, reason)
    assert link.transport.closed == [(1001, sent)]
    assert len(sent.encode()) <= 123


async def test_senders_wait_while_a_client_does_not_read(connect):  # WIRE-27
    link = connect("ws-a/c1")
    link.transport.stuck = True
    link.send(b"x" * HIGH_WATER)
    assert link.drained is None
    link.send(b"x")
    waiting = link.drained
    assert waiting is not None
    link.send(b"x")
    assert link.drained is waiting, "all senders wait for the same thing"

    link.transport.queued = HIGH_WATER // 2 + 1
    link.on_drain()
    assert not waiting.done()
    link.transport.queued = HIGH_WATER // 2
    link.on_drain()
    assert waiting.done()
    assert link.drained is None
    await asyncio.sleep(60)
    assert link.transport.closed == []


async def test_a_client_that_does_not_read_for_long_is_closed(connect):  # WIRE-27
    slow = []
    link = connect("ws-a/c1", limits=FlowLimits(slow_after=30.0), on_slow=slow.append)
    link.transport.stuck = True
    link.send(b"x" * (HIGH_WATER + 1))
    waiting = link.drained
    await asyncio.sleep(29)
    assert link.transport.closed == []
    await asyncio.sleep(2)
    assert link.transport.closed == [(1001, "Slow consumer")]
    assert slow == [link]
    link.end()
    assert waiting.done(), "who waited for it goes on"
    assert link.drained is None


async def test_a_client_with_too_much_in_its_queue_is_closed_at_once(connect):  # WIRE-27
    slow = []
    link = connect("ws-a/c1", limits=FlowLimits(queue=8 * MIB), on_slow=slow.append)
    link.transport.stuck = True
    for _ in range(20):
        link.send(b"x" * MIB)
    assert link.transport.closed == [(1001, "Slow consumer")]
    assert slow == [link]
    assert link.transport.queued == 9 * MIB, "nothing is queued behind the close"
    await asyncio.sleep(60)
    assert slow == [link], "it is reported once"


async def test_a_small_queue_is_kept_small(connect):  # WIRE-27
    link = connect("ws-a/c1", limits=FlowLimits(queue=1000))
    link.transport.stuck = True
    link.send(b"x" * 1000)
    assert link.drained is None
    link.send(b"x")
    assert link.drained is not None
    assert link.transport.closed == [(1001, "Slow consumer")]


async def test_a_client_that_reads_again_may_be_slow_again(connect):  # WIRE-27
    link = connect("ws-a/c1", limits=FlowLimits(slow_after=30.0))
    link.transport.stuck = True
    for _ in range(3):
        link.send(b"x" * (HIGH_WATER + 1))
        await asyncio.sleep(20)
        link.transport.queued = 0
        link.on_drain()
    assert link.transport.closed == []


def _arrives(link):
    """A frame comes in; the seconds to wait before the next."""
    link.touch()
    return link.over_rate()


async def test_messages_within_the_rate_are_never_held_back(connect):  # WIRE-21
    link = connect("ws-a/c1", limits=FlowLimits(rate=200.0, burst=2000.0))
    assert all(_arrives(link) == 0.0 for _ in range(2000))
    for _ in range(50):
        await asyncio.sleep(1)
        assert all(_arrives(link) == 0.0 for _ in range(199))


async def test_messages_over_the_rate_wait_and_are_not_refused(connect):  # WIRE-21, D-23
    link = connect("ws-a/c1", limits=FlowLimits(rate=200.0, burst=2000.0))
    for _ in range(2000):
        _arrives(link)
    sent, start = 0, link.loop.time()
    while sent < 1000:
        pause = _arrives(link)
        sent += 1
        assert pause > 0
        await asyncio.sleep(pause)
    assert link.loop.time() - start == pytest.approx(1000 / 200, rel=0.01)
    assert link.transport.closed == []


async def test_a_long_silence_is_worth_one_burst_and_not_two(connect):  # WIRE-21
    link = connect("ws-a/c1", limits=FlowLimits(rate=10.0, burst=100.0))
    for _ in range(100):
        _arrives(link)
    await asyncio.sleep(1000)
    assert [_arrives(link) > 0 for _ in range(101)] == [False] * 100 + [True]


async def test_a_burst_that_was_not_used_up_does_not_double(connect):  # WIRE-21
    link = connect("ws-a/c1", limits=FlowLimits(rate=10.0, burst=100.0))
    for _ in range(60):
        _arrives(link)
    await asyncio.sleep(1000)
    assert sum(_arrives(link) == 0.0 for _ in range(200)) == 100


@pytest.mark.parametrize("rate", [0.0, -1.0])
async def test_the_rate_can_be_unlimited(connect, rate):
    link = connect("ws-a/c1", limits=FlowLimits(rate=rate, burst=1.0))
    assert all(_arrives(link) == 0.0 for _ in range(10_000))


async def test_a_link_knows_when_it_last_heard_of_its_client(connect):  # WIRE-15, WIRE-18
    link = connect("ws-a/c1", fresh=True)
    opened = link.opened
    await asyncio.sleep(3)
    link.touch()
    assert (link.opened, link.last_seen) == (opened, opened + 3)
    assert link.frames_in == 1


async def test_open_calls_are_remembered_and_bounded(connect):  # WIRE-55
    link = connect("ws-a/c1")
    link.forget_call("ws-b/c2", "never noted")
    for number in range(MAX_OPEN_CALLS + 10):
        link.note_call("ws-b/c2", f"s{number}")
    assert len(link.open_calls) == MAX_OPEN_CALLS
    assert ("ws-b/c2", "s9") not in link.open_calls
    assert ("ws-b/c2", "s10") in link.open_calls
    link.forget_call("ws-b/c2", "s10")
    link.forget_call("ws-b/c3", "s11")
    assert ("ws-b/c2", "s10") not in link.open_calls
    assert ("ws-b/c2", "s11") in link.open_calls


async def test_a_session_is_not_remembered_at_any_length(connect):  # WIRE-55
    link = connect("ws-a/c1")
    link.note_call("ws-b/c2", "s" * 257)
    assert not link.open_calls
    link.note_call("ws-b/c2", "s" * 256)
    assert len(link.open_calls) == 1


async def test_noting_a_call_twice_takes_one_place(connect):  # WIRE-55
    link = connect("ws-a/c1")
    for _ in range(3):
        link.note_call("ws-b/c2", "s")
    assert list(link.open_calls) == [("ws-b/c2", "s")]
