"""The getting-started guide as its readers follow it, from each language to each other."""

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from coroutines import until
from hypha_rpc import connect_to_server
from nodes import node
from running import Hyphad

LANGUAGES = ["python async", "python sync", "javascript"]

SYNC_PROVIDER = """
    import sys
    from hypha_rpc.sync import connect_to_server

    def start_server(server_url):
        with connect_to_server({"server_url": server_url}) as server:
            def hello(name):
                print(f"Hello {name}!", file=sys.stderr)
                return f"Hello {name}!"

            service = server.register_service({
                "name": "Hello World Service",
                "id": "hello-world",
                "config": {"visibility": "public"},
                "hello": hello
            })
            print(service.id, flush=True)
            input()

    start_server(sys.argv[1])
"""

SYNC_CONSUMER = """
    import sys
    from hypha_rpc.sync import connect_to_server

    def use_service():
        with connect_to_server({"server_url": sys.argv[1]}) as server:
            service = server.get_service(sys.argv[2])
            result = service.hello("World")
            print(result, flush=True)

    use_service()
"""


@contextlib.asynccontextmanager
async def provided(language: str, url: str, folder: Path) -> AsyncIterator[str]:
    """hello-world offered in that language; its printed id."""
    if language == "javascript":
        async with node("guide.mjs", url, "serve") as script:
            yield (await script.line())["id"]
    elif language == "python sync":
        process = await _python(SYNC_PROVIDER, folder, url)
        assert process.stdout is not None and process.stdin is not None
        yield (await process.stdout.readline()).decode().strip()
        process.stdin.write(b"\n")
        assert await process.wait() == 0
    else:
        async with connect_to_server({"server_url": url}) as server:

            def hello(name):
                return f"Hello {name}!"

            service = await server.register_service(
                {
                    "name": "Hello World Service",
                    "id": "hello-world",
                    "config": {"visibility": "public"},
                    "hello": hello,
                }
            )
            assert service.id.startswith(server.config.workspace + "/")
            yield service.id


async def used(language: str, url: str, service_id: str, folder: Path) -> str:
    """What `hello("World")` of that service returns in that language."""
    if language == "javascript":
        async with node("guide.mjs", url, "use", service_id) as script:
            return (await script.line())["result"]
    if language == "python sync":
        process = await _python(SYNC_CONSUMER, folder, url, service_id)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode().splitlines()[0]
    async with connect_to_server({"server_url": url}) as server:
        service = await server.get_service(service_id)
        return await service.hello("World")


async def _python(code: str, folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    file = folder / "example.py"
    file.write_text(textwrap.dedent(code))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )


@pytest.mark.parametrize("provider", LANGUAGES)
@pytest.mark.parametrize("consumer", LANGUAGES)
async def test_hello_world(hub: Hyphad, tmp_path: Path, provider: str, consumer: str):
    """02 section 13 number 1; 01 section 21 number 1: by its full id and by its short one."""
    async with provided(provider, hub.url, tmp_path) as service_id:
        workspace, _, rest = service_id.partition("/")
        assert workspace.startswith("ws-user-anonymouz-")
        assert rest.endswith(":hello-world")
        short = f"{workspace}/hello-world"
        got = await asyncio.gather(
            used(consumer, hub.url, service_id, tmp_path),
            used(consumer, hub.url, short, tmp_path),
        )
        assert got == ["Hello World!"] * 2


async def test_hello_world_over_http(hub: Hyphad, tmp_path: Path):  # the guide's HTTP section
    async with provided("python async", hub.url, tmp_path) as service_id:
        workspace, _, rest = service_id.partition("/")
        path = f"/{workspace}/services/{rest}/hello"
        get = await asyncio.to_thread(hub.get, path + "?name=World")
        assert get == (200, "Hello World!")
        post = await asyncio.to_thread(hub.post, path, {"name": "World"})
        assert post == (200, "Hello World!")
        status, listed = await asyncio.to_thread(hub.get, f"/{workspace}/services")
        assert status == 200
        assert rest in [service["id"] for service in listed]


async def test_server_config(hub: Hyphad):  # WIRE-5, WS-2
    async with connect_to_server({"server_url": hub.url, "client_id": "conf"}) as server:
        config = server.config
        assert config.workspace == f"ws-user-{config.user['id']}"
        assert config.client_id == "conf"
        assert config.public_base_url == hub.url
        assert config.manager_id == f"manager-{config.server_id}"
        assert config.hypha_version.startswith("0.21.")
        assert config.reconnection_token.count(".") == 2
        assert config.login_service_url == f"{hub.url}/public/services/hypha-login"
        assert {"auth0_client_id", "auth0_domain", "auth0_audience", "auth0_issuer"} <= set(config)


async def test_two_clients_in_one_workspace_by_token(hub: Hyphad):  # AUTH-8, AUTH-29
    async with connect_to_server({"server_url": hub.url}) as first:
        await first.register_service({"id": "private", "secret": lambda: 42})
        token = await first.generate_token()
        async with connect_to_server({"server_url": hub.url, "token": token}) as second:
            assert second.config.workspace == first.config.workspace
            assert second.config.user["parent"] == first.config.user["id"]
            private = await second.get_service("private")
            assert await private.secret() == 42
            await second.register_service({"id": "other", "double": lambda n: 2 * n})
            assert await (await first.get_service("other")).double(4) == 8
            again = await second.generate_token({"permission": "read_write"})
            assert again.count(".") == 2
    async with connect_to_server({"server_url": hub.url}) as stranger:
        with pytest.raises(Exception, match="Service not found"):
            await stranger.get_service(f"{first.config.workspace}/private")


# live updates


async def create_live_service_proxy(server, sid, interval):
    """The guide's refresher proxy."""
    proxy = await server.get_service(sid)

    async def refresher():
        while True:
            await asyncio.sleep(interval)
            latest = await server.get_service(sid)
            dispose = proxy.get("_dispose")
            proxy.clear()
            proxy.update(latest)
            proxy["_dispose"] = dispose

    task = asyncio.create_task(refresher())

    async def _dispose():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    proxy["_dispose"] = _dispose
    return proxy


async def test_live_update(hub: Hyphad):  # 02 section 13 number 2; WS-16
    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        events: list[str] = []
        for kind in ("service_added", "service_removed"):
            provider.on(kind, lambda event: events.append(event["type"]))
        await provider.subscribe(["service_added", "service_removed"])
        record = {"name": "Hello World Service", "id": "hello-world"}
        record["config"] = {"visibility": "public"}
        service = await provider.register_service({**record, "hello": lambda name: f"1 {name}"})
        live = await create_live_service_proxy(consumer, service.id, interval=0.05)
        fixed = await consumer.get_service(service.id)
        assert await live.hello("World") == "1 World"
        with pytest.raises(Exception, match="Service already exists: hello-world"):
            await provider.register_service({**record, "hello2": lambda name: f"2 {name}"})
        await provider.register_service(
            {**record, "hello2": lambda name: f"2 {name}"}, {"overwrite": True}
        )
        await until(lambda: events == ["service_added", "service_removed", "service_added"])
        fresh = await consumer.get_service(service.id)
        assert {"hello2"} == set(fresh) - {"config", "id", "name", "type"}
        assert await fresh.hello2("World") == "2 World"
        await until(lambda: "hello2" in live and "hello" not in live)
        assert await live.hello2("World") == "2 World"
        with pytest.raises(Exception, match="Method expired or not found"):
            await fixed.hello("World")
        await live._dispose()
        await provider.unregister_service("hello-world")
        with pytest.raises(Exception, match="Service not found"):
            await consumer.get_service(service.id)
