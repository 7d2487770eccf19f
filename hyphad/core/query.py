"""What `list_services` is asked for: parsing of its queries, and matching of records (WS-31)."""

import re
from dataclasses import dataclass
from typing import Any

from hyphad.core.address import ANY
from hyphad.core.errors import BadCall, Denied, Invalid, Misuse
from hyphad.core.glob import check_pattern, matches
from hyphad.core.records import Service

_KEYS = ("visibility", "workspace", "client_id", "service_id", "type", "app_id")
_PART = re.compile(r"[a-zA-Z0-9\-_/|*. ]*")


@dataclass(frozen=True, slots=True)
class Query:
    """Patterns for each part of a service; `*` is anything."""

    workspace: str
    client_id: str = ANY
    service_id: str = ANY
    visibility: str = ANY
    type: str = ANY
    app_id: str = ANY

    def matches(self, service: Service) -> bool:
        """Whether the record fits all parts but the workspace."""
        return (
            matches(self.client_id, service.client_id)
            and matches(self.service_id, service.name)
            and matches(self.visibility, service.visibility)
            and matches(self.type, service.type)
            and (self.app_id == ANY or matches(self.app_id, service.app_id))
        )


def parse_query(query: Any, own: str) -> Query:
    """Read a string, a map or null as upstream does; `own` is the caller's workspace.

    The odd cases are meant: a bare word names a workspace, and `*/x` means public services of the
    caller's own workspace. Raises `Invalid`, `Misuse` or `BadCall`.
    """
    if query is None:
        return Query(own)
    if isinstance(query, str):
        return _from_text(query, own)
    if not isinstance(query, dict):
        raise BadCall("query must be a string, a map or null")
    return _from_map(dict(query), own)


def _from_text(text: str, own: str) -> Query:
    if "/" not in text and ":" not in text:
        return _checked(Query(text))
    workspace, slash, rest = text.rpartition("/")
    client_id, colon, name = rest.rpartition(":")
    name, _, app_id = name.partition("@")
    if not slash:
        workspace = own
    public = workspace == ANY
    return _checked(
        Query(
            own if public else workspace,
            client_id if colon else ANY,
            name,
            "public" if public else ANY,
            ANY,
            app_id or ANY,
        )
    )


def _from_map(query: dict[str, Any], own: str) -> Query:
    if "id" in query:
        if "service_id" in query:
            raise Misuse("Cannot specify both 'id' and 'service_id' in the query.")
        query["service_id"] = query.pop("id")
    unknown = set(query) - set(_KEYS)
    if unknown:
        raise Invalid(f"Invalid query keys: {unknown}")
    for key, value in query.items():
        if value is not None and not isinstance(value, str):
            raise BadCall(f"query: {key} must be a string")
    parts = {key: query.get(key) or ANY for key in _KEYS}
    parts["workspace"] = query.get("workspace") or own
    parts["service_id"] = _read_service_id(parts)
    return _checked(Query(**parts))


def _read_service_id(parts: dict[str, str]) -> str:
    """`service_id` may be a whole address; its parts then narrow the others."""
    name, _, app_id = parts["service_id"].partition("@")
    if app_id and app_id != ANY:
        if parts["app_id"] not in (ANY, app_id):
            raise Invalid(f"App id mismatch: {app_id} != {parts['app_id']}")
        parts["app_id"] = app_id
    workspace, slash, rest = name.rpartition("/")
    client_id, colon, name = rest.rpartition(":")
    if slash:
        parts["workspace"] = workspace
    if colon:
        parts["client_id"] = client_id
    return name


def _checked(query: Query) -> Query:
    for part in (
        query.visibility,
        query.workspace,
        query.client_id,
        query.service_id,
        query.app_id,
    ):
        check_pattern(part)
        if not _PART.fullmatch(part):
            raise Invalid(f"Invalid characters in query part: {part}")
    check_pattern(query.type)
    return query


def check_reach(query: Query, own: str, include_unlisted: bool) -> None:
    """Unlisted and protected services are never listed across workspaces (WS-31)."""
    everywhere = query.workspace == ANY
    if everywhere and query.visibility in ("protected", "unlisted"):
        raise Misuse("Cannot list protected or unlisted services in all workspaces.")
    if not include_unlisted:
        return
    if everywhere:
        raise Denied("Cannot include unlisted services when searching all workspaces.")
    if query.workspace != own:
        raise Denied(
            f"Cannot include unlisted services from workspace {query.workspace}. Only services "
            f"from your current workspace ({own}) can include unlisted services."
        )
