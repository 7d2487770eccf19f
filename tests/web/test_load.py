"""Many calls at once, and many that are given up: nothing is lost, and nothing stays behind."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from coroutines import until
from rawclient import RawClient
from running import Hyphad
from tickets import ticket

CALLERS, CALLS = 64, 50
SCHEMA = {name: {"type": "function", "function": {"name": name}} for name in ("echo", "wait")}


async def provider(hub: Hyphad) -> RawClient:
    serving: dict[str, Callable[..., object]] = {"services.load.echo": lambda kwargs: kwargs["x"]}
    raw = await RawClient.open(hub.ws_url, serving=serving)
    await raw.register("load", config={"visibility": "public"}, service_schema=SCHEMA)
    return raw


def resident(hub: Hyphad) -> int:
    assert hub.process is not None
    pages = Path(f"/proc/{hub.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def metric(hub: Hyphad, name: str) -> float:
    _, text = await asyncio.to_thread(hub.get, "/metrics")
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])


async def test_many_callers_each_get_their_own_answers(hub: Hyphad) -> None:
    raw = await provider(hub)

    async def caller(number: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        answers = []
        for call in range(CALLS):
            path = f"/{raw.workspace}/services/load/echo?x={number * CALLS + call}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            answers.append(await reader.readexactly(size))
        writer.close()
        return answers

    found = await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    flat = [int(answer) for answers in found for answer in answers]
    assert flat == list(range(CALLERS * CALLS))
    assert await metric(hub, "hyphad_calls_waiting ") == 0
    await raw.close()


async def test_calls_that_are_given_up_leave_nothing(hub: Hyphad) -> None:
    raw = await provider(hub)
    line = f"GET /{raw.workspace}/services/load/wait HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    async def wave() -> None:
        writers = []
        for _ in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            writer.write(line)
            writers.append(writer)
        for _ in range(200):
            await raw.taken("services.load.wait")
        for writer in writers:
            writer.transport.abort()

        async def quiet() -> bool:
            return await metric(hub, "hyphad_calls_waiting ") == 0

        await until(quiet)

    await wave()
    before = resident(hub)
    for _ in range(3):
        await wave()
    assert resident(hub) - before < 8 << 20
    await raw.close()


async def test_what_is_logged_of_a_request(make_hyphad: Callable[..., Hyphad]) -> None:  # HTTP-101
    daemon = make_hyphad("--access-log").start()
    secret = ticket("alice")
    path = f"/health?token={secret}&access_token={secret}&password=hush&plain=shown"
    headers = {"Authorization": f"Bearer {secret}", "Cookie": f"access_token={secret}"}
    await asyncio.to_thread(daemon.request, path, None, headers)
    await until(lambda: "plain=shown" in daemon.log)
    assert secret not in daemon.log
    assert "hush" not in daemon.log
