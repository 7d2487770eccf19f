"""Registering and finding services: the heart of the manager (WS-14 to WS-33)."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any

from hyphad.auth.presence import Presence
from hyphad.core import address, policy
from hyphad.core.address import ANY, ServiceAddress
from hyphad.core.errors import (
    Denied,
    Fault,
    Invalid,
    Misuse,
    NotFound,
    PeerGone,
    QuotaExceeded,
    TimedOut,
    Unavailable,
)
from hyphad.core.events import Events
from hyphad.core.identity import Permission
from hyphad.core.query import check_reach, parse_query
from hyphad.core.records import Caller, Service, service_from_wire
from hyphad.core.registry import Registry
from hyphad.services.base import rpc
from hyphad.services.selection import DEFAULT_SELECT_SECONDS, default_mode, select
from hyphad.store.directory import Directory
from hyphad.wire import frame, values
from hyphad.wire.peer import Peer

log = logging.getLogger(__name__)

SETUP_SECONDS = 30.0
PROVIDER_SECONDS = 10.0


@dataclass
class GetServiceConfig:
    """How a service is chosen and returned."""

    mode: Annotated[str | None, "exact, first, last, random, min_load or select:..."] = None
    timeout: Annotated[float | None, "Seconds to wait for the provider."] = 10.0
    case_conversion: Annotated[str | None, "camel or snake"] = None
    select_timeout: Annotated[float | None, "Seconds for each call of a select mode."] = 2.0


@dataclass
class ServiceInfo:
    """The record of a service, without its functions."""

    id: Annotated[str, "workspace/client:name"]
    config: Annotated[dict[str, Any] | None, "Visibility and other settings."] = None
    name: Annotated[str | None, "Display name."] = None
    type: Annotated[str | None, "Kind of service."] = "generic"
    description: Annotated[str | None, {"maxLength": 1024}] = None
    docs: Annotated[str | None, "Long description."] = None
    app_id: Annotated[str | None, "Application it belongs to."] = None
    service_schema: Annotated[dict[str, Any] | None, "Schema of each function."] = None


class Catalogue:
    """Methods of the manager that concern services."""

    def __init__(
        self,
        registry: Registry,
        presence: Presence,
        directory: Directory,
        events: Events,
        manager: Peer,
        deputy: Peer,
        base_url: str,
        max_services: int,
    ) -> None:
        self.registry = registry
        self.presence = presence
        self.directory = directory
        self.events = events
        self.manager = manager
        self.deputy = deputy
        self.base_url = base_url
        self.max_services = max_services

    # registering

    @rpc()
    def register_service(
        self,
        caller: Caller,
        service: Annotated[ServiceInfo, "The record to register."],
        config: Annotated[dict[str, Any] | None, "Accepted, without effect."] = None,
    ) -> Awaitable[None] | None:
        """Register a service of the calling client, or replace the one of that name.

        Everybody sees it by the time this returns. Events: `service_added`, before it
        `service_removed` if it was there.
        """
        policy.require(caller, Permission.READ_WRITE)
        info: dict[str, Any] = service  # type: ignore[assignment]
        if _is_local_only(info):
            return None
        record = service_from_wire(info, caller)
        policy.may_register(caller, record)
        self.directory.find(record.workspace)
        known = self.registry.get(record.id)
        if known is None and not record.is_presence:
            self._check_quota(record)
        self._check_singleton(record)
        if record.client not in self.presence.router.links:
            log.warning("ignored_registration service=%s reason=client_not_connected", record.id)
            return None
        self.registry.put(record)
        self.presence.registered(record)
        if record.name == "default" and known is None:
            return self._set_up(record, caller)
        self._announce(record, known)
        return None

    def _announce(self, service: Service, known: Service | None) -> None:
        if service.is_presence:
            kind = "client_connected" if known is None else "client_updated"
            data = {"id": service.client, "workspace": service.workspace}
            self.events.emit(service.workspace, kind, data)
            return
        if known is not None:
            self.events.emit_service("service_removed", service)
        self.events.emit_service("service_added", service)

    async def _set_up(self, service: Service, caller: Caller) -> None:
        """Call `setup` of a newly exported default service, as the user who exported it (WS-15)."""
        try:
            async with asyncio.timeout(SETUP_SECONDS):
                api = await self.manager.call(
                    service.client, "services.built-in.get_service", service.name
                )
                setup = api.get("setup") if isinstance(api, dict) else None
                if isinstance(setup, dict) and values.is_method(setup):
                    await self.deputy.function(setup, service.client, caller)()
        except (Fault, TimeoutError) as error:
            log.warning("setup_failed service=%s reason=%r", service.id, str(error))
        self._announce(service, None)

    def _check_quota(self, service: Service) -> None:
        count = self.registry.count_of_client(service.client) - 1
        if count >= self.max_services:
            raise QuotaExceeded(
                f"Service quota exceeded: client {service.client} already has {count} services "
                f"(max {self.max_services}). Remove unused services before registering new ones."
            )

    def _check_singleton(self, service: Service) -> None:
        others = self.registry.named(service.workspace, service.name)
        others = [other for other in others if other.id != service.id]
        clash = others if service.singleton else [other for other in others if other.singleton]
        if clash:
            raise Invalid(
                f"A singleton service with the same name ({service.name}) already exists in the "
                f"workspace ({service.workspace}), please remove it first or use a different name."
            )

    @rpc()
    def unregister_service(
        self, caller: Caller, service_id: Annotated[str, "Name or id of the service."]
    ) -> None:
        """Remove a service. A bare name means the calling client's own first."""
        policy.require(caller, Permission.READ_WRITE)
        place = address.parse_service(service_id, caller.workspace)
        own = self.registry.get(f"{caller.address}:{place.name}")
        if place.workspace == caller.workspace and place.client_id == ANY and own is not None:
            found = [own]
        else:
            found = list(self.registry.find(place))
        if not found:
            raise NotFound(f"Service not found: {place}")
        policy.may_unregister(caller, found[0])
        if len(found) > 1:
            raise _ambiguous(place, found)
        self._remove(found[0])

    def _remove(self, service: Service) -> None:
        if service.client_id == self.deputy.client_id:
            raise Denied(f"Permission denied: {service.id} belongs to the server")
        self.registry.remove(service.id)
        if service.is_presence:
            data = {"id": service.client_id, "workspace": service.workspace}
            self.events.emit(service.workspace, "client_disconnected", data)
        else:
            self.events.emit_service("service_removed", service)

    # finding

    @rpc()
    async def get_service(
        self,
        caller: Caller,
        service_id: Annotated[
            str, "name, client:name or workspace/client:name, ~ for the manager."
        ],
        config: Annotated[GetServiceConfig | None, "How to choose and return it."] = None,
    ) -> Any:
        """Get a service with its functions, ready to be called."""
        options = _options(config)
        if _means_manager(service_id):
            return self.manager.encoded("*", "default", caller)
        service = await self.resolve(caller, service_id, options)
        if service.client_id == self.deputy.client_id:
            encoded = self.deputy.encoded(service.workspace, service.name, caller)
            api = frame.unpack(encoded)
        else:
            api = await self.fetch(service, _seconds(options, "timeout", PROVIDER_SECONDS))
        return self._presented(api, service, caller, options.get("case_conversion"))

    async def fetch(self, service: Service, timeout: float = PROVIDER_SECONDS) -> dict[str, Any]:
        """Ask the provider for its service object (WS-28)."""
        try:
            async with asyncio.timeout(timeout):
                api = await self.manager.call(
                    service.client,
                    "services.built-in.get_service",
                    service.name,
                    timeout=max(timeout, 1.0),
                )
        except (TimeoutError, TimedOut):
            text = f"Timed out after {timeout:.1f}s while getting service {service.id}"
            raise TimedOut(text) from None
        except PeerGone:
            text = f"Client disconnected while retrieving service: {service.id}"
            raise PeerGone(text) from None
        if not isinstance(api, dict):
            raise Invalid(f"The provider returned no service for {service.id}")
        return api

    def _presented(
        self, api: dict[str, Any], service: Service, caller: Caller, case: Any
    ) -> dict[str, Any]:
        config = api.get("config")
        config = dict(config) if isinstance(config, dict) else {}
        if not policy.is_member(service, caller):
            config.pop("authorized_workspaces", None)
        config["workspace"] = service.workspace
        config["url"] = (
            f"{self.base_url}/{service.workspace}/services/{service.client_id}:{service.name}"
        )
        api.update(id=service.id, config=config)
        if case in ("camel", "snake"):
            return {_cased(key, case): _recased(value, case) for key, value in api.items()}
        return api

    @rpc()
    async def get_service_info(
        self,
        caller: Caller,
        service_id: Annotated[str, "As in get_service."],
        config: Annotated[dict[str, Any] | None, "mode and select_timeout."] = None,
    ) -> dict[str, Any]:
        """Get the record of a service without asking its provider."""
        if _means_manager(service_id):
            return self.manager_info()
        service = await self.resolve(caller, service_id, config or {})
        return _shown(service, caller)

    def manager_info(self) -> dict[str, Any]:
        """The manager's own record (WS-8)."""
        service = self.manager.service("*", "default")
        assert service is not None
        defaults = {
            "flags": [],
            "singleton": False,
            "created_by": None,
            "service_embedding": None,
            "authorized_workspaces": None,
        }
        return {
            "config": {**service.config, **defaults, "workspace": "*"},
            "id": "~",
            "name": service.name,
            "type": service.type,
            "description": service.description,
            "docs": None,
            "app_id": "*",
            "service_schema": service.schema(),
        }

    async def resolve(self, caller: Caller, service_id: Any, options: dict[str, Any]) -> Service:
        """The one service an id means for this caller (WS-23 to WS-25).

        What the caller may not see is left out before choosing. A service whose provider is away
        but expected back is waited for (D-26).
        """
        place = address.parse_service(service_id, caller.workspace)
        if place.workspace == ANY:
            raise Misuse(
                "You must specify a workspace for the service query, otherwise please call "
                "list_services to find the service."
            )
        found = list(self.registry.find(place))
        away = self.presence.router.away
        while not found:
            absent = away.providers(place.workspace, place.client_id, place.name)
            if not absent:
                raise NotFound(f"Service not found: {place}")
            changes = [away.changed(peer) for peer in absent]
            await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
            found = list(self.registry.find(place))
        visible = [service for service in found if policy.is_visible(service, caller)]
        if not visible:
            text = f"Permission denied for non-public service in workspace {place.workspace}"
            raise Denied(text)
        mode = options.get("mode") or default_mode(place.workspace)
        timeout = _seconds(options, "select_timeout", DEFAULT_SELECT_SECONDS)

        async def ask(service: Service, function: str, seconds: float) -> Any:
            method = f"services.{service.name}.{function}"
            return await self.deputy.call(service.client, method, caller=caller, timeout=seconds)

        return await select(visible, str(place), str(mode), timeout, ask, self._load)

    def _load(self, service: Service) -> float:
        """Frames sent to the client so far, counted for clients that opted in with `__rlb`."""
        link = self.presence.router.links.get(service.client)
        if link is None or not service.client_id.endswith("__rlb"):
            return 0.0
        age = max(1.0, link.loop.time() - link.opened)
        return 60.0 * link.frames_out / age

    @rpc()
    def list_services(
        self,
        caller: Caller,
        query: Annotated[
            dict[str, Any] | str | None, "A workspace, an id, or a map of parts."
        ] = None,
        include_unlisted: Annotated[bool, "Also unlisted ones of the own workspace."] = False,
        include_app_services: Annotated[bool, "Also services of installed apps."] = False,
        prioritize_running_services: Annotated[bool, "Running ones first."] = False,
    ) -> list[dict[str, Any]]:
        """List the services that the caller may see."""
        wanted = parse_query(query, caller.workspace)
        check_reach(wanted, caller.workspace, include_unlisted)
        if include_unlisted and caller.level < Permission.READ:
            raise Denied(
                "Cannot include unlisted services without read permission for workspace "
                f"{caller.workspace}."
            )
        found: list[Service] = []
        if wanted.workspace == ANY:
            found = [s for s in self.registry.public() if s.workspace != caller.workspace]
            found += self.registry.of_workspace(caller.workspace)
        elif wanted.type != ANY and ANY not in wanted.type:
            found = list(self.registry.of_type(wanted.workspace, wanted.type))
        elif wanted.service_id != ANY and ANY not in wanted.service_id:
            found = list(self.registry.named(wanted.workspace, wanted.service_id))
        else:
            found = list(self.registry.of_workspace(wanted.workspace))
        return [
            _shown(service, caller)
            for service in found
            if wanted.matches(service) and policy.is_listed(service, caller, include_unlisted)
        ]

    @rpc()
    def search_services(
        self,
        caller: Caller,
        query: Annotated[Any, "Text or vector to search for."] = None,
        filters: Annotated[dict[str, Any] | None, "Fields that must match."] = None,
        limit: Annotated[int | None, "How many at most."] = 5,
        offset: Annotated[int | None, "How many to skip."] = 0,
        return_fields: Annotated[list[str] | None, "Which fields to return."] = None,
        order_by: Annotated[str | None, "Field to sort by."] = None,
        pagination: Annotated[bool | None, "Return totals too."] = False,
        include_unlisted: Annotated[bool, "Also unlisted ones."] = False,
    ) -> None:
        """Search services by meaning; not enabled on this server."""
        raise Unavailable("Service search is not enabled.")


def _shown(service: Service, caller: Caller) -> dict[str, Any]:
    return service.record if policy.is_member(service, caller) else service.for_outsiders()


def _means_manager(service_id: Any) -> bool:
    return isinstance(service_id, str) and (service_id == "~" or service_id.endswith("/~"))


def _is_local_only(service: dict[str, Any]) -> bool:
    """Records that clients keep to themselves (WIRE-68, WS-14 step 4)."""
    name = str(service.get("id", "")).rpartition(":")[2]
    config = service.get("config")
    return name.startswith("_rintf_") or (
        isinstance(config, dict) and bool(config.get("_local_only"))
    )


def _options(config: Any) -> dict[str, Any]:
    return config if isinstance(config, dict) else {}


def _seconds(options: dict[str, Any], key: str, default: float) -> float:
    value = options.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    return default


def _ambiguous(place: ServiceAddress, found: list[Service]) -> Fault:
    shown = [service.id for service in found[:5]]
    return Misuse(
        f"Multiple services found for {place}, e.g. {shown}. Name one by its full id, "
        "workspace/client:name."
    )


def _recased(value: Any, case: str) -> Any:
    if isinstance(value, dict) and "_rtype" not in value:
        return {_cased(key, case): _recased(item, case) for key, item in value.items()}
    return value


def _cased(key: Any, case: str) -> Any:
    if not isinstance(key, str) or key.startswith("_"):
        return key
    if case == "camel":
        first, *rest = key.split("_")
        return first + "".join(part[:1].upper() + part[1:] for part in rest)
    return "".join("_" + char.lower() if char.isupper() else char for char in key)
