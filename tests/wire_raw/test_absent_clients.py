"""Calls to clients that are away but expected back, and frames for one that has just come."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

import pytest
from coroutines import until
from hubs import FLAGS
from rawclient import RawClient, Rejected
from running import Hyphad
from tickets import ticket

GET = "services.default.get_service"


@pytest.fixture
def brief(make_hyphad: Callable[..., Hyphad]) -> Hyphad:
    """A daemon that waits for lost clients for two seconds."""
    return make_hyphad("--reconnect-grace", "2", *FLAGS).start()


async def _lost(daemon: Hyphad, raw: RawClient) -> None:
    """Cut a client's connection, and wait until the daemon has seen it."""
    raw.abort()
    await raw.closed()
    await until(lambda: f"disconnected client={raw.address}" in daemon.log)


async def _provider(url: str, client_id: str, user: str, **hello: str) -> RawClient:
    """A client with one public service `svc`, whose function `f` doubles."""
    serving = {
        "services.svc.f": lambda n: n * 2,
        "services.built-in.get_service": lambda name: {"id": name, "config": {}},
    }
    raw = await RawClient.open(url, client_id, serving=serving, token=ticket(user), **hello)
    await raw.register("svc", config={"visibility": "public"})
    return raw


# D-26


@pytest.mark.parametrize("where", ["same workspace", "another workspace"])
async def test_a_call_to_a_client_that_does_not_return(brief, where):  # D-26, WIRE-52
    token = ticket("una") if where == "same workspace" else None
    async with RawClient.connect(brief.ws_url, token=token) as caller:
        gone = await _provider(brief.ws_url, "p", "una")
        await _lost(brief, gone)
        loop = asyncio.get_running_loop()
        began = loop.time()
        text = await caller.rejection("services.svc.f", 1, to=gone.address)
        assert text == f"Target peer {gone.address} is not connected"
        assert loop.time() - began < 5
        text = await caller.rejection("services.svc.f", 1, to=gone.address, seconds=1)
        assert text == f"Target peer {gone.address} is not connected"


async def test_a_call_to_a_client_that_said_goodbye(brief):  # D-26, WIRE-52
    async with RawClient.connect(brief.ws_url) as caller:
        gone = await _provider(brief.ws_url, "p", "una")
        await gone.close()
        text = await caller.rejection("services.svc.f", 1, to=gone.address, seconds=1)
        assert text == f"Target peer {gone.address} is not connected"


async def test_a_call_to_a_client_that_returns_with_its_token(brief):  # D-26, WIRE-109
    async with RawClient.connect(brief.ws_url) as caller:
        first = await _provider(brief.ws_url, "p", "una")
        await _lost(brief, first)
        session = await caller.begin("services.svc.f", 21, to=first.address)
        token = first.info["reconnection_token"]
        again = await _provider(brief.ws_url, "p", "una", reconnection_token=token)
        assert await caller.answer(session) == 42
        await again.close()


async def test_a_call_waits_for_the_service_of_a_new_process(brief):  # D-26
    """Without the token it is another process: what it has not registered yet is waited for."""
    async with RawClient.connect(brief.ws_url) as caller:
        first = await _provider(brief.ws_url, "p", "una")
        await _lost(brief, first)
        session = await caller.begin("services.svc.f", 21, to=first.address)
        fresh = await RawClient.open(brief.ws_url, "p", token=ticket("una"))
        await fresh.settle()
        assert all(header.get("method") != "services.svc.f" for header, _ in fresh.frames)
        later = await caller.begin("services.svc.f", 22, to=first.address)
        fresh.serving["services.svc.f"] = lambda n: n * 2
        await fresh.register("svc", config={"visibility": "public"})
        assert await caller.answer(session) == 42
        assert await caller.answer(later) == 44
        await fresh.close()


async def test_get_service_waits_too(brief):  # D-26, WS-28
    async with RawClient.connect(brief.ws_url) as caller:
        first = await _provider(brief.ws_url, "p", "una")
        await _lost(brief, first)
        by_id = await caller.begin(GET, "ws-user-una/p:svc")
        by_name = await caller.begin(GET, "ws-user-una/svc")
        info = await caller.begin("services.default.get_service_info", "ws-user-una/p:svc")
        other = await caller.rejection(GET, "ws-user-una/p:other", seconds=1)
        assert other == "KeyError: 'Service not found: ws-user-una/p:other@*'"
        token = first.info["reconnection_token"]
        again = await _provider(brief.ws_url, "p", "una", reconnection_token=token)
        for session in (by_id, by_name, info):
            assert (await caller.answer(session))["id"] == "ws-user-una/p:svc"
        await _lost(brief, again)
        text = await caller.rejection(GET, "ws-user-una/p:svc")
        assert text == "KeyError: 'Service not found: ws-user-una/p:svc@*'"


async def test_the_record_is_gone_while_the_client_is_away(brief):  # WIRE-25, WS-34
    async with RawClient.connect(brief.ws_url) as caller:
        gone = await _provider(brief.ws_url, "p", "una")
        await _lost(brief, gone)
        assert await caller.call("services.default.list_services", "ws-user-una") == []


async def test_too_much_cannot_be_held(brief):  # D-26
    """Beyond eight mebibytes for one client the sender is told at once."""
    async with RawClient.connect(brief.ws_url) as caller:
        gone = await _provider(brief.ws_url, "p", "una")
        await _lost(brief, gone)
        data = b"x" * 1_000_000
        sessions = [await caller.begin("services.svc.f", data, to=gone.address) for _ in range(10)]
        await caller.settle()
        rejected = [h["method"] for h, _ in caller.frames if h["method"].endswith(".reject")]
        assert rejected == [f"{session}.reject" for session in sessions[8:]]
        for session in sessions:
            with pytest.raises(Rejected, match="is not connected"):
                await caller.answer(session)


def _is_remembered(daemon: Hyphad, client: str) -> bool:
    with contextlib.closing(sqlite3.connect(daemon.data / "hyphad.db")) as database:
        row = database.execute("SELECT services FROM presence WHERE client = ?", (client,))
        return any("svc" in services for (services,) in row)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_calls_across_a_restart(make_hyphad, end):  # D-26, WIRE-108, WS-37
    daemon = make_hyphad("--reconnect-grace", "5", *FLAGS).start()
    first = await _provider(daemon.ws_url, "p", "una")
    doomed = await _provider(daemon.ws_url, "doomed", "una")
    token = first.info["reconnection_token"]
    await until(lambda: _is_remembered(daemon, doomed.address), what="written to disk")
    await asyncio.to_thread(getattr(daemon, end))
    await first.closed()
    await doomed.closed()
    await asyncio.to_thread(daemon.start)
    async with RawClient.connect(daemon.ws_url) as caller:
        found = await caller.call("services.default.list_services", "ws-user-una")
        assert found == []
        called = await caller.begin("services.svc.f", 4, to="ws-user-una/p")
        got = await caller.begin(GET, "ws-user-una/p:svc")
        lost = await caller.begin("services.svc.f", 4, to="ws-user-una/doomed")
        unknown = await caller.rejection("services.svc.f", 4, to="ws-user-una/other", seconds=1)
        assert unknown == "Target peer ws-user-una/other is not connected"
        again = await _provider(daemon.ws_url, "p", "una", reconnection_token=token)
        assert await caller.answer(called) == 8
        assert (await caller.answer(got))["id"] == "ws-user-una/p:svc"
        with pytest.raises(Rejected, match="Target peer ws-user-una/doomed is not connected"):
            await caller.answer(lost)
        await again.close()


async def test_a_client_that_left_before_the_restart_is_not_expected(make_hyphad):  # D-26
    daemon = make_hyphad("--reconnect-grace", "5", *FLAGS).start()
    first = await _provider(daemon.ws_url, "p", "una")
    await first.close()
    await until(lambda: "disconnected client=ws-user-una/p" in daemon.log)
    await asyncio.to_thread(daemon.restart)
    async with RawClient.connect(daemon.ws_url) as caller:
        text = await caller.rejection("services.svc.f", 4, to="ws-user-una/p", seconds=2)
        assert text == "Target peer ws-user-una/p is not connected"
        text = await caller.rejection(GET, "ws-user-una/p:svc", seconds=2)
        assert text.startswith("KeyError: 'Service not found")


async def test_subscriptions_come_back_with_the_token(brief):  # WIRE-29
    async with RawClient.connect(brief.ws_url, "w", token=ticket("una")) as watch:
        first = await _provider(brief.ws_url, "p", "una")
        await first.subscribe("news", "service_added")
        await _lost(brief, first)
        token = first.info["reconnection_token"]
        again = await _provider(brief.ws_url, "p", "una", reconnection_token=token)
        await watch.send({"type": "news", "to": "*", "data": 1})
        assert (await again.take_type("news"))["data"] == 1
        assert (await again.take_type("service_added"))["data"]["id"] == "ws-user-una/p:svc"
        await again.close()


async def test_subscriptions_do_not_come_back_without_it(brief):  # WIRE-29, WS-61
    async with RawClient.connect(brief.ws_url, "w", token=ticket("una")) as watch:
        first = await _provider(brief.ws_url, "p", "una")
        await first.subscribe("news")
        await _lost(brief, first)
        fresh = await _provider(brief.ws_url, "p", "una")
        await watch.send({"type": "news", "to": "*", "data": 1})
        await watch.settle()
        await fresh.settle()
        assert fresh.frames == []
        await fresh.close()


# the manager's own calls


async def test_get_service_of_a_provider_that_leaves_meanwhile(brief):  # WIRE-56, WS-28
    async with RawClient.connect(brief.ws_url) as caller:
        mute = await _provider(brief.ws_url, "p", "una")
        del mute.serving["services.built-in.get_service"]
        session = await caller.begin(GET, "ws-user-una/p:svc")
        await mute.taken("services.built-in.get_service")
        await mute.close()
        with pytest.raises(Rejected) as caught:
            await caller.answer(session, 2)
        assert str(caught.value) == (
            "ConnectionError: Client disconnected while retrieving service: ws-user-una/p:svc"
        )


async def test_get_service_of_a_provider_that_is_silent(brief):  # WS-28, WIRE-81
    async with RawClient.connect(brief.ws_url) as caller:
        mute = await _provider(brief.ws_url, "p", "una")
        del mute.serving["services.built-in.get_service"]
        text = await caller.rejection(GET, "ws-user-una/p:svc", kwargs={"config": {"timeout": 0.5}})
        assert text == "TimeoutError: Timed out after 0.5s while getting service ws-user-una/p:svc"
        await mute.close()


# D-25


async def test_frames_wait_for_the_first_one_of_a_new_client(brief):  # D-25, WIRE-11
    async with RawClient.connect(brief.ws_url, "caller", token=ticket("una")) as caller:
        fresh = await RawClient.open(brief.ws_url, "n", register=False, token=ticket("una"))
        await caller.send({"type": "note", "to": fresh.address, "n": 1})
        session = await caller.begin("services.built-in.ping", "ping", to=fresh.address)
        await caller.settle()
        assert fresh.frames == []
        await fresh.send_text({"type": "ping"})
        assert (await fresh.take_type("note"))["n"] == 1
        assert await caller.answer(session) == "pong"
        await fresh.close()


async def test_they_wait_for_five_seconds_at_most(brief):  # D-25
    async with RawClient.connect(brief.ws_url, "caller", token=ticket("una")) as caller:
        fresh = await RawClient.open(brief.ws_url, "n", register=False, token=ticket("una"))
        await caller.send({"type": "note", "to": fresh.address, "n": 1})
        assert (await fresh.take_type("note", 8))["n"] == 1
        await fresh.close()
