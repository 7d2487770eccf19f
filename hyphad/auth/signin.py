"""Signing in: a password becomes an account, an account a token, a token what a program waits for.

Everything a stranger may try is here, so everything here is throttled: passwords, setup codes,
invitations, links (AUTH-106). The page and the login service are two ways to the same methods.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import replace

from hyphad.auth.accounts import Accounts, check_email, normal_email
from hyphad.auth.audit import By
from hyphad.auth.login_sessions import LoginSessions, Result
from hyphad.auth.sessions import Sessions
from hyphad.auth.setup_code import SetupCode
from hyphad.auth.throttle import Throttle, address_key
from hyphad.core.errors import Conflict, Denied, Fault, Invalid, Misuse
from hyphad.core.names import random_key
from hyphad.store import accounts as table
from hyphad.store.accounts import Account
from hyphad.store.codes import INVITE, RESET
from hyphad.store.sessions import PROGRAM

PAGE = "/public/apps/hypha-login/"
MAX_LOGIN_SECONDS = 30 * 86_400.0
SIGNUP_CLOSED = "Sign up is disabled on this server. Ask an administrator for an account."
WAITING = "Your account is waiting for approval by an administrator."
WRONG = "Invalid email or password"


class SignIn:
    """`signup` is the policy of AUTH-98; `seal` marks texts so that only this server can."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        logins: LoginSessions,
        throttle: Throttle,
        setup: SetupCode,
        seal: Callable[[str], str],
        signup: str,
    ) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self.logins = logins
        self.setup = setup
        self.signup = signup
        self._throttle = throttle
        self._audit = accounts.audit
        self._seal = seal

    # who is it

    async def with_password(
        self, email: str, password: str, by: By, device: str | None = None
    ) -> Account:
        """The account of this address and password.

        Raises `Denied` with a text for people, `TooMany` before the next attempt is due. A
        `device` that was signed in before is throttled apart from strangers, who could otherwise
        keep its owner out by guessing.
        """
        email = normal_email(email)
        account = self.accounts.table.by_email(email)
        known = self._known_device(account, device)
        keys = (known,) if known else (_account_key(email), address_key(by.address))
        with self._throttle.attempt(*keys) as attempt:
            passwords = self.accounts.passwords
            stored = account.password if account is not None else None
            matches = await passwords.verify(password, stored)
            if account is None or stored is None or not matches:
                self._audit("login", "failed", by=by, subject=_shown(account, email))
                raise Denied(WRONG)
            attempt.succeeded()
        self._check_status(account, by)
        return await self._note_login(account, password)

    def _check_status(self, account: Account, by: By) -> None:
        if account.is_active:
            return
        self._audit("login", "refused", by=by, subject=account.id, status=account.status)
        if account.status == table.PENDING:
            raise Denied(WAITING)
        raise Denied("This account is disabled. Ask an administrator.")

    async def _note_login(self, account: Account, password: str) -> Account:
        """Remember when, and hash again if the parameters have changed since (AUTH-102)."""
        passwords = self.accounts.passwords
        old = account.password
        outdated = old is not None and passwords.is_outdated(old)
        fresh = await passwords.hash(password) if outdated else old

        def edit(current: Account) -> Account:
            stored = fresh if current.password == old else current.password
            return replace(current, last_login_at=time.time(), password=stored)

        changed = await self.accounts.table.change(account.id, edit)
        if changed.version != account.version or not changed.is_active:
            raise Denied(WRONG)
        return changed

    # coming in

    async def set_up(self, code: str, email: str, name: str, password: str, by: By) -> Account:
        """The first administrator, for who knows the setup code (AUTH-101)."""
        with self._throttle.attempt(address_key(by.address), spare=0) as attempt:
            if not self.setup.matches(code):
                self._audit("setup", "failed", by=by)
                raise Denied("This setup code is wrong. `hyphad setup-code` prints the right one.")
            attempt.succeeded()
        account = await self.accounts.create(
            email, name, password, ("admin", "user"), first_admin=True, by=by
        )
        account = await self._note_login(account, password)
        self.setup.clear()
        self._audit("setup", by=by.or_else(account.id), subject=account.id)
        return account

    async def sign_up(
        self, email: str, name: str, password: str, invite: str | None, by: By
    ) -> Account | None:
        """A new account as far as the policy allows; None where the address has one already.

        The caller must not let the difference be seen (AUTH-98). Raises `Denied`, `Invalid`.
        """
        if self.signup == "closed" or (self.signup == "invite" and not invite):
            closed = self.signup == "closed"
            raise Denied(SIGNUP_CLOSED if closed else "An invitation is needed to sign up here.")
        key = address_key(by.address)
        if invite:
            with self._throttle.attempt(key, spare=0) as attempt:
                code = await self.accounts.code(invite, INVITE)
                attempt.succeeded()
        else:
            self._throttle.check(key)
            code = None
        status = table.PENDING if self.signup == "approve" and code is None else table.ACTIVE
        try:
            return await self.accounts.create(
                email,
                name,
                password,
                code.roles if code else ("user",),
                status,
                verified=code is not None,
                code=code.digest if code else None,
                by=by,
            )
        except Conflict:
            self._audit("user_created", "refused", by=by, reason="address is taken")
            return None
        finally:
            if code is None:
                self._throttle.count(key)

    async def reset(self, code: str, password: str, by: By) -> Account:
        """A new password for who has a link for that. Raises `Invalid`."""
        with self._throttle.attempt(address_key(by.address), spare=0) as attempt:
            found = await self.accounts.code(code, RESET)
            attempt.succeeded()
        assert found.user_id is not None
        return await self.accounts.set_password(found.user_id, password, by, found.digest)

    async def change_password(self, account: Account, current: str, new: str, by: By) -> Account:
        """Whoever wants a new password must know the old one, whatever token it holds (AUTH-96)."""
        with self._throttle.attempt(_account_key(account.email or account.id)) as attempt:
            if not await self.accounts.passwords.verify(current, account.password):
                self._audit("password_set", "failed", by=by, subject=account.id)
                raise Denied("Current password is incorrect")
            attempt.succeeded()
        return await self.accounts.set_password(account.id, new, by)

    # programs that wait

    async def complete(self, key: str, account: Account, by: By) -> None:
        """Give the program that waits under this key a token of its own (AUTH-83).

        Raises `Misuse` for an unknown key, `Denied` if the account may not enter its workspace.
        """
        session = self.logins.find(key)
        if session is None:
            raise Misuse("Invalid key, key does not exist or expired")
        if session.result is not None and session.result.user_id == account.id:
            return
        if not session.is_pending:
            raise Invalid("Login session already completed")
        label = f"{session.program} at {session.remote or 'an unknown address'}"
        signed = await self.sessions.token(
            account, PROGRAM, label, by, session.workspace, session.expires_in
        )
        self.logins.complete(
            key,
            Result(
                signed.token,
                account.id,
                account.email,
                account.email_verified,
                account.name,
                workspace=signed.workspace or f"ws-user-{account.id}",
                expires_in=session.expires_in,
            ),
        )

    def wait_of(self, email: str) -> float:
        """Seconds until somebody may try this account's password again."""
        return self._throttle.wait(_account_key(normal_email(email)))

    # devices that were here before

    def device(self, account: Account) -> str:
        """A value for a cookie by which this browser is known again."""
        nonce = random_key()
        return f"{nonce}.{self._device_mac(account.id, nonce)}"

    def _known_device(self, account: Account | None, device: str | None) -> str | None:
        """The throttle key of a device that this account was signed in on."""
        nonce, dot, mac = (device or "").partition(".")
        if account is None or not dot:
            return None
        known = hmac.compare_digest(mac.encode(), self._device_mac(account.id, nonce).encode())
        return f"device:{nonce[:64]}" if known else None

    def _device_mac(self, user_id: str, nonce: str) -> str:
        return self._seal(f"device {user_id} {nonce}")


def _account_key(email: str) -> str:
    """What was typed is not kept as it is: it may be a password in the wrong field."""
    return f"account:{hashlib.sha256(email.encode(errors='replace')).hexdigest()[:32]}"


def _shown(account: Account | None, email: str) -> str:
    """Whom a failed login was for, in the audit log."""
    if account is not None:
        return account.id
    try:
        return check_email(email)
    except Fault:
        return "unknown"


def reset_url(base_url: str, code: str) -> str:
    """Where a password is set. What follows `#` is sent to no server and stands in no log."""
    return f"{base_url}{PAGE}reset#{code}"


def invite_url(base_url: str, code: str) -> str:
    """Where one signs up with an invitation."""
    return f"{base_url}{PAGE}signup#{code}"
