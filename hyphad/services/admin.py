"""What administrators of the server may do: see everything, kick and block (WS-66, AUTH-46)."""

import time
from collections.abc import Callable
from typing import Annotated, Any

from hyphad.auth.admission import Admission, Limits
from hyphad.auth.audit import Audit, By
from hyphad.auth.presence import Presence
from hyphad.core import policy
from hyphad.core.errors import Misuse
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.blocks import Blocks
from hyphad.store.directory import Directory
from hyphad.wire.link import FlowLimits

FOREVER = 30 * 86_400

Seconds = Annotated[float, "0 means thirty days."]
Reason = Annotated[str, "Shown to those who are refused."]


class AdminUtils:
    """The protected service `admin-utils` of `ws-user-root`; every method asks for the role."""

    def __init__(
        self,
        server_id: str,
        presence: Presence,
        directory: Directory,
        admission: Admission,
        blocks: Blocks,
        limits: Limits,
        flow: FlowLimits,
        max_services: int,
        metrics: Callable[[], dict[str, Any]],
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._server_id = server_id
        self._presence = presence
        self._directory = directory
        self._admission = admission
        self._blocks = blocks
        self._limits = limits
        self._flow = flow
        self._max_services = max_services
        self._metrics = metrics

    @rpc()
    def list_servers(self, caller: Caller) -> list[str]:
        """List the servers: this one."""
        policy.require_admin(caller)
        return [self._server_id]

    @rpc()
    def list_workspaces(self, caller: Caller) -> list[dict[str, Any]]:
        """List every workspace with its whole record, secrets left out."""
        policy.require_admin(caller)
        return [workspace.without_secrets() for workspace in self._directory]

    @rpc()
    def kickout_client(
        self,
        caller: Caller,
        workspace: str,
        client_id: str,
        code: int = 1000,
        reason: Reason = "Admin requested disconnect",
    ) -> None:
        """Close a client's connection and refuse it for a minute."""
        policy.require_admin(caller)
        if not self._admission.kick(f"{workspace}/{client_id}", code, reason):
            raise Misuse("Client not connected")
        self._note("client_kicked", caller, f"{workspace}/{client_id}", reason)

    @rpc()
    def unload_workspace(
        self, caller: Caller, workspace: str, wait: bool = False, timeout: float = 10
    ) -> None:
        """Close every connection of a workspace; it goes if it is not persistent."""
        policy.require_admin(caller)
        found = self._directory.find(workspace)
        for link in self._presence.clients_of(found.id):
            link.refuse(f"Workspace unloaded: {found.id}", 1001)

    @rpc()
    def get_metrics(self, caller: Caller) -> dict[str, Any]:
        """Show the server's counters."""
        policy.require_admin(caller)
        return self._metrics()

    @rpc()
    async def block_user(
        self, caller: Caller, user_id: str, duration: Seconds = 3600, reason: Reason = ""
    ) -> str:
        """Refuse a user everywhere and close its connections."""
        policy.require_admin(caller)
        await self._blocks.add("user", user_id, reason, time.time() + (duration or FOREVER))
        kicked = 0
        for link in list(self._presence.router.links.values()):
            if user_id in (link.caller.user.id, link.caller.user.effective_id):
                link.refuse(f"User blocked: {reason}", 1008)
                kicked += 1
        self._note("user_blocked", caller, user_id, reason)
        return f"Blocked user {user_id}, kicked {kicked} connections"

    @rpc()
    async def unblock_user(self, caller: Caller, user_id: str) -> str:
        """Admit a user again."""
        policy.require_admin(caller)
        await self._blocks.remove("user", user_id)
        self._note("user_unblocked", caller, user_id)
        return f"Unblocked user {user_id}"

    @rpc()
    async def block_ip(
        self, caller: Caller, ip: str, duration: Seconds = 3600, reason: Reason = ""
    ) -> str:
        """Refuse an address everywhere and close its connections."""
        policy.require_admin(caller)
        await self._blocks.add("ip", ip, reason, time.time() + (duration or FOREVER))
        kicked = 0
        for link in list(self._presence.router.links.values()):
            if link.remote == ip:
                link.refuse(f"IP blocked: {reason}", 1008)
                kicked += 1
        self._note("ip_blocked", caller, ip, reason)
        return f"Blocked IP {ip}, kicked {kicked} connections"

    @rpc()
    async def unblock_ip(self, caller: Caller, ip: str) -> str:
        """Admit an address again."""
        policy.require_admin(caller)
        await self._blocks.remove("ip", ip)
        self._note("ip_unblocked", caller, ip)
        return f"Unblocked IP {ip}"

    def _note(self, event: str, caller: Caller, subject: str, reason: str | None = None) -> None:
        by = By(caller.user.effective_id, caller.remote)
        self._audit(event, by=by, subject=subject, reason=reason)

    @rpc()
    def list_blocked(self, caller: Caller) -> dict[str, Any]:
        """List who is blocked, and for how many seconds more."""
        policy.require_admin(caller)
        found: dict[str, Any] = {"users": [], "ips": []}
        for block in self._blocks.list():
            ttl = max(0, int(block["expires_at"] - time.time()))
            entry = {"id": block["value"], "reason": block["reason"], "ttl_seconds": ttl}
            found["users" if block["kind"] == "user" else "ips"].append(entry)
        return found

    @rpc()
    def get_resource_usage(self, caller: Caller) -> dict[str, Any]:
        """Show connections and services by user, workspace and client, and the limits."""
        policy.require_admin(caller)
        presence = self._presence
        services = {
            address: presence.registry.count_of_client(address) for address in presence.router.links
        }
        return {
            "connections_per_user": presence.users(),
            "connections_per_workspace": presence.workspaces(),
            "services_per_client": services,
            "active_rate_limiters": 0,
            "limits": {
                "max_connections_per_user": self._limits.per_user,
                "max_clients_per_workspace": self._limits.per_workspace,
                "max_services_per_client": self._max_services,
                "ws_msg_rate_limit": self._flow.rate,
                "ws_msg_burst_limit": self._flow.burst,
            },
        }
