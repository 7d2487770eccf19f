"""`/{workspace}/services/...`: services listed, described and called by plain HTTP (HTTP-35 to 59).

A call is: arguments from the request, one RPC message to the provider, and its answer as JSON,
MessagePack or a stream of events.
"""

import asyncio
import difflib
from dataclasses import replace
from functools import partial
from typing import Any

from hyphad.core import policy
from hyphad.core.errors import Denied, NotFound
from hyphad.core.records import Caller, Service
from hyphad.web.arguments import Arguments, from_body, from_query
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Failure, Refusal
from hyphad.web.gateway import MANAGER_NAMES, Function, is_stream
from hyphad.web.results import JSON, Format, format_of
from hyphad.web.streams import send_stream, stream_type


class ServiceList(BaseHandler):
    """`GET /{workspace}/services`: what the caller may see there (HTTP-35, D-1)."""

    kind = "info"

    def get(self, workspace: str) -> None:
        identity = self.identity
        if self.parts.directory.get(workspace) is None and workspace != identity.user.home:
            text = f"Workspace {workspace} does not exist or is not accessible"
            raise Refusal(404, text)
        caller = self.caller(workspace)
        found = self.parts.catalogue.list_services(caller, {"workspace": workspace})
        self.reply([{**record, "id": record["id"].partition("/")[2]} for record in found])


class ServiceHandler(BaseHandler):
    """A handler of URLs below one service; `service` is set once it has been found."""

    service: Service | None = None
    function: Function | None = None
    hint: str | None = None

    async def find(self, workspace: str, service_part: str) -> tuple[Caller, Service]:
        """Who calls, and which service is meant. Raises what the gateway does."""
        caller = self.caller(workspace)
        modes = self.request.query_arguments.get("_mode")
        mode = modes[-1].decode(errors="replace") if modes else None
        try:
            self.service = await self.parts.gateway.resolve(caller, workspace, service_part, mode)
        except NotFound:
            near = self._near(caller, workspace, service_part)
            self.hint = f"Did you mean {' or '.join(near)}?" if near else None
            raise
        return caller, self.service

    def failure(self, error: BaseException) -> Failure:
        """With a hint where the caller could do better next time."""
        failure = super().failure(error)
        hint = self.hint
        if self.function is not None and failure.status == 400 and "TypeError: " in failure.detail:
            hint = usage(self.function)
        if hint is None or failure.hint:
            return failure
        return replace(failure, hint=hint)

    def _near(self, caller: Caller, workspace: str, service_part: str) -> list[str]:
        """Services with a name like it, of those that the caller may see."""
        name = service_part.rpartition(":")[2].partition("@")[0]
        here = self.parts.registry.of_workspace(workspace)
        names = {s.name for s in here if policy.is_listed(s, caller, include_unlisted=False)}
        return difflib.get_close_matches(name, sorted(names), 3)


class ServiceInfo(ServiceHandler):
    """`GET /{workspace}/services/{service}`: its record (HTTP-36)."""

    kind = "info"

    async def get(self, workspace: str, service_part: str) -> None:
        if service_part in MANAGER_NAMES:
            self.reply(self.parts.catalogue.manager_info())
            return
        caller, service = await self.find(workspace, service_part)
        member = policy.is_member(service, caller)
        self.reply(service.record if member else service.for_outsiders())


class ServiceCall(ServiceHandler):
    """`GET|POST /{workspace}/services/{service}/{function}` (HTTP-14)."""

    kind = "call"

    def initialize(self, **given: Any) -> None:
        super().initialize(**given)
        self._gone = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def get(self, workspace: str, service_part: str, key: str) -> None:
        await self._answer(workspace, service_part, key, from_query(self.request))

    async def post(self, workspace: str, service_part: str, key: str) -> None:
        limit = self.parts.settings.max_call_body_bytes
        arguments = await from_body(self.request, limit)
        await self._answer(workspace, service_part, key, arguments)

    def on_connection_close(self) -> None:
        """The caller has gone: its call is abandoned, its stream is closed (HTTP-58)."""
        self._gone.set()
        if self._task is not None:
            self._task.cancel()
        super().on_connection_close()

    async def _answer(
        self, workspace: str, service_part: str, key: str, arguments: Arguments
    ) -> None:
        task = self._task = asyncio.current_task()
        try:
            await self._call(workspace, service_part, key, arguments)
        except asyncio.CancelledError:
            if task is None or not self._gone.is_set():
                raise
            task.uncancel()
        finally:
            self._task = None

    async def _call(
        self, workspace: str, service_part: str, key: str, arguments: Arguments
    ) -> None:
        caller, service = await self.find(workspace, service_part)
        gateway = self.parts.gateway
        function = await gateway.member(service, key)
        if not isinstance(function, Function):
            await self._send(JSON, function)
            return
        self.function = function
        if arguments.listed and _declares_numbers(function):
            arguments.by_number()
        logs_in = service.id.partition("/")[0] == "public" and service.name == "hypha-login"
        if logs_in:
            # A login may be for a workspace, and that is what its argument is called (AUTH-78).
            given = arguments.reserved.get("workspace")
            arguments.kwargs.update({} if given is None else {"workspace": given})
        result = await gateway.invoke(caller, service, function, arguments.args, arguments.kwargs)
        if logs_in and isinstance(result, dict) and "retry_after" in result:
            self.set_header("Retry-After", str(result["retry_after"]))
        form = format_of(self.request)
        if not is_stream(result):
            await self._send(form, result)
            return
        self.kind = "stream"
        items = gateway.stream(caller, service, result)
        if self.request.method == "HEAD":
            self.set_header("Content-Type", stream_type(form))
            await items.aclose()
            return
        self._task = None
        check = partial(self._check_again, workspace, service)
        await send_stream(self, items, form, self._gone, check)

    def _check_again(self, workspace: str, service: Service) -> None:
        """Tokens are revoked and workspaces unshared while a stream runs (AUTH-36, AUTH-112)."""
        identities = self.parts.identities
        caller = identities.enter(identities.by_now(self.identity), workspace)
        if not policy.is_visible(service, caller):
            raise Denied(
                f"Permission denied for non-public service in workspace {service.workspace}"
            )

    async def _send(self, form: Format, value: Any) -> None:
        body = form.encode(value)
        self.set_header("Content-Type", form.content_type)
        if form is JSON:
            await self.send_long(body)
        else:
            self.finish(body)


def _declares_numbers(function: Function) -> bool:
    """Whether the function has a parameter that is really called `0` (HTTP-45)."""
    return "0" in (_parameters(function)[0] or {})


def usage(function: Function) -> str | None:
    """How the function wants to be called, from its schema: `add(a: integer, b: integer = 2)`."""
    properties, needed = _parameters(function)
    if properties is None:
        return None
    shown = []
    for name, given in properties.items():
        schema = given if isinstance(given, dict) else {}
        kind = f": {schema['type']}" if isinstance(schema.get("type"), str) else ""
        shown.append(f"{name}{kind}" if name in needed else f"{name}{kind}{_default(schema)}")
    return f"Usage: {function.path}({', '.join(shown)})"


def _parameters(function: Function) -> tuple[dict[str, Any] | None, list[Any]]:
    """The properties of the arguments, and which of them are required."""
    parameters = (function.schema or {}).get("parameters")
    if not isinstance(parameters, dict):
        return None, []
    properties, required = parameters.get("properties"), parameters.get("required")
    return (
        properties if isinstance(properties, dict) else None,
        required if isinstance(required, list) else [],
    )


def _default(schema: dict[str, Any]) -> str:
    return f" = {schema['default']!r}" if "default" in schema else "?"
