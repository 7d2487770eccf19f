"""Who is told that the tools of a service have changed (MCP-23, MCP-33).

    watch = watches.open("ws-lab", "camera", caller, "10.0.0.7")
    while await watch.changed(15.0): ...

A watch compares what its caller can see now with what it saw before, so that nobody hears of
services that are none of theirs, and many changes at once are one.
"""

import asyncio
from typing import Any

from hyphad.core import policy
from hyphad.core.events import Events
from hyphad.core.records import Caller, Service
from hyphad.core.registry import Registry

ANY = "*"
PER_SERVICE = 64
PER_ADDRESS = 8
GATHER_SECONDS = 0.05


class Watch:
    """One listener. `name` is the service's, or `*` for the whole workspace."""

    def __init__(
        self, registry: Registry, workspace: str, name: str, caller: Caller, remote: str
    ) -> None:
        self.workspace = workspace
        self.name = name
        self.remote = remote
        self.ended = False
        self._registry = registry
        self._caller = caller
        self._woken = asyncio.Event()
        self._seen = self._visible()

    def wake(self) -> None:
        """Something has happened in the workspace."""
        self._woken.set()

    def end(self) -> None:
        """Nobody listens any more."""
        self.ended = True
        self._woken.set()

    async def changed(self, seconds: float) -> bool:
        """Wait for a change that the caller can see; False when the time is over, or the end."""
        try:
            async with asyncio.timeout(seconds):
                while not self.ended:
                    await self._woken.wait()
                    if not self.ended:
                        await asyncio.sleep(GATHER_SECONDS)
                    self._woken.clear()
                    if self._is_news():
                        return True
        except TimeoutError:
            pass
        return False

    def _is_news(self) -> bool:
        """Records are compared as objects: one that was registered anew is another one."""
        before, self._seen = self._seen, self._visible()
        return [id(item) for item in before] != [id(item) for item in self._seen]

    def _visible(self) -> list[Service]:
        if self.name == ANY:
            found = self._registry.of_workspace(self.workspace)
        else:
            found = self._registry.named(self.workspace, self.name)
        return [
            item for item in found if not item.is_presence and policy.is_visible(item, self._caller)
        ]


class Watches:
    """All who listen, woken by the events of their workspace."""

    def __init__(self, registry: Registry, events: Events) -> None:
        self._registry = registry
        self._watches: dict[str, set[Watch]] = {}
        events.listen(self._happened)

    def __len__(self) -> int:
        return sum(map(len, self._watches.values()))

    def open(self, workspace: str, name: str, caller: Caller, remote: str) -> Watch | None:
        """A new watch, or None where there are too many of the service or the address."""
        here = [item for item in self._watches.get(workspace, ()) if item.name == name]
        theirs = [w for watches in self._watches.values() for w in watches if w.remote == remote]
        if len(here) >= PER_SERVICE or len(theirs) >= PER_ADDRESS:
            return None
        watch = Watch(self._registry, workspace, name, caller, remote)
        self._watches.setdefault(workspace, set()).add(watch)
        return watch

    def close(self, watch: Watch) -> None:
        watch.end()
        mine = self._watches.get(watch.workspace)
        if mine is not None:
            mine.discard(watch)
            if not mine:
                del self._watches[watch.workspace]

    def _happened(self, workspace: str, kind: str, data: Any) -> None:
        if kind.startswith("service_") or kind == "client_disconnected":
            for watch in self._watches.get(workspace, ()):
                watch.wake()
