"""`public/hypha-login`: how programs get a token for a person (AUTH-70 to AUTH-80, AUTH-93).

A program calls `start`, shows the URL to a person, and waits in `check`. The page behind the URL
completes the session inside the daemon; custom pages do it with `report`.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from hyphad.auth.accounts import normal_email
from hyphad.auth.audit import By
from hyphad.auth.authenticate import Authenticator, Credential
from hyphad.auth.login_sessions import UNKNOWN, LoginSession, Result
from hyphad.auth.signin import PAGE, SignIn
from hyphad.auth.throttle import Throttle, address_key
from hyphad.core import policy
from hyphad.core.errors import BadCall, Denied, Fault, Invalid, Misuse, Unauthenticated
from hyphad.core.identity import Permission, User
from hyphad.core.records import Caller
from hyphad.services.base import rpc
from hyphad.store.accounts import Account
from hyphad.store.directory import Directory
from hyphad.store.sessions import PROGRAM

CHECK_SECONDS = 180.0
REPORT_SECONDS = 3600.0
MAX_FIELD = 64
SERVICE = "/public/services/hypha-login/"
INVALID_TOKEN = (
    "Invalid token provided to report_login: {}. The token must be a valid JWT token signed by "
    "this server, for general use and not expired."
)

Number = Annotated[Any, {"type": "number"}]
Text = Annotated[Any, {"type": "string"}]


class LoginService:
    """The functions of the service. `base_url` is the configured one, None to tell each client
    the address that it used itself; `is_connected` tells a connection from an HTTP request."""

    def __init__(
        self,
        signin: SignIn,
        authenticator: Authenticator,
        directory: Directory,
        throttle: Throttle,
        base_url: str | None,
        local_url: str,
        base_path: str,
        is_connected: Callable[[Caller], bool],
        local_accounts: bool = True,
    ) -> None:
        self._signin = signin
        self._logins = signin.logins
        self._authenticator = authenticator
        self._directory = directory
        self._throttle = throttle
        self._base_url = base_url
        self._local_url = local_url
        self._base_path = base_path
        self._is_connected = is_connected
        self._local_accounts = local_accounts

    def _url(self, caller: Caller, path: str) -> str:
        if self._base_url is None and caller.origin:
            return f"{caller.origin}{self._base_path}{path}"
        return (self._base_url or self._local_url) + path

    # for programs

    @rpc()
    def start(
        self,
        caller: Caller,
        workspace: Annotated[str | None, "Get a token for this workspace only."] = None,
        expires_in: Annotated[Number, "Seconds that the token lasts."] = None,
    ) -> dict[str, str]:
        """Start a login: show `login_url` to a person, then wait in `check` with the `key`."""
        connected = self._is_connected(caller)
        session = self._logins.start(
            caller.remote,
            caller.user.effective_id if connected else None,
            f"client {caller.client_id}" if connected else "a program over HTTP",
            workspace or None,
            _positive("expires_in", expires_in),
        )
        return {
            "login_url": self._url(caller, PAGE) + "?" + _query(session),
            "key": session.key,
            "report_url": self._url(caller, SERVICE + "report"),
            "check_url": self._url(caller, SERVICE + "check"),
            "generate_url": self._url(caller, SERVICE + "generate"),
        }

    @rpc()
    async def check(
        self,
        caller: Caller,
        key: Annotated[Text, "What `start` returned."],
        timeout: Annotated[Number, "Seconds to wait; 0 or less looks once."] = CHECK_SECONDS,
        profile: Annotated[Any, {"type": "boolean"}] = False,
    ) -> Any:
        """Wait for the login to be completed: the token, or null if that is still to come.

        With `profile` the person's details come with the token.
        """
        seconds = _number("timeout", CHECK_SECONDS if timeout is None else timeout)
        asker = caller.user.effective_id if self._is_connected(caller) else None
        try:
            result = await self._logins.wait(str(key), asker, seconds)
        except Misuse:
            self._unknown_key(caller)
            raise
        if result is None:
            return None
        return result.profile() if _truth(profile) else result.token

    @rpc()
    async def report(
        self,
        caller: Caller,
        key: Annotated[Text, "What `start` returned."],
        token: Annotated[Text, "A valid token of this server."],
        workspace: Annotated[Text, "Deliver a token for this workspace instead."] = None,
        expires_in: Annotated[Number, "Seconds that token lasts."] = None,
        email: Text = None,
        email_verified: Annotated[Any, {"type": "boolean"}] = None,
        name: Text = None,
        nickname: Text = None,
        user_id: Text = None,
        picture: Text = None,
    ) -> None:
        """Complete a login with a token from a page of one's own."""
        session = self._logins.find(str(key))
        if session is None:
            self._unknown_key(caller)
            raise Misuse(f"{UNKNOWN} or expired")
        credential = await self._reported(token)
        place = session.workspace or _field("workspace", workspace, 128)
        wanted = session.expires_in or _positive("expires_in", expires_in)
        known = session.result
        delivered = str(token)
        if place:
            if known is not None:
                raise Invalid("Login session already completed")
            delivered = await self._scoped(credential, place, wanted or REPORT_SECONDS)
        details = _Details(email, email_verified, name, nickname, user_id, picture)
        result = details.result(delivered, credential, self._account_of(credential.user))
        self._logins.complete(session.key, replace(result, workspace=place, expires_in=wanted))

    async def _reported(self, token: Any) -> Credential:
        """A token that may be handed on. Raises `Invalid` (AUTH-78, AUTH-56)."""
        if not isinstance(token, str) or not token:
            raise Invalid(INVALID_TOKEN.format("401: a token is needed"))
        if self._authenticator.is_root_token(token):
            raise Invalid(INVALID_TOKEN.format("the root token cannot be reported"))
        await self._authenticator.prepare(token)
        try:
            credential = self._authenticator.credential(token)
        except (Unauthenticated, Denied) as error:
            reason = error.message.rstrip(".")
            raise Invalid(INVALID_TOKEN.format(f"401: {reason}")) from None
        special = credential.user.scope.specialised
        if special:
            raise Invalid(INVALID_TOKEN.format(f"it is specialized, with scopes {special}"))
        return credential

    async def _scoped(self, credential: Credential, workspace: str, lifetime: float) -> str:
        """The reported token narrowed to one workspace; it never outlives it, nor grows."""
        user = credential.user
        if credential.workspace not in (None, workspace):
            raise Denied(f"Invalid permission for the workspace {workspace}")
        found = self._directory.get(workspace)
        if found is None and workspace == user.home and user.parent is None:
            found = self._directory.home_of(user)
        if found is None or policy.entry_level(user, found) < Permission.READ:
            raise Denied(f"Invalid permission for the workspace {workspace}")
        entered = policy.enter(user, found, user.scope.client_id or "")
        scope = replace(entered.scope, client_id=user.scope.client_id)
        levels = {name: level for name, level in scope.workspaces.items() if name != "*"}
        levels.setdefault(workspace, scope.level(workspace))
        narrowed = user.with_scope(replace(scope, workspaces=levels))
        return await self._authenticator.derive(narrowed, lifetime, credential)

    def _account_of(self, user: User) -> Account | None:
        return self._signin.accounts.table.get(user.effective_id)

    def _unknown_key(self, caller: Caller) -> None:
        """Asking for keys that nobody was given gets slow (AUTH-106)."""
        key = f"key:{address_key(caller.remote)}"
        self._throttle.check(key)
        self._throttle.count(key)

    @rpc()
    def logout(
        self, caller: Caller, config: Annotated[dict[str, Any] | None, "Not used."] = None
    ) -> dict[str, str]:
        """Get the URL where a person signs out."""
        return {"logout_url": self._url(caller, PAGE) + "?logout=true&close=true"}

    # for pages and scripts: business failures are answers, not errors (AUTH-93)

    @rpc()
    async def login(
        self,
        caller: Caller,
        email: Text = None,
        password: Text = None,
        workspace: Text = None,
        key: Annotated[Text, "Complete this login session as well."] = None,
    ) -> dict[str, Any]:
        """Sign in with e-mail and password."""
        return await self._answer(self._login(caller, email, password, workspace, key))

    async def _login(
        self, caller: Caller, email: Any, password: Any, workspace: Any, key: Any
    ) -> dict[str, Any]:
        self._need_local_accounts()
        if not email or not password:
            raise Invalid("Email and password are required")
        if not len(self._signin.accounts.table):
            raise Invalid("No users registered yet. Please sign up first.")
        by = By(address=caller.remote)
        account = await self._signin.with_password(str(email), str(password), by)
        if key:
            await self._signin.complete(str(key), account, by)
        place = _field("workspace", workspace, 128)
        signed = await self._signin.sessions.token(account, PROGRAM, "login call", by, place)
        return {
            "token": signed.token,
            "user_id": account.id,
            "email": account.email,
            "workspace": place or f"ws-user-{account.id}",
        }

    @rpc()
    async def signup(
        self,
        caller: Caller,
        name: Text = None,
        email: Text = None,
        password: Text = None,
        invite: Annotated[Text, "Invitation code, where one is needed."] = None,
    ) -> dict[str, Any]:
        """Create an account, if this server allows that."""
        return await self._answer(self._signup(caller, name, email, password, invite))

    async def _signup(
        self, caller: Caller, name: Any, email: Any, password: Any, invite: Any
    ) -> dict[str, Any]:
        self._need_local_accounts()
        if not name or not email or not password:
            raise Invalid("Name, email and password are required")
        by = By(address=caller.remote)
        invitation = str(invite) if invite else None
        await self._signin.sign_up(str(email), str(name), str(password), invitation, by)
        return {
            "verification_required": self._signin.signup == "approve",
            "email": normal_email(str(email)),
        }

    @rpc()
    async def verify_email(
        self, caller: Caller, email: Text = None, code: Text = None
    ) -> dict[str, Any]:
        """Confirm an address with a code; this server sends none, administrators vouch instead."""
        if not email or not code:
            return _failure("Email and verification code are required")
        return _failure(
            "No pending verification for this email, or the code has expired. Please sign up again."
        )

    @rpc()
    async def resend_code(self, caller: Caller, email: Text = None) -> dict[str, Any]:
        """Ask for another code; this server sends none."""
        if not email:
            return _failure("Email is required")
        return _failure("No pending verification for this email. Please sign up again.")

    @rpc()
    async def update_profile(
        self,
        caller: Caller,
        user_email: Text = None,
        name: Text = None,
        current_password: Text = None,
        new_password: Text = None,
    ) -> dict[str, Any]:
        """Change the name or the password of the account that is signed in."""
        work = self._update(caller, user_email, name, current_password, new_password)
        return await self._answer(work)

    async def _update(
        self, caller: Caller, user_email: Any, name: Any, current: Any, new: Any
    ) -> dict[str, Any]:
        user = caller.user
        account = self._account_of(user) if user.parent is None else None
        if account is None:
            raise Denied("Authentication required")
        if user_email and normal_email(str(user_email)) != account.email:
            if not user.is_admin:
                raise Denied("Authentication required")
            account = self._signin.accounts.find(str(user_email))
        by = By(user.id, caller.remote)
        if name:
            await self._signin.accounts.rename(account.id, str(name), by)
        if new:
            if not current:
                raise Invalid("Current password required to change password")
            try:
                await self._signin.change_password(account, str(current), str(new), by)
            except Invalid as error:
                raise Invalid(error.message.replace("Password", "New password", 1)) from None
        return {"message": "Profile updated successfully"}

    # pages live under /public/apps/hypha-login/

    @rpc()
    def index(self, caller: Caller, event: Annotated[Any, "The request."] = None) -> dict[str, Any]:
        """Where the login page is."""
        return _see(self._url(caller, PAGE))

    @rpc()
    def profile(
        self, caller: Caller, event: Annotated[Any, "The request."] = None
    ) -> dict[str, Any]:
        """Where the page of one's account is."""
        return _see(self._url(caller, PAGE + "profile"))

    def _need_local_accounts(self) -> None:
        if not self._local_accounts:
            raise Denied("This server has no accounts with passwords. Ask its administrator.")

    @staticmethod
    async def _answer(work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        try:
            return {"success": True, **(await work)}
        except Fault as error:
            if error.status >= 500:
                raise
            seconds = getattr(error, "seconds", None)
            later = {} if seconds is None else {"retry_after": seconds}
            return {**_failure(error.message), **later}


class _Details:
    """What a page reports about a person beside the token; checked, and never more than known."""

    def __init__(
        self,
        email: Any,
        email_verified: Any,
        name: Any,
        nickname: Any,
        user_id: Any,
        picture: Any,
    ) -> None:
        self.email = _field("email", email, 254)
        if self.email is not None and "@" not in self.email:
            raise Invalid("email: a valid address is expected")
        self.verified = None if email_verified in (None, "") else _truth(email_verified)
        self.name = _field("name", name, MAX_FIELD)
        self.nickname = _field("nickname", nickname, MAX_FIELD)
        self.user_id = _field("user_id", user_id, MAX_FIELD)
        self.picture = _field("picture", picture, 2048)
        if self.picture is not None and urlsplit(self.picture).scheme not in ("http", "https"):
            raise Invalid("picture: an http or https URL is expected")

    def result(self, token: str, credential: Credential, account: Account | None) -> Result:
        """Raises `Invalid` where the details contradict the token (AUTH-79)."""
        user = credential.user
        if self.user_id is not None and self.user_id not in (user.id, user.effective_id):
            raise Invalid("user_id: does not match the token")
        verified = self.verified
        if verified:
            verified = (
                account is not None
                and account.email_verified
                and normal_email(self.email or "") == account.email
            )
        return Result(
            token, self.user_id, self.email, verified, self.name, self.nickname, self.picture
        )


def _query(session: LoginSession) -> str:
    fields: dict[str, Any] = {"key": session.key}
    if session.workspace:
        fields["workspace"] = session.workspace
    if session.expires_in:
        fields["expires_in"] = int(session.expires_in)
    return urlencode(fields)


def _see(url: str) -> dict[str, Any]:
    return {"status": 307, "headers": {"Location": url}, "body": ""}


def _failure(text: str) -> dict[str, Any]:
    return {"success": False, "error": text}


def _field(name: str, value: Any, limit: int) -> str | None:
    """A short text; empty ones come from pages and mean nothing."""
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, str | int | float) else ""
    if not text or len(text) > limit or not text.isprintable():
        raise Invalid(f"{name}: a text of up to {limit} characters is expected")
    return text


def _number(name: str, value: Any) -> float:
    """Numbers come as text from query strings."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadCall(f"{name} must be a number of seconds") from None
    if not math.isfinite(number):
        raise BadCall(f"{name} must be a number of seconds")
    return int(number) if number.is_integer() else number


def _positive(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = _number(name, value)
    if number < 0:
        raise Misuse(f"{name} should be greater than 0")
    return number or None


def _truth(value: Any) -> bool:
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)
