"""Login sessions: who waits, who completes, who may know."""

import asyncio

import pytest

from hyphad.auth.login_sessions import (
    GRACE_SECONDS,
    MAX_OPEN,
    MAX_PER_ADDRESS,
    LoginSessions,
    LoginTimeout,
    Result,
)
from hyphad.core.errors import Denied, Invalid, Misuse

UNKNOWN = "Invalid key, key does not exist"
DONE = Result("the token", "ann")


@pytest.fixture
def sessions(clock):
    return LoginSessions(180, clock)


def start(sessions, remote="10.0.0.7", starter=None, **more):
    return sessions.start(remote, starter, "a program", **more)


async def test_completion_wakes_everybody_who_waits(sessions):  # AUTH-73
    key = start(sessions, starter="anonymouz-a").key
    waiting = [asyncio.ensure_future(sessions.wait(key, "anonymouz-a", 60)) for _ in range(2)]
    await asyncio.sleep(0)
    sessions.complete(key, DONE)
    assert await asyncio.gather(*waiting) == [DONE, DONE]


async def test_waiting_ends_with_the_number_that_was_passed(sessions):  # AUTH-77
    key = start(sessions).key
    with pytest.raises(LoginTimeout, match=r"^Login timeout, waited for 0.01 seconds$"):
        await sessions.wait(key, None, 0.01)
    assert await sessions.wait(key, None, 0) is None, "and the session is still there"
    assert await sessions.wait(key, None, -1) is None


async def test_a_delivered_session_is_used_up(sessions):  # AUTH-77
    key = start(sessions).key
    sessions.complete(key, DONE)
    assert await sessions.wait(key, None, 0) == DONE
    with pytest.raises(Misuse, match=UNKNOWN):
        await sessions.wait(key, None, 0)


async def test_who_started_it_on_a_connection_may_ask_again_for_a_moment(sessions, clock):
    key = start(sessions, starter="anonymouz-a").key  # AUTH-77
    sessions.complete(key, DONE)
    assert await sessions.wait(key, "anonymouz-a", 0) == DONE
    assert await sessions.wait(key, "anonymouz-a", 0) == DONE
    clock.now += GRACE_SECONDS
    with pytest.raises(Misuse, match=UNKNOWN):
        await sessions.wait(key, "anonymouz-a", 0)


@pytest.mark.parametrize("asker", [None, "anonymouz-b", ""])
async def test_the_key_alone_does_not_get_the_token(sessions, asker):  # AUTH-77
    key = start(sessions, starter="anonymouz-a").key
    sessions.complete(key, DONE)
    with pytest.raises(Misuse, match=UNKNOWN):
        await sessions.wait(key, asker, 0)
    assert await sessions.wait(key, "anonymouz-a", 0) == DONE


async def test_who_gave_up_leaves_nothing_behind(sessions):  # AUTH-73
    key = start(sessions).key
    waiting = asyncio.ensure_future(sessions.wait(key, None, 60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert len(sessions) == 0
    with pytest.raises(Misuse):
        sessions.complete(key, DONE)


async def test_sessions_expire(sessions, clock):  # AUTH-76
    key = start(sessions).key
    clock.now += 179
    assert sessions.find(key) is not None
    clock.now += 1
    assert sessions.find(key) is None
    sessions.purge()
    assert len(sessions) == 0


async def test_only_one_result_counts(sessions):  # AUTH-79
    key = start(sessions).key
    sessions.complete(key, DONE)
    sessions.complete(key, Result("the token", "ann"))
    with pytest.raises(Invalid, match="Login session already completed"):
        sessions.complete(key, Result("another token", "eve"))
    assert await sessions.wait(key, None, 0) == DONE


async def test_a_refusal_is_told_to_who_waits(sessions):  # AUTH-84
    key = start(sessions).key
    waiting = asyncio.ensure_future(sessions.wait(key, None, 60))
    await asyncio.sleep(0)
    sessions.refuse(key)
    with pytest.raises(Denied, match="refused"):
        await waiting
    with pytest.raises(Misuse):
        sessions.complete(key, DONE)


async def test_one_address_cannot_crowd_out_others(sessions):  # AUTH-76
    other = start(sessions, "10.0.0.1")
    mine = [start(sessions, "10.0.0.7") for _ in range(MAX_PER_ADDRESS + 5)]
    assert sessions.find(other.key) is not None
    assert [sessions.find(session.key) is not None for session in mine] == [
        *[False] * 5,
        *[True] * MAX_PER_ADDRESS,
    ]


async def test_there_are_so_many_at_most(sessions):  # AUTH-76
    first = start(sessions, "first")
    for number in range(MAX_OPEN):
        start(sessions, f"10.1.{number >> 8}.{number & 255}")
    assert len(sessions) == MAX_OPEN
    assert sessions.find(first.key) is None


def test_keys_cannot_be_guessed(sessions):
    keys = {start(sessions, str(number)).key for number in range(100)}
    assert len(keys) == 100
    assert all(len(key) >= 22 for key in keys)


def test_a_profile_has_its_nine_keys():  # AUTH-77
    assert list(DONE.profile()) == [
        "token", "workspace", "expires_in", "email", "email_verified", "name", "nickname",
        "user_id", "picture",
    ]  # fmt: skip
    assert "the token" not in repr(DONE)
