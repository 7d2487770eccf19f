"""Workspaces as their users manage them: create, share, describe, delete (WS-38 to WS-55)."""

import asyncio
import json
from dataclasses import dataclass
from typing import Annotated, Any

from hyphad.auth.presence import Presence, describe_link
from hyphad.core import address, policy
from hyphad.core.errors import (
    BadCall,
    Conflict,
    Denied,
    Fault,
    Invalid,
    Misuse,
    NotFound,
    QuotaExceeded,
)
from hyphad.core.events import Events
from hyphad.core.identity import ROOT_ID, Permission, User
from hyphad.core.records import Caller, Workspace, check_service_type
from hyphad.core.registry import Registry
from hyphad.services.base import rpc
from hyphad.services.catalogue import Catalogue
from hyphad.store.directory import Directory

MAX_LISTED = 256
MAX_ADDRESS = 300


@dataclass
class ServiceTypeInfo:
    """A named kind of service with the schema of its functions."""

    id: Annotated[str, "Name of the type, or workspace/name."]
    name: Annotated[str, "Display name."]
    definition: Annotated[dict[str, Any], "Schemas of the functions."]
    description: Annotated[str | None, "What it is for."] = None
    config: Annotated[dict[str, Any] | None, "visibility: public shows it to others."] = None
    docs: Annotated[str | None, "Long description."] = None


class Workspaces:
    """Methods of the manager that concern workspaces."""

    def __init__(
        self,
        directory: Directory,
        presence: Presence,
        registry: Registry,
        events: Events,
        catalogue: Catalogue,
        max_per_user: int,
    ) -> None:
        self.directory = directory
        self.presence = presence
        self.registry = registry
        self.events = events
        self.catalogue = catalogue
        self.max_per_user = max_per_user

    @rpc()
    async def create_workspace(
        self,
        caller: Caller,
        config: Annotated[dict[str, Any], "id, name, description, persistent, owners, ..."],
        overwrite: Annotated[bool, "Replace the record of an existing one you own."] = False,
    ) -> dict[str, Any]:
        """Create a workspace that the caller owns; it is on disk when this returns."""
        user = caller.user
        wanted = Workspace.from_dict(config)
        if user.is_anonymous:
            policy.may_create(user, wanted.id)
        address.check_workspace_name(wanted.id, need_hyphen=user.id != ROOT_ID)
        known = self.directory.get(wanted.id)
        if known is not None:
            if not overwrite:
                raise Conflict(f"Workspace already exists: {wanted.id}")
            policy.may_overwrite(user, known)
        else:
            policy.may_create(user, wanted.id)
            if user.parent is not None:
                policy.require(caller, Permission.READ_WRITE)
            self._check_quota(user)
        if user.effective_id not in wanted.owners:
            wanted.owners.append(user.effective_id)
        await self.directory.add(wanted)
        record = wanted.without_secrets()
        self.events.emit(user.home, "workspace_loaded", record)
        await self._bookmark_new(user, wanted)
        status = {"workspace": wanted.id, "status": "ready"}
        self.events.emit(wanted.id, "workspace_status_changed", status)
        if wanted.persistent:
            self.events.emit(wanted.id, "workspace_ready", record)
        return wanted.to_dict()

    def _check_quota(self, user: User) -> None:
        owned = [ws for ws in self.directory.owned_by(user) if ws.id != user.home]
        if user.id != ROOT_ID and len(owned) >= self.max_per_user:
            raise QuotaExceeded(
                f"Workspace quota exceeded: user {user.effective_id} already owns {len(owned)} "
                f"workspaces (max {self.max_per_user}). Delete unused workspaces before creating "
                "new ones."
            )

    async def _bookmark_new(self, user: User, workspace: Workspace) -> None:
        item = _bookmark_of("workspace", workspace.id, workspace.name, workspace.description)
        if user.home in self.directory:
            await self.directory.change(user.home, lambda home: _add_bookmark(home, item))

    @rpc()
    async def delete_workspace(
        self, caller: Caller, workspace: Annotated[str, "Id of the workspace."]
    ) -> None:
        """Delete a workspace with everything in it; one's own home is emptied instead."""
        found = self.directory.find(workspace)
        if not policy.may_delete(caller.user, found):
            raise Denied(f"Permission denied for workspace {workspace}")
        if workspace in policy.FIXED_WORKSPACES:
            raise Denied(f"Workspace {workspace} cannot be deleted")
        if workspace == caller.user.home:
            await self.directory.add(_emptied(found))
            return
        await self.directory.remove(workspace)
        self.presence.drop_services(workspace)
        home = caller.user.home
        self.events.emit(home, "workspace_deleted", found.without_secrets())
        if home in self.directory:
            await self.directory.change(home, lambda ws: _remove_bookmark(ws, workspace))

    @rpc(Permission.READ)
    def list_workspaces(
        self,
        caller: Caller,
        match: Annotated[dict[str, Any] | None, "Fields that must be equal."] = None,
        offset: Annotated[int, "How many to skip."] = 0,
        limit: Annotated[int, "How many at most, up to 256."] = 256,
    ) -> list[dict[str, Any]]:
        """List the workspaces that the caller may read or owns, oldest first."""
        if offset < 0:
            raise Invalid("Offset number must be greater than or equal to 0")
        if not 0 < limit <= MAX_LISTED:
            raise Invalid("Limit must be greater than 0 and less than 256")
        user = caller.user
        own = {ws.id for ws in self.directory.owned_by(user)} if user.parent is None else set()
        found = []
        for ws in self.directory:
            if user.scope.level(ws.id) < Permission.READ and ws.id not in own:
                continue
            record = ws.without_secrets()
            if all(record.get(key) == value for key, value in (match or {}).items()):
                found.append(ws)
        return [_listed(ws) for ws in found[offset : offset + limit]]

    @rpc(Permission.READ)
    def get_workspace_info(
        self, caller: Caller, workspace: Annotated[str, "Its own one if missing."] = None
    ) -> dict[str, Any]:
        """Get the record of a workspace; secrets only with read_write on it."""
        found = self.directory.find(workspace or caller.workspace)
        if policy.may_see_secrets(caller, found):
            return found.to_dict()
        policy.require(caller, Permission.READ, found.id)
        return found.without_secrets()

    @rpc(Permission.READ)
    def check_status(self, caller: Caller) -> dict[str, Any]:
        """Tell whether the caller's workspace is ready, and what the caller may do there."""
        mine = caller.level.letter
        if caller.workspace not in self.directory:
            text = f"Workspace {caller.workspace} not found"
            return {"status": "not_found", "error": text, "user_permission": mine}
        return {"status": "ready", "errors": None, "user_permission": mine}

    @rpc(Permission.READ)
    def get_summary(self, caller: Caller) -> dict[str, Any]:
        """Count and name the clients and services of the caller's workspace."""
        workspace = self.directory.find(caller.workspace)
        clients = self.presence.clients_of(workspace.id)
        services = self.catalogue.list_services(caller)
        return {
            "name": workspace.name,
            "description": workspace.description,
            "client_count": len(clients),
            "clients": [link.address for link in clients],
            "service_count": len(services),
            "services": [
                {key: service[key] for key in ("id", "name", "type", "description", "config")}
                for service in services
            ],
        }

    @rpc()
    def list_clients(
        self, caller: Caller, workspace: Annotated[str, "Its own one if missing."] = None
    ) -> list[dict[str, Any]]:
        """List the connected clients with their users."""
        place = workspace or caller.workspace
        policy.require(caller, Permission.READ, place)
        clients = [describe_link(link) for link in self.presence.clients_of(place)]
        return clients + self._own_clients(place)

    def _own_clients(self, place: str) -> list[dict[str, Any]]:
        """The server's own client, where it offers services."""
        own = f"{place}/{self.catalogue.deputy.client_id}"
        for service in self.registry.of_client(own):
            created = service.record["config"]["created_by"]
            return [{"id": own, "user": created}]
        return []

    @rpc()
    async def ping(
        self,
        caller: Caller,
        client_id: Annotated[str, "client or workspace/client"],
        timeout: Annotated[float, "Seconds to wait for the answer."] = 5,
    ) -> str:
        """Ask a client whether it is alive: `pong`, or a sentence that says why not."""
        target = client_id if "/" in client_id else f"{caller.workspace}/{client_id}"
        target = target[:MAX_ADDRESS]
        place = target.partition("/")[0]
        try:
            if place != caller.workspace:
                policy.require(caller, Permission.READ, place)
            async with asyncio.timeout(timeout):
                return await self._ping(target, timeout)
        except TimeoutError:
            return f"Failed to ping client {target}: no answer within {timeout:g} seconds"
        except Fault as error:
            return f"Failed to ping client {target}: {error.message}"

    async def _ping(self, target: str, timeout: float) -> str:
        manager = self.catalogue.manager
        return str(
            await manager.call(target, "services.built-in.ping", "ping", timeout=max(timeout, 0.1))
        )

    @rpc()
    async def cleanup(
        self,
        caller: Caller,
        workspace: Annotated[str, "Its own one if missing."] = None,
        timeout: Annotated[float, "Seconds to wait for each client."] = 5,
    ) -> dict[str, Any]:
        """Remove clients that no longer answer."""
        place = workspace or caller.workspace
        for where in (caller.workspace, place):
            if caller.user.scope.level(where) < Permission.ADMIN:
                raise Denied(
                    f"Permission denied for workspace {where}, user: {caller.user.effective_id}"
                )
        self.directory.find(place)
        links = self.presence.clients_of(place)
        answers = await asyncio.gather(
            *(self.ping(caller, link.address, timeout) for link in links)
        )
        dead = [link for link, answer in zip(links, answers, strict=True) if answer != "pong"]
        for link in dead:
            if link.alive:
                self.presence.remove_dead(link)
        return {"removed_clients": [link.address for link in dead]} if dead else {}

    # environment, bookmarks, service types

    @rpc(Permission.READ_WRITE)
    async def set_env(
        self,
        caller: Caller,
        key: Annotated[str, "Name of the variable."],
        value: Annotated[Any, {"type": "string", "description": "Its value; null removes it."}],
    ) -> None:
        """Set an environment variable of the workspace; it is on disk when this returns."""

        def edit(workspace: Workspace) -> None:
            environs = workspace.config.setdefault("environs", {})
            if value is None:
                environs.pop(key, None)
            else:
                environs[key] = value

        if value is not None:
            _check_plain(value)
        await self.directory.change(caller.workspace, edit)

    @rpc(Permission.READ_WRITE)
    def get_env(
        self, caller: Caller, key: Annotated[str | None, "All of them if missing."] = None
    ) -> Any:
        """Get one environment variable of the workspace, or all of them."""
        environs = self.directory.find(caller.workspace).config.get("environs") or {}
        if key is None:
            return environs
        if key not in environs:
            raise NotFound(
                f"Environment variable '{key}' not found in workspace {caller.workspace}"
            )
        return environs[key]

    @rpc()
    async def bookmark(
        self,
        caller: Caller,
        item: Annotated[dict[str, Any], "bookmark_type (workspace or service) and id"],
    ) -> None:
        """Keep a workspace or service in the caller's own list."""
        kind, target = item.get("bookmark_type"), item.get("id")
        if not kind:
            raise Misuse("Bookmark type must be provided.")
        if kind not in ("workspace", "service"):
            raise Invalid(f"Invalid bookmark type: {kind}")
        home = self._home_for_writing(caller)
        if kind == "workspace":
            found = self.directory.find(str(target))
            if not policy.owns(caller.user, found):
                policy.require(caller, Permission.READ, found.id)
            entry = _bookmark_of(kind, found.id, found.name, found.description)
        else:
            service = await self.catalogue.resolve(caller, target, {"mode": "first"})
            record = service.for_outsiders()
            entry = _bookmark_of(kind, service.id, record["name"], record["description"])
            entry["config"] = record["config"]
        await self.directory.change(home, lambda ws: _add_bookmark(ws, entry))

    @rpc()
    async def unbookmark(
        self, caller: Caller, item: Annotated[dict[str, Any], "bookmark_type and id"]
    ) -> None:
        """Take a workspace or service off the caller's own list."""
        if not item.get("bookmark_type"):
            raise Misuse("Bookmark type must be provided.")
        home = self._home_for_writing(caller)
        await self.directory.change(home, lambda ws: _remove_bookmark(ws, str(item.get("id"))))

    def _home_for_writing(self, caller: Caller) -> str:
        home = self.directory.home_of(caller.user)
        if caller.user.parent is not None or not policy.owns(caller.user, home):
            policy.require(caller, Permission.READ_WRITE, home.id)
        return home.id

    @rpc(Permission.READ_WRITE)
    async def register_service_type(
        self, caller: Caller, type_info: Annotated[ServiceTypeInfo, "The type."]
    ) -> dict[str, Any]:
        """Register a type of service in the caller's workspace."""
        info = dict(type_info)  # type: ignore[call-overload]
        owner, slash, name = str(info.get("id") or "").rpartition("/")
        if slash:
            if owner != caller.workspace:
                raise Misuse(
                    f"Workspace mismatch: {owner} != {caller.workspace}, you can only register "
                    "service type in your own workspace."
                )
            info["id"] = name
        stored = check_service_type(info)

        def edit(workspace: Workspace) -> None:
            if name in workspace.service_types:
                raise NotFound(f"Service type already exists: {name}")
            workspace.service_types[name] = stored

        await self.directory.change(caller.workspace, edit)
        return stored

    @rpc()
    def get_service_type(
        self, caller: Caller, type_id: Annotated[str, "name or workspace/name"]
    ) -> dict[str, Any]:
        """Get a type of service."""
        owner, slash, name = type_id.rpartition("/")
        place = owner if slash else caller.workspace
        workspace = self.directory.get(place)
        info = workspace.service_types.get(name) if workspace else None
        public = info is not None and (info.get("config") or {}).get("visibility") == "public"
        if not public:
            policy.require(caller, Permission.READ, place)
        if info is None:
            raise NotFound(f"Service type not found: {type_id}")
        return {**info, "id": f"{place}/{name}"}

    @rpc()
    def list_service_types(
        self, caller: Caller, workspace: Annotated[str, "Its own one if missing."] = None
    ) -> list[dict[str, Any]]:
        """List the types of service of a workspace."""
        place = workspace or caller.workspace
        policy.require(caller, Permission.READ, place)
        return list(self.directory.find(place).service_types.values())


def _listed(workspace: Workspace) -> dict[str, Any]:
    return {
        "id": workspace.id,
        "name": workspace.id,
        "description": workspace.description,
        "read_only": workspace.read_only,
        "persistent": workspace.persistent,
        "owners": list(workspace.owners),
    }


def _emptied(home: Workspace) -> Workspace:
    return Workspace(
        home.id, home.name, home.description, home.persistent, list(home.owners), home.read_only
    )


def _bookmark_of(kind: str, item: str, name: Any, description: Any) -> dict[str, Any]:
    return {"bookmark_type": kind, "id": item, "name": name, "description": description}


def _add_bookmark(home: Workspace, item: dict[str, Any]) -> None:
    _remove_bookmark(home, item["id"])
    home.config.setdefault("bookmarks", []).append(item)


def _remove_bookmark(home: Workspace, item_id: str) -> None:
    marks = home.config.get("bookmarks") or []
    home.config["bookmarks"] = [mark for mark in marks if mark.get("id") != item_id]


def _check_plain(value: Any) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise BadCall("value must be plain JSON") from None
