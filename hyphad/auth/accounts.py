"""What can be done with accounts, whoever asks: a page, an administrator, the command line.

Each change that must end earlier tokens raises the credential version of the account, and each is
audited. Who may ask for it is decided by the callers.
"""

import hashlib
import re
import secrets
import time
from dataclasses import replace

from hyphad.auth.audit import UNKNOWN, Audit, By
from hyphad.auth.passwords import Passwords
from hyphad.core.errors import Invalid, NotFound
from hyphad.core.names import readable_id
from hyphad.store import accounts as table
from hyphad.store.accounts import Account, AccountTable
from hyphad.store.codes import INVITE, RESET, Code, CodeTable
from hyphad.store.sessions import SessionTable

LINK_SECONDS = 86_400.0
ROLES = ("user", "admin")
MAX_NAME = 64
KEPT_DAYS = 30
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f/]+")
_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


class Accounts:
    """The use-cases. `by` is who does it and from where, for the audit log."""

    def __init__(
        self,
        accounts: AccountTable,
        codes: CodeTable,
        sessions: SessionTable,
        passwords: Passwords,
        audit: Audit,
    ) -> None:
        self.table = accounts
        self.codes = codes
        self.sessions = sessions
        self.passwords = passwords
        self.audit = audit

    # finding

    def find(self, name: str) -> Account:
        """An account by id or e-mail. Raises `NotFound`."""
        account = self.table.get(name) or self.table.by_email(normal_email(name))
        if account is None or account.status == table.REMOVED:
            raise NotFound(f"User not found: {name}")
        return account

    # coming

    async def create(
        self,
        email: str,
        name: str,
        password: str | None,
        roles: tuple[str, ...] = ("user",),
        status: str = table.ACTIVE,
        verified: bool = True,
        code: str | None = None,
        first_admin: bool = False,
        by: By = UNKNOWN,
    ) -> Account:
        """A new account; without a password it waits for one to be set by a link.

        Raises `Invalid` for what is not accepted, `Conflict` if the address has an account.
        """
        email, name, roles = check_email(email), check_name(name), check_roles(roles)
        stored = await self._hashed(password, email, name) if password is not None else None
        account = Account(
            self._new_id(),
            email,
            name or email.partition("@")[0],
            roles,
            status,
            verified,
            created_at=time.time(),
            password=stored,
        )
        account = await self.table.insert(account, code, first_admin)
        self.audit(
            "user_created",
            by=by.or_else(account.id),
            subject=account.id,
            email=email,
            roles=",".join(roles),
            status=status,
        )
        return account

    def _new_id(self) -> str:
        """Never one that was used before (AUTH-100)."""
        while True:
            name = readable_id()
            if self.table.get(name) is None:
                return name

    async def _hashed(self, password: str, *names: str) -> str:
        flaw = await self.passwords.flaw(password, *names)
        if flaw is not None:
            raise Invalid(flaw)
        return await self.passwords.hash(password)

    # changing

    async def set_password(
        self,
        user_id: str,
        password: str,
        by: By = UNKNOWN,
        code: str | None = None,
    ) -> Account:
        """A new password; everybody who was signed in as this user no longer is."""
        account = self.find(user_id)
        stored = await self._hashed(password, account.email or "", account.name)
        return await self._end_tokens("password_set", account.id, by, code=code, password=stored)

    async def set_roles(self, user_id: str, roles: tuple[str, ...], by: By = UNKNOWN) -> Account:
        roles = check_roles(roles)
        return await self._end_tokens("roles_set", user_id, by, roles=roles)

    async def disable(self, user_id: str, by: By = UNKNOWN) -> Account:
        return await self._end_tokens("user_disabled", user_id, by, status=table.DISABLED)

    async def enable(self, user_id: str, by: By = UNKNOWN) -> Account:
        """Let a disabled user in again, or approve one that waits: that vouches for the address."""

        def edit(account: Account) -> Account:
            verified = account.email_verified or account.status == table.PENDING
            return replace(account, status=table.ACTIVE, email_verified=verified)

        account = await self.table.change(user_id, edit)
        self.audit("user_enabled", by=by, subject=user_id)
        return account

    async def verify_email(self, user_id: str, by: By = UNKNOWN) -> Account:
        """Vouch for the address: it counts for ownership from the next login on (AUTH-97)."""
        account = await self.table.change(user_id, lambda a: replace(a, email_verified=True))
        self.audit("email_verified", by=by, subject=user_id, email=account.email)
        return account

    async def end_sessions(self, user_id: str, by: By = UNKNOWN) -> Account:
        """Sign out everywhere: every token of the user, and what descends from it (AUTH-108)."""
        return await self._end_tokens("sessions_ended", user_id, by)

    async def remove(self, user_id: str, by: By = UNKNOWN) -> Account:
        """Gone for good; the id stays taken, the home stays for thirty days (AUTH-152)."""
        account = await self._end_tokens(
            "user_removed",
            user_id,
            by,
            status=table.REMOVED,
            email=None,
            password=None,
            removed_at=time.time(),
        )
        await self.codes.drop_of(user_id)
        return account

    async def rename(self, user_id: str, name: str, by: By = UNKNOWN) -> Account:
        name = check_name(name)
        if not name:
            raise Invalid("A name is needed")
        account = await self.table.change(user_id, lambda a: replace(a, name=name))
        self.audit("user_renamed", by=by.or_else(user_id), subject=user_id)
        return account

    async def _end_tokens(
        self,
        event: str,
        user_id: str,
        by: By,
        code: str | None = None,
        **changes: object,
    ) -> Account:
        account = await self.table.change(user_id, lambda a: a.with_newer(**changes), code)
        await self.sessions.remove_of(user_id)
        shown = changes.get("roles")
        self.audit(
            event,
            by=by.or_else(user_id),
            subject=user_id,
            roles=",".join(account.roles) if shown else None,
        )
        return account

    # codes

    async def invite(
        self,
        seconds: float = LINK_SECONDS,
        roles: tuple[str, ...] = ("user",),
        by: By = UNKNOWN,
    ) -> str:
        """A code with which somebody may sign up once."""
        return await self._new_code(INVITE, seconds, None, check_roles(roles), by)

    async def reset_link(self, user_id: str, by: By = UNKNOWN) -> str:
        """A code with which this user may set a password once; earlier ones work no more."""
        account = self.find(user_id)
        return await self._new_code(RESET, LINK_SECONDS, account.id, (), by)

    async def _new_code(
        self,
        purpose: str,
        seconds: float,
        user_id: str | None,
        roles: tuple[str, ...],
        by: By,
    ) -> str:
        code = new_code()
        await self.codes.add(
            Code(digest(code), purpose, time.time() + seconds, by.actor, user_id, roles)
        )
        self.audit(f"{purpose}_made", by=by, subject=user_id or "")
        return code

    async def code(self, code: str, purpose: str) -> Code:
        """What a one-time code is good for. Raises `Invalid` if for nothing (any more)."""
        found = await self.codes.find(digest(code), purpose)
        if found is None or not self._is_wanted(found):
            raise Invalid("This code is not valid (any more). Ask an administrator for a new one.")
        return found

    def _is_wanted(self, code: Code) -> bool:
        if code.user_id is None:
            return True
        account = self.table.get(code.user_id)
        return account is not None and account.is_active


def normal_email(text: str) -> str:
    """As it is stored and compared (AUTH-93)."""
    return text.strip().lower()


def check_email(text: str) -> str:
    email = normal_email(text)
    if len(email) > 254 or not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Invalid("A valid e-mail address is needed")
    return email


def check_name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"A name may have up to {MAX_NAME} printable characters")
    return name


def check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """In one order; everybody is a user."""
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise Invalid(f"Unknown role {sorted(unknown)[0]!r}; there are {', '.join(ROLES)}")
    return ("admin", "user") if "admin" in roles else ("user",)


def new_code(groups: int = 4, size: int = 5) -> str:
    """For people to copy by hand: no letters that look alike, about 98 bits by default."""
    return "-".join(
        "".join(secrets.choice(_CODE_ALPHABET) for _ in range(size)) for _ in range(groups)
    )


def digest(code: str) -> str:
    """What is kept of a code. Case, spaces and hyphens do not matter."""
    plain = "".join(char for char in code.upper() if char.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
