"""Minting, reading and revoking tokens of a workspace (WS-58 to WS-60, AUTH-27 to AUTH-36)."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol

from hyphad.auth.audit import Audit, By
from hyphad.auth.authenticate import REVOKED, Authenticator, child_of, own_key
from hyphad.auth.tokens import EXPIRED, strip_bearer
from hyphad.core import address, policy
from hyphad.core.errors import (
    BadCall,
    Denied,
    Invalid,
    Misuse,
    TokenRefused,
    Unauthenticated,
)
from hyphad.core.identity import (
    ANONYMOUS_HTTP,
    Permission,
    Scope,
    User,
    check_extra_scopes,
)
from hyphad.core.names import random_key, readable_id
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.directory import Directory

DEFAULT_LIFETIME = 3600
ANONYMOUS_LIFETIME = 7 * 86_400
MAX_GENERATIONS = 16
ANSWER_FIRST = 0.1


class RevocationTable(Protocol):
    """Where revocation keys are kept; the future resolves when they are on disk."""

    def add(self, keys: Any, expires_at: float) -> Any: ...


@dataclass
class TokenConfig:
    """What a new token is for."""

    expires_in: Annotated[int | None, "Seconds; one hour if missing."] = None
    workspace: Annotated[str | None, "The caller's own if missing."] = None
    permission: Annotated[
        str | None, {"pattern": "^(read|read_write|admin)$", "description": "What it allows."}
    ] = "read_write"
    extra_scopes: Annotated[list[str] | None, "Purposes such as get_file:..."] = None
    client_id: Annotated[str | None, "Only usable by this client."] = None
    email: Annotated[str | None, "Set by server administrators only."] = None


class TokenDesk:
    """Methods of the manager that concern tokens."""

    def __init__(
        self,
        authenticator: Authenticator,
        revocations: RevocationTable,
        directory: Directory,
        max_lifetime: float,
        close_lapsed: Callable[[], None],
        audit: Audit,
    ) -> None:
        self.authenticator = authenticator
        self._revocations = revocations
        self._directory = directory
        self._max_lifetime = max_lifetime
        self._close_lapsed = close_lapsed
        self._audit = audit

    @rpc()
    async def generate_token(
        self,
        caller: Caller,
        config: Annotated[TokenConfig | None, "Workspace, permission, lifetime, ..."] = None,
    ) -> str:
        """Make a token for a workspace, never stronger than what the caller holds there."""
        options: dict[str, Any] = config or {}  # type: ignore[assignment]
        user = caller.user
        email = _text(options, "email")
        if email is not None and not user.is_admin:
            raise Denied("Only callers with the 'admin' role may set TokenConfig.email")
        workspace = self._directory.find(_text(options, "workspace") or caller.workspace)
        wanted = Permission.from_name(options.get("permission") or "read_write")
        policy.check_grant(user, workspace, wanted)
        expires_at = time.time() + self._lifetime(options.get("expires_in"), user)
        if user.parent is not None and user.expires_at is not None:
            expires_at = min(expires_at, user.expires_at)
        scope = Scope(
            {workspace.id: wanted},
            workspace.id,
            self._client_id(options, caller),
            (*user.scope.extra, *check_extra_scopes(options.get("extra_scopes") or [])),
            frozenset({workspace.id} if policy.rests_on_ownership(user, workspace, wanted) else ()),
        )
        child = child_of(user, readable_id(), policy.child_roles(user, wanted), expires_at)
        if email is not None:
            child = replace(child, email=email)
        line, jti = self._line(caller), random_key()
        self._audit(
            "token_minted",
            by=By(user.effective_id, caller.remote),
            subject=child.id,
            workspace=workspace.id,
            permission=wanted.letter,
            expires_in=int(expires_at - time.time()),
            jti=jti,
        )
        minted = child.with_scope(scope)
        if self.authenticator.hooks.generate is not None:
            return await self.authenticator.hooks.generated(minted, expires_at - time.time())
        return self.authenticator.tokens.mint(
            minted, 0, expires_at=expires_at, line=line, version=caller.version, jti=jti
        )

    @staticmethod
    def _line(caller: Caller) -> tuple[str, ...]:
        if len(caller.family) >= MAX_GENERATIONS:
            raise Denied(f"A token may be {MAX_GENERATIONS} generations from its first one")
        return caller.family

    def _lifetime(self, wanted: Any, user: User) -> float:
        if wanted is None or wanted == 0:
            return DEFAULT_LIFETIME
        if not isinstance(wanted, int | float) or isinstance(wanted, bool):
            raise BadCall("expires_in must be a number of seconds")
        if wanted < 0:
            raise Misuse("expires_in should be greater than 0")
        limit = min(self._max_lifetime, ANONYMOUS_LIFETIME if user.is_anonymous else 1e12)
        return float(min(wanted, limit))

    @staticmethod
    def _client_id(options: dict[str, Any], caller: Caller) -> str | None:
        client_id = _text(options, "client_id")
        own = caller.user.scope.client_id if caller.bound else None
        if client_id is not None and not address.valid_client_id(client_id):
            raise Invalid(f"Invalid client id: {client_id[:160]}")
        if own is not None and client_id not in (None, own):
            raise Denied("Only admin can generate token.")
        return client_id or own

    @rpc(Permission.READ)
    async def parse_token(
        self, caller: Caller, token: Annotated[str, "The token to read."]
    ) -> dict[str, Any]:
        """Show what a token says, as the user it makes."""
        if not token:
            raise Misuse("Authorization is required")
        if caller.user.id == ANONYMOUS_HTTP:
            raise TokenRefused("403: Log in to have tokens read.")
        await self.authenticator.prepare(token)
        try:
            credential = self.authenticator.credential(token)
        except Unauthenticated as error:
            if error.message == REVOKED:
                raise
            raise TokenRefused(f"401: {_structure(error.message)}") from None
        elsewhere = credential.workspace not in (None, caller.workspace)
        if elsewhere and not caller.user.is_admin and self.authenticator.hooks.parse is None:
            raise TokenRefused(f"403: Token is not authorized for workspace '{caller.workspace}'")
        return credential.user.to_dict()

    @rpc()
    async def revoke_token(
        self, caller: Caller, token: Annotated[str, "The token to refuse from now on."]
    ) -> None:
        """Refuse a token for good; connections opened with it are closed."""
        policy.require(caller, Permission.ADMIN)
        token = strip_bearer(token) if token.strip() else token
        if self.authenticator.is_root_token(token):
            raise Invalid("The root token cannot be revoked")
        owner, workspace, keys, expires_at = await self._read(token)
        policy.may_revoke(caller, owner, workspace)
        await self._revocations.add(keys, expires_at)
        self._audit(
            "token_revoked",
            by=By(caller.user.effective_id, caller.remote),
            subject=owner,
            jti=keys[0],
        )
        # The caller hears the answer first, even if it is its own token.
        asyncio.get_running_loop().call_later(ANSWER_FIRST, self._close_lapsed)

    async def _read(self, token: str) -> tuple[str, str | None, tuple[str, ...], float]:
        """Whose token it is, for which workspace, what names it, and when it ends by itself."""
        try:
            claims = self.authenticator.tokens.verify(token)
        except Unauthenticated as error:
            if error.message == EXPIRED:
                raise Invalid("Token has already expired") from None
            if self.authenticator.hooks.parse is None:
                raise Invalid(f"Invalid token: 401: {_structure(error.message)}") from None
            return await self._read_foreign(token)
        place = claims.scope.current_workspace
        return claims.parent or claims.sub, place, (own_key(claims, token),), claims.expires_at

    async def _read_foreign(self, token: str) -> tuple[str, str | None, tuple[str, ...], float]:
        """A token that only the operator's hook understands."""
        await self.authenticator.prepare(token)
        try:
            found = self.authenticator.credential(token)
        except Unauthenticated as error:
            raise Invalid(f"Invalid token: 401: {error.message}") from None
        expires_at = found.user.expires_at or time.time() + self._max_lifetime
        return found.user.effective_id, found.workspace, found.keys, expires_at


def _text(options: dict[str, Any], key: str) -> str | None:
    value = options.get(key)
    if not isinstance(value, str | None):
        raise BadCall(f"{key} must be a string")
    return value or None


def _structure(reason: str) -> str:
    if reason == "Error decoding token headers.":
        return "Invalid token structure: Error decoding token claims."
    return reason
