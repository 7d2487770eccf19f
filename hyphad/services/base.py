"""How a plain class becomes a service: a decorator names the permission, hints make the schema.

    class Clock:
        @rpc(Permission.READ)
        def now(self, caller: Caller) -> float:
            "The time in seconds."

`service_of(Clock(), ...)` then offers `now` over RPC with its schema, after the permission check on
the caller's own workspace (WS-9). There is no second list of methods anywhere.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from hyphad.core import policy
from hyphad.core.identity import Permission
from hyphad.core.records import Caller
from hyphad.core.schema import Signature, signature_of
from hyphad.wire.local import LocalFunction, LocalService

Method = TypeVar("Method", bound=Callable[..., Any])


def rpc(need: Permission = Permission.NONE) -> Callable[[Method], Method]:
    """Mark a method `(self, caller, ...)` as offered; callers need `need` on their workspace."""

    def mark(method: Method) -> Method:
        method.__rpc_permission__ = need  # type: ignore[attr-defined]
        return method

    return mark


def functions_of(*parts: object) -> dict[str, Any]:
    """The marked methods of objects, as functions of a service."""
    found = {}
    for part in parts:
        for name in dir(type(part)):
            method = getattr(type(part), name)
            need = getattr(method, "__rpc_permission__", None)
            if need is not None:
                signature = signature_of(method, skip=2)
                found[name] = _function(getattr(part, name), signature, need)
    return found


def service_of(
    service_id: str, name: str, description: str, *parts: object, **config: Any
) -> LocalService:
    """A service made of the marked methods of one or more objects."""
    settings = {"visibility": "public", "require_context": True, **config}
    return LocalService(service_id, name, functions_of(*parts), description, config=settings)


def _function(method: Callable[..., Any], signature: Signature, need: Permission) -> LocalFunction:
    def call(caller: Caller, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if need is not Permission.NONE:
            policy.require(caller, need)
        kwargs.pop("context", None)
        return method(caller, **signature.bind(args, kwargs))

    return LocalFunction(signature.name, call, signature.schema, signature.schema["description"])
