"""Generators over HTTP: events as they are produced, closed when nobody reads any longer."""

import asyncio
import http.client
import json
import time
from typing import Any

import msgpack
import pytest
from providers import Provider
from rawclient import RawClient
from running import Hyphad

DONE = b"data: [DONE]\n\n"


def events(data: bytes) -> list[str]:
    assert data.endswith(DONE)
    return [part.removeprefix("data: ") for part in data.decode().split("\n\n")[:-2]]


def open_stream(hub: Hyphad, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    connection.request("GET", path)
    return connection.getresponse()


def eventually(true: Any, what: str) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.02)


@pytest.mark.parametrize("function", ["count", "count_plainly"])
def test_generators_are_server_sent_events(hub: Hyphad, ws: str, function: str) -> None:  # HTTP-55
    status, data, headers = hub.request(f"{ws}/services/t/{function}?n=2")
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert headers["cache-control"] == "no-cache"
    assert "content-encoding" not in headers
    items = [json.loads(item) for item in events(data)]
    assert items == ([{"i": 0}, {"i": 1}] if function == "count" else [0, 1])


def test_the_framing_is_the_one_that_was_promised(hub: Hyphad, ws: str) -> None:
    data = hub.request(f"{ws}/services/t/count?n=2")[1]
    assert data == b'data: {"i": 0}\n\ndata: {"i": 1}\n\n' + DONE
    assert hub.request(f"{ws}/services/t/count?n=0")[1] == DONE


def test_event_streams_are_never_compressed(hub: Hyphad, ws: str) -> None:  # HTTP-66
    headers = hub.request(f"{ws}/services/t/count", headers={"Accept-Encoding": "gzip"})[2]
    assert "content-encoding" not in headers


def test_each_item_is_on_its_way_before_the_next_is_made(hub: Hyphad) -> None:
    made: list[int] = []
    may_go_on = []

    async def steps() -> Any:
        for i in range(3):
            made.append(i)
            yield i
            while len(may_go_on) <= i:
                await asyncio.sleep(0.01)

    client = Provider(hub.url, client_id="steps")
    client.register({"id": "s", "steps": steps})
    answer = open_stream(hub, f"/{client.workspace}/services/s/steps")
    for i in range(3):
        assert answer.readline() == f"data: {i}\n".encode()
        assert answer.readline() == b"\n"
        assert made == list(range(i + 1))
        may_go_on.append(i)
    assert answer.read() == DONE
    client.stop()


def test_messagepack_items_follow_each_other(hub: Hyphad, ws: str) -> None:  # HTTP-55
    headers = {"Content-Type": "application/msgpack"}
    _, data, answer = hub.request(f"{ws}/services/t/count?n=2", headers=headers)
    assert answer["content-type"] == "application/msgpack"
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    assert list(unpacker) == [{"i": 0}, {"i": 1}]
    assert hub.request(f"{ws}/services/t/raw_bytes", headers=headers)[1] == b"\xc4\x01\x00"


def test_a_generator_that_fails_ends_with_the_error(hub: Hyphad, ws: str) -> None:  # HTTP-55
    told = {"error": "half way", "traceback": "ValueError: half way"}
    status, data, _ = hub.request(f"{ws}/services/t/broken")
    assert (status, [json.loads(item) for item in events(data)]) == (200, [0, told])
    headers = {"Content-Type": "application/msgpack"}
    unpacker = msgpack.Unpacker()
    unpacker.feed(hub.request(f"{ws}/services/t/broken", headers=headers)[1])
    assert list(unpacker) == [0, told]


def test_an_item_that_json_cannot_say_ends_the_stream(hub: Hyphad, ws: str) -> None:
    (item,) = events(hub.request(f"{ws}/services/t/raw_bytes")[1])
    assert "bytes is not JSON serializable" in json.loads(item)["error"]


def test_a_reader_that_leaves_closes_the_generator(
    hub: Hyphad, ws: str, provider: Provider
) -> None:  # HTTP-55
    seen = provider.seen
    closed, seen.produced = seen.closed, []
    answer = open_stream(hub, f"{ws}/services/t/count?n=100000000")
    assert answer.readline() == b'data: {"i": 0}\n'
    answer.close()
    eventually(lambda: seen.closed == closed + 1, "the generator was closed")
    produced = len(seen.produced)
    hub.get(f"{ws}/services/t/hello")
    assert len(seen.produced) == produced


def test_a_slow_reader_holds_up_the_producer(hub: Hyphad) -> None:  # HTTP-55
    made: list[int] = []
    closed: list[bool] = []

    async def endless() -> Any:
        try:
            while True:
                made.append(len(made))
                yield "x" * 200_000
        finally:
            closed.append(True)

    client = Provider(hub.url, client_id="endless")
    client.register({"id": "s", "endless": endless})
    answer = open_stream(hub, f"/{client.workspace}/services/s/endless")
    answer.readline()
    last = -1
    while len(made) != last:
        last = len(made)
        time.sleep(0.3)
    assert last < 1000
    answer.close()
    eventually(lambda: closed, "the generator was closed")
    client.stop()


def test_a_provider_that_goes_ends_the_stream(hub: Hyphad) -> None:
    async def forever() -> Any:
        yield 1
        await asyncio.sleep(60)

    client = Provider(hub.url, client_id="goer")
    client.register({"id": "s", "forever": forever})
    answer = open_stream(hub, f"/{client.workspace}/services/s/forever")
    assert answer.readline() == b"data: 1\n"
    client.drop()
    answer.readline()
    error = json.loads(answer.readline().removeprefix(b"data: "))
    assert "Client disconnected" in error["error"]
    assert answer.read() == b"\n" + DONE


async def test_a_generator_that_nobody_reads_is_closed(hub: Hyphad) -> None:  # HTTP-32
    async with RawClient.connect(hub.ws_url) as raw:
        generator = {
            "_rtype": "generator",
            "_rtarget": raw.client_id,
            "_rmethod": "s.1",
            "_rclose_method": "s.1:close",
            "_rpromise": "*",
        }
        raw.serving["services.g.items"] = lambda: generator
        schema = {"items": {"type": "function", "function": {"name": "items"}}}
        await raw.register("g", config={"visibility": "public"}, service_schema=schema)
        path = f"/{raw.workspace}/services/g/items"
        status, _, _ = await asyncio.to_thread(hub.request, path, method="HEAD")
        assert status == 200
        await raw.taken("s.1:close")
        assert not [head for head, _ in raw.frames if head.get("method") == "s.1"]


async def test_a_generator_of_somebody_else_is_not_touched(hub: Hyphad) -> None:  # D-10
    async with (
        RawClient.connect(hub.ws_url) as raw,
        RawClient.connect(hub.ws_url) as victim,
    ):
        stolen = {"_rtype": "generator", "_rtarget": victim.address, "_rmethod": "services.x.y"}
        raw.serving["services.g.items"] = lambda: {**stolen, "_rclose_method": "services.x.z"}
        schema = {"items": {"type": "function", "function": {"name": "items"}}}
        await raw.register("g", config={"visibility": "public"}, service_schema=schema)
        path = f"/{raw.workspace}/services/g/items"
        for method in ("HEAD", "GET"):
            await asyncio.to_thread(hub.request, path, method=method)
        await victim.settle()
        assert not [head for head, _ in victim.frames if "services.x" in str(head.get("method"))]
