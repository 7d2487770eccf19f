"""`ws-user-root/user-admin`: administrators manage accounts (AUTH-99)."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from hyphad.auth.accounts import LINK_SECONDS, Accounts
from hyphad.auth.audit import By
from hyphad.auth.signin import invite_url, reset_url
from hyphad.core import policy
from hyphad.core.errors import Invalid
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.accounts import Account
from hyphad.store.audit import AuditTable

MAX_LISTED = 1000
UserId = Annotated[str, "Id or e-mail of the user."]


class UserAdmin:
    """Every method asks for the role; `base_url` is the configured one, if there is one."""

    def __init__(
        self,
        accounts: Accounts,
        audit: AuditTable,
        base_url: str | None,
        local_url: str,
        base_path: str,
        wait: Callable[[str], float],
    ) -> None:
        self._accounts = accounts
        self._audit = audit
        self._base_url = base_url
        self._local_url = local_url
        self._base_path = base_path
        self._wait = wait

    @rpc()
    def list_users(
        self,
        caller: Caller,
        limit: Annotated[int, "How many at most."] = 100,
        offset: Annotated[int, "How many to skip."] = 0,
        match: Annotated[str | None, "Part of the id, e-mail or name."] = None,
    ) -> list[dict[str, Any]]:
        """List accounts, oldest first."""
        policy.require_admin(caller)
        if offset < 0 or not 0 < limit <= MAX_LISTED:
            raise Invalid(f"limit must be from 1 to {MAX_LISTED}, offset at least 0")
        wanted = (match or "").lower()
        found = [
            account
            for account in self._accounts.table
            if wanted in f"{account.id} {account.email} {account.name}".lower()
        ]
        return [self._shown(account) for account in found[offset : offset + limit]]

    @rpc()
    async def create_user(
        self,
        caller: Caller,
        email: str,
        name: str = "",
        password: Annotated[str | None, "Without it the user sets one by the link."] = None,
        roles: Annotated[list[str] | None, "user, admin"] = None,
    ) -> dict[str, Any]:
        """Create an account; without a password, with a link for the user to set one."""
        by = self._admin(caller)
        account = await self._accounts.create(
            email, name, password, tuple(roles or ("user",)), by=by
        )
        link = None if password else await self._link(caller, account.id, by)
        return {"user_id": account.id, "set_password_url": link}

    @rpc()
    async def set_roles(
        self, caller: Caller, user_id: UserId, roles: Annotated[list[str], "user, admin"]
    ) -> dict[str, Any]:
        """Give a user other roles; it is signed out everywhere."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        return self._shown(await self._accounts.set_roles(account.id, tuple(roles), by))

    @rpc()
    async def disable_user(self, caller: Caller, user_id: UserId) -> dict[str, Any]:
        """Refuse a user, and end its sessions and connections."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        return self._shown(await self._accounts.disable(account.id, by))

    @rpc()
    async def enable_user(self, caller: Caller, user_id: UserId) -> dict[str, Any]:
        """Admit a disabled user again, or one that waits for approval."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        return self._shown(await self._accounts.enable(account.id, by))

    @rpc()
    async def verify_email(self, caller: Caller, user_id: UserId) -> dict[str, Any]:
        """Vouch that the e-mail address is the user's own."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        return self._shown(await self._accounts.verify_email(account.id, by))

    @rpc()
    async def delete_user(self, caller: Caller, user_id: UserId) -> None:
        """Remove a user for good; the id is never used again."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        await self._accounts.remove(account.id, by)

    @rpc()
    async def reset_password(self, caller: Caller, user_id: UserId) -> dict[str, str]:
        """Get a link, good for a day, with which the user sets a new password."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        return {"set_password_url": await self._link(caller, account.id, by)}

    @rpc()
    async def revoke_sessions(self, caller: Caller, user_id: UserId) -> None:
        """Sign a user out everywhere."""
        by, account = self._admin(caller), self._accounts.find(user_id)
        await self._accounts.end_sessions(account.id, by)

    @rpc()
    async def create_invite(
        self,
        caller: Caller,
        expires_in: Annotated[float, "Seconds that it is good for."] = LINK_SECONDS,
        roles: Annotated[list[str] | None, "user, admin"] = None,
    ) -> dict[str, str]:
        """Get a code with which one person may sign up."""
        by = self._admin(caller)
        if expires_in <= 0:
            raise Invalid("expires_in should be greater than 0")
        code = await self._accounts.invite(expires_in, tuple(roles or ("user",)), by)
        return {"invite": code, "url": invite_url(self._base(caller), code)}

    @rpc()
    async def list_sessions(
        self, caller: Caller, user_id: Annotated[str | None, "All users if missing."] = None
    ) -> list[dict[str, Any]]:
        """List where users are signed in."""
        policy.require_admin(caller)
        wanted = self._accounts.find(user_id).id if user_id else None
        return [session.to_dict() for session in await self._accounts.sessions.of(wanted)]

    @rpc()
    async def list_audit(
        self,
        caller: Caller,
        limit: Annotated[int, "How many at most."] = 100,
        event: Annotated[str | None, "Only this kind, such as login."] = None,
        user: Annotated[str | None, "Only what this user did, or was done to it."] = None,
    ) -> list[dict[str, Any]]:
        """List security events, newest first."""
        policy.require_admin(caller)
        found = await self._audit.find(limit, event, user)
        return [{"time": _iso(item.pop("moment")), **item} for item in found]

    @staticmethod
    def _admin(caller: Caller) -> By:
        policy.require_admin(caller)
        return By(caller.user.effective_id, caller.remote)

    def _base(self, caller: Caller) -> str:
        if self._base_url is None and caller.origin:
            return caller.origin + self._base_path
        return self._base_url or self._local_url

    async def _link(self, caller: Caller, user_id: str, by: By) -> str:
        code = await self._accounts.reset_link(user_id, by)
        return reset_url(self._base(caller), code)

    def _shown(self, account: Account) -> dict[str, Any]:
        """Never the password's hash."""
        wait = self._wait(account.email or "")
        return {
            "id": account.id,
            "email": account.email,
            "email_verified": account.email_verified,
            "name": account.name,
            "roles": list(account.roles),
            "status": account.status,
            "created_at": account.created_at,
            "last_login_at": account.last_login_at,
            "locked_until": time.time() + wait if wait > 0 else None,
        }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
