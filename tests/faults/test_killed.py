"""The whole daemon killed while clients write: what it has acknowledged over RPC is there again.

HYPHAD_KILL_ROUNDS sets how often; the store alone is killed in `test_store.py`.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from typing import Any

from hubs import FLAGS
from rawclient import RawClient
from running import Hyphad
from tickets import ticket

ROUNDS = int(os.environ.get("HYPHAD_KILL_ROUNDS", "1"))
WRITERS = 4
LONGEST = 0.3
PATIENCE = 20.0


class Writer:
    """Puts numbers into a queue of its own, one after the other, until the connection breaks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.acknowledged = -1
        self.begun = -1
        self.writing = asyncio.Event()

    async def run(self, daemon: Hyphad) -> None:
        async with Queues.of(daemon) as queues:
            while True:
                self.begun += 1
                await queues.call("push", self.name, {"n": self.begun})
                self.acknowledged = self.begun
                self.writing.set()


class Queues:
    """The queue service, as one client sees it."""

    def __init__(self, raw: RawClient, place: str) -> None:
        self._raw = raw
        self._place = place

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, daemon: Hyphad) -> AsyncIterator["Queues"]:
        async with RawClient.connect(daemon.ws_url, token=ticket("ann")) as raw:
            service = await raw.call("services.default.get_service", "public/queue")
            yield cls(raw, service["id"].partition(":")[0])

    async def call(self, function: str, *args: Any) -> Any:
        return await self._raw.call(f"services.queue.{function}", *args, to=self._place)


async def kill_while_writing(daemon: Hyphad, names: list[str]) -> list[Writer]:
    writers = [Writer(name) for name in names]
    tasks = [asyncio.ensure_future(writer.run(daemon)) for writer in writers]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(writer.writing.wait() for writer in writers))
    await asyncio.sleep(random.uniform(0, LONGEST))
    await asyncio.to_thread(daemon.kill)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks, return_exceptions=True)
    return writers


async def left_in(daemon: Hyphad, writers: list[Writer]) -> dict[str, list[int]]:
    """What the queues hold after the restart, taken out of them."""
    found: dict[str, list[int]] = {}
    async with Queues.of(daemon) as queues:
        for writer in writers:
            count = await queues.call("get_length", writer.name)
            tasks = [await queues.call("pop", writer.name) for _ in range(count)]
            found[writer.name] = [task["n"] for task in tasks]
    return found


def test_what_was_acknowledged_to_clients_survives_kill_9(make_hyphad):  # WS-47
    daemon: Hyphad = make_hyphad(*FLAGS).start()
    acknowledged = 0
    for turn in range(ROUNDS):
        names = [f"q-{turn}-{number}" for number in range(WRITERS)]
        writers = asyncio.run(kill_while_writing(daemon, names))
        daemon.start()
        found = asyncio.run(left_in(daemon, writers))
        for writer in writers:
            numbers = found[writer.name]
            assert numbers == list(range(len(numbers))), "in order, none twice, none missing"
            # What was on its way when the daemon was killed may be there or not.
            assert writer.acknowledged + 1 <= len(numbers) <= writer.begun + 1
            acknowledged += writer.acknowledged + 1
    assert acknowledged >= ROUNDS * WRITERS
    assert "Traceback" not in daemon.log
    print(f"{ROUNDS} rounds, {acknowledged} acknowledged writes, none lost")
