"""Part of `public/workspaces`: how much a workspace uses and stores, and how much it may."""

import json
from typing import Annotated, Any

from hyphad.auth.presence import Presence
from hyphad.core import policy
from hyphad.core.errors import Denied
from hyphad.core.identity import Permission
from hyphad.core.records import MAX_RECORD, Caller
from hyphad.services.base import rpc
from hyphad.store.directory import Directory
from hyphad.store.eventlog import MAX_EVENTS
from hyphad.store.stored import Stored


class Usage:
    """For all who may read the workspace. `None` stands where there is no limit."""

    def __init__(
        self,
        directory: Directory,
        presence: Presence,
        stored: Stored,
        max_clients: int,
        max_services: int,
    ) -> None:
        self._directory = directory
        self._presence = presence
        self._stored = stored
        self._max_clients = max_clients
        self._max_services = max_services

    @rpc()
    async def get_usage(
        self, caller: Caller, workspace_id: Annotated[str, "Id of the workspace."]
    ) -> dict[str, Any]:
        """Count clients, services and what is stored: `now` and `limit`, `bytes` on disk."""
        found = self._directory.get(workspace_id)
        if found is None or policy.entry_level(caller.user, found) < Permission.READ:
            raise Denied(f"Permission denied for workspace {workspace_id}")
        registry = self._presence.registry
        clients = self._presence.clients_of(workspace_id)
        services = [
            sum(not service.is_presence for service in registry.of_client(link.address))
            for link in clients
        ]
        events, tasks = await self._stored.of(workspace_id)
        record = len(json.dumps(found.to_dict()).encode())
        variables = found.config.get("environs") or {}
        return {
            "clients": {"now": len(clients), "limit": self._max_clients},
            "services": {"now": sum(services), "limit": None},
            "services_per_client": {"now": max(services, default=0), "limit": self._max_services},
            "variables": {"now": len(variables), "limit": None},
            "record": {"bytes": record, "limit_bytes": MAX_RECORD},
            "events": {"now": events.number, "limit": MAX_EVENTS, "bytes": events.size},
            "queued_tasks": {"now": tasks.number, "limit": None, "bytes": tasks.size},
        }
