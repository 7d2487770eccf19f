"""Minting, reading and revoking tokens of a workspace (WS-58 to WS-60, AUTH-27 to AUTH-36)."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol

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
from hyphad.core.identity import Permission, Scope, User, check_extra_scopes
from hyphad.core.names import readable_id
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.directory import Directory

log = logging.getLogger(__name__)

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
        close_revoked: Callable[[tuple[str, ...]], None],
    ) -> None:
        self.authenticator = authenticator
        self._revocations = revocations
        self._directory = directory
        self._max_lifetime = max_lifetime
        self._close_revoked = close_revoked

    @rpc()
    def generate_token(
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
        )
        child = child_of(user, readable_id(), policy.child_roles(user, wanted), expires_at)
        if email is not None:
            child = replace(child, email=email)
        log.info(
            "token_minted by=%s workspace=%s permission=%s expires_in=%d",
            user.effective_id,
            workspace.id,
            wanted.letter,
            expires_at - time.time(),
        )
        return self.authenticator.tokens.mint(
            child.with_scope(scope),
            0,
            expires_at=expires_at,
            line=self._line(caller),
            version=caller.version,
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
    def parse_token(
        self, caller: Caller, token: Annotated[str, "The token to read."]
    ) -> dict[str, Any]:
        """Show what a token says, as the user it makes."""
        if not token:
            raise Misuse("Authorization is required")
        try:
            credential = self.authenticator.credential(token)
        except Unauthenticated as error:
            if error.message == REVOKED:
                raise
            raise TokenRefused(f"401: {_structure(error.message)}") from None
        if credential.workspace not in (None, caller.workspace) and not caller.user.is_admin:
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
        try:
            claims = self.authenticator.tokens.verify(token)
        except Unauthenticated as error:
            if error.message == EXPIRED:
                raise Invalid("Token has already expired") from None
            raise Invalid(f"Invalid token: 401: {_structure(error.message)}") from None
        policy.may_revoke(caller, claims.parent or claims.sub, claims.scope.current_workspace)
        keys = (own_key(claims, token),)
        await self._revocations.add(keys, claims.expires_at)
        log.info(
            "token_revoked by=%s owner=%s", caller.user.effective_id, claims.parent or claims.sub
        )
        # The caller hears the answer first, even if it is its own token.
        asyncio.get_running_loop().call_later(ANSWER_FIRST, self._close_revoked, keys)


def _text(options: dict[str, Any], key: str) -> str | None:
    value = options.get(key)
    if not isinstance(value, str | None):
        raise BadCall(f"{key} must be a string")
    return value or None


def _structure(reason: str) -> str:
    if reason == "Error decoding token headers.":
        return "Invalid token structure: Error decoding token claims."
    return reason
