"""Connections that break and daemons that restart: real clients find their way back."""

import asyncio
import contextlib
import sqlite3
import time
from typing import Any

import pytest
from coroutines import until
from hubs import FLAGS
from hypha_rpc import connect_to_server
from hypha_rpc.sync import connect_to_server as connect_to_server_sync
from nodes import node
from rawclient import RawClient
from running import Hyphad
from tcpproxy import TcpProxy
from tickets import ticket


async def _works(function: Any, *args: Any, seconds: float = 20) -> Any:
    """The value of a call, tried again while the connection is on its way back."""
    end = time.monotonic() + seconds
    while True:
        try:
            return await asyncio.wait_for(function(*args), 2)
        except Exception:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


def _service(**config: Any) -> dict[str, Any]:
    return {
        "id": "svc",
        "config": {"visibility": "public", **config},
        "hello": lambda name: f"Hello {name}!",
    }


# 01 section 21 number 3, WIRE-109
async def test_a_provider_whose_connection_broke(hub: Hyphad, caplog: pytest.LogCaptureFixture):
    async with (
        TcpProxy(hub.port) as proxy,
        connect_to_server({"server_url": proxy.url, "client_id": "p"}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(_service())
        api = await consumer.get_service(record.id)
        assert await api.hello("one") == "Hello one!"
        for turn in range(2):
            proxy.drop()
            gone = f"disconnected client={record.id.partition(':')[0]}"
            await until(lambda n=turn + 1, gone=gone: hub.log.count(gone) == n)
            assert await api.hello(f"turn {turn}") == f"Hello turn {turn}!"  # D-26
            again = await consumer.get_service(record.id)
            assert await again.hello("fresh") == "Hello fresh!"
            # A client that loses its connection before it says this reconnects twice at once.
            back = "Successfully reconnected"
            await until(lambda n=turn + 1, back=back: caplog.text.count(back) == n)
        assert provider.config.workspace == record.id.partition("/")[0]
        assert await provider.echo(1) == 1
        listed = await provider.list_services()
        assert sorted(found["id"].partition(":")[2] for found in listed) == ["built-in", "svc"]
        assert proxy.accepted == 3


async def test_a_consumer_whose_connection_broke(hub: Hyphad):  # WIRE-109
    async with (
        TcpProxy(hub.port) as proxy,
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": proxy.url}) as consumer,
    ):
        record = await provider.register_service(_service())
        api = await consumer.get_service(record.id)
        proxy.drop()
        assert await _works(api.hello, "World") == "Hello World!"
        assert await _works(consumer.echo, 5) == 5


async def test_events_around_a_break(hub: Hyphad):  # WS-35
    token = ticket("rita")
    async with (
        TcpProxy(hub.port) as proxy,
        RawClient.connect(hub.ws_url, token=token) as watch,
        connect_to_server({"server_url": proxy.url, "client_id": "p", "token": token}) as provider,
    ):
        await provider.register_service(_service())
        await watch.subscribe("client_connected", "client_disconnected", "service_added")
        proxy.drop()
        await until(lambda: len(watch.frames) >= 3)
        events = [(h["type"], h["data"]["id"]) for h, _ in watch.frames]
        assert events == [
            ("client_disconnected", "p"),
            ("client_connected", "ws-user-rita/p"),
            ("service_added", "ws-user-rita/p:svc"),
        ]


async def test_a_break_while_the_server_cannot_be_reached(hub: Hyphad):  # WIRE-28
    async with (
        TcpProxy(hub.port) as proxy,
        connect_to_server({"server_url": proxy.url, "client_id": "p"}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(_service())
        api = await consumer.get_service(record.id)
        proxy.refuse = True
        proxy.drop()
        await asyncio.sleep(1.5)
        proxy.refuse = False
        assert await api.hello("World") == "Hello World!"


async def test_a_temporary_workspace_outlives_a_break(hub: Hyphad):  # WS-46, section 11 number 15
    """The only client of a non-persistent workspace loses its connection, and is let in again."""
    async with connect_to_server({"server_url": hub.url, "token": ticket("rita")}) as rita:
        await rita.create_workspace({"id": "brief-one", "persistent": False})
    async with (
        TcpProxy(hub.port) as proxy,
        connect_to_server(
            {"server_url": proxy.url, "token": ticket("rita"), "workspace": "brief-one"}
        ) as only,
    ):
        proxy.drop()
        assert await _works(only.echo, 1) == 1
        assert only.config.workspace == "brief-one"


async def test_a_javascript_client_whose_connection_broke(hub: Hyphad):  # 01 section 21 number 3
    async with (
        TcpProxy(hub.port) as proxy,
        connect_to_server({"server_url": hub.url}) as provider,
    ):
        record = await provider.register_service(_service())
        async with node("resident.mjs", proxy.url, record.id) as script:
            before = await script.line()
            address = f"{before['workspace']}/{before['client']}"
            resident = await provider.get_service(f"{address}:resident")
            assert await resident.greet("one") == "Still here, one"
            proxy.drop()
            await until(lambda: f"disconnected client={address}" in hub.log)
            assert await resident.greet("two") == "Still here, two"
            assert (await script.ask({"call": "js"})) == {"result": "Hello js!"}
            assert (await script.ask({"echo": 3})) == {"result": 3}
            assert (await script.ask({}))["workspace"] == before["workspace"]


# the daemon restarts


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_restart_with_live_clients(make_hyphad, end: str):
    """01 section 21 numbers 4 and 14, 02 section 13 number 6; WIRE-31, WIRE-106, WIRE-108."""
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    async with (
        connect_to_server({"server_url": daemon.url, "client_id": "anon"}) as visitor,
        connect_to_server(
            {"server_url": daemon.url, "client_id": "known", "token": ticket("sam")}
        ) as known,
        connect_to_server({"server_url": daemon.url}) as consumer,
    ):
        one = await visitor.register_service(_service())
        two = await known.register_service(_service())
        await known.set_env("KEPT", "yes")
        old = [await consumer.get_service(record.id) for record in (one, two)]
        async with node("resident.mjs", daemon.url, one.id) as script:
            before = await script.line()
            users = [visitor.config.user["id"], known.config.user["id"]]
            manager = visitor.config.manager_id
            await until(lambda: _on_disk(daemon, before))
            code = await asyncio.to_thread(getattr(daemon, end))
            assert code == (0 if end == "stop" else -9)
            await asyncio.to_thread(daemon.start)
            for api in old:
                assert await _works(api.hello, "again") == "Hello again!"
            for server in (visitor, known, consumer):
                assert await _works(server.echo, 1) == 1
                await until(lambda s=server: s.rpc._connection.manager_id != manager)
            infos = [server.rpc._connection.connection_info for server in (visitor, known)]
            assert [info["user"]["id"] for info in infos] == users
            assert [info["workspace"] for info in infos] == [f"ws-user-{user}" for user in users]
            again = await _works(consumer.get_service, one.id)
            assert await again.hello("new") == "Hello new!"
            assert await known.get_env("KEPT") == "yes"
            answer = await _works(script.ask, {"call": "js"})
            assert answer == {"result": "Hello js!"}
            assert (await script.ask({}))["user"].startswith("anonymouz-")
            resident = f"{before['workspace']}/{before['client']}:resident"
            assert await (await _works(consumer.get_service, resident)).greet("x")


def _on_disk(daemon: Hyphad, client: dict[str, str]) -> bool:
    with contextlib.closing(sqlite3.connect(daemon.data / "hyphad.db")) as database:
        row = database.execute(
            "SELECT services FROM presence WHERE client = ?",
            (f"{client['workspace']}/{client['client']}",),
        )
        return any("resident" in services for (services,) in row)


async def test_a_call_in_flight_while_the_daemon_restarts(make_hyphad):  # D-26, WIRE-31
    """Both ends keep their addresses, so its answer finds its way afterwards."""
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    begun, restarted = asyncio.Event(), asyncio.Event()

    async def slow():
        begun.set()
        await restarted.wait()
        return "done"

    async with (
        connect_to_server({"server_url": daemon.url}) as provider,
        connect_to_server({"server_url": daemon.url}) as consumer,
    ):
        record = await provider.register_service({**_service(), "slow": slow})
        api = await consumer.get_service(record.id)
        call = asyncio.ensure_future(api.slow())
        await begun.wait()
        await asyncio.to_thread(daemon.restart)
        await _works(provider.echo, 1)
        restarted.set()
        assert await asyncio.wait_for(call, 20) == "done"


def test_a_sync_client_over_a_restart(make_hyphad):  # WIRE-31
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    with (
        connect_to_server_sync({"server_url": daemon.url}) as provider,
        connect_to_server_sync({"server_url": daemon.url}) as consumer,
    ):
        record = provider.register_service(
            {"id": "s", "config": {"visibility": "public"}, "hello": lambda name: f"Hello {name}!"}
        )
        api = consumer.get_service(record.id)
        daemon.restart()
        end = time.monotonic() + 20
        while True:
            try:
                assert api.hello("World") == "Hello World!"
                return
            except Exception:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_temporary_workspace_outlives_a_restart(make_hyphad, end: str):  # WS-46
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    options = {"server_url": daemon.url, "token": ticket("sam")}
    async with connect_to_server(options) as sam:
        await sam.create_workspace({"id": "sam-brief", "persistent": False})
        async with connect_to_server({**options, "workspace": "sam-brief"}) as guest:
            await asyncio.to_thread(getattr(daemon, end))
            await asyncio.to_thread(daemon.start)
            assert await _works(guest.echo, 1) == 1
            assert (await _works(guest.get_workspace_info))["id"] == "sam-brief"


async def test_what_is_kept_over_a_restart(make_hyphad):  # 02 section 13 number 6, WS-47
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    options = {"server_url": daemon.url, "token": ticket("sam"), "client_id": "keeper"}
    async with connect_to_server(options) as server:
        revoked = await server.generate_token()
        await server.revoke_token(revoked)
        await server.create_workspace({"id": "sam-lasting", "persistent": True, "config": {"k": 1}})
        await server.set_env("NAME", "value")
        await server.register_service_type({"id": "st", "name": "ST", "definition": {"f": {}}})
        await server.log_event("kept", {"n": 1})
        queue = await server.get_service("public/queue")
        for number in range(3):
            await queue.push("jobs", {"n": number})
        assert await queue.pop("jobs") == {"n": 0}
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.start)
    async with connect_to_server(options) as server:
        assert await server.get_env("NAME") == "value"
        assert (await server.get_workspace_info("sam-lasting"))["config"]["k"] == 1
        listed = [found["id"] for found in await server.list_workspaces()]
        assert "sam-lasting" in listed
        marks = (await server.get_workspace_info())["config"]["bookmarks"]
        assert "sam-lasting" in [mark["id"] for mark in marks]
        assert (await server.get_service_type("st"))["id"] == "ws-user-sam/st"
        assert [event["event_type"] for event in await server.get_events("kept")] == ["kept"]
        queue = await server.get_service("public/queue")
        assert await queue.get_length("jobs") == 2
        assert await queue.peek("jobs", 5) == [{"n": 1}, {"n": 2}]
        with pytest.raises(Exception, match="Token has been revoked"):
            await connect_to_server({"server_url": daemon.url, "token": revoked})
        assert [found["id"] for found in await server.list_services()] == [
            "ws-user-sam/keeper:built-in"
        ]
