"""Who is here: clients as they come, register, and leave, and what follows from it.

One place for the consequences of a connection's end (WIRE-25): its services go, its subscriptions
go, one `client_disconnected` is emitted, its workspace may go; if its socket broke it is expected
back for a while (D-26).
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hyphad.core import address
from hyphad.core.events import Events
from hyphad.core.records import Service
from hyphad.core.registry import Registry
from hyphad.store.directory import Directory
from hyphad.wire.link import Link
from hyphad.wire.router import Router

log = logging.getLogger(__name__)

GOODBYE_CODES = (1000, 1001)


class PresenceTable(Protocol):
    """Which clients were here when the daemon last ran; written behind, never waited for."""

    def save(self, client: str, user_id: str, services: Callable[[], list[str]]) -> None: ...

    def remove(self, client: str) -> None: ...


class Presence:
    """The connected clients by workspace and by user."""

    def __init__(
        self,
        router: Router,
        registry: Registry,
        directory: Directory,
        events: Events,
        table: PresenceTable,
    ) -> None:
        self.router = router
        self.registry = registry
        self.directory = directory
        self.events = events
        self._table = table
        self._clients: dict[str, dict[str, Link]] = {}
        self._users: dict[str, int] = {}
        self.established = self.closed = 0
        directory.occupied = self.is_occupied

    def clients_of(self, workspace: str) -> list[Link]:
        return list(self._clients.get(workspace, {}).values())

    def is_occupied(self, workspace: str) -> bool:
        return workspace in self._clients

    def count_of_workspace(self, workspace: str) -> int:
        return len(self._clients.get(workspace, ()))

    def count_of_user(self, user_id: str) -> int:
        """Connections of an effective user (AUTH-2)."""
        return self._users.get(user_id, 0)

    def users(self) -> dict[str, int]:
        return dict(self._users)

    def workspaces(self) -> dict[str, int]:
        return {workspace: len(links) for workspace, links in self._clients.items()}

    def join(self, link: Link) -> None:
        """A handshake has succeeded; an older connection of that address is superseded."""
        old = self.router.attach(link)
        if old is not None:
            self._discount(old)
            subscriptions = self.events.drop(old.workspace, old)
            if link.resumed:
                self.events.subscribe(link.workspace, subscriptions, link)
            old.close(1001, "Superseded by a newer connection")
            old.end()
        self._clients.setdefault(link.workspace, {})[link.address] = link
        user_id = link.caller.user.effective_id
        self._users[user_id] = self._users.get(user_id, 0) + 1
        self.established += 1
        self.directory.entered(link.workspace)
        log.info(
            "connected client=%s user=%s resumed=%s",
            link.address,
            user_id,
            str(link.resumed).lower(),
        )

    def leave(self, link: Link, code: int | None) -> None:
        """A connection has ended, with the close code its client sent, if any (WIRE-25, WS-34)."""
        self.closed += 1
        services = self._services_of(link.address)
        subscriptions = set(link.subscriptions)
        self.events.drop(link.workspace, link)
        if not self.router.detach(link):
            return
        self._discount(link)
        for service in self.registry.remove_client(link.address):
            self.events.tell_public("service_removed", service)
        client_id = address.split_peer(link.address)[1]
        user_id = link.caller.user.effective_id
        if code not in GOODBYE_CODES:
            self.router.away.expect(link.address, user_id, services, subscriptions)
        else:
            self.router.away.forget(link.address)
        self._table.remove(link.address)
        self.events.emit(
            link.workspace, "client_disconnected", {"id": client_id, "workspace": link.workspace}
        )
        log.info("disconnected client=%s user=%s code=%s", link.address, user_id, code)
        self.directory.left(link.workspace)

    def remove_dead(self, link: Link) -> None:
        """Its process does not answer: drop its services, its place, then its socket (WIRE-32)."""
        self.leave(link, 1000)
        link.transport.close(1001, "Superseded by a newer connection")

    def expect(self, clients: Iterable[tuple[str, str, list[str]]]) -> None:
        """Clients of the last run: hold what is sent to them until they are back (D-26)."""
        for client, user_id, services in clients:
            self.router.away.expect(client, user_id, services)

    def registered(self, service: Service) -> None:
        """A client has registered a service: remember it across a restart."""
        client = service.client
        user = service.record["config"].get("created_by") or {}
        self._table.save(client, str(user.get("id", "")), lambda: self._services_of(client))
        self.router.service_back(service.client, service.name)

    def _services_of(self, client: str) -> list[str]:
        return [service.name for service in self.registry.of_client(client)]

    def drop_services(self, workspace: str) -> None:
        """A workspace was deleted: its records go, its sockets stay (WS-43)."""
        for service in list(self.registry.of_workspace(workspace)):
            self.registry.remove(service.id)

    def _discount(self, link: Link) -> None:
        links = self._clients.get(link.workspace)
        if links is not None and links.get(link.address) is link:
            del links[link.address]
            if not links:
                del self._clients[link.workspace]
        user_id = link.caller.user.effective_id
        left = self._users.get(user_id, 0) - 1
        if left > 0:
            self._users[user_id] = left
        else:
            self._users.pop(user_id, None)


def describe_link(link: Link) -> dict[str, Any]:
    """One line of `list_clients` (WS-50)."""
    connected_at = time.time() - (link.loop.time() - link.opened)
    user = link.caller.user.to_dict()
    return {"id": link.address, "user": user, "connected_at": round(connected_at, 3)}
