"""Turns: one piece of work of each in every round; who wants one thing only never waits."""

import asyncio

from hyphad.web.turns import Turns


async def works(turns, key, count, done):
    for number in range(count):
        turn = turns.take(key)
        if turn is not None:
            await turn
        done.append((key, number))


async def test_who_asks_for_one_thing_at_a_time_never_waits():
    turns = Turns()
    for _ in range(3):
        assert turns.take("a") is None
        assert turns.take("b") is None
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_crowd_of_one_user_does_not_hold_up_another():
    turns, done = Turns(), []
    crowd = [asyncio.ensure_future(works(turns, "many", 1, done)) for _ in range(100)]
    await asyncio.sleep(0)
    few = asyncio.ensure_future(works(turns, "few", 3, done))
    await few
    assert len(done) < 20
    await asyncio.gather(*crowd)
    assert len(done) == 103
    assert len(turns) == 0


async def test_those_of_one_user_come_in_their_order():
    turns, order = Turns(), []

    async def one(number):
        turn = turns.take("a")
        if turn is not None:
            await turn
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(50)))
    assert order == list(range(50))


async def test_who_has_given_up_takes_nobodys_turn():
    turns = Turns()
    turns.take("a")
    leaving, staying = turns.take("a"), turns.take("a")
    leaving.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert staying.done()
