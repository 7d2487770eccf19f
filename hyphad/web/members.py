"""What a service object holds, whoever provides it: functions, texts, and what contains them.

A service comes as the provider's answer to `get_service`, or lives in the daemon. Either way it
becomes one tree of plain dicts and lists whose callables are `Function`s. A function that belongs
to another client than the provider is left out: the server is nobody's deputy (D-10).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hyphad.core.records import Service
from hyphad.web.gateway import CONNECTION_ONLY, Function
from hyphad.wire import values
from hyphad.wire.local import LocalFunction, LocalService

Path = tuple[str, ...]
MAX_MEMBERS = 10_000
MAX_DEPTH = 32


def tree_of_remote(service: Service, api: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a service object as its provider sent it."""
    made: dict[str, Any] = _remote(service, dict(api), ())
    return made


def _remote(service: Service, value: Any, path: Path) -> Any:
    if values.is_method(value):
        if value.get("_rtarget") != service.client:
            return None
        schema, name = value.get("_rschema"), str(value.get("_rmethod"))
        known = schema if isinstance(schema, dict) else None
        return Function(".".join(path), name, known)
    if isinstance(value, dict) and len(path) < MAX_DEPTH:
        items = value.items()
        return {str(key): _remote(service, item, (*path, str(key))) for key, item in items}
    if isinstance(value, list) and len(path) < MAX_DEPTH:
        return [_remote(service, item, (*path, str(at))) for at, item in enumerate(value)]
    return value


def tree_of_local(service: LocalService, *, is_manager: bool = False) -> dict[str, Any]:
    """The members of a service of the daemon's own; of the manager what needs no connection."""
    hidden = CONNECTION_ONLY if is_manager else frozenset()
    members = {name: item for name, item in service.members.items() if name not in hidden}
    return _local(members, service.id, ())


def _local(members: Mapping[str, Any], service_id: str, path: Path) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, member in members.items():
        here = (*path, name)
        if isinstance(member, LocalFunction):
            dotted = ".".join(here)
            made[name] = Function(dotted, f"services.{service_id}.{dotted}", member.schema, member)
        elif isinstance(member, Mapping):
            made[name] = _local(member, service_id, here)
        else:
            made[name] = member
    return made


def walk(tree: Any, skipped: frozenset[str] = frozenset()) -> Iterator[tuple[Path, Any]]:
    """Every leaf with its path, in the order of the service; private and `skipped` keys are not."""
    left = MAX_MEMBERS
    for found in _walk(tree, (), skipped):
        left -= 1
        if left < 0:
            return
        yield found


def _walk(value: Any, path: Path, skipped: frozenset[str]) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.startswith("_") and key not in skipped:
                yield from _walk(item, (*path, key), skipped)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _walk(item, (*path, str(at)), skipped)
    else:
        yield path, value
