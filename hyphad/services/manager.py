"""The manager service put together, and services of the server's own published for all to find."""

from typing import Any

from hyphad.core.identity import root_user
from hyphad.core.records import Caller, Service, service_from_wire
from hyphad.core.registry import Registry
from hyphad.services.base import service_of
from hyphad.wire.local import LocalService
from hyphad.wire.peer import Peer

NAME = "Default workspace management service"


def manager_service(info: dict[str, Any], *parts: object) -> LocalService:
    """The service `default` of the manager: the marked methods of all parts (WS-1, WS-2)."""
    return service_of("default", NAME, "Services for managing workspace.", *parts, **info)


class Publisher:
    """Offers services of the server's own client in a workspace (WS-64)."""

    def __init__(self, deputy: Peer, registry: Registry) -> None:
        self.deputy = deputy
        self._registry = registry

    def publish(self, workspace: str, service: LocalService) -> Service:
        """Serve it, and enter its record; replaces what has that id."""
        self.deputy.serve(workspace, service)
        caller = Caller(root_user(workspace), workspace, self.deputy.client_id)
        self._present(caller)
        record = self._record(caller, service)
        self._registry.put(record)
        return record

    def withdraw(self, workspace: str, service_id: str) -> bool:
        """Stop offering it; False if there was none."""
        self._registry.remove(f"{workspace}/{self.deputy.client_id}:{service_id}")
        return self.deputy.withdraw(workspace, service_id)

    def _present(self, caller: Caller) -> None:
        builtin = self.deputy.service(caller.workspace, "built-in")
        assert builtin is not None
        if self._registry.get(f"{caller.address}:built-in") is None:
            self._registry.put(self._record(caller, builtin))

    @staticmethod
    def _record(caller: Caller, service: LocalService) -> Service:
        info = {
            "id": f"{caller.address}:{service.id}",
            "name": service.name,
            "type": service.type,
            "description": service.description,
            "config": dict(service.config),
            "service_schema": service.schema(),
        }
        return service_from_wire(info, caller)
