"""The unmodified clients over the HTTP transport: `transport="http"` in Python and JavaScript."""

import asyncio
from typing import Any

import numpy as np
from coroutines import until
from hypha_rpc import connect_to_server
from nodes import node
from running import Hyphad
from tcpproxy import TcpProxy
from tickets import ticket

PUBLIC = {"visibility": "public"}


async def services(hub: Hyphad, workspace: str) -> list[str]:
    status, found = await asyncio.to_thread(hub.get, f"/{workspace}/services")
    return [service["id"] for service in found] if status == 200 else []


def service(**functions: Any) -> dict[str, Any]:
    return {"id": "svc", "config": PUBLIC, **functions}


async def test_the_python_client(hub: Hyphad) -> None:  # WIRE-93
    config = {"server_url": hub.url, "transport": "http"}
    provider = await connect_to_server({**config, "client_id": "py-http"})

    async def back(callback: Any) -> Any:
        return await callback(20)

    async def count(n: int) -> Any:
        for i in range(n):
            yield i

    record = await provider.register_service(
        service(hello=lambda name: f"Hello {name}!", back=back, count=count, same=lambda x: x)
    )
    assert provider.config.user["id"].startswith("anonymouz-")
    assert provider.config.hypha_version
    consumer = await connect_to_server(config)
    assert consumer.config.workspace != provider.config.workspace
    api = await consumer.get_service(record.id)
    assert await api.hello("Py") == "Hello Py!"
    assert await api.back(lambda x: x + 1) == 21
    assert [i async for i in await api.count(3)] == [0, 1, 2]
    array = np.arange(500_000, dtype="float32")
    assert (await api.same(array) == array).all()
    assert await consumer.echo("manager") == "manager"
    path = f"/{provider.config.workspace}/services/svc/hello?name=HTTP"
    assert await asyncio.to_thread(hub.get, path) == (200, "Hello HTTP!")
    await consumer.disconnect()
    await provider.disconnect()


async def test_a_registered_user(hub: Hyphad) -> None:
    config = {"server_url": hub.url, "transport": "http", "token": ticket("alice")}
    server = await connect_to_server(config)
    assert server.config.workspace == "ws-user-alice"
    token = await server.generate_token()
    child = await connect_to_server({**config, "token": token})
    assert child.config.workspace == "ws-user-alice"
    await child.disconnect()
    await server.disconnect()


async def test_the_python_client_comes_back(hub: Hyphad) -> None:  # WIRE-101, WIRE-105
    async with TcpProxy(hub.port) as proxy:
        provider = await connect_to_server(
            {"server_url": proxy.url, "transport": "http", "client_id": "py-back"}
        )
        record = await provider.register_service(service(hello=lambda name: f"Hello {name}!"))
        consumer = await connect_to_server({"server_url": hub.url})
        api = await consumer.get_service(record.id)
        for turn in range(2):
            resumed = f"connected client={record.id.partition(':')[0]} "
            before = hub.log.count(resumed)
            proxy.drop()
            assert await api.hello(f"turn {turn}") == f"Hello turn {turn}!"
            await until(lambda r=resumed, n=before: hub.log.count(r) > n)
            assert await api.hello("fresh") == "Hello fresh!"
            assert await provider.echo(turn) == turn
        workspace = provider.config.workspace
        assert "py-back:svc" in await services(hub, workspace)
        await provider.disconnect()
        await consumer.disconnect()

        async def gone() -> bool:
            return "py-back:svc" not in await services(hub, workspace)

        await until(gone, 20)


async def test_the_javascript_client(hub: Hyphad) -> None:  # WIRE-93, WIRE-101
    async with TcpProxy(hub.port) as proxy, node("http-transport.mjs", proxy.url) as script:
        first = await script.line()
        assert first.pop("workspace").startswith("ws-user-anonymouz-")
        assert first == {
            "apart": True, "hello": "Hello JS!", "callback": 21, "size": 700000,
            "items": [0, 1, 2], "same": True,
        }  # fmt: skip
        proxy.drop()
        assert await script.ask(True) == {"after": "Hello again!", "manager": 7}
