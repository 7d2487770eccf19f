"""The daemon's own functions and generators that were handed out in an answer (WIRE-67, WIRE-69).

Each belongs to the one peer that received it and is forgotten after ten minutes without use.
"""

import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hyphad.core.names import random_key

IDLE_SECONDS = 600.0
STOP = {"_rtype": "stop_iteration"}


@dataclass(slots=True)
class _Export:
    owner: str
    function: Callable[..., Any]
    used: float


class Exports:
    """Handed-out functions by `<session>.<object id>`."""

    def __init__(self) -> None:
        self._objects: dict[str, _Export] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def find(self, path: str, caller: str) -> Callable[..., Any] | None:
        """The function at a path, for the peer it was given to only."""
        export = self._objects.get(path)
        if export is None or export.owner != caller:
            return None
        now = export.used = time.monotonic()
        close = self._objects.get(f"{path}:close")
        if close is not None:
            close.used = now
        return export.function

    def encode(self, value: Any, owner: str, target: str, server: str) -> dict[str, Any] | None:
        """A descriptor for a callable or a generator; None for anything else."""
        base = {"_rserver": server, "_rtarget": target, "_rpromise": "*"}
        if inspect.isgenerator(value) or inspect.isasyncgen(value):
            path = self._add(owner, lambda: _next(value))
            close = f"{path}:close"
            self._objects[close] = _Export(
                owner, lambda: self._close(path, value), time.monotonic()
            )
            generator = {"_rtype": "generator", "_rmethod": path, "_rclose_method": close}
            return {**base, **generator, "_rdoc": "Remote generator"}
        if callable(value):
            name = getattr(value, "__name__", "function")
            return {**base, "_rtype": "method", "_rmethod": self._add(owner, value), "_rname": name}
        return None

    def forget(self, path: str) -> None:
        """Take one function back."""
        self._objects.pop(path, None)

    def drop(self, owner: str) -> None:
        """The peer has gone."""
        for path in [path for path, export in self._objects.items() if export.owner == owner]:
            del self._objects[path]

    def sweep(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        for path in [path for path, export in self._objects.items() if export.used < oldest]:
            del self._objects[path]

    def _add(self, owner: str, function: Callable[..., Any]) -> str:
        path = f"{random_key()}.{random_key()}"
        self._objects[path] = _Export(owner, function, time.monotonic())
        return path

    async def _close(self, path: str, generator: Any) -> None:
        self._objects.pop(path, None)
        self._objects.pop(f"{path}:close", None)
        if inspect.isasyncgen(generator):
            await generator.aclose()
        else:
            generator.close()


async def _next(generator: AsyncIterator[Any] | Iterator[Any]) -> Any:
    if isinstance(generator, Iterator):
        return next(generator, STOP)
    try:
        return await anext(generator)
    except StopAsyncIteration:
        return STOP
