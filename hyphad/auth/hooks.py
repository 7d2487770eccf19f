"""Token functions of the operator's own, in the place of hyphad's (AUTH-89 to AUTH-91).

    hooks.parse = lambda token: {"id": "ann", "roles": ["user"], "scope": {...}}

A hook may be a coroutine function, while identities are asked for in the middle of synchronous
code. So whoever receives a token awaits `prepare` first; what the hook said is then at hand for
five seconds. Revocations, blocks and accounts are looked up every time, whatever a hook says. A
hook that does not answer holds nobody up for ever.
"""

import asyncio
import hashlib
import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

from hyphad.core.errors import Fault, Invalid, Unauthenticated
from hyphad.core.identity import Permission, Scope, User

log = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
KEPT_TOKENS = 10_000
HOOK_SECONDS = 20.0
LATE = "The token could not be checked in time. Try again."

Function = Callable[..., Any]


class Hooks:
    """The functions that are set; None means hyphad's own way.

    `parse(token)` gives a user, `generate(user, lifetime)` a token, and `get(scope)` the token of
    an HTTP request or None.
    """

    def __init__(self) -> None:
        self.parse: Function | None = None
        self.generate: Function | None = None
        self.get: Function | None = None
        self._parsed: dict[bytes, tuple[float, User | Unauthenticated]] = {}

    async def prepare(self, token: str | None) -> None:
        """Have the answer for this token at hand; raises nothing."""
        if self.parse is None or not token or self._recent(token) is not None:
            return
        try:
            self._keep(token, user_from(await _answer(self.parse(token))))
        except Exception as error:
            self._keep(token, _refusal(error))

    def parsed(self, token: str) -> User:
        """The user that `parse` makes of a token. Raises `Unauthenticated`."""
        found = self._recent(token)
        if found is None:
            found = self._parse_now(token)
            self._keep(token, found)
        if isinstance(found, User):
            return found
        raise Unauthenticated(found.message)

    def _parse_now(self, token: str) -> User | Unauthenticated:
        assert self.parse is not None
        try:
            result = self.parse(token)
            if inspect.iscoroutine(result):
                result.close()
                return Unauthenticated(LATE)
            return user_from(result)
        except Exception as error:
            return _refusal(error)

    async def generated(self, user: User, lifetime: float) -> str:
        """The token that `generate` makes for a user."""
        assert self.generate is not None
        try:
            token = await _answer(self.generate(Record(user.to_dict()), int(lifetime)))
        except Fault:
            raise
        except Exception as error:
            log.exception("hook_failed name=generate_token")
            raise Invalid("generate_token of this server has failed; its log says why") from error
        if not isinstance(token, str) or not token:
            raise Invalid("generate_token of this server returned no string")
        return token

    async def extracted(self, headers: list[tuple[bytes, bytes]], query: bytes) -> str | None:
        """What `get` finds in an HTTP request, if anything."""
        if self.get is None:
            return None
        try:
            request = {"type": "http", "headers": headers, "query_string": query}
            token = await _answer(self.get(request))
        except Exception:
            log.exception("hook_failed name=get_token")
            return None
        return token if isinstance(token, str) and token else None

    def _recent(self, token: str) -> User | Unauthenticated | None:
        found = self._parsed.get(_digest(token))
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def _keep(self, token: str, result: User | Unauthenticated) -> None:
        if len(self._parsed) >= KEPT_TOKENS:
            self._parsed.clear()
        self._parsed[_digest(token)] = (time.monotonic() + KEPT_SECONDS, result)


async def _answer(result: Any) -> Any:
    """What a hook returned, waited for if it is to come; not for ever."""
    if not inspect.isawaitable(result):
        return result
    async with asyncio.timeout(HOOK_SECONDS):
        return await result


class Record(dict[str, Any]):
    """A user as hooks get it: items are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(name) from None
        return Record(value) if isinstance(value, dict) else value


def user_from(value: Any) -> User:
    """The user in what a hook returned: a map or an object with those fields (AUTH-1).

    Raises `Unauthenticated` for anything else.
    """
    user_id = _field(value, "id")
    if not isinstance(user_id, str) or not user_id:
        raise Unauthenticated("Invalid token")
    roles, email, parent = (_field(value, name) for name in ("roles", "email", "parent"))
    if isinstance(roles, str) or not all(isinstance(text, str | None) for text in (email, parent)):
        raise Unauthenticated("Invalid token")
    scope = _field(value, "scope")
    parsed = _scope_from(scope) if scope is not None else Scope()
    expires_at = _field(value, "expires_at")
    return User(
        user_id,
        tuple(str(role) for role in roles or ()),
        parsed,
        email or None,
        parent or None,
        float(expires_at) if isinstance(expires_at, int | float) else None,
        parsed.current_workspace,
    )


def _scope_from(value: Any) -> Scope:
    levels = _field(value, "workspaces") or {}
    return Scope(
        {str(name): _level(level) for name, level in levels.items()},
        _field(value, "current_workspace") or None,
        _field(value, "client_id") or None,
        tuple(str(item) for item in _field(value, "extra_scopes") or ()),
    )


def _level(value: Any) -> Permission:
    """`r`, `rw`, `a`, or an enumeration member with such a value."""
    return Permission.from_letter(str(getattr(value, "value", value)))


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _refusal(error: Exception) -> Unauthenticated:
    """What a hook raised, as a refusal with the same text (AUTH-91)."""
    if isinstance(error, Fault):
        return Unauthenticated(error.message)
    if isinstance(error, TimeoutError):
        return Unauthenticated(LATE)
    text = getattr(error, "detail", None)
    return Unauthenticated(text if isinstance(text, str) else str(error) or "Invalid token")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
