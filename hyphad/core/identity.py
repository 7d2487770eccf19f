"""Who is calling, and the arithmetic of what a scope allows.

A `User` is what every transport turns its credential into (AUTH-1). It is immutable: a connection
gets its own copy with the scope it entered with. Verdicts are not made here but in `policy`.
"""

import re
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from hyphad.core.errors import Invalid

USER_WORKSPACE = "ws-user-"
ANONYMOUS_PREFIX = "anonymouz-"
ANONYMOUS_HTTP = "anonymouz-http"
ROOT_ID = "root"
LOGIN_ONLY = "login-only"
_ENTRY = re.compile(r"[^\s\x00-\x1f\x7f]+")


class Permission(IntEnum):
    """read < read_write < admin (AUTH-19). `NONE` is the absence of any."""

    NONE = 0
    READ = 1
    READ_WRITE = 2
    ADMIN = 3

    @property
    def letter(self) -> str:
        """The short form used in scopes: `r`, `rw`, `a`."""
        return _LETTERS[self]

    @classmethod
    def from_letter(cls, letter: str) -> "Permission":
        """Raises `Invalid` for anything but `r`, `rw`, `a`."""
        try:
            return _FROM_LETTER[letter]
        except KeyError:
            raise Invalid("Invalid token scope") from None

    @classmethod
    def from_name(cls, name: object) -> "Permission":
        """`read`, `read_write` or `admin` as in `generate_token` (AUTH-27)."""
        found = _FROM_NAME.get(name) if isinstance(name, str) else None
        if found is None:
            raise Invalid("permission: String should match pattern '^(read|read_write|admin)$'")
        return found


_LETTERS = {
    Permission.NONE: "",
    Permission.READ: "r",
    Permission.READ_WRITE: "rw",
    Permission.ADMIN: "a",
}
_FROM_LETTER = {letter: level for level, letter in _LETTERS.items() if letter}
_FROM_NAME = {
    "read": Permission.READ,
    "read_write": Permission.READ_WRITE,
    "admin": Permission.ADMIN,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a credential opens: workspaces with a level each, and its bindings (AUTH-13).

    `owned` names workspaces whose level rests on ownership: it ends when that does (AUTH-112).
    """

    workspaces: dict[str, Permission] = field(default_factory=dict)
    current_workspace: str | None = None
    client_id: str | None = None
    extra: tuple[str, ...] = ()
    owned: frozenset[str] = frozenset()

    def level(self, workspace: str) -> Permission:
        """The stronger of the wildcard and the entry of that name (AUTH-20)."""
        none = Permission.NONE
        return max(self.workspaces.get("*", none), self.workspaces.get(workspace, none))

    @property
    def specialised(self) -> list[str]:
        """Extra scopes with a colon: such a token serves one purpose only (AUTH-37)."""
        return [item for item in self.extra if ":" in item]

    def without(self, workspaces: frozenset[str]) -> "Scope":
        """The scope after the user has lost these workspaces."""
        levels = {name: level for name, level in self.workspaces.items() if name not in workspaces}
        return replace(self, workspaces=levels, owned=self.owned - workspaces)

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Read the scope claim of a token. Raises `Invalid('Invalid token scope')` (AUTH-13)."""
        workspaces: dict[str, Permission] = {}
        current = client = None
        extra = []
        for entry in text.split():
            if entry.startswith("ws:"):
                name, mark, letter = entry[3:].rpartition("#")
                if not mark or not name:
                    raise Invalid("Invalid token scope")
                level = Permission.from_letter(letter)
                workspaces[name] = min(level, workspaces.get(name, level))
            elif entry.startswith("cid:"):
                client = entry[4:]
            elif entry.startswith("wid:"):
                current = entry[4:]
            else:
                extra.append(entry)
        return cls(workspaces, current, client, tuple(extra))

    def format(self) -> str:
        """The scope claim; refuses any part that would read as something else (AUTH-31)."""
        if not all(self.workspaces) or Permission.NONE in self.workspaces.values():
            raise Invalid("Invalid token scope")
        entries = [f"ws:{name}#{level.letter}" for name, level in self.workspaces.items()]
        if self.client_id is not None:
            entries.append(f"cid:{self.client_id}")
        if self.current_workspace is not None:
            entries.append(f"wid:{self.current_workspace}")
        check_extra_scopes(self.extra)
        entries.extend(self.extra)
        for entry in entries:
            if not _ENTRY.fullmatch(entry):
                raise Invalid("Invalid token scope")
        return " ".join(entries)

    def to_dict(self) -> dict[str, Any]:
        """The public shape, permissions as letters."""
        return {
            "current_workspace": self.current_workspace,
            "workspaces": {name: level.letter for name, level in self.workspaces.items()},
            "client_id": self.client_id,
            "extra_scopes": list(self.extra) or None,
        }


def check_extra_scopes(items: Any) -> tuple[str, ...]:
    """Validate extra scopes; none may pose as one of ours (AUTH-31)."""
    if not isinstance(items, list | tuple):
        raise Invalid("extra_scopes: a list of strings is expected")
    for item in items:
        if (
            not isinstance(item, str)
            or not _ENTRY.fullmatch(item)
            or item.startswith(("ws:", "cid:", "wid:"))
        ):
            raise Invalid("Invalid scope, cannot start with ws or cid")
    return tuple(items)


@dataclass(frozen=True, slots=True)
class User:
    """A principal: account, anonymous visitor or root (AUTH-1)."""

    id: str
    roles: tuple[str, ...] = ()
    scope: Scope = field(default_factory=Scope)
    email: str | None = None
    parent: str | None = None
    expires_at: float | None = None
    current_workspace: str | None = None

    @property
    def is_anonymous(self) -> bool:
        return "anonymous" in self.roles

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def only_logs_in(self) -> bool:
        """A visitor where visitors may not connect: it is there to log in (AUTH-10)."""
        return LOGIN_ONLY in self.roles

    @property
    def effective_id(self) -> str:
        """The real user behind a child token (AUTH-2): limits, audit and ownership go by it."""
        return self.parent or self.id

    @property
    def home(self) -> str:
        """The personal workspace of the effective user."""
        return USER_WORKSPACE + self.effective_id

    def with_scope(self, scope: Scope) -> "User":
        return replace(self, scope=scope)

    def to_dict(self) -> dict[str, Any]:
        """The eight public fields, as in `connection_info.user` and every `context` (WIRE-10)."""
        return {
            "id": self.id,
            "roles": list(self.roles),
            "is_anonymous": self.is_anonymous,
            "scope": self.scope.to_dict(),
            "email": self.email,
            "parent": self.parent,
            "expires_at": self.expires_at,
            "current_workspace": self.current_workspace,
        }


def root_user(workspace: str = "*") -> User:
    """The server's own identity (WIRE-45), and that of the root token in `ws-user-root`."""
    scope = Scope({"*": Permission.ADMIN}, current_workspace=workspace)
    return User(ROOT_ID, ("admin",), scope)


def anonymous_user(name: str, expires_at: float, only_logs_in: bool = False) -> User:
    """A fresh visitor, admin of a workspace of its own and of nothing else (AUTH-6).

    `name` is a random readable id; `expires_at` is in unix seconds and only informs (AUTH-7).
    One that `only_logs_in` just reads (AUTH-10).
    """
    user_id = ANONYMOUS_PREFIX + name
    level = Permission.READ if only_logs_in else Permission.ADMIN
    roles = ("anonymous", LOGIN_ONLY) if only_logs_in else ("anonymous",)
    return User(user_id, roles, Scope({USER_WORKSPACE + user_id: level}), expires_at=expires_at)
