"""Calls the server makes: only the peer that was called may answer, once, in its time."""

import asyncio

import pytest

from hyphad.core.errors import PeerGone, RemoteError, TimedOut
from hyphad.wire import values
from hyphad.wire.calls import PendingCalls

TARGET = "ws-a/c1"


async def test_an_answer_reaches_the_call():  # WIRE-59
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    assert calls.answer(TARGET, call.session, "resolve", [{"a": 1}, "ignored"])
    assert await call.future == {"a": 1}
    await asyncio.sleep(0)
    assert len(calls) == 0
    assert call.timer.cancelled()


async def test_an_answer_without_a_value_is_none():
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    calls.answer(TARGET, call.session, "resolve", [])
    assert await call.future is None


@pytest.mark.parametrize(
    ("reason", "text", "status"),
    [
        (values.error("KeyError: 'Service not found: x'"), "KeyError: 'Service not found: x'", 404),
        (values.error("PermissionError: no", "trace"), "PermissionError: no", 403),
        ("just text", "just text", 500),
        (None, "None", 500),
    ],
)
async def test_a_rejection_is_passed_on_as_it_came(reason, text, status):  # WIRE-59, D-8
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    assert calls.answer(TARGET, call.session, "reject", [reason])
    with pytest.raises(RemoteError) as caught:
        await call.future
    assert caught.value.rpc_text == text
    assert caught.value.status == status


@pytest.mark.parametrize("sender", ["ws-a/c2", "ws-b/c1", "c1", "", "ws-a/c1 "])
@pytest.mark.parametrize("verb", ["resolve", "reject", "heartbeat"])
async def test_nobody_else_may_answer(sender, verb):  # WIRE-46
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    assert not calls.answer(sender, call.session, verb, ["forged"])
    assert not call.future.done()
    calls.answer(TARGET, call.session, "resolve", ["true"])
    assert await call.future == "true"


async def test_what_is_no_answer():
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    for verb in ("", "resolve.x", "Resolve", "close"):
        assert not calls.answer(TARGET, call.session, verb, [1])
    assert not calls.answer(TARGET, "unknown", "resolve", [1])
    assert not calls.answer(TARGET, "", "resolve", [1])
    assert not call.future.done()
    call.future.cancel()


async def test_only_the_first_answer_counts():  # WIRE-59
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    assert calls.answer(TARGET, call.session, "resolve", [1])
    assert not calls.answer(TARGET, call.session, "reject", ["late"])
    assert not calls.answer(TARGET, call.session, "resolve", [2])
    assert await call.future == 1
    assert not calls.answer(TARGET, call.session, "resolve", [3])


async def test_silence_ends_a_call():  # WIRE-56
    calls = PendingCalls()
    call = calls.open(TARGET, 10.0)
    with pytest.raises(TimedOut, match=r"^No answer from ws-a/c1 within 10 seconds$"):
        await call.future
    await asyncio.sleep(0)
    assert len(calls) == 0


async def test_a_heartbeat_gives_a_call_its_whole_time_again():  # WIRE-60
    calls = PendingCalls()
    call = calls.open(TARGET, 10.0)
    for _ in range(5):
        await asyncio.sleep(9)
        assert not call.future.done()
        assert calls.answer(TARGET, call.session, "heartbeat", [])
    await asyncio.sleep(9)
    assert calls.touch(call.session), "a chunk of the answer counts as a sign of life"
    await asyncio.sleep(9)
    assert not call.future.done()
    await asyncio.sleep(2)
    assert isinstance(call.future.exception(), TimedOut)
    assert not calls.touch(call.session)


async def test_calls_to_a_peer_that_left_fail_at_once():  # WIRE-56
    calls = PendingCalls()
    gone = [calls.open(TARGET, 30.0) for _ in range(3)]
    other = calls.open("ws-a/c2", 30.0)
    calls.peer_gone(TARGET)
    for call in gone:
        with pytest.raises(PeerGone, match=r"^Client disconnected: ws-a/c1$"):
            await call.future
    assert not other.future.done()
    await asyncio.sleep(0)
    assert len(calls) == 1
    calls.peer_gone("ws-a/c2")
    assert isinstance(other.future.exception(), PeerGone)


async def test_a_cancelled_call_is_forgotten():
    calls = PendingCalls()
    call = calls.open(TARGET, 30.0)
    call.future.cancel()
    await asyncio.sleep(0)
    assert len(calls) == 0
    assert not calls.answer(TARGET, call.session, "resolve", [1])
    calls.peer_gone(TARGET)
    await asyncio.sleep(60)


async def test_sessions_cannot_be_guessed_or_confused():
    calls = PendingCalls()
    sessions = {calls.open(TARGET, 30.0).session for _ in range(100)}
    assert len(sessions) == 100
    assert all(len(session) >= 22 and "." not in session for session in sessions)
    calls.peer_gone(TARGET)
    for call in list(calls._calls.values()):
        call.future.exception()
