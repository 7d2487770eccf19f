"""Where people are signed in: the tokens of accounts, made, listed, and ended (AUTH-80, AUTH-108).

signed = await sessions.token(account, BROWSER, "Firefox on Linux", by)
await sessions.end(account, signed.jti, by)
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hyphad.auth.audit import UNKNOWN, Audit, By
from hyphad.auth.authenticate import Authenticator, child_of
from hyphad.core import policy
from hyphad.core.errors import Denied, Invalid
from hyphad.core.identity import USER_WORKSPACE, Permission, Scope, User
from hyphad.core.names import readable_id
from hyphad.core.records import Workspace
from hyphad.store.accounts import Account
from hyphad.store.directory import Directory
from hyphad.store.revocations import Revocations
from hyphad.store.sessions import TOKEN, Session, SessionTable

MAX_LOGIN_SECONDS = 30 * 86_400.0
ROOT_WORKSPACE = "ws-user-root"


@dataclass(frozen=True, slots=True)
class Signed:
    """A token for somebody who has signed in; `expires_at` in unix seconds."""

    token: str = field(repr=False)
    jti: str
    expires_at: float
    workspace: str | None = None


class Sessions:
    """`lifetime` is of login tokens, in seconds. `on_ended` is called when a session has been
    ended, so that its connections are closed."""

    def __init__(
        self,
        table: SessionTable,
        authenticator: Authenticator,
        directory: Directory,
        revocations: Revocations,
        audit: Audit,
        lifetime: float,
        on_ended: Callable[[], None],
    ) -> None:
        self._table = table
        self._authenticator = authenticator
        self._directory = directory
        self._revocations = revocations
        self._audit = audit
        self._lifetime = lifetime
        self._on_ended = on_ended

    async def of(self, account: Account) -> list[Session]:
        """Where this account is signed in, newest first."""
        return await self._table.of(account.id)

    def user_of(self, account: Account) -> User:
        """The account as a user with all it may do."""
        levels = {f"{USER_WORKSPACE}{account.id}": Permission.ADMIN}
        if account.is_admin:
            levels["*"] = Permission.ADMIN
        email = account.email if account.email_verified else None
        return User(account.id, account.roles, Scope(levels), email)

    def _place(self, user: User, name: str) -> Workspace | None:
        """The workspace of that name; one's home is made on first use."""
        found = self._directory.get(name)
        return self._directory.home_of(user) if found is None and name == user.home else found

    def _scope_for(self, user: User, workspace: str | None) -> Scope:
        """The scope of a first-hand token: one's home, and what one may in a workspace.

        Raises `Denied` for a workspace where that is nothing (AUTH-95).
        """
        levels = {user.home: Permission.ADMIN}
        found = self._place(user, workspace) if workspace else None
        if workspace is None:
            return Scope(levels)
        level = policy.entry_level(user, found) if found is not None else Permission.NONE
        if found is None or level < Permission.READ:
            raise Denied(f"Invalid permission for the workspace {workspace}")
        owned = policy.rests_on_ownership(user, found, level)
        return Scope(
            {**levels, workspace: level}, workspace, owned=frozenset([workspace] if owned else [])
        )

    async def narrowed(
        self,
        account: Account,
        workspace: str,
        permission: Permission,
        lifetime: float,
        label: str,
        by: By,
    ) -> Signed:
        """A token to hand out: for one workspace, never stronger than the account, listed among
        its sessions so that it can be taken back. Raises `Denied`."""
        user = self.user_of(account)
        found = self._place(user, workspace)
        if found is None:
            raise Denied(f"Workspace not found: {workspace}")
        policy.check_grant(user, found, permission)
        owned = policy.rests_on_ownership(user, found, permission)
        scope = Scope(
            {found.id: permission}, found.id, owned=frozenset([found.id] if owned else [])
        )
        expires_at = time.time() + lifetime
        child = child_of(user, readable_id(), policy.child_roles(user, permission), expires_at)
        return await self._record(account, child.with_scope(scope), TOKEN, label, lifetime, by)

    async def token(
        self,
        account: Account,
        kind: str,
        label: str,
        by: By = UNKNOWN,
        workspace: str | None = None,
        expires_in: float | None = None,
    ) -> Signed:
        """A first-hand token, listed among the sessions of the account (AUTH-80)."""
        user = self.user_of(account)
        scope = self._scope_for(user, workspace)
        if workspace not in (None, ROOT_WORKSPACE):
            # One workspace was asked for; it does not take an administrator of them all.
            user = replace(user, roles=tuple(role for role in user.roles if role != "admin"))
        user = user.with_scope(scope)
        lifetime = expires_in or self._lifetime
        if kind != TOKEN:
            lifetime = min(lifetime, MAX_LOGIN_SECONDS)
        return await self._record(account, user, kind, label, lifetime, by)

    async def _record(
        self, account: Account, user: User, kind: str, label: str, lifetime: float, by: By
    ) -> Signed:
        """Mint, list and audit."""
        now, jti = time.time(), secrets.token_urlsafe(16)
        token = await self._authenticator.issue(user, lifetime, version=account.version, jti=jti)
        jti = self._authenticator.key_of(token, jti)
        place = user.scope.current_workspace
        level = user.scope.level(place).letter if place else None
        until = now + lifetime
        await self._table.add(
            Session(jti, account.id, kind, label[:200], place, level, by.address, now, until)
        )
        self._audit(
            "token_minted" if kind == TOKEN else "login",
            by=by.or_else(account.id),
            subject=account.id,
            kind=kind,
            label=label,
            workspace=place,
            permission=level,
            expires_in=int(lifetime),
            jti=jti,
        )
        return Signed(token, jti, until, place)

    async def end(self, account: Account, jti: str, by: By) -> None:
        """Sign out in one place: that token, and what descends from it, is good no more."""
        session = await self._table.find(jti)
        if session is None or session.user_id != account.id:
            raise Invalid("This session has ended already.")
        await self._revocations.add((jti,), session.expires_at)
        await self._table.remove(jti)
        self._audit("logout", by=by, subject=account.id, kind=session.kind, jti=jti)
        self._on_ended()
