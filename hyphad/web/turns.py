"""Requests take turns: one of each user, or each address, in every round of the event loop.

Who sends hundreds at a time waits for himself; the others' requests, and their frames, come in
between. Where nobody asks for more than one thing at a time nothing waits at all.
"""

import asyncio
from collections import deque


class Turns:
    """`take(key)` before each piece of work."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def take(self, key: str) -> "asyncio.Future[None] | None":
        """None, or what to await first where the key has had its turn in this round."""
        loop = asyncio.get_running_loop()
        if key not in self._taken:
            if not self._taken:
                loop.call_soon(self._next_round)
            self._taken.add(key)
            return None
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        return turn

    def _next_round(self) -> None:
        self._taken.clear()
        for key, queue in list(self._waiting.items()):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    self._taken.add(key)
                    break
            if not queue:
                del self._waiting[key]
        if self._taken:
            asyncio.get_running_loop().call_soon(self._next_round)
