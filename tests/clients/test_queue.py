"""The queue service: in order, on disk, waited for with heartbeats, nobody's task lost."""

import asyncio

import pytest
from coroutines import until
from hubs import FLAGS
from people import as_user, error_of


async def test_first_in_first_out(hub):  # WS-65
    async with as_user(hub, "que") as server:
        queue = await server.get_service("public/queue")
        assert await queue.get_length("q") == 0
        assert await queue.push("q", {"n": 1}) is None
        await queue.push("q", {"n": 2})
        assert await queue.get_length("q") == 2
        assert await queue.peek("q") == [{"n": 1}]
        assert await queue.peek("q", 2) == [{"n": 1}, {"n": 2}]
        assert await queue.pop("q") == {"n": 1}
        assert await queue.pop("q", timeout=0) == {"n": 2}
        assert await queue.pop("q", timeout=0) is None


async def test_a_queue_belongs_to_a_workspace(hub):  # WS-65
    async with as_user(hub, "que") as one, as_user(hub, "oz") as two:
        mine, theirs = [await server.get_service("public/queue") for server in (one, two)]
        await mine.push("own", {"n": 1})
        assert await theirs.get_length("own") == 0
        assert await mine.pop("own") == {"n": 1}


async def test_waiting_longer_than_a_call_may_take(hub):  # 02 section 13 number 12, WIRE-60
    """The client gives a call 0.6 s; heartbeats keep a pop of 2 s alive."""
    async with as_user(hub, "que", method_timeout=0.6) as server:
        queue = await server.get_service("public/queue")
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await queue.pop("empty", timeout=2) is None
        assert loop.time() - began >= 1.9


async def test_waiters_are_served_in_order(hub):  # WS-65
    async with as_user(hub, "que") as server:
        queue = await server.get_service("public/queue")
        waiting = []
        for _ in range(3):
            waiting.append(asyncio.ensure_future(queue.pop("line", timeout=20)))
            await server.echo(1)
        for number in range(3):
            await queue.push("line", {"n": number})
        assert await asyncio.gather(*waiting) == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_a_waiter_that_has_gone_swallows_no_task(hub):  # WS-65
    async with as_user(hub, "que") as server:
        queue = await server.get_service("public/queue")
        async with as_user(hub, "que", client_id="leaver") as leaver:
            theirs = await leaver.get_service("public/queue")
            waiting = asyncio.ensure_future(theirs.pop("gone", timeout=60))
            await leaver.echo(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: "disconnected client=ws-user-que/leaver" in hub.log)
        await queue.push("gone", {"n": 1})
        assert await queue.pop("gone", timeout=0) == {"n": 1}


@pytest.mark.parametrize("name", ["a b", "", "-a", "x" * 129, "a/b", "ü"])
async def test_names_of_queues(hub, name):  # WS-65
    async with as_user(hub, "que") as server:
        queue = await server.get_service("public/queue")
        text = await error_of(queue.push(name, {}))
        assert text == (
            f"ValueError: Invalid queue name: {name!r}. Queue names must be 1-128 characters, "
            "start with alphanumeric, and contain only alphanumeric, hyphens, underscores, and "
            "dots."
        )


async def test_arguments_out_of_range(hub):  # WS-65
    async with as_user(hub, "que") as server:
        queue = await server.get_service("public/queue")
        for call in (
            queue.pop("q", timeout=-1),
            queue.pop("q", timeout=301),
            queue.peek("q", 0),
            queue.peek("q", 101),
            queue.push("q", b"no JSON"),
        ):
            text = await error_of(call)
            assert text.startswith(("ValueError", "TypeError")), text
        assert await queue.get_length("q") == 0


async def test_many_workers_share_a_queue(hub):  # WS-65
    async with as_user(hub, "que") as server:
        queue = await server.get_service("public/queue")

        async def work():
            done = []
            while (task := await queue.pop("shared", timeout=1)) is not None:
                done.append(task["n"])
            return done

        workers = [asyncio.ensure_future(work()) for _ in range(4)]
        await asyncio.gather(*(queue.push("shared", {"n": number}) for number in range(100)))
        done = await asyncio.gather(*workers)
        assert sorted(number for numbers in done for number in numbers) == list(range(100))


async def test_a_queue_outlives_a_kill(make_hyphad):  # 02 section 13 number 6, WS-47
    daemon = make_hyphad(*FLAGS).start()
    async with as_user(daemon, "que") as server:
        queue = await server.get_service("public/queue")
        for number in range(20):
            await queue.push("jobs", {"n": number})
        assert [await queue.pop("jobs") for _ in range(5)] == [{"n": n} for n in range(5)]
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)
    async with as_user(daemon, "que") as server:
        queue = await server.get_service("public/queue")
        assert await queue.peek("jobs", 100) == [{"n": n} for n in range(5, 20)]
