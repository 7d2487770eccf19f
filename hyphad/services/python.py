"""Services made of plain Python callables, as startup functions bring them."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from hyphad.core.errors import Invalid
from hyphad.core.records import Caller
from hyphad.core.schema import signature_of
from hyphad.wire.local import LocalFunction, LocalService

_SERVICE_KEYS = ("id", "name", "type", "description", "docs", "config", "app_id")


def service_from_python(api: dict[str, Any]) -> LocalService:
    """A service whose functions are the callables of a dict, nested as they are there."""
    if not isinstance(api, dict) or not isinstance(api.get("id"), str):
        raise Invalid("A service is a dict with an id and functions")
    config = {"visibility": "public", **(api.get("config") or {})}
    context = config.get("require_context") or False
    executor = bool(config.get("run_in_executor"))
    members = {key: value for key, value in api.items() if key not in _SERVICE_KEYS}
    return LocalService(
        api["id"],
        api.get("name") or api["id"],
        _members(members, context, executor),
        api.get("description"),
        api.get("type") or "generic",
        config,
    )


def _members(members: dict[str, Any], context: Any, executor: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, member in members.items():
        if callable(member):
            wanted = context is True or (isinstance(context, list | tuple) and name in context)
            made[name] = _function(name, member, wanted, executor)
        elif isinstance(member, dict):
            made[name] = _members(member, context, executor)
        else:
            made[name] = member
    return made


def _function(
    name: str, function: Callable[..., Any], context: bool, executor: bool
) -> LocalFunction:
    schema = getattr(function, "__schema__", None) or _schema_of(name, function)

    def call(caller: Caller, args: list[Any], kwargs: dict[str, Any]) -> Any:
        kwargs.pop("context", None)
        if context:
            kwargs["context"] = _context(caller)
        if executor and not inspect.iscoroutinefunction(function):
            return asyncio.to_thread(function, *args, **kwargs)
        return function(*args, **kwargs)

    return LocalFunction(name, call, schema, inspect.getdoc(function))


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
