"""Parsing and printing of addresses; the only place that splits such strings.

Two forms exist: a peer, `workspace/client`, is where frames go; a service,
`workspace/client:service@app`, is what look-ups name (WIRE-44, WIRE-49, WS-11).
"""

import re
from dataclasses import dataclass

from hyphad.core.errors import Invalid, Misuse

ANY = "*"
MAX_CLIENT_ID = 128
MAX_NAME = 256
_CLIENT_ID = re.compile(rf"[A-Za-z0-9_.\-#~+=]{{1,{MAX_CLIENT_ID}}}")
_BAD_NAME = re.compile("[/:@*\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
_WORKSPACE = re.compile(r"[a-z0-9\-|]+")


def peer(workspace: str, client_id: str) -> str:
    """`workspace/client`, the key of the live-connection table."""
    return f"{workspace}/{client_id}"


def split_peer(address: str) -> tuple[str, str]:
    """`(workspace, client)`; the workspace is empty in a relative address."""
    workspace, _, client_id = address.rpartition("/")
    return workspace, client_id


def valid_client_id(client_id: object) -> bool:
    """At most 128 characters without separators, wildcards or white space (WIRE-14, D-14)."""
    return isinstance(client_id, str) and _CLIENT_ID.fullmatch(client_id) is not None


def check_workspace_name(name: object, need_hyphen: bool = True) -> str:
    """A name for a new workspace, or `Invalid` with the reason (WS-41)."""
    if not isinstance(name, str) or not name.strip():
        raise Invalid("Workspace name must not be empty.")
    if need_hyphen and "-" not in name:
        raise Invalid("Workspace name must contain at least one hyphen (e.g. my-workspace).")
    if not _WORKSPACE.fullmatch(name) or len(name) > 128:
        raise Invalid(
            f"Invalid workspace name: {name[:160]}, only lowercase letters, numbers and hyphens "
            "are allowed."
        )
    return name


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A service id taken apart; `*` stands for any client or app."""

    workspace: str
    client_id: str
    name: str
    app_id: str = ANY

    def __str__(self) -> str:
        return f"{self.workspace}/{self.client_id}:{self.name}@{self.app_id}"

    @property
    def service_id(self) -> str:
        """The registered form, without the app."""
        return f"{self.workspace}/{self.client_id}:{self.name}"


def parse_service(text: object, own_workspace: str) -> ServiceAddress:
    """Read `[workspace/][client:]name[@app]` as `get_service` does (WS-23).

    Missing parts become the caller's workspace, any client and any app. Raises `Misuse` with
    upstream's texts.
    """
    if not isinstance(text, str):
        raise Misuse("Service ID must be a string.")
    if text == ANY:
        raise Misuse(f"Invalid service id: {text}, it cannot be a wildcard.")
    for mark in "/:@":
        if text.count(mark) > 1:
            raise Misuse(f"Service id must contain at most one '{mark}'")
    rest, _, app_id = text.partition("@")
    workspace, slash, rest = rest.rpartition("/")
    client_id, colon, name = rest.rpartition(":")
    return ServiceAddress(
        workspace if slash else own_workspace,
        client_id if colon else ANY,
        name,
        app_id or ANY,
    )


def parse_registration(text: object, own_workspace: str) -> ServiceAddress:
    """Read the id of a service that is being registered (WS-11)."""
    if not isinstance(text, str) or not text:
        raise Invalid("Invalid service info: id: a string is required")
    if ":" not in text:
        raise Misuse("Service id info must contain ':'")
    body, _, app_id = text.partition("@")
    workspace, slash, rest = body.partition("/")
    if not slash:
        workspace, rest = own_workspace, body
    client_id, _, name = rest.partition(":")
    if not valid_client_id(client_id) or not valid_service_name(name):
        raise Invalid(f"Invalid characters in service id: {text[:300]}")
    return ServiceAddress(workspace, client_id, name, check_app_id(app_id or ANY))


def check_app_id(app_id: str) -> str:
    """The application a service belongs to; `*` is none. Raises `Misuse` or `Invalid` (WS-11)."""
    if "/" in app_id:
        raise Misuse("App id info must not contain '/'")
    if app_id != ANY and not valid_service_name(app_id):
        raise Invalid(f"Invalid characters in app id: {app_id[:300]}")
    return app_id


def valid_service_name(name: str) -> bool:
    """1 to 256 characters: no separators, wildcards, control characters, broken text (WS-11)."""
    return 0 < len(name) <= MAX_NAME and _BAD_NAME.search(name) is None
