"""Clients as processes: killed in the middle of a call, stopped and woken, started twice."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from coroutines import until
from hubs import ROOT_TOKEN
from nodes import node
from people import as_user, error_of
from rawclient import RawClient
from running import Hyphad
from tickets import ticket

LASTING = Path(__file__).with_name("lasting_client.py")


@contextlib.asynccontextmanager
async def lasting(hub: Hyphad, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A client process whose service is registered; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LASTING), hub.url, json.dumps(options),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = b""
        while not line.startswith(b"{"):
            line = await process.stdout.readline()
            assert line, "the client has ended"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


async def test_a_provider_killed_in_the_middle_of_a_call(hub):
    """01 section 21 number 8, 02 section 13 number 5: near and far callers hear it at once."""
    loop = asyncio.get_running_loop()
    async with (
        lasting(hub, client_id="victim", token=ticket("pat")) as process,
        as_user(hub, "pat") as near,
        as_user(hub) as far,
        RawClient.connect(hub.ws_url, token=ticket("pat")) as watch,
    ):
        await watch.subscribe("client_disconnected", "service_removed")
        calls = []
        for server in (near, far):
            api = await server.get_service("ws-user-pat/lasting")
            calls.append(asyncio.ensure_future(api.hang()))
        await watch.call("services.built-in.ping", "ping", to="victim")
        began = loop.time()
        process.kill()
        said = await asyncio.gather(*calls, return_exceptions=True)
        assert loop.time() - began < 5
        assert [str(error) for error in said] == ["Client disconnected: ws-user-pat/victim"] * 2
        await watch.take_type("client_disconnected")
        await watch.settle()
        assert all(header["type"] == "method" for header, _ in watch.frames)
        assert await near.list_services({"client_id": "victim"}) == []


async def test_javascript_hears_of_a_killed_provider(hub):  # 01 section 21 number 8
    async with (
        lasting(hub, client_id="victim", token=ticket("pat")) as process,
        node("resident.mjs", hub.url, "ws-user-pat/lasting") as script,
    ):
        await script.line()
        calling = asyncio.ensure_future(script.ask({"hang": 1}))
        await until(lambda: not calling.done())
        async with as_user(hub, "pat") as near:
            await near.ping("victim")
        process.kill()
        assert "Client disconnected: ws-user-pat/victim" in (await calling)["error"]


async def test_a_target_that_never_was(hub):  # 01 section 21 number 7, WIRE-52
    """Both clients hear of it at once instead of waiting for their timeouts."""
    loop = asyncio.get_running_loop()
    async with as_user(hub) as server, node("resident.mjs", hub.url, "") as script:
        await script.line()
        for target in ("nobody", "ws-nowhere/nobody"):
            method = server.rpc._generate_remote_method(
                {
                    "_rtype": "method",
                    "_rtarget": target,
                    "_rmethod": "services.x.f",
                    "_rpromise": "*",
                }
            )
            began = loop.time()
            text = await error_of(method())
            assert "is not connected" in text
            answer = await script.ask({"peer": target})
            assert "is not connected" in answer["error"]
            assert loop.time() - began < 5


async def test_a_stopped_process_loses_its_address(hub):
    """01 section 21 number 5, WIRE-32, D-22: and when it wakes up, it does not get it back."""
    loop = asyncio.get_running_loop()
    options = {"client_id": "only", "token": ticket("una")}
    async with lasting(hub, **options) as old, as_user(hub, "una") as watch:
        text = await error_of(_enter(hub, **options))
        assert "Client already exists and is active: ws-user-una/only" in text
        api = await watch.get_service("only:lasting")
        assert await api.pid() == old.pid
        old.send_signal(signal.SIGSTOP)
        began = loop.time()
        async with lasting(hub, **options) as new:
            assert loop.time() - began > 4
            assert await (await watch.get_service("only:lasting")).pid() == new.pid
            old.send_signal(signal.SIGCONT)
            refused = "reason='Superseded by a newer connection'"
            await until(lambda: refused in hub.log, 20)
            for _ in range(3):
                assert await (await watch.get_service("only:lasting")).pid() == new.pid
                assert await watch.ping("only") == "pong"


async def _enter(hub: Hyphad, **options: Any) -> None:
    async with as_user(hub, **options):
        pass


async def test_a_second_client_with_the_same_id(hub):  # 02 section 13 number 7, WS-36
    async with as_user(hub, "dup", client_id="same") as first, as_user(hub, "dup") as watch:
        await first.register_service({"id": "s", "f": lambda: "first"})
        for _ in range(2):
            text = await error_of(_enter(hub, user="dup", client_id="same"))
            assert "Client already exists and is active: ws-user-dup/same" in text
        assert await first.echo(1) == 1
        assert await (await watch.get_service("s")).f() == "first"
        assert await watch.ping("same") == "pong"


async def test_a_kicked_client_stays_away(hub):  # WIRE-23
    """The real client comes back at once, is refused, and gives up."""
    async with (
        lasting(hub, client_id="kim", token=ticket("kim")) as process,
        as_user(hub, token=ROOT_TOKEN) as root,
    ):
        utils = await root.get_service("admin-utils")
        await utils.kickout_client("ws-user-kim", "kim", 1008, "too loud")
        refused = "reason='Client has been disconnected by the server: too loud'"
        await until(lambda: refused in hub.log)
        assert await utils.list_servers()
        clients = await root.list_clients("ws-user-kim")
        assert clients == []
        assert process.returncode is None


# events between real clients


async def test_events_of_real_clients(hub):  # 02 section 13 number 11, WIRE-89, WS-62, WS-63
    async with (
        as_user(hub, "eve", client_id="one") as one,
        as_user(hub, "eve", client_id="two") as two,
        as_user(hub) as stranger,
    ):
        got: dict[str, list[Any]] = {"one": [], "two": [], "stranger": []}
        for name, server in (("one", one), ("two", two), ("stranger", stranger)):
            server.on("my-event", lambda event, name=name: got[name].append(event))
        await one.subscribe("my-event")
        await stranger.subscribe("my-event")
        await two.emit({"type": "my-event", "to": "*", "data": {"a": 1}})
        await until(lambda: got["one"])
        event = got["one"][0]
        assert event["data"] == {"a": 1}
        assert event["from"] == "ws-user-eve/two" and event["ws"] == "ws-user-eve"
        assert event["user"]["id"] == "eve" and event["to"] == "ws-user-eve/*"
        await two.emit({"type": "my-event", "to": "ws-user-eve/one", "data": 2})
        await until(lambda: len(got["one"]) == 2)
        added: list[Any] = []
        one.on("service_added", added.append)
        await one.subscribe(["service_added"])
        await two.register_service({"id": "a", "f": str})
        await one.echo(1)
        await one.unsubscribe(["service_added"])
        await two.register_service({"id": "b", "f": str})
        await one.echo(1)
        assert [item["data"]["name"] for item in added] == ["a"]
        assert got["two"] == [] and got["stranger"] == []


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_a_goodbye_leaves_nothing(hub, language):  # 01 section 21 number 1, WIRE-25
    async with RawClient.connect(hub.ws_url, token=ticket("bye")) as watch:
        await watch.subscribe("client_disconnected")
        if language == "python":
            async with as_user(hub, "bye", client_id="x") as server:
                await server.register_service({"id": "s", "f": str})
        else:
            options = {"client_id": "x", "token": ticket("bye")}
            async with node("resident.mjs", hub.url, "", options) as script:
                await script.line()
                assert await script.end() == 0
        event = await watch.take_type("client_disconnected")
        assert event["data"] == {"id": "x", "workspace": "ws-user-bye"}
        assert len(await watch.call("services.default.list_services")) == 1
