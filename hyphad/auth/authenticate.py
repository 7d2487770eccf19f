"""From whatever credential arrives to one user: the single path for every transport (AUTH-144).

Order: length, root token, signature and claims, revocation, block list, user. Anything that fails
raises `Unauthenticated` with a text of AUTH-16.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from typing import Literal

from hyphad.auth.tokens import Claims, Tokens
from hyphad.core.errors import Denied, Unauthenticated
from hyphad.core.identity import USER_WORKSPACE, Permission, Scope, User, anonymous_user, root_user
from hyphad.core.names import readable_id

ANONYMOUS_SECONDS = 600.0
Kind = Literal["user", "ip"]
REVOKED = "Token has been revoked"


@dataclass(frozen=True, slots=True)
class Credential:
    """A verified credential. `bound` ties it to one client id; `keys` name it for revocation."""

    user: User
    bound: str | None = None
    workspace: str | None = None
    issued_at: float = 0.0
    keys: tuple[str, ...] = ()
    claims: Claims | None = field(default=None, repr=False)

    @property
    def family(self) -> tuple[str, ...]:
        """The line that tokens made with this credential continue."""
        if self.claims is None:
            return ()
        own = () if self.claims.resumed or not self.claims.jti else (self.claims.jti,)
        return (*self.claims.line, *own)

    @property
    def version(self) -> int | None:
        return self.claims.version if self.claims else None


class Blocked(Denied):
    """The user or the address is on the block list (AUTH-141)."""


class Authenticator:
    """Turns tokens into credentials. `revoked` holds revocation keys, `blocked` answers reasons."""

    def __init__(
        self,
        tokens: Tokens,
        revoked: Container[str],
        root_token: str | None,
        blocked: Callable[[Kind, str], str | None] = lambda kind, value: None,
    ) -> None:
        self.tokens = tokens
        self._revoked = revoked
        self._blocked = blocked
        self._root = _digest(root_token.strip()) if root_token else None

    def credential(self, token: str) -> Credential:
        """Verify a token of any kind. Raises `Unauthenticated`."""
        if self.is_root_token(token):
            return Credential(root_user("ws-user-root"), workspace="ws-user-root")
        claims = self.tokens.verify(token)
        keys = revocation_keys(claims, token)
        if any(key in self._revoked for key in keys):
            raise Unauthenticated(REVOKED)
        user = user_of(claims)
        for user_id in {user.id, user.effective_id}:
            self.check_blocked("user", user_id)
        bound = claims.scope.client_id if claims.raw.get("bound", True) else None
        issued = claims.raw.get("iat")
        return Credential(
            user,
            bound,
            claims.scope.current_workspace,
            float(issued) if isinstance(issued, int | float) else 0.0,
            keys,
            claims,
        )

    def check_blocked(self, kind: Kind, value: str) -> None:
        """Raises `Blocked` for a user (`user`) or an address (`ip`) on the block list."""
        reason = self._blocked(kind, value)
        if reason is not None:
            raise Blocked(f"{'IP' if kind == 'ip' else 'User'} is blocked: {reason}")

    def is_root_token(self, token: str) -> bool:
        """Compared in constant time, as hashes (AUTH-54)."""
        return self._root is not None and hmac.compare_digest(self._root, _digest(token.strip()))

    def anonymous(self) -> Credential:
        """A new visitor with a workspace of its own (AUTH-6)."""
        return Credential(
            anonymous_user(readable_id(), float(int(time.time() + ANONYMOUS_SECONDS)))
        )


def user_of(claims: Claims) -> User:
    """The user a token speaks for: admin at home if first-hand, anywhere by role (AUTH-14)."""
    levels = dict(claims.scope.workspaces)
    if claims.parent is None:
        levels[USER_WORKSPACE + claims.sub] = Permission.ADMIN
    if "admin" in claims.roles:
        levels["*"] = Permission.ADMIN
    scope = claims.scope
    return User(
        claims.sub,
        tuple(claims.roles),
        Scope(levels, scope.current_workspace, scope.client_id, scope.extra),
        claims.email,
        claims.parent,
        float(claims.expires_at),
        scope.current_workspace,
    )


def child_of(user: User, sub: str, roles: tuple[str, ...], expires_at: float) -> User:
    """The principal of a token minted by `user` (AUTH-28)."""
    return replace(user, id=sub, roles=roles, parent=user.effective_id, expires_at=expires_at)


def own_key(claims: Claims, token: str) -> str:
    """What a revocation of this token is recorded under: its id, or its hash if it has none."""
    return claims.jti or hashlib.sha256(token.encode()).hexdigest()


def revocation_keys(claims: Claims, token: str) -> tuple[str, ...]:
    """What may be revoked for this token to be refused: itself, or any it descends from."""
    return (own_key(claims, token), *claims.line)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
