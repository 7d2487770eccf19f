"""Calls to a peer that is expected back wait for it, in order, within bounds, and never vanish."""

import asyncio

import pytest

from hyphad.wire import away as module
from hyphad.wire.away import Away, HeldCall

PEER, OTHER = "ws-a/c1", "ws-a/c2"


def call(text="frame", method="services.x.f", session="S"):
    return HeldCall(text.encode(), "ws-a/caller", method, session)


@pytest.fixture
def given_up():
    return []


def make(given_up, grace=10.0):
    return Away(grace, lambda absent: given_up.append((absent.address, list(absent.calls))))


async def test_only_what_is_expected_is_held(given_up):  # D-26
    away = make(given_up)
    assert not away.hold(PEER, call())
    away.expect(PEER, "u")
    assert away.hold(PEER, call())
    assert not away.hold(OTHER, call())
    assert PEER in away
    assert OTHER not in away
    assert away.get(PEER).user_id == "u"


async def test_a_peer_that_comes_back_gets_its_calls_in_order(given_up):  # WIRE-39, D-26
    away = make(given_up)
    away.expect(PEER, "u", ["x"], ["my-event"])
    calls = [call(str(number)) for number in range(20)]
    for held in calls:
        away.hold(PEER, held)
    assert away.back(PEER) == (calls, {"my-event"})
    assert away.back(PEER) == ([], {"my-event"})
    assert away.held == 0
    await asyncio.sleep(20)
    assert given_up == [(PEER, [])]


async def test_when_the_grace_time_ends_the_calls_are_given_up(given_up):  # D-26
    away = make(given_up)
    away.expect(PEER, "u")
    held = call()
    away.hold(PEER, held)
    await asyncio.sleep(9)
    assert given_up == []
    await asyncio.sleep(2)
    assert given_up == [(PEER, [held])]
    assert PEER not in away
    assert away.held == 0
    assert not away.hold(PEER, call())


async def test_who_says_goodbye_is_given_up_at_once(given_up):
    away = make(given_up)
    away.expect(PEER, "u")
    held = call()
    away.hold(PEER, held)
    away.forget(PEER)
    away.forget(PEER)
    away.forget("ws-a/never-here")
    assert given_up == [(PEER, [held])]
    await asyncio.sleep(20)
    assert len(given_up) == 1


async def test_without_grace_nobody_is_expected(given_up):
    away = make(given_up, grace=0)
    away.expect(PEER, "u", ["x"])
    assert PEER not in away
    assert not away.hold(PEER, call())


async def test_who_leaves_again_gets_the_whole_grace_time_and_keeps_its_calls(given_up):
    away = make(given_up)
    away.expect(PEER, "u", ["x"])
    first, second = call("1"), call("2")
    away.hold(PEER, first)
    await asyncio.sleep(6)
    away.expect(PEER, "u", ["y"])
    away.hold(PEER, second)
    await asyncio.sleep(6)
    assert given_up == []
    assert away.held == 2
    assert away.get(PEER).services == {"y"}
    await asyncio.sleep(6)
    assert given_up == [(PEER, [first, second])]
    assert away.held == 0


async def test_a_restarted_peer_gets_calls_when_their_service_is_there_again(given_up):  # D-26
    away = make(given_up)
    away.expect(PEER, "u", ["x", "y"])
    for_x = [call(str(n), "services.x.f") for n in range(3)]
    for_y = call("y", "services.y.g")
    for_session = call("s", "S.resolve", None)
    for held in (for_x[0], for_y, for_x[1], for_session, for_x[2]):
        away.hold(PEER, held)
    assert away.registered(PEER, "built-in") == []
    assert away.registered(PEER, "x") == for_x
    assert away.registered(PEER, "x") == []
    assert away.get(PEER).services == {"y"}
    assert away.held == len(b"y") + len(b"s")
    assert away.registered(PEER, "y") == [for_y]
    assert away.registered("ws-a/never-here", "y") == []
    await asyncio.sleep(20)
    assert given_up == [(PEER, [for_session])]


async def test_a_service_whose_name_begins_like_another_is_another(given_up):
    away = make(given_up)
    away.expect(PEER, "u", ["x", "xy"])
    away.hold(PEER, call(method="services.xy.f"))
    assert away.registered(PEER, "x") == []


async def test_bounds_of_what_is_held(given_up, monkeypatch):
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 100)
    monkeypatch.setattr(module, "MAX_HELD_IN_ALL", 250)
    away = make(given_up)
    peers = [f"ws-a/c{number}" for number in range(4)]
    for peer in peers:
        away.expect(peer, "u", ["x"])
    assert not away.hold(peers[0], call("x" * 101))
    assert away.hold(peers[0], call("x" * 100))
    assert not away.hold(peers[0], call("x"))
    assert away.hold(peers[1], call("x" * 100))
    assert not away.hold(peers[2], call("x" * 51))
    assert away.hold(peers[2], call("x" * 50))
    assert not away.hold(peers[3], call("x"))
    away.registered(peers[0], "x")
    assert away.hold(peers[3], call("x" * 100))
    assert away.held == 250
    away.back(peers[1])
    away.forget(peers[2])
    away.forget(peers[3])
    assert away.held == 0


async def test_who_had_a_service_of_that_name(given_up):  # D-26
    away = make(given_up)
    away.expect("ws-a/c1", "u", ["x", "y"])
    away.expect("ws-a/c2", "u", ["x"])
    away.expect("ws-ab/c1", "u", ["x"])

    def providers(*place):
        return [absent.address for absent in away.providers(*place)]

    assert providers("ws-a", "*", "x") == ["ws-a/c1", "ws-a/c2"]
    assert providers("ws-a", "c2", "x") == ["ws-a/c2"]
    assert providers("ws-a", "*", "y") == ["ws-a/c1"]
    assert providers("ws-a", "*", "z") == []
    assert providers("ws-b", "*", "x") == []
    away.registered("ws-a/c1", "x")
    assert providers("ws-a", "*", "x") == ["ws-a/c2"]


async def test_who_waits_for_a_change_is_woken(given_up):
    away = make(given_up)
    away.expect(PEER, "u", ["x"])
    registered, again = (away.changed(away.get(PEER)) for _ in range(2))
    again.cancel()
    away.registered(PEER, "x")
    assert registered.done()
    survives = away.changed(away.get(PEER))
    away.expect(PEER, "u", ["x"])
    assert not survives.done()
    await asyncio.sleep(11)
    assert survives.done()


async def test_at_shutdown_what_is_held_is_handed_out(given_up):  # WIRE-106
    away = make(given_up)
    held = call()
    away.expect(PEER, "u", ["x"])
    away.expect(OTHER, "u")
    away.hold(OTHER, held)
    waiting = away.changed(away.get(PEER))
    assert away.clear() == [(OTHER, held)]
    assert PEER not in away
    assert away.held == 0
    assert waiting.done()
    await asyncio.sleep(20)
    assert given_up == []
