"""The in-memory registry of services, with an index for each way they are looked up.

Every operation costs what it touches, never the number of services registered elsewhere.
The registry knows nothing of permissions: `policy` filters what comes out of it.
"""

from collections.abc import Iterable, Iterator

from hyphad.core.address import ANY, ServiceAddress
from hyphad.core.glob import matches
from hyphad.core.records import Service

Shelf = dict[str, Service]


class Registry:
    """Services by id, by client, by workspace, by name, by type and by app."""

    def __init__(self) -> None:
        self._services: Shelf = {}
        self._indexes: dict[tuple[str, ...], Shelf] = {}

    def __len__(self) -> int:
        return len(self._services)

    def get(self, service_id: str) -> Service | None:
        """The service registered under `workspace/client:name`."""
        return self._services.get(service_id)

    def put(self, service: Service) -> Service | None:
        """Store, replacing what has the same id; returns what was replaced."""
        old = self.remove(service.id)
        self._services[service.id] = service
        for key in _keys(service):
            self._indexes.setdefault(key, {})[service.id] = service
        return old

    def remove(self, service_id: str) -> Service | None:
        """Take one service out; returns it, or None."""
        service = self._services.pop(service_id, None)
        if service is None:
            return None
        for key in _keys(service):
            shelf = self._indexes[key]
            del shelf[service_id]
            if not shelf:
                del self._indexes[key]
        return service

    def remove_client(self, client: str) -> list[Service]:
        """Take out every service of `workspace/client`."""
        services = list(self.of_client(client))
        for service in services:
            self.remove(service.id)
        return services

    def of_client(self, client: str) -> Iterable[Service]:
        return self._shelf("client", client).values()

    def count_of_client(self, client: str) -> int:
        return len(self._shelf("client", client))

    def of_workspace(self, workspace: str) -> Iterable[Service]:
        return self._shelf("workspace", workspace).values()

    def public(self) -> Iterable[Service]:
        """Public services of all workspaces."""
        return self._shelf("public").values()

    def named(self, workspace: str, name: str) -> Iterable[Service]:
        return self._shelf("name", workspace, name).values()

    def of_type(self, workspace: str, kind: str) -> Iterable[Service]:
        return self._shelf("type", workspace, kind).values()

    def of_app(self, workspace: str, app_id: str) -> Iterable[Service]:
        return self._shelf("app", workspace, app_id).values()

    def find(self, place: ServiceAddress) -> Iterator[Service]:
        """Services that an address means, oldest first; `*` is any client or app (WS-23)."""
        where, name = place.workspace, place.name
        shelf = self.of_workspace(where) if ANY in name else self.named(where, name)
        for service in list(shelf):
            if (
                matches(name, service.name)
                and matches(place.client_id, service.client_id)
                and place.app_id in (ANY, service.app_id)
            ):
                yield service

    def _shelf(self, *key: str) -> Shelf:
        return self._indexes.get(key) or {}


def _keys(service: Service) -> Iterator[tuple[str, ...]]:
    workspace = service.workspace
    yield ("client", service.client)
    yield ("workspace", workspace)
    yield ("name", workspace, service.name)
    yield ("type", workspace, service.type)
    yield ("app", workspace, service.app_id)
    if service.visibility == "public":
        yield ("public",)
