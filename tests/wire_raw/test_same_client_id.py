"""Two connections that want one address: who keeps it, and what the other one hears."""

import asyncio

import pytest
from coroutines import until
from hubs import FLAGS
from rawclient import RawClient, Refused, Rejected
from tickets import ticket

ACTIVE = "Failed to establish connection: Client already exists and is active: "
SUPERSEDED = "Superseded by a newer connection"
ECHO = "services.default.echo"


async def _silent(url: str, client_id: str, token: str) -> RawClient:
    """A client that is connected and registered, and answers nothing any longer."""
    raw = await RawClient.open(url, client_id, token=token)
    raw.serving["services.built-in.ping"] = lambda *args: None
    raw._serve = lambda header, extra: asyncio.sleep(0, False)
    return raw


async def test_a_live_client_keeps_its_address(hub):  # WIRE-32, WS-36
    token = ticket("ana")
    async with (
        RawClient.connect(hub.ws_url, "a", token=token) as first,
        RawClient.connect(hub.ws_url, "watch", token=token) as watch,
    ):
        await watch.subscribe("client_connected", "client_disconnected", "client_updated")
        await first.register("svc", config={"visibility": "public"})
        with pytest.raises(Refused) as caught:
            await RawClient.open(hub.ws_url, "a", token=token)
        assert caught.value.message == ACTIVE + "ws-user-ana/a"
        assert await first.call(ECHO, 1) == 1
        assert await watch.call("services.built-in.ping", "ping", to="a") == "pong"
        found = await watch.call("services.default.list_services", {"client_id": "a"})
        assert {service["id"] for service in found} == {
            "ws-user-ana/a:built-in",
            "ws-user-ana/a:svc",
        }
        assert watch.frames == []


async def test_a_silent_client_loses_its_address_after_five_seconds(hub):  # WIRE-32, D-24
    token = ticket("bob")
    loop = asyncio.get_running_loop()
    first = await _silent(hub.ws_url, "b", token)
    async with RawClient.connect(hub.ws_url, "watch", token=token) as watch:
        await watch.subscribe("client_connected", "client_disconnected")
        began = loop.time()
        second = await RawClient.open(hub.ws_url, "b", token=token)
        assert 4.0 < loop.time() - began < 9.0
        assert await first.closed() == (1001, SUPERSEDED)
        await watch.settle()
        kinds = [header["type"] for header, _ in watch.frames]
        assert kinds == ["client_disconnected", "client_connected"]
        assert await second.call(ECHO, 2) == 2
        await second.close()


async def test_a_connection_that_is_known_to_be_gone_costs_no_wait(hub):  # WIRE-32
    token = ticket("cid")
    for _ in range(3):
        raw = await RawClient.open(hub.ws_url, "c", token=token)
        raw.abort()
        await raw.closed()
        async with asyncio.timeout(2):
            raw = await RawClient.open(hub.ws_url, "c", token=token)
        await raw.close()


async def test_a_reconnection_token_wins_at_once(hub):  # WIRE-33
    """Services and subscriptions stay, nobody is told, the old socket hears why."""
    token = ticket("dan")
    async with RawClient.connect(hub.ws_url, "watch", token=token) as watch:
        await watch.subscribe("client_connected", "client_disconnected", "service_removed")
        first = await RawClient.open(hub.ws_url, "d", token=token)
        await first.register("svc")
        await first.subscribe("my-event")
        assert (await watch.take_type("client_connected"))["data"]["id"] == "ws-user-dan/d"
        second = await RawClient.open(
            hub.ws_url, "d", register=False, reconnection_token=first.info["reconnection_token"]
        )
        assert await first.closed() == (1001, SUPERSEDED)
        info = await watch.call("services.default.get_service_info", "d:svc")
        assert info["id"] == "ws-user-dan/d:svc"
        await watch.send({"type": "my-event", "to": "*", "data": 1})
        await second.send_text({"type": "ping"})
        assert (await second.take_type("my-event"))["data"] == 1
        await watch.settle()
        assert watch.frames == []
        await second.register("built-in", type="built-in")
        await second.close()
        assert (await watch.take_type("client_disconnected"))["data"]["id"] == "d"
        await watch.settle()
        assert watch.frames == []


async def test_calls_in_flight_survive_a_resumption(hub):  # WIRE-33, WIRE-55
    """A provider that changes its socket answers on the new one what it got on the old."""
    async with RawClient.connect(hub.ws_url) as caller:
        first = await RawClient.open(hub.ws_url, "e", token=ticket("eve"))
        session = await caller.begin("services.x.f", to=first.address)
        await first.take(lambda h, e: h.get("session") == session)
        token = first.info["reconnection_token"]
        second = await RawClient.open(hub.ws_url, "e", register=False, reconnection_token=token)
        reply = {"type": "method", "to": caller.address, "method": f"{session}.resolve"}
        await second.send(reply, {"args": ["late"]})
        assert await caller.answer(session) == "late"
        again = await caller.begin("services.x.f", to=second.address)
        await second.send_text({"type": "ping"})
        await second.take(lambda h, e: h.get("session") == again)
        await second.close()
        assert (await caller.take_type("peer_not_found"))["session"] == again


async def test_another_member_of_the_workspace_cannot_take_over(hub):  # D-11, WIRE-33, AUTH-42
    async with (
        RawClient.connect(hub.ws_url, "owner", token=ticket("fay")) as owner,
        RawClient.connect(hub.ws_url, "target", token=ticket("fay")) as target,
    ):
        await target.register("svc", config={"visibility": "public"})
        gil = ticket("gil", "ws:ws-user-fay#a wid:ws-user-fay cid:target")
        with pytest.raises(Refused) as caught:
            await RawClient.open(hub.ws_url, "target", reconnection_token=gil)
        assert caught.value.message == ACTIVE + "ws-user-fay/target"
        child = await owner.call(
            "services.default.generate_token", {"client_id": "target", "permission": "admin"}
        )
        other = ticket("hal", "ws:ws-user-fay#a wid:ws-user-fay")
        async with RawClient.connect(hub.ws_url, "hal", token=other) as hal:
            theirs = await hal.call(
                "services.default.generate_token", {"client_id": "target", "permission": "admin"}
            )
        with pytest.raises(Refused):
            await RawClient.open(hub.ws_url, "target", reconnection_token=theirs)
        assert await target.call(ECHO, 1) == 1
        mine = await RawClient.open(
            hub.ws_url, "target", register=False, reconnection_token=child
        )  # the same effective user
        assert await target.closed() == (1001, SUPERSEDED)
        await mine.close()


async def test_a_returner_whose_place_was_taken_is_refused_for_good(hub):  # D-22, WIRE-34
    token = ticket("ida")
    first = await _silent(hub.ws_url, "i", token)
    second = await RawClient.open(hub.ws_url, "i", token=token)
    old = first.info["reconnection_token"]
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            await RawClient.open(hub.ws_url, "i", token=token, reconnection_token=old)
        assert caught.value.message == SUPERSEDED
    assert await second.call(ECHO, 1) == 1
    newer = await RawClient.open(
        hub.ws_url, "i", register=False, reconnection_token=second.info["reconnection_token"]
    )
    assert await second.closed() == (1001, SUPERSEDED)
    assert await newer.call(ECHO, 1) == 1
    await newer.close()


async def test_two_processes_with_one_id_alternate(hub):  # WIRE-34
    """Each return with a fresh reconnection token wins; nothing is lost of the address."""
    token = ticket("jon")
    raw = await RawClient.open(hub.ws_url, "j", token=token)
    async with RawClient.connect(hub.ws_url, "watch", token=token) as watch:
        for _ in range(10):
            old = raw
            raw = await RawClient.open(
                hub.ws_url, "j", reconnection_token=old.info["reconnection_token"]
            )
            assert await old.closed() == (1001, SUPERSEDED)
            assert await watch.call("services.built-in.ping", "ping", to="j") == "pong"
        clients = await watch.call("services.default.list_clients")
        assert sorted(client["id"] for client in clients) == ["ws-user-jon/j", "ws-user-jon/watch"]
    await raw.close()


async def test_many_newcomers_for_one_silent_client(hub):  # WIRE-32
    """One of them gets the address; the others are refused, and it stays usable."""
    token = ticket("kai")
    first = await _silent(hub.ws_url, "k", token)
    results = await asyncio.gather(
        *(RawClient.open(hub.ws_url, "k", token=token) for _ in range(5)),
        return_exceptions=True,
    )
    winners = [raw for raw in results if isinstance(raw, RawClient)]
    assert len(winners) == 1, results
    assert all(isinstance(raw, RawClient | Refused) for raw in results)
    assert (await first.closed())[0] == 1001
    assert await winners[0].call(ECHO, 1) == 1
    await winners[0].close()


async def test_a_newcomer_that_gives_up_waiting_leaves_no_trace(hub):  # WIRE-32
    token = ticket("lea")
    first = await _silent(hub.ws_url, "l", token)
    raw = await RawClient.dial(hub.ws_url)
    await raw.socket.send(f'{{"client_id": "l", "token": "{token}"}}')
    await asyncio.sleep(0.2)
    raw.abort()
    async with RawClient.connect(hub.ws_url, "watch", token=token) as watch:
        await watch.subscribe("client_disconnected", "client_connected")
        await asyncio.sleep(5.5)
        await watch.settle()
        clients = await watch.call("services.default.list_clients")
        assert len(clients) == 2
        await first.close()
        assert (await watch.take_type("client_disconnected"))["data"]["id"] == "l"


async def test_frames_for_a_client_between_two_connections(make_hyphad):  # WIRE-53, D-26
    """What is sent while the old socket is dead and the new one not there yet is not lost."""
    daemon = make_hyphad(*FLAGS).start()
    async with RawClient.connect(daemon.ws_url) as caller:
        first = await RawClient.open(daemon.ws_url, "m", token=ticket("max"))
        token = first.info["reconnection_token"]
        first.abort()
        await first.closed()
        await until(lambda: "disconnected client=ws-user-max/m" in daemon.log)
        sessions = [await caller.begin("services.x.f", n, to=first.address) for n in range(20)]
        second = await RawClient.open(daemon.ws_url, "m", register=False, reconnection_token=token)
        await second.send_text({"type": "ping"})
        got = [await second.take(lambda h, e: h.get("method") == "services.x.f") for _ in sessions]
        assert [extra["args"][0] for _, extra in got] == list(range(20))
        await second.close()
        with pytest.raises(Rejected, match="Client disconnected"):
            await caller.answer(sessions[0])
