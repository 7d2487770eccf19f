"""Services that live inside the daemon: functions by dotted path, with their schemas.

A `LocalService` looks to clients like any other; only that its functions are called in process,
with the caller handed over by the router instead of by the message.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyphad.core.errors import UnknownMethod
from hyphad.core.records import Caller
from hyphad.core.schema import Signature


@dataclass(frozen=True, slots=True)
class LocalFunction:
    """A function of the daemon's; `call(caller, args, kwargs)` gives a value or an awaitable."""

    name: str
    call: Callable[[Caller, list[Any], dict[str, Any]], Any]
    schema: dict[str, Any] | None = None
    doc: str | None = None


@dataclass(slots=True)
class LocalService:
    """A service of one of the daemon's peers; `members` nest functions and plain values."""

    id: str
    name: str
    members: dict[str, Any]
    description: str | None = None
    type: str = "generic"
    config: dict[str, Any] = field(default_factory=dict)

    def function(self, path: list[str]) -> LocalFunction:
        """Raises `UnknownMethod` when there is no function at that path."""
        found: Any = self.members
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if not isinstance(found, LocalFunction):
            raise UnknownMethod(".".join(path))
        return found

    def schema(self) -> dict[str, Any]:
        """The `service_schema` of the registered record: functions nested like the service."""
        return _schema(self.members)


def _schema(members: Mapping[str, Any]) -> dict[str, Any]:
    shape = {}
    for name, member in members.items():
        if isinstance(member, LocalFunction):
            function = member.schema or {"name": name}
            shape[name] = {"type": "function", "function": function}
        elif isinstance(member, Mapping):
            shape[name] = _schema(member)
    return shape


def from_method(method: Callable[..., Any], signature: Signature) -> LocalFunction:
    """A bound method `(caller, **arguments)` whose arguments are checked against its hints."""

    def call(caller: Caller, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return method(caller, **signature.bind(args, kwargs))

    return LocalFunction(signature.name, call, signature.schema, signature.schema["description"])
