"""Views of services, made once for each registration and forgotten when it changes (MCP-81).

    view = await views.of(service)

A view is kept beside the very record it was made from. A service that was registered anew has a
new record, so what is old can never be shown. Nothing here depends on who asks (MCP-80).
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from hyphad.core.errors import NotFound
from hyphad.core.events import Events
from hyphad.core.records import Service
from hyphad.services.catalogue import Catalogue
from hyphad.web.mcp.view import View, view_of
from hyphad.web.members import tree_of_local, tree_of_remote, walk
from hyphad.wire.peer import Peer

MAX_KEPT = 512
MAX_TEXT = 64 << 20
Tree = dict[str, Any]


@dataclass(slots=True)
class _Kept:
    service: Service
    tree: "asyncio.Task[Tree]"
    view: View | None = None
    size: int = 0


class Views:
    """The services that were asked for lately, as trees and as MCP shows them."""

    def __init__(self, catalogue: Catalogue, manager: Peer, deputy: Peer, events: Events) -> None:
        self._catalogue = catalogue
        self._manager = manager
        self._deputy = deputy
        self._kept: dict[str, _Kept] = {}
        self._size = 0
        events.listen(self._changed)

    def __len__(self) -> int:
        return len(self._kept)

    async def of(self, service: Service) -> View:
        """The view of a service. Raises `WrongStructure`, and what asking its provider raises."""
        kept = self._keep(service)
        tree = await asyncio.shield(kept.tree)
        if kept.view is None:
            kept.view = view_of(service, tree)
        return kept.view

    async def tree(self, service: Service) -> Tree:
        """The members of a service. Raises what asking its provider raises."""
        return await asyncio.shield(self._keep(service).tree)

    def _keep(self, service: Service) -> _Kept:
        kept = self._kept.get(service.id)
        if kept is None or kept.service is not service:
            self._forget(service.id)
            kept = self._kept[service.id] = _Kept(
                service, asyncio.ensure_future(self._ask(service))
            )
            kept.tree.add_done_callback(partial(self._asked, kept))
        return kept

    async def _ask(self, service: Service) -> Tree:
        if service.workspace == "*":
            manager = self._manager.service("*", "default")
            assert manager is not None
            return tree_of_local(manager, is_manager=True)
        if service.client_id == self._deputy.client_id:
            local = self._deputy.service(service.workspace, service.name)
            if local is None:
                raise NotFound(f"Service not found: {service.id}")
            return tree_of_local(local)
        return tree_of_remote(service, await self._catalogue.fetch(service))

    def _asked(self, kept: _Kept, done: "asyncio.Future[Tree]") -> None:
        """Weigh the answer and drop the oldest where there are too many; keep no failure."""
        failed = done.cancelled() or done.exception() is not None
        if self._kept.get(kept.service.id) is not kept:
            return
        if failed:
            del self._kept[kept.service.id]
            return
        kept.size = sum(len(item) for _, item in walk(done.result()) if isinstance(item, str))
        self._size += kept.size
        while len(self._kept) > MAX_KEPT or (self._size > MAX_TEXT and len(self._kept) > 1):
            self._forget(next(iter(self._kept)))

    def _forget(self, service_id: str) -> None:
        kept = self._kept.pop(service_id, None)
        if kept is not None:
            self._size -= kept.size

    def _changed(self, workspace: str, kind: str, data: Any) -> None:
        if kind.startswith("service_"):
            self._forget(str(data.get("id")))
        elif kind == "client_disconnected":
            client = f"{workspace}/{data.get('id')}:"
            for service_id in [known for known in self._kept if known.startswith(client)]:
                self._forget(service_id)
