"""The records of the registries: workspace, client, service, and who is calling."""

import time
from dataclasses import dataclass, field
from typing import Any

from hyphad.core import address
from hyphad.core.errors import Invalid
from hyphad.core.identity import Permission, User
from hyphad.core.plain import plain_json

VISIBILITIES = ("public", "protected", "unlisted")
MAX_RECORD = 1 << 20
MAX_FUNCTIONS = 5000
MAX_DESCRIPTION = 1024
_STRING_FIELDS = ("name", "type", "description", "docs", "app_id")


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf something is done: a user, in a workspace, from a client.

    `bound` is true where the credential is only good for this client id (a `cid:` scope). `family`
    names the tokens it descends from, `version` the state of the account it was issued in: both
    are handed on to tokens made here, so that revoking reaches them (AUTH-36, AUTH-108). `remote`
    is the network address it comes from, `origin` the one under which it reaches the server
    (`http://host:port`), where known; `request` is the id of the HTTP request, if it is one.
    """

    user: User
    workspace: str
    client_id: str
    bound: bool = False
    family: tuple[str, ...] = ()
    version: int | None = None
    remote: str = ""
    origin: str = ""
    request: str = ""

    @property
    def address(self) -> str:
        return address.peer(self.workspace, self.client_id)

    @property
    def level(self) -> Permission:
        """The permission on the caller's own workspace."""
        return self.user.scope.level(self.workspace)


@dataclass(slots=True)
class Service:
    """One registered service: the record that is shown, and the parts that look-ups use."""

    id: str
    workspace: str
    client_id: str
    name: str
    record: dict[str, Any]
    size: int = 0

    @property
    def client(self) -> str:
        """The peer that provides it, `workspace/client`."""
        return address.peer(self.workspace, self.client_id)

    @property
    def visibility(self) -> str:
        return str(self.record["config"]["visibility"])

    @property
    def type(self) -> str:
        return self.record["type"] or "generic"

    @property
    def app_id(self) -> str:
        return str(self.record["app_id"])

    @property
    def singleton(self) -> bool:
        return bool(self.record["config"].get("singleton"))

    @property
    def authorized_workspaces(self) -> list[str]:
        return self.record["config"].get("authorized_workspaces") or []

    @property
    def is_presence(self) -> bool:
        """The built-in record that every client registers first."""
        return self.name == "built-in"

    def summary(self) -> dict[str, Any]:
        """What an event carries when the record is too long for one (D-20)."""
        config = {"visibility": self.visibility, "workspace": self.workspace}
        return {
            "id": self.id,
            "name": self.record["name"],
            "type": self.type,
            "config": config,
        }

    def for_outsiders(self) -> dict[str, Any]:
        """The record without what only members of its workspace may see (WS-25, section 11)."""
        config = {k: v for k, v in self.record["config"].items() if k != "authorized_workspaces"}
        created_by = config.get("created_by") or {}
        config["created_by"] = {"id": created_by.get("id")}
        return {**self.record, "config": config}


def service_from_wire(info: Any, caller: Caller) -> Service:
    """Check a registration and bring it into the stored shape (WS-12, WS-19, D-20).

    Raises `Invalid('Invalid service info: <field>: <reason>')`. `created_by` is set from the
    caller; what the client wrote there is ignored.
    """
    if not isinstance(info, dict):
        raise Invalid("Invalid service info: a map is expected")
    place = address.parse_registration(info.get("id"), caller.workspace)
    for key in _STRING_FIELDS:
        if not isinstance(info.get(key), str | None):
            raise Invalid(f"Invalid service info: {key}: a string is expected")
    if len(info.get("description") or "") > MAX_DESCRIPTION:
        raise Invalid(f"Invalid service info: description: over {MAX_DESCRIPTION} characters")
    config = _service_config(info.get("config"))
    config["workspace"] = place.workspace
    user = caller.user
    config["created_by"] = user.to_dict() if place.name == "built-in" else {"id": user.id}
    schema = info.get("service_schema")
    if not isinstance(schema, dict | None):
        raise Invalid("Invalid service info: service_schema: a map is expected")
    app_id = address.check_app_id(info.get("app_id") or place.app_id)
    record = {
        "config": config,
        "id": place.service_id,
        "name": info.get("name") or place.name,
        "type": info.get("type", "generic"),
        "description": info.get("description"),
        "docs": info.get("docs"),
        "app_id": app_id,
        "service_schema": schema,
    }
    size = _record_size(record)
    return Service(place.service_id, place.workspace, place.client_id, place.name, record, size)


def _service_config(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict | None):
        raise Invalid("Invalid service info: config: a map is expected")
    config = {
        "visibility": "protected",
        "require_context": False,
        "workspace": None,
        "flags": [],
        "singleton": False,
        "created_by": None,
        "service_embedding": None,
        "authorized_workspaces": None,
        **(given or {}),
    }
    config["service_embedding"] = None
    if config["visibility"] not in VISIBILITIES:
        raise Invalid(
            "Invalid service info: config.visibility: must be one of " + ", ".join(VISIBILITIES)
        )
    authorized = config["authorized_workspaces"]
    if authorized is not None:
        if not isinstance(authorized, list) or not all(isinstance(w, str) for w in authorized):
            raise Invalid("Invalid service info: config.authorized_workspaces: a list of strings")
        if config["visibility"] != "protected":
            raise Invalid(
                "authorized_workspaces can only be set when visibility is 'protected', "
                f"got visibility='{config['visibility']}'"
            )
    return config


def _record_size(record: dict[str, Any]) -> int:
    """Bytes of the record as JSON; refuses what is no JSON, too long, or has too many functions."""
    try:
        text = plain_json(record)
    except ValueError as error:
        raise Invalid(f"Invalid service info: not plain JSON values ({error})") from None
    size = len(text) if text.isascii() else len(text.encode())
    if size > MAX_RECORD:
        raise Invalid(f"Invalid service info: over {MAX_RECORD} bytes")
    if text.count('"type": "function"') > MAX_FUNCTIONS:
        raise Invalid(f"Invalid service info: over {MAX_FUNCTIONS} functions")
    return size


@dataclass(slots=True)
class Workspace:
    """A namespace and permission domain (WS-38). `owners` are user ids or e-mail addresses."""

    id: str
    name: str
    description: str | None = None
    persistent: bool = False
    owners: list[str] = field(default_factory=list)
    read_only: bool = False
    icon: str | None = None
    covers: list[str] | None = None
    docs: str | None = None
    service_types: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    created: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """The whole record as `get_workspace_info` shows it to those who may write."""
        return {
            "type": "workspace",
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "persistent": self.persistent,
            "owners": list(self.owners),
            "read_only": self.read_only,
            "icon": self.icon,
            "covers": self.covers,
            "docs": self.docs,
            "service_types": self.service_types,
            "config": self.config,
            "status": {"ready": True, "errors": None},
        }

    def without_secrets(self) -> dict[str, Any]:
        """The record for readers and for events: no environment values (WS-45, WS-53)."""
        config = {key: value for key, value in self.config.items() if key != "environs"}
        return {**self.to_dict(), "config": config}

    def for_strangers(self) -> dict[str, Any]:
        """What stays of the record for callers without any permission here (WS-45)."""
        types = {
            name: info
            for name, info in self.service_types.items()
            if (info.get("config") or {}).get("visibility") == "public"
        }
        return {**self.to_dict(), "config": {}, "service_types": types}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Workspace":
        """Check a record from a caller or from disk. Raises `Invalid` (WS-42)."""
        if not isinstance(data, dict):
            raise Invalid("Invalid workspace config: a map is expected")
        workspace_id = data.get("id") or data.get("name")
        if not workspace_id and "" in (data.get("id"), data.get("name")):
            raise Invalid("Workspace name must not be empty.")
        if not isinstance(workspace_id, str):
            raise Invalid("Invalid workspace config: id: a string is required")
        values: dict[str, Any] = {"id": workspace_id}
        for key, kind in _WORKSPACE_FIELDS.items():
            value = data.get(key)
            if value is None:
                continue
            if not isinstance(value, kind):
                raise Invalid(f"Invalid workspace config: {key}: {kind.__name__} is expected")
            values[key] = value
        values["name"] = values.get("name") or workspace_id
        owners = values.get("owners", [])
        if not all(isinstance(owner, str) for owner in owners):
            raise Invalid("Invalid workspace config: owners: a list of strings is expected")
        values["owners"] = [owner.strip() for owner in owners if owner.strip()]
        values["service_types"] = {
            type_id: check_service_type(info, type_id)
            for type_id, info in values.get("service_types", {}).items()
        }
        try:
            size = len(plain_json(values))
        except ValueError as error:
            raise Invalid(
                f"Invalid workspace config: only plain JSON values are kept ({error})"
            ) from None
        if size > MAX_RECORD:
            raise Invalid(f"Invalid workspace config: over {MAX_RECORD} bytes")
        created = data.get("created")
        if isinstance(created, int | float) and 0 < created < _LAST_SECOND:
            values["created"] = float(created)
        return cls(**values)


_LAST_SECOND = 253_402_300_800.0  # the year 10000
_WORKSPACE_FIELDS: dict[str, type] = {
    "name": str,
    "description": str,
    "persistent": bool,
    "owners": list,
    "read_only": bool,
    "icon": str,
    "covers": list,
    "docs": str,
    "service_types": dict,
    "config": dict,
}


def check_service_type(info: Any, type_id: str | None = None) -> dict[str, Any]:
    """A service type in its stored shape, or `Invalid` (WS-55): a bad one never gets in."""
    if not isinstance(info, dict):
        raise Invalid("Invalid service type: a map is expected")
    for key, kind in (("id", str), ("name", str), ("definition", dict)):
        if not isinstance(info.get(key), kind) or not (info[key] or kind is dict):
            raise Invalid(f"Invalid service type: {key} is required")
    if type_id is not None and info["id"] != type_id:
        raise Invalid(f"Invalid service type: id {info['id']} does not match {type_id}")
    stored = {
        "id": info["id"],
        "name": info["name"],
        "definition": info["definition"],
        "description": info.get("description"),
        "config": info.get("config") or {},
        "docs": info.get("docs"),
    }
    if not isinstance(stored["config"], dict):
        raise Invalid("Invalid service type: config: a map is expected")
    for key in ("description", "docs"):
        if not isinstance(stored[key], str | None):
            raise Invalid(f"Invalid service type: {key}: a string is expected")
    try:
        plain_json(stored)
    except ValueError as error:
        raise Invalid(f"Invalid service type: only plain JSON values are kept ({error})") from None
    return stored
