"""What goes through a call between real clients: values, callbacks, generators, errors, arrays."""

import asyncio
import datetime
import io
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypha_rpc import connect_to_server
from hypha_rpc.sync import connect_to_server as connect_to_server_sync
from nodes import node
from running import Hyphad


def service(name: str = "py", **config: Any) -> dict[str, Any]:
    """A Python service with one function for each kind of thing."""

    async def call_back(times, callback):
        return [await callback(number) for number in range(times)]

    async def count(end):
        for number in range(end):
            yield number

    def keywords(first, second=0, context=None):
        return f"{first}-{second}"

    def fail():
        raise ValueError("no such egg")

    def describe(value):
        return {key: f"{type(item).__name__}: {_text(item)}" for key, item in value.items()}

    return {
        "id": name,
        "name": "From Python",
        "config": {"visibility": "public", "require_context": ["who"], **config},
        "colour": "blue",
        "hello": lambda name: f"Hello {name}!",
        "echo": lambda value: value,
        "keywords": keywords,
        "call_back": call_back,
        "callBack": call_back,
        "adder": lambda first: lambda second: first + second,
        "count": count,
        "fail": fail,
        "describe": describe,
        "special": lambda: {
            "set": {1, 2, 3},
            "bytes": memoryview(b"\x00\xff\x07"),
            "array": np.arange(6, dtype="int16").reshape(2, 3),
            "none": None,
        },
        "who": lambda context=None: [context["ws"], context["from"], context["user"]["id"]],
        "nested": {"one": {"two": lambda: "deep down"}},
    }


def _text(item: Any) -> str:
    if isinstance(item, np.ndarray):
        return f"{item.dtype} {item.tolist()}"
    if isinstance(item, memoryview):
        return item.tobytes().hex()
    if hasattr(item, "to_datetime"):
        return item.to_datetime().isoformat()
    return repr(item)


# Python to Python


async def test_python_to_python(hub: Hyphad):  # 01 section 21 number 10
    async with (
        connect_to_server({"server_url": hub.url, "client_id": "p"}) as provider,
        connect_to_server({"server_url": hub.url, "client_id": "c"}) as consumer,
    ):
        record = await provider.register_service(service())
        api = await consumer.get_service(record.id)
        assert api.id == record.id and api.colour == "blue"
        assert api.config["workspace"] == provider.config.workspace
        workspace = provider.config.workspace
        assert api.config["url"] == f"{hub.url}/{workspace}/services/p:py"  # WIRE-81
        assert await api.hello("World") == "Hello World!"
        assert await api.keywords(1, second=2) == "1-2"
        assert await api.nested.one.two() == "deep down"

        async def times_ten(number):
            return number * 10

        assert await api.call_back(3, times_ten) == [0, 10, 20]  # WIRE-67
        assert await api.call_back(2, lambda number: -number) == [0, -1]
        add = await api.adder(40)
        assert await add(2) == 42
        who = await api.who()
        assert who == [
            consumer.config.workspace,
            f"{consumer.config.workspace}/c",
            consumer.config.user["id"],
        ]  # WS-20


async def test_generators(hub: Hyphad):  # WIRE-69
    closed = asyncio.Event()

    async def endless():
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.set()

    def plain():
        yield from "abc"

    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(
            {"id": "g", "config": {"visibility": "public"}, "endless": endless, "plain": plain}
        )
        api = await consumer.get_service(record.id)
        assert [item async for item in await api.plain()] == ["a", "b", "c"]
        got = []
        items = await api.endless()
        async for number in items:
            got.append(number)
            if number == 2:
                break
        await items.aclose()
        assert got == [0, 1, 2]
        await asyncio.wait_for(closed.wait(), 10)


async def test_exceptions(hub: Hyphad):  # WIRE-64
    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(service())
        api = await consumer.get_service(record.id)
        with pytest.raises(Exception, match="no such egg") as caught:
            await api.fail()
        assert type(caught.value).__name__ == "RemoteException"
        with pytest.raises(Exception, match=r"KeyError: 'Service not found: .*/\*:nope@\*'"):
            await consumer.get_service("nope")
        with pytest.raises(Exception, match="Permission denied for workspace public") as caught:
            await consumer.list_clients("public")
        assert str(caught.value).strip() == (
            "RemoteError:PermissionError: Permission denied for workspace public"
        )


async def test_special_values(hub: Hyphad):  # WIRE-70
    values: dict[str, Any] = {
        "set": {1, "two"},
        "bytes": b"\x00\xff",
        "view": memoryview(b"abc"),
        "tuple": (1, 2),
        "big": 2**63,
        "small": -(2**63),
        "float": 1e300,
        "none": None,
        "text": "ü€𝄞",
        "deep": {"list": [{"set": {1}}]},
        "ordered": OrderedDict(a=1),
    }
    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(service())
        for echo in ((await consumer.get_service(record.id)).echo, consumer.echo):
            for key, value in values.items():
                got = await echo(value)
                if key == "ordered":  # the Python client sends its keys alone
                    continue
                assert got == ([1, 2] if key == "tuple" else value), key
                if key == "view":
                    assert isinstance(got, memoryview)


DTYPES = ["uint8", "int64", "float32", "float64", "complex128", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
async def test_arrays(hub: Hyphad, dtype: str):  # WIRE-70
    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(service())
        api = await consumer.get_service(record.id)
        for array in (
            np.arange(24).reshape(2, 3, 4).astype(dtype),
            np.zeros((0, 3), dtype),
            np.ones((), dtype),
            np.arange(20).astype(dtype)[::2],
        ):
            for echo in (api.echo, consumer.echo):
                got = await echo(array)
                assert got.dtype == array.dtype and got.shape == array.shape
                assert (got == array).all()


@pytest.mark.parametrize("mebibytes", [1, 20, 64])
async def test_large_arrays(hub: Hyphad, mebibytes: int):  # WIRE-75, 01 section 21 number 9
    array = np.arange(mebibytes << 17, dtype="float64")
    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
        connect_to_server({"server_url": hub.url}) as bystander,
    ):
        record = await provider.register_service(service())
        api = await consumer.get_service(record.id)
        working = asyncio.ensure_future(api.echo(array))
        while not working.done():
            assert await bystander.echo("meanwhile") == "meanwhile"
            await asyncio.sleep(0.02)
        assert np.array_equal(await working, array)


@pytest.mark.parametrize("size", [600_000, 20_000_000])
async def test_a_large_echo_of_the_server(hub: Hyphad, size: int):  # 01 section 21 number 9
    data = b"0123456789" * (size // 10)
    async with connect_to_server({"server_url": hub.url}) as server:
        assert await server.echo(data) == data
        assert await server.echo({"two": [data[:400_000], data[:400_000]]}) == {
            "two": [data[:400_000]] * 2
        }


async def test_small_and_large_chunks(hub: Hyphad):  # WIRE-19, WIRE-75
    """`long_message_chunk_size` is the client's own choice."""
    data = b"0123456789" * 500_000
    for chunk in (40_000, 900_000):
        options = {"server_url": hub.url, "long_message_chunk_size": chunk}
        async with (
            connect_to_server(options) as provider,
            connect_to_server(options) as consumer,
        ):
            record = await provider.register_service(service())
            assert await (await consumer.get_service(record.id)).echo(data) == data
            assert await consumer.echo(data) == data


async def test_objects_with_an_interface(hub: Hyphad):  # WIRE-68
    """`_rintf` objects become hidden services of their sender; the server never shows them."""
    async with (
        connect_to_server({"server_url": hub.url, "client_id": "p"}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        seen: list[Any] = []

        async def use(tool):
            seen.append(await tool.work(3))
            return await tool.inner.work(4)

        await provider.register_service(
            {"id": "user", "config": {"visibility": "public"}, "use": use}
        )
        api = await consumer.get_service(f"{provider.config.workspace}/p:user")
        tool = {"_rintf": True, "work": lambda n: n + 1, "inner": {"work": lambda n: n + 2}}
        assert await api.use(tool) == 6
        assert seen == [4]
        listed = await consumer.list_services()
        assert not [found for found in listed if "_rintf" in found["id"]]


async def test_a_function_handed_on_to_a_third(hub: Hyphad):  # WIRE-72, WIRE-9
    """A remote function that is passed on stays a reference to its owner."""
    async with (
        connect_to_server({"server_url": hub.url}) as owner,
        connect_to_server({"server_url": hub.url}) as middle,
        connect_to_server({"server_url": hub.url}) as end,
    ):
        record = await owner.register_service(service())
        lent = (await middle.get_service(record.id)).hello
        shelf = await middle.register_service(
            {"id": "shelf", "config": {"visibility": "public"}, "take": lambda: {"tool": lent}}
        )
        tool = (await (await end.get_service(shelf.id)).take())["tool"]
        assert await tool("third") == "Hello third!"


async def test_streams_of_files(hub: Hyphad):  # WIRE-70
    async with (
        connect_to_server({"server_url": hub.url}) as provider,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        record = await provider.register_service(
            {
                "id": "files",
                "config": {"visibility": "public"},
                "open": lambda: io.BytesIO(b"abc" * 100_000),
            }
        )
        stream = await (await consumer.get_service(record.id)).open()
        assert await stream.read(5) == b"abcab"


# the sync wrapper


def test_the_sync_client(hub: Hyphad):  # 01 section 21 number 1
    with (
        connect_to_server_sync({"server_url": hub.url}) as provider,
        connect_to_server_sync({"server_url": hub.url}) as consumer,
    ):
        record = provider.register_service(
            {
                "id": "sync",
                "config": {"visibility": "public"},
                "hello": lambda name: f"Hello {name}!",
                "twice": lambda array: array * 2,
                "apply": lambda function, value: function(value),
            }
        )
        api = consumer.get_service(record.id)
        assert api.hello("World") == "Hello World!"
        assert (api.twice(np.arange(5)) == np.arange(5) * 2).all()
        assert consumer.echo({"a": {1, 2}}) == {"a": {1, 2}}
        with pytest.raises(Exception, match="Service not found"):
            consumer.get_service("nothing-here")
        provider.unregister_service("sync")
        with pytest.raises(Exception, match="Service not found"):
            consumer.get_service(record.id)


# between Python and JavaScript


async def test_javascript_calls_python(hub: Hyphad):  # 01 section 21 number 10, WIRE-70
    async with connect_to_server({"server_url": hub.url, "client_id": "p"}) as provider:
        record = await provider.register_service(service())
        async with node("consumer.mjs", hub.url, record.id) as script:
            report = await script.line()
    assert report["id"] == record.id
    assert report["constant"] == "blue"
    assert "hello" in report["methods"]
    assert report["hello"] == "Hello JavaScript!"
    assert report["kwargs"] == "1-2"
    assert report["calledBack"] == [0, 10, 20]
    assert report["adder"] == 42
    assert report["nested"] == "deep down"
    assert report["counted"] == [0, 1, 2, 3]
    assert report["broken"] == [0, 1, 2]
    assert "no such egg" in report["failure"]
    assert "Service not found: public/*:nothing-here@*" in report["missing"]
    assert report["set"] == [True, [1, 2, 3]]
    assert report["bytes"] == ["ArrayBuffer", [0, 255, 7]]
    assert report["array"] == ["int16", [2, 3]]
    assert report["none"] is None
    assert report["sent"] == {
        "set": "set: {1, 2}",
        "map": "OrderedDict: " + repr(OrderedDict(k=[1, 2])),
        "date": "Timestamp: 2024-02-29T12:30:15.250000+00:00",
        "floats": "ndarray: float32 [1.5, 2.5]",
        "buffer": "memoryview: 010203",
    }
    assert report["large"] == [3_000_000, 250, 2_999_999 % 251]
    assert report["context"][0].startswith("ws-user-anonymouz-")
    assert "Task queues" in report["services"]


async def test_python_calls_javascript(hub: Hyphad):  # 01 section 21 number 10, WIRE-70
    async with (
        node("provider.mjs", hub.url) as script,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        told = await script.line()
        api = await consumer.get_service(told["id"])
        assert api.colour == "yellow"
        assert await api.hello("Python") == "Hello Python!"
        assert await api.callBack(3, lambda number: number * 10) == [0, 10, 20]
        assert await (await api.adder(40))(2) == 42
        assert [number async for number in await api.count(3)] == [0, 1, 2]
        with pytest.raises(Exception, match="out of eggs"):
            await api.fail()
        assert await api.nested.one.two() == "deep down"
        special = await api.special()
        assert special["set"] == {1, 2, "three"}
        assert special["map"] == OrderedDict(a=1, b={2})
        date = special["date"].to_datetime()
        expected = datetime.datetime(2024, 2, 29, 12, 30, 15, 250_000, datetime.UTC)
        assert date == expected
        assert special["floats"].tolist() == [1.5, -2.25]
        assert bytes(special["bytes"]) == b"\x00\xff\x07"
        assert special["nothing"] is None
        assert special["big"] == 2**40
        assert special["deep"] == {"list": [{"set": set()}]}
        sent = await api.describe({1, 2})
        assert sent == {"kind": "Set", "text": [1, 2]}
        array = np.arange(1_000_000, dtype="uint8")
        back = await api.echo(array)
        assert np.array_equal(back, array)
        camel = await consumer.get_service(told["id"], {"case_conversion": "snake"})
        assert await camel.call_back(1, lambda number: "x") == ["x"]  # WS-27
        async with connect_to_server({"server_url": hub.url, "token": told["token"]}) as member:
            assert member.config.workspace == told["workspace"]
            assert (await member.get_service("js")).id == told["id"]
        assert await script.end() == 0


async def test_dates_through_the_server(hub: Hyphad):  # WIRE-71, WIRE-125
    """A service whose constants hold a Date can be fetched, and `echo` gives a Date back."""
    async with (
        node("resident.mjs", hub.url, "") as script,
        connect_to_server({"server_url": hub.url}) as consumer,
    ):
        where = await script.line()
        assert await script.ask({"date": 1_700_000_000_123}) == {"result": 1_700_000_000_123}
        api = await consumer.get_service(f"{where['workspace']}/{where['client']}:resident")
        assert api.born.to_datetime() == datetime.datetime(2020, 2, 29, tzinfo=datetime.UTC)
        assert await api.greet("you") == "Still here, you"
