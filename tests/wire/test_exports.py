"""Functions that were handed out: for the one peer that got them, as long as it uses them."""

import asyncio

import pytest

from hyphad.wire import exports
from hyphad.wire.exports import STOP, Exports

OWNER, OTHER = "ws-a/c1", "ws-a/c2"
PLACE = ("*/manager-x", "http://host:1")


@pytest.fixture
def now(monkeypatch):
    """The time that exports see; change it through `now[0]`."""
    moment = [1000.0]
    monkeypatch.setattr(exports.time, "monotonic", lambda: moment[0])
    return moment


def hand_out(given, value, owner=OWNER):
    return given.encode(value, owner, *PLACE)


def test_a_function_is_handed_out_as_a_method():  # WIRE-67, WIRE-74
    given = Exports()

    def hello():
        return "hi"

    described = hand_out(given, hello)
    path = described.pop("_rmethod")
    assert described == {
        "_rtype": "method",
        "_rserver": "http://host:1",
        "_rtarget": "*/manager-x",
        "_rpromise": "*",
        "_rname": "hello",
    }
    assert path.count(".") == 1
    assert given.find(path, OWNER) is hello


def test_only_its_owner_may_call_it():  # WIRE-46
    given = Exports()
    path = hand_out(given, len)["_rmethod"]
    for stranger in (OTHER, "c1", "", "ws-b/c1"):
        assert given.find(path, stranger) is None
    assert given.find(path + "x", OWNER) is None
    assert given.find("", OWNER) is None
    assert given.find(path, OWNER) is len


@pytest.mark.parametrize("value", [None, 1, "text", [len], {"a": len}, object()])
def test_what_is_no_function(value):
    given = Exports()
    assert hand_out(given, value) is None
    assert len(given) == 0


async def read(given, described):
    items = []
    while True:
        item = await given.find(described["_rmethod"], OWNER)()
        if item == STOP:
            return items
        items.append(item)


async def test_a_generator_is_read_step_by_step():  # WIRE-69
    async def counting():
        for number in range(3):
            yield number

    given = Exports()
    for generator in (counting(), (number for number in range(3))):
        described = hand_out(given, generator)
        assert described["_rtype"] == "generator"
        assert described["_rclose_method"] == described["_rmethod"] + ":close"
        assert await read(given, described) == [0, 1, 2]
        assert await given.find(described["_rmethod"], OWNER)() == STOP


async def test_a_generator_that_fails_says_so_once():
    async def failing():
        yield 1
        raise ValueError("broken")

    given = Exports()
    step = given.find(hand_out(given, failing())["_rmethod"], OWNER)
    assert await step() == 1
    with pytest.raises(ValueError, match="broken"):
        await step()
    assert await step() == STOP


async def test_a_generator_that_is_left_early_is_closed_and_forgotten():  # WIRE-69
    closed = []

    async def slow():
        try:
            yield 1
            yield 2
        finally:
            closed.append("async")

    def plain():
        try:
            yield 1
        finally:
            closed.append("plain")

    given = Exports()
    for generator in (slow(), plain()):
        described = hand_out(given, generator)
        await given.find(described["_rmethod"], OWNER)()
        assert given.find(described["_rclose_method"], OTHER) is None
        await given.find(described["_rclose_method"], OWNER)()
        assert given.find(described["_rmethod"], OWNER) is None
        assert given.find(described["_rclose_method"], OWNER) is None
    assert closed == ["async", "plain"]
    assert len(given) == 0


def test_a_peer_that_has_gone_loses_its_functions():
    given = Exports()
    mine = hand_out(given, len)["_rmethod"]
    generator = hand_out(given, iter_nothing())
    theirs = hand_out(given, len, OTHER)["_rmethod"]
    given.drop(OWNER)
    for path in (mine, generator["_rmethod"], generator["_rclose_method"]):
        assert given.find(path, OWNER) is None
    assert given.find(theirs, OTHER) is len


def iter_nothing():
    yield from ()


def test_what_is_not_used_for_ten_minutes_is_forgotten(now):  # WIRE-66
    given = Exports()
    used, unused = (hand_out(given, len)["_rmethod"] for _ in range(2))
    now[0] += 599
    given.sweep()
    assert len(given) == 2
    assert given.find(used, OWNER) is len
    assert given.find(unused, OTHER) is None, "a stranger's attempt is no use"
    now[0] += 2
    given.sweep()
    assert given.find(unused, OWNER) is None
    assert given.find(used, OWNER) is len


async def test_a_generator_in_use_can_still_be_closed_after_ten_minutes(now):  # WIRE-66, WIRE-69
    async def counting():
        number = 0
        while True:
            yield number
            number += 1

    given = Exports()
    described = hand_out(given, counting())
    for _ in range(5):
        now[0] += 300
        await given.find(described["_rmethod"], OWNER)()
        given.sweep()
    close = given.find(described["_rclose_method"], OWNER)
    assert close is not None
    await close()
    assert len(given) == 0
    await asyncio.sleep(0)
