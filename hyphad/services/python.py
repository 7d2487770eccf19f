"""Services made of plain Python callables, as startup functions bring them.

What a caller sends becomes what Python code expects: functions to await, generators to iterate,
sets. What goes wrong in the operator's code is told to the caller by its name, as a client would
tell it, and logged with its traceback.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hyphad.core.errors import Fault, Invalid, RemoteError
from hyphad.core.records import Caller
from hyphad.core.schema import signature_of
from hyphad.wire import values
from hyphad.wire.local import LocalFunction, LocalService
from hyphad.wire.peer import DEFAULT_TIMEOUT, Peer

log = logging.getLogger(__name__)

_SERVICE_KEYS = ("id", "name", "type", "description", "docs", "config", "app_id")


class Attributes(dict[str, Any]):
    """A dict whose keys are attributes too, like the service objects of the clients."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def to_python(value: Any, peer: Peer, origin: str, caller: Caller) -> Any:
    """A value that the peer `origin` sent, with its functions and generators ready for use.

    They are called in the caller's name, from the server's address in `public`, where startup
    functions live. Raises `Denied` for those that belong to others (D-10).
    """
    if isinstance(value, list):
        return [to_python(item, peer, origin, caller) for item in value]
    if not isinstance(value, dict):
        return value
    if values.is_method(value):
        return _remote(value, peer, origin, caller)
    if values.is_generator(value):
        return _remote_items(value, peer, origin, caller)
    if value.get("_rtype") == "set" and isinstance(value.get("_rvalue"), list):
        return set(value["_rvalue"])
    return Attributes({key: to_python(item, peer, origin, caller) for key, item in value.items()})


def _remote(
    descriptor: dict[str, Any], peer: Peer, origin: str, caller: Caller
) -> Callable[..., Any]:
    call = peer.function(descriptor, origin, caller, _address(peer))

    async def remote(*args: Any, **kwargs: Any) -> Any:
        return to_python(await call(*args, **kwargs), peer, origin, caller)

    remote.__name__ = call.__name__
    remote.__doc__ = call.__doc__
    return remote


async def _remote_items(
    descriptor: dict[str, Any], peer: Peer, origin: str, caller: Caller
) -> AsyncGenerator[Any, None]:
    items = peer.iterate(descriptor, origin, caller, DEFAULT_TIMEOUT, _address(peer))
    async with aclosing(items):
        async for item in items:
            yield to_python(item, peer, origin, caller)


def _address(peer: Peer) -> str:
    return f"public/{peer.client_id}"


def service_from_python(api: dict[str, Any], peer: Peer) -> LocalService:
    """A service whose functions are the callables of a dict, nested as they are there."""
    if not isinstance(api, dict) or not isinstance(api.get("id"), str):
        raise Invalid("A service is a dict with an id and functions")
    config = {"visibility": "public", **(api.get("config") or {})}
    maker = _Maker(
        peer, config.get("require_context") or False, bool(config.get("run_in_executor"))
    )
    members = {key: value for key, value in api.items() if key not in _SERVICE_KEYS}
    return LocalService(
        api["id"],
        api.get("name") or api["id"],
        maker.members(members),
        api.get("description"),
        api.get("type") or "generic",
        config,
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Turns callables into functions of a service; `context` as in `require_context`."""

    peer: Peer
    context: Any
    executor: bool

    def members(self, given: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, member in given.items():
            if callable(member):
                made[name] = self._function(name, member)
            elif isinstance(member, dict):
                made[name] = self.members(member)
            else:
                made[name] = member
        return made

    def _function(self, name: str, function: Callable[..., Any]) -> LocalFunction:
        schema = getattr(function, "__schema__", None) or _schema_of(name, function)
        listed = self.context if isinstance(self.context, list | tuple) else ()
        wanted = self.context is True or name in listed

        def call(caller: Caller, args: list[Any], kwargs: dict[str, Any]) -> Any:
            kwargs.pop("context", None)
            context = {"context": _context(caller)} if wanted else {}
            return self._call(name, function, caller, args, kwargs, context)

        return LocalFunction(name, call, schema, inspect.getdoc(function))

    def _call(
        self,
        name: str,
        function: Callable[..., Any],
        caller: Caller,
        args: list[Any],
        kwargs: dict[str, Any],
        context: dict[str, Any],
    ) -> Any:
        args, kwargs = (
            to_python(args, self.peer, caller.address, caller),
            to_python(kwargs, self.peer, caller.address, caller),
        )
        try:
            if self.executor and not inspect.iscoroutinefunction(function):
                result = asyncio.to_thread(function, *args, **kwargs, **context)
            else:
                result = function(*args, **kwargs, **context)
        except Exception as error:
            raise _told(name, error) from error
        if inspect.isawaitable(result):
            return self._awaited(name, result, caller)
        return self._handed_out(name, result, caller)

    async def _awaited(self, name: str, work: Any, caller: Caller) -> Any:
        try:
            result = await work
        except Exception as error:
            raise _told(name, error) from error
        return self._handed_out(name, result, caller)

    def _handed_out(self, name: str, result: Any, caller: Caller) -> Any:
        """The result, with the functions and generators in it under the same care."""
        if isinstance(result, dict):
            return {key: self._handed_out(name, item, caller) for key, item in result.items()}
        if isinstance(result, list | tuple):
            return [self._handed_out(name, item, caller) for item in result]
        if inspect.isasyncgen(result):
            return _async_items(name, result)
        if inspect.isgenerator(result):
            return _items(name, result)
        if not callable(result):
            return result

        def lent(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, result, caller, list(args), kwargs, {})

        lent.__name__ = getattr(result, "__name__", "function")
        return lent


def _items(name: str, items: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from items
    except Exception as error:
        raise _told(name, error) from error


async def _async_items(name: str, items: Any) -> AsyncGenerator[Any, None]:
    async with aclosing(items):
        try:
            async for item in items:
                yield item
        except Exception as error:
            raise _told(name, error) from error


def _told(name: str, error: Exception) -> Fault:
    """What the caller hears of an error in the operator's code."""
    if isinstance(error, Fault):
        return error
    log.warning("function_failed name=%s", name, exc_info=error)
    return RemoteError(f"{type(error).__name__}: {error}")


def _schema_of(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        schema = dict(signature_of(function, skip=0).schema)
    except (TypeError, ValueError, NameError):
        return {"name": name, "description": inspect.getdoc(function) or ""}
    properties = schema["parameters"]["properties"]
    properties.pop("context", None)
    required = [item for item in schema["parameters"].get("required", []) if item != "context"]
    schema["parameters"] = {**schema["parameters"], "required": required}
    for item in properties.values():
        if "default" in item and not isinstance(item["default"], str | int | float | bool | None):
            del item["default"]
    return {**schema, "name": name}


def _context(caller: Caller) -> dict[str, Any]:
    """What a function with `require_context` learns about its caller (WS-20)."""
    return {
        "ws": caller.workspace,
        "from": caller.address,
        "user": caller.user.to_dict(),
        "connection_type": "websocket",
    }
