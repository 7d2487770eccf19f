"""From whatever credential arrives to one user: the single path for every transport (AUTH-144).

Order: length, root token, signature and claims (or the operator's own hook), revocation, account,
block list, ownership, user. Anything that fails raises `Unauthenticated` with a text of AUTH-16.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from hyphad.auth.hooks import Hooks
from hyphad.auth.tokens import MAX_TOKEN, Claims, Tokens, strip_bearer
from hyphad.core.errors import Denied, Unauthenticated
from hyphad.core.identity import (
    LOGIN_ONLY,
    USER_WORKSPACE,
    Permission,
    Scope,
    User,
    anonymous_user,
    root_user,
)
from hyphad.core.names import readable_id

ANONYMOUS_SECONDS = 600.0
Kind = Literal["user", "ip"]
REVOKED = "Token has been revoked"


class Accounts(Protocol):
    """The accounts of this server, as far as tokens are concerned."""

    def version(self, user_id: str) -> int | None:
        """The credential version of an account; None if there is no account of that id."""

    def is_active(self, user_id: str) -> bool:
        """False for an account that is disabled, waits for approval, or was removed."""


class NoAccounts:
    """A server without accounts."""

    def version(self, user_id: str) -> int | None:
        return None

    def is_active(self, user_id: str) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Credential:
    """A verified credential. `bound` ties it to one client id; `keys` name it for revocation.

    `family` is the line that tokens made with it continue, `version` the account's.
    """

    user: User
    bound: str | None = None
    workspace: str | None = None
    issued_at: float = 0.0
    keys: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    version: int | None = None


class Blocked(Denied):
    """The user or the address is on the block list (AUTH-141)."""


class Authenticator:
    """Turns tokens into credentials. `revoked` holds revocation keys, `blocked` answers reasons.

    `owns` tells whether a user still owns a workspace, for levels that rest on ownership.
    """

    def __init__(
        self,
        tokens: Tokens,
        revoked: Container[str],
        root_token: str | None,
        blocked: Callable[[Kind, str], str | None] = lambda kind, value: None,
        accounts: Accounts | None = None,
        owns: Callable[[User, str], bool] = lambda user, workspace: True,
    ) -> None:
        self.tokens = tokens
        self.hooks = Hooks()
        self._revoked = revoked
        self._blocked = blocked
        self._accounts = accounts if accounts is not None else NoAccounts()
        self._owns = owns
        self._root = _digest(root_token.strip()) if root_token else None

    async def prepare(self, token: str | None) -> None:
        """Before `credential`, where the operator's own hook may have to be awaited."""
        if token and not self.is_root_token(token):
            with suppress(Unauthenticated):
                await self.hooks.prepare(strip_bearer(token))

    async def issue(
        self, user: User, lifetime: float, *, version: int | None, jti: str | None = None
    ) -> str:
        """A new first-hand token, made by the operator's own function where there is one."""
        if self.hooks.generate is not None:
            return await self.hooks.generated(user, lifetime)
        return self.tokens.mint(user, lifetime, version=version, jti=jti)

    async def derive(self, user: User, lifetime: float, credential: Credential) -> str:
        """A token for the same principal as another one, and ending with that."""
        if credential.user.expires_at is not None:
            lifetime = min(lifetime, credential.user.expires_at - time.time())
        if self.hooks.generate is not None:
            return await self.hooks.generated(user, lifetime)
        return self.tokens.mint(user, lifetime, line=credential.family, version=credential.version)

    def key_of(self, token: str, jti: str) -> str:
        """What this token is listed and revoked under; `jti` if hyphad has made it."""
        return jti if self.hooks.generate is None else _hash(token)

    def credential(self, token: str) -> Credential:
        """Verify a token of any kind. Raises `Unauthenticated`, `Blocked`."""
        if len(token) > MAX_TOKEN + len("Bearer "):
            raise Unauthenticated("Token too long")
        token = strip_bearer(token)
        if self.is_root_token(token):
            return Credential(root_user("ws-user-root"), workspace="ws-user-root")
        if self.hooks.parse is not None and not self._is_own(token):
            return self._foreign(token)
        return self._own(token)

    def _own(self, token: str) -> Credential:
        """A token that hyphad has signed, or a server that shares its secret."""
        claims = self.tokens.verify(token)
        keys = revocation_keys(claims, token)
        user = user_of(claims)
        self._check(keys, user)
        if self._accounts.version(user.effective_id) != claims.version:
            raise Unauthenticated(REVOKED)
        issued = claims.raw.get("iat")
        return Credential(
            self.as_owner(user),
            claims.scope.client_id if claims.raw.get("bound", True) else None,
            claims.scope.current_workspace,
            float(issued) if isinstance(issued, int | float) else 0.0,
            keys,
            _family(claims),
            claims.version,
        )

    def _foreign(self, token: str) -> Credential:
        """A token that only the operator's hook understands (AUTH-91)."""
        user = self.hooks.parsed(token)
        keys = (_hash(token),)
        self._check(keys, user)
        scope = user.scope
        if user.is_admin:
            scope = replace(scope, workspaces={**scope.workspaces, "*": Permission.ADMIN})
        version = self._accounts.version(user.effective_id)
        bound, workspace = scope.client_id, scope.current_workspace
        return Credential(user.with_scope(scope), bound, workspace, 0.0, keys, keys, version)

    def _is_own(self, token: str) -> bool:
        """Where a hook parses tokens but none makes them, those that hyphad made are its own."""
        if self.hooks.generate is not None:
            return False
        try:
            self.tokens.verify(token)
        except Unauthenticated:
            return False
        return True

    def _check(self, keys: tuple[str, ...], user: User) -> None:
        if any(key in self._revoked for key in keys):
            raise Unauthenticated(REVOKED)
        if not self._accounts.is_active(user.effective_id):
            raise Unauthenticated(REVOKED)
        for user_id in {user.id, user.effective_id}:
            self.check_blocked("user", user_id)

    def lapsed(self, credential: Credential) -> str | None:
        """Why a credential that was good is so no more; None while it still is."""
        user_id = credential.user.effective_id
        if any(key in self._revoked for key in credential.keys):
            return REVOKED
        if not self._accounts.is_active(user_id):
            return REVOKED
        return None if self._accounts.version(user_id) == credential.version else REVOKED

    def as_owner(self, user: User) -> User:
        """Without the workspaces that the user, or the parent of a child token, has lost."""
        lost = frozenset(name for name in user.scope.owned if not self._owns(user, name))
        return user.with_scope(user.scope.without(lost)) if lost else user

    def check_blocked(self, kind: Kind, value: str) -> None:
        """Raises `Blocked` for a user (`user`) or an address (`ip`) on the block list."""
        reason = self._blocked(kind, value)
        if reason is not None:
            raise Blocked(f"{'IP' if kind == 'ip' else 'User'} is blocked: {reason}")

    def is_root_token(self, token: str) -> bool:
        """Compared in constant time, as hashes (AUTH-54)."""
        if self._root is None:
            return False
        words = token.split()
        bare = words[1] if len(words) == 2 and words[0].lower() == "bearer" else token.strip()
        return hmac.compare_digest(self._root, _digest(bare))

    def anonymous(self, only_logs_in: bool = False) -> Credential:
        """A new visitor with a workspace of its own (AUTH-6)."""
        expires_at = float(int(time.time() + ANONYMOUS_SECONDS))
        return Credential(anonymous_user(readable_id(), expires_at, only_logs_in))


def user_of(claims: Claims) -> User:
    """The user a token speaks for: admin at home if first-hand, anywhere by role (AUTH-14)."""
    levels = dict(claims.scope.workspaces)
    if claims.parent is None and LOGIN_ONLY not in claims.roles:
        levels[USER_WORKSPACE + claims.sub] = Permission.ADMIN
    if "admin" in claims.roles:
        levels["*"] = Permission.ADMIN
    scope = claims.scope
    return User(
        claims.sub,
        tuple(claims.roles),
        Scope(levels, scope.current_workspace, scope.client_id, scope.extra, scope.owned),
        claims.email,
        claims.parent,
        float(claims.expires_at),
        scope.current_workspace,
    )


def child_of(user: User, sub: str, roles: tuple[str, ...], expires_at: float) -> User:
    """The principal of a token minted by `user` (AUTH-28)."""
    return replace(user, id=sub, roles=roles, parent=user.effective_id, expires_at=expires_at)


def own_key(claims: Claims, token: str) -> str:
    """What a revocation of this token is recorded under: its id, or its hash if it has none.

    The hash is of what is signed: one signature can be written in several ways.
    """
    return claims.jti or _hash(strip_bearer(token).rpartition(".")[0])


def revocation_keys(claims: Claims, token: str) -> tuple[str, ...]:
    """What may be revoked for this token to be refused: itself, or any it descends from."""
    return (own_key(claims, token), *claims.line)


def _family(claims: Claims) -> tuple[str, ...]:
    """A resumed token stands for the one it continues, and adds nothing to the line."""
    own = () if claims.resumed or not claims.jti else (claims.jti,)
    return (*claims.line, *own)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
