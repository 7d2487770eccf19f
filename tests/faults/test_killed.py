"""The whole daemon killed while clients write: what it has acknowledged over RPC is there again.

HYPHAD_KILL_ROUNDS sets how often; the store alone is killed in `test_store.py`.
"""

import asyncio
import os
import random

from hubs import FLAGS
from people import as_user
from running import Hyphad

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
        async with as_user(daemon, "ann", auto_reconnect=False) as server:
            queue = await server.get_service("public/queue")
            while True:
                self.begun += 1
                try:
                    await queue.push(self.name, {"n": self.begun})
                except Exception:
                    return
                self.acknowledged = self.begun
                self.writing.set()


async def kill_while_writing(daemon: Hyphad, names: list[str]) -> list[Writer]:
    writers = [Writer(name) for name in names]
    tasks = [asyncio.ensure_future(writer.run(daemon)) for writer in writers]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(writer.writing.wait() for writer in writers))
    await asyncio.sleep(random.uniform(0, LONGEST))
    await asyncio.to_thread(daemon.kill)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return writers


async def left_in(daemon: Hyphad, writers: list[Writer]) -> dict[str, list[int]]:
    """What the queues hold after the restart, taken out of them."""
    found: dict[str, list[int]] = {}
    async with as_user(daemon, "ann") as server:
        queue = await server.get_service("public/queue")
        for writer in writers:
            count = await queue.get_length(writer.name)
            found[writer.name] = [task["n"] for task in await queue.peek(writer.name, count)]
    return found


async def test_what_was_acknowledged_to_clients_survives_kill_9(make_hyphad):  # WS-47
    daemon: Hyphad = await asyncio.to_thread(make_hyphad(*FLAGS).start)
    acknowledged = 0
    for turn in range(ROUNDS):
        names = [f"q-{turn}-{number}" for number in range(WRITERS)]
        writers = await kill_while_writing(daemon, names)
        await asyncio.to_thread(daemon.start)
        found = await left_in(daemon, writers)
        for writer in writers:
            numbers = found[writer.name]
            assert numbers == list(range(len(numbers))), "in order, none twice, none missing"
            # What was on its way when the daemon was killed may be there or not.
            assert writer.acknowledged + 1 <= len(numbers) <= writer.begun + 1
            acknowledged += writer.acknowledged + 1
    assert acknowledged >= ROUNDS * WRITERS
    assert "Traceback" not in daemon.log
    print(f"{ROUNDS} rounds, {acknowledged} acknowledged writes, none lost")
