"""From an HTTP request to a function of a service and back: one RPC message out, one back.

    service = await gateway.resolve(caller, "ws-lab", "camera")
    value = await gateway.call(caller, service, "snap", [], {"exposure": 0.1})

The record in the registry says which functions there are, so the provider is asked for its service
object only where the record does not tell. Services of the server's own are called in process, so
that their errors keep their types (D-8). Whatever transport asks, the call is made in the name of
the user on whose behalf it is (D-10).
"""

import difflib
import inspect
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any

from hyphad.core.errors import (
    BadCall,
    Fault,
    Invalid,
    NotFound,
    PeerGone,
    TimedOut,
)
from hyphad.core.quota import Calls
from hyphad.core.records import Caller, Service
from hyphad.services.catalogue import Catalogue
from hyphad.web.counts import Counts
from hyphad.web.failures import Refusal
from hyphad.web.items import Items
from hyphad.wire import frame, values
from hyphad.wire.local import LocalFunction, LocalService
from hyphad.wire.peer import Packed, Peer

CALL_SECONDS = 30.0
MANAGER_NAMES = ("ws", "~")

# Functions of the manager that only make sense on a connection (HTTP-50).
CONNECTION_ONLY = frozenset(
    "register_service get_service subscribe unsubscribe on once off emit disconnect rpc "
    "register_codec".split()
)
_INFO_KEYS = ("id", "name", "type", "description", "docs", "app_id", "config")


class NoSuchMember(Refusal):
    """The service has nothing of that name (HTTP-53); `near` has names that are like it."""

    def __init__(self, path: str, near: list[str] | None = None) -> None:
        hint = f"Did you mean {' or '.join(near)}?" if near else None
        super().__init__(404, f"{path} not found.", hint)
        self.near = near or []


@dataclass(frozen=True, slots=True)
class Function:
    """A callable member of a service; `schema` is what its provider tells about it."""

    path: str
    method: str
    schema: dict[str, Any] | None = None
    local: LocalFunction | None = None


class Gateway:
    """Finds and calls services for whoever is not an RPC client itself."""

    def __init__(
        self, catalogue: Catalogue, manager: Peer, deputy: Peer, counts: Counts, running: Calls
    ) -> None:
        self._catalogue = catalogue
        self._counts = counts
        self._running = running
        self._manager = manager
        self._deputy = deputy
        info = catalogue.manager_info()
        workspace, client_id = "*", manager.client_id
        self._manager_record = Service("~", workspace, client_id, "default", info)

    async def resolve(
        self, caller: Caller, workspace: str, service_part: str, mode: str | None = None
    ) -> Service:
        """The service that a URL means: `[client:]name[@app]` of a workspace (HTTP-48, HTTP-49).

        `ws` and `~` are the workspace manager. Raises `NotFound`, `Denied`, `Misuse`, `Invalid`.
        """
        if service_part in MANAGER_NAMES:
            return self._manager_record
        if not service_part or "/" in service_part:
            raise NotFound(f"Service not found: {workspace}/*:{service_part}@*")
        return await self._catalogue.resolve(caller, f"{workspace}/{service_part}", {"mode": mode})

    async def member(self, service: Service, path: str) -> Any:
        """A `Function`, or the plain value at a dotted path. Raises `NoSuchMember` (HTTP-53)."""
        local = self._local(service)
        if local is not None:
            return self._local_member(service, local, path)
        keys = path.split(".")
        found = _walk(service.record["service_schema"] or {}, keys)
        if isinstance(found, dict) and found.get("type") == "function":
            schema = found.get("function")
            method = f"services.{service.name}.{path}"
            return Function(path, method, schema if isinstance(schema, dict) else None)
        return await self._fetched_member(service, path, keys)

    async def function(self, service: Service, keys: list[str]) -> Function | None:
        """The function at a path of keys, if there is one."""
        if any("." in key for key in keys):
            return None
        local = self._local(service)
        if local is None and service.record["service_schema"]:
            found = _walk(service.record["service_schema"], keys)
            if not (isinstance(found, dict) and found.get("type") == "function"):
                return None
        try:
            member = await self.member(service, ".".join(keys))
        except NoSuchMember:
            return None
        return member if isinstance(member, Function) else None

    async def call(
        self,
        caller: Caller,
        service: Service,
        path: str,
        args: list[Any],
        kwargs: dict[str, Any],
        timeout: float = CALL_SECONDS,
    ) -> Any:
        """Call the function at a dotted path of a service; plain data, or a generator.

        A generator comes back as its descriptor: read it with `stream`. `timeout` is in seconds
        without a sign of life. Raises `TimedOut` also, and at once, where the provider goes away.
        """
        function = await self.member(service, path)
        if not isinstance(function, Function):
            raise BadCall(f"{path} is not a function")
        return await self.invoke(caller, service, function, args, kwargs, timeout)

    async def invoke(
        self,
        caller: Caller,
        service: Service,
        function: Function,
        args: list[Any],
        kwargs: dict[str, Any],
        timeout: float = CALL_SECONDS,
    ) -> Any:
        """As `call`, with a function that `member` has found."""
        kwargs = {key: value for key, value in kwargs.items() if key != "context"}
        started = time.perf_counter()
        outcome = "error"
        try:
            with self._running.one(caller):
                result = await self._invoke(caller, service, function, args, kwargs, timeout)
            outcome = "ok"
        except TimedOut:
            outcome = "timeout"
            raise
        finally:
            self._counts.called(outcome, time.perf_counter() - started)
        return result

    async def _invoke(
        self,
        caller: Caller,
        service: Service,
        function: Function,
        args: list[Any],
        kwargs: dict[str, Any],
        timeout: float,
    ) -> Any:
        if function.local is not None:
            return await _call_local(caller, function.local, args, kwargs)
        try:
            return await self._deputy.call(
                service.client,
                function.method,
                *args,
                kwargs=kwargs,
                caller=caller,
                timeout=timeout,
            )
        except (TimedOut, PeerGone) as error:
            raise _timed_out(service, function, error) from None

    def stream(
        self, caller: Caller, service: Service, generator: Any, timeout: float = CALL_SECONDS
    ) -> AsyncGenerator[Any, None]:
        """The items of a generator that `call` has returned.

        It is closed at the provider when the iteration ends early, or `aclose` ends it before it
        has begun.
        """
        if not values.is_generator(generator):
            return _own_items(generator)

        def unused() -> None:
            close = generator.get("_rclose_method")
            if close and generator.get("_rtarget") == service.client:
                self._deputy.notify(service.client, str(close), caller)

        return Items(self._items(caller, service, generator, timeout), unused)

    async def _items(
        self, caller: Caller, service: Service, generator: dict[str, Any], timeout: float
    ) -> AsyncGenerator[Any, None]:
        items = self._deputy.iterate(generator, service.client, caller, timeout)
        try:
            async for item in items:
                yield item
        except PeerGone:
            raise PeerGone(f"Client disconnected: {service.client}") from None
        finally:
            await items.aclose()

    # members

    def _local(self, service: Service) -> LocalService | None:
        """The service itself, where it lives in the daemon."""
        if service is self._manager_record:
            return self._manager.service("*", "default")
        if service.client_id == self._deputy.client_id:
            return self._deputy.service(service.workspace, service.name)
        return None

    def _local_member(self, service: Service, local: LocalService, path: str) -> Any:
        keys = path.split(".")
        if service is self._manager_record and keys[0] in CONNECTION_ONLY:
            raise NoSuchMember(path)
        found = _walk({**self._described(service), **local.members}, keys)
        if isinstance(found, LocalFunction):
            return Function(path, f"services.{service.name}.{path}", found.schema, found)
        return _copy(_value(found, path, local.members))

    async def _fetched_member(self, service: Service, path: str, keys: list[str]) -> Any:
        """What the record does not tell: a constant, or a member of a service without schema."""
        described = self._described(service)
        if keys[0] in described:
            found = _copy(_walk(described, keys))
        else:
            api = await self._catalogue.fetch(service)
            found = _walk(api, keys)
            if values.is_method(found):
                return self._foreign(service, found, path)
        return _value(found, path, service.record["service_schema"] or {})

    @staticmethod
    def _foreign(service: Service, method: dict[str, Any], path: str) -> Function:
        """A method that the provider handed over, if it is the provider's own (D-10)."""
        if method.get("_rtarget") != service.client:
            raise Invalid(f"{path} belongs to another client than {service.client}")
        schema = method.get("_rschema")
        name = str(method.get("_rmethod"))
        return Function(path, name, schema if isinstance(schema, dict) else None)

    def _described(self, service: Service) -> dict[str, Any]:
        """What every service object tells about itself."""
        if service is self._manager_record:
            local = self._manager.service("*", "default")
            assert local is not None
            return {**service.record, "config": local.config}
        base = self._catalogue.base_url
        url = f"{base}/{service.workspace}/services/{service.client_id}:{service.name}"
        config = {
            key: value
            for key, value in service.record["config"].items()
            if key not in ("authorized_workspaces", "created_by", "service_embedding")
        }
        described = {key: service.record[key] for key in _INFO_KEYS}
        return {**described, "config": {**config, "url": url}}


async def _call_local(
    caller: Caller, function: LocalFunction, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    result = function.call(caller, list(args), dict(kwargs))
    if inspect.isawaitable(result):
        result = await result
    if inspect.isasyncgen(result) or inspect.isgenerator(result):
        return result
    return _plain(result)


async def _own_items(generator: Any) -> AsyncGenerator[Any, None]:
    """The items of a generator of the server's own."""
    if inspect.isasyncgen(generator):
        async with aclosing(generator):
            async for item in generator:
                yield _plain(item)
    else:
        with closing(generator):
            for item in generator:
                yield _plain(item)


def is_stream(value: Any) -> bool:
    """Whether a call has returned a generator, of a provider or of the server's own."""
    return values.is_generator(value) or inspect.isasyncgen(value) or inspect.isgenerator(value)


def _plain(value: Any) -> Any:
    """A value of the server's own as a client would get it over the wire."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    try:
        packed = value if isinstance(value, Packed) else values.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Fault(f"The result cannot be sent: {error}") from None
    return frame.unpack(packed)


def _copy(value: Any) -> Any:
    """A value out of a record, for others to change; functions in it become descriptors."""

    def special(item: Any) -> Any:
        if isinstance(item, LocalFunction):
            return {"_rtype": "method", "_rschema": item.schema}
        raise TypeError(f"Unsupported data type: {type(item).__name__}")

    return frame.unpack(frame.pack_with(value, special))


def _walk(found: Any, keys: Iterable[str]) -> Any:
    """The member at a path of keys and list positions; None where there is none."""
    for key in keys:
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isascii() and key.isdigit():
            found = found[int(key)] if int(key) < len(found) else None
        else:
            return None
    return found


def _value(found: Any, path: str, known: dict[str, Any]) -> Any:
    """A plain member; what is missing or empty does not exist, but near names are told."""
    if found is None or found in (0, "", [], {}):
        raise NoSuchMember(path, _near(path, known))
    return found


def _near(path: str, known: dict[str, Any]) -> list[str]:
    """Functions beside the one that is missing, with a name like it."""
    parent, dot, name = path.rpartition(".")
    siblings = _walk(known, parent.split(".")) if dot else known
    if not isinstance(siblings, dict):
        return []
    names = [key for key, member in siblings.items() if _is_function(member)]
    return [parent + dot + close for close in difflib.get_close_matches(name, names, 3)]


def _is_function(member: Any) -> bool:
    is_schema = isinstance(member, dict) and member.get("type") == "function"
    return is_schema or isinstance(member, LocalFunction)


def _timed_out(service: Service, function: Function, error: Fault) -> TimedOut:
    """The sentence that callers of Hypha know, and at once if the provider has gone (HTTP-58)."""
    reason = "client disconnected" if isinstance(error, PeerGone) else error.message
    return TimedOut(f"Method call timed out: {service.client}:{function.method}, {reason}")
