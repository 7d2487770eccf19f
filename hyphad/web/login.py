"""The login pages under `/public/apps/hypha-login/` (AUTH-81 to AUTH-86, AUTH-101).

Plain forms that work without scripts. A program that waits for a token gets it inside the daemon
once the person has agreed; no token ever stands in a page or a URL.
"""

from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches

from hyphad.auth.login_sessions import LoginSession
from hyphad.auth.signin import SIGNUP_CLOSED
from hyphad.core.errors import Fault
from hyphad.store.accounts import Account
from hyphad.store.sessions import BROWSER
from hyphad.web.account import account_routes
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Refusal
from hyphad.web.forms import DEVICE_COOKIE, HOME, STALE, FormHandler, public_origin
from hyphad.web.identity import origin_of, site_of
from hyphad.web.parts import Parts

PAGE_TOKEN_SECONDS = 900.0
EXPIRED_LINK = "This login link is not valid any more. Start the login again in your program."
OWN_SITES = (None, "none", "same-origin")
UNCHANGED = ("key", "workspace", "expires_in", "redirect")


class LoginPage(FormHandler):
    """What a person sees and posts; the GET shows what is to be done next."""

    def get(self) -> None:
        if self.field("logout") == "true":
            self._log_out_page()
            return
        key = self.field("key")
        if key:
            self.ask(key)
        elif self.account is not None:
            self.go("profile", redirect=self.field("redirect"))
        else:
            self.ask_who()

    def ask(self, key: str, error: str = "", status: int = 200) -> None:
        """Somebody waits for a token: who is it for, and is that all right?"""
        session = self.signin.logins.find(key)
        if session is None or not session.is_pending:
            self.show("message.html", 404, title="Login", message=EXPIRED_LINK, error=True)
        elif self.account is None:
            self.ask_who(error, status, session)
        else:
            self.show(
                "consent.html",
                status,
                error=error,
                request=self._request_of(session),
                key=key,
                redirect=self.field("redirect"),
            )

    def ask_who(
        self, error: str = "", status: int = 200, session: LoginSession | None = None
    ) -> None:
        """Sign in, or make the first account."""
        first = not self.signin.accounts.table.has_admin and self.signin.setup.current is not None
        name = "setup.html" if first and not len(self.signin.accounts.table) else "signin.html"
        self.show(
            name,
            status,
            error=error,
            request=self._request_of(session) if session is not None else None,
            email=self.field("email"),
            name=self.field("name"),
            offer_setup=first,
            keep=self.kept(),
        )

    def kept(self) -> dict[str, str]:
        """What a form hands on to the page after it."""
        return {name: self.field(name) for name in UNCHANGED if self.field(name)}

    def _request_of(self, session: LoginSession) -> dict[str, Any]:
        """What the person has to know before agreeing (AUTH-84)."""
        return {
            "program": session.program,
            "remote": session.remote or "an unknown address",
            "age": int(self.signin.logins.age(session)),
            "workspace": session.workspace,
            "expires_in": int(session.expires_in) if session.expires_in else None,
            "foreign": self.is_foreign(session),
        }

    def is_foreign(self, session: LoginSession) -> bool:
        """Whether the program runs elsewhere than the browser."""
        here, there = str(self.request.remote_ip), session.remote
        return here != there and not (_is_loopback(here) and _is_loopback(there))

    def done(self, key: str) -> None:
        """The program has its token; this window is of no more use."""
        target = self.safe_target(self.field("redirect"))
        if target is not None and not self.embedded:
            self.redirect(target, status=303)
            return
        self.show("done.html", key=key, close=True)

    def _log_out_page(self) -> None:
        """Sign out at once where a person has asked for it, and ask where a page may have."""
        if self.account is not None and site_of(self.request) not in OWN_SITES:
            self.show("logout.html", close=self.field("close") or "")
            return
        self._forget_and_tell()

    def _forget_and_tell(self) -> None:
        self.sign_out()
        wants = {self.field("close"), self.field("close_after_logout")}
        self.show("signed_out.html", close="true" in wants)

    async def prepare(self) -> None:
        """Signing out ends the session itself, not only the cookie (AUTH-108)."""
        leaves = self.request.method == "GET" and self.field("logout") == "true"
        if leaves and site_of(self.request) in OWN_SITES:
            await end_own_session(self)


class Action(LoginPage):
    """A POST of one of the forms: proved to be ours, then done; errors are told in the form."""

    async def prepare(self) -> None:
        if self.request.method == "POST" and not self.is_own_form():
            self.retry(STALE, 403)

    def get(self) -> None:
        """A reload of a page that was the answer to a form."""
        self.go(**self.kept())

    async def post(self) -> None:
        if self._finished:
            return
        try:
            await self.act()
        except Fault as error:
            self.retry(error.message, self.failed(error))

    async def act(self) -> None:
        raise NotImplementedError

    def retry(self, error: str, status: int) -> None:
        """The same form again, with what went wrong."""
        key = self.field("key")
        if key:
            self.ask(key, error, status)
        elif self.account is None:
            self.ask_who(error, status)
        else:
            self.show("message.html", status, title="Login", message=error, error=True)

    async def enter(self, account: Account) -> None:
        """Signed in: on to what waits for that, or to where the person came from."""
        key = self.field("key")
        if not self.embedded:
            signed = await self.signin.sessions.token(account, BROWSER, self.browser(), self.by)
            self.sign_in(signed, account)
        if key:
            self.done(key)
            return
        target = self.safe_target(self.field("redirect"))
        if target is not None and not self.embedded:
            self.redirect(target, status=303)
        else:
            self.go("profile")


class Login(Action):
    """E-mail and password; with a key, this is the consent as well (AUTH-83)."""

    async def act(self) -> None:
        need_local_accounts(self)
        account = await self.signin.with_password(
            self.field("email"),
            self.field("password", strip=False),
            self.by,
            self.get_cookie(DEVICE_COOKIE),
        )
        key = self.field("key")
        if key:
            await self.signin.complete(key, account, self.by)
        await self.enter(account)


class Allow(Action):
    """The person agrees that a program gets a token (AUTH-84)."""

    async def act(self) -> None:
        key, account = self.field("key"), self.account
        session = self.signin.logins.find(key)
        if account is None or session is None:
            self.retry("Please sign in.", 403)
            return
        if self.is_foreign(session):
            account = await self.signin.with_password(
                account.email or "",
                self.field("password", strip=False),
                self.by,
                self.get_cookie(DEVICE_COOKIE),
            )
        await self.signin.complete(key, account, self.by)
        self.done(key)


class Deny(Action):
    """The person does not agree; whoever waits is told so."""

    async def act(self) -> None:
        self.signin.logins.refuse(self.field("key"))
        text = "Refused. The program gets no token."
        self.show("message.html", title="Login", message=text, error=False)


class Setup(Action):
    """The first administrator (AUTH-101)."""

    def get(self) -> None:
        if self.signin.setup.current is None:
            self.go()
            return
        self._form("", 200)

    async def act(self) -> None:
        need_local_accounts(self)
        need_same_passwords(self)
        account = await self.signin.set_up(
            self.field("code"),
            self.field("email"),
            self.field("name"),
            self.field("password", strip=False),
            self.by,
        )
        if self.embedded:
            self.retry("The administrator account is there. Now sign in.", 200)
            return
        self.sign_in(
            await self.signin.sessions.token(account, BROWSER, self.browser(), self.by), account
        )
        self.go(**self.kept())

    def retry(self, error: str, status: int) -> None:
        if self.signin.setup.current is None:
            super().retry(error, status)
        else:
            self._form(error, status)

    def _form(self, error: str, status: int) -> None:
        session = self.signin.logins.find(self.field("key"))
        self.show(
            "setup.html",
            status,
            error=error,
            request=self._request_of(session) if session is not None else None,
            email=self.field("email"),
            name=self.field("name"),
            keep=self.kept(),
        )


class SignUp(Action):
    """A new account, as far as the policy of this server allows (AUTH-98)."""

    def get(self) -> None:
        self._form("", 200)

    async def act(self) -> None:
        need_local_accounts(self)
        need_same_passwords(self)
        await self.signin.sign_up(
            self.field("email"),
            self.field("name"),
            self.field("password", strip=False),
            self.field("code") or None,
            self.by,
        )
        # The same sentence whether or not the address was new (AUTH-98).
        text = "Your account is there as soon as an administrator has approved it."
        if self.signin.signup != "approve" or self.field("code"):
            text = "You can sign in now."
        self.show("message.html", title="Welcome", message=text, error=False)

    def retry(self, error: str, status: int) -> None:
        self._form(error, status)

    def _form(self, error: str, status: int) -> None:
        if self.signin.signup == "closed":
            self.show("message.html", 403, title="Sign up", message=SIGNUP_CLOSED, error=True)
            return
        self.show(
            "signup.html", status, error=error, email=self.field("email"), name=self.field("name")
        )


class Reset(Action):
    """Set a password with a link; the code stands behind `#` and reaches no log (AUTH-99)."""

    def get(self) -> None:
        self.show("reset.html", error="")

    async def act(self) -> None:
        need_same_passwords(self)
        await self.signin.reset(self.field("code"), self.field("password", strip=False), self.by)
        text = "Your new password is set. You can sign in with it now."
        self.show("message.html", title="Password", message=text, error=False)

    def retry(self, error: str, status: int) -> None:
        self.show("reset.html", status, error=error)


class LogOut(Action):
    """The button on the page; ends the session too (AUTH-108)."""

    async def act(self) -> None:
        await end_own_session(self)
        self._forget_and_tell()


class PageToken(BaseHandler):
    """`POST /auth/token`: a token of a quarter of an hour for our own pages (AUTH-85)."""

    kind = "page"

    def set_default_headers(self) -> None:
        """For nobody else's pages: no CORS."""
        self.set_header("Server", "hyphad")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    async def post(self) -> None:
        headers, identity = self.request.headers, self.identity
        credential = identity.credential
        origins = (None, origin_of(self.request), public_origin(self.parts))
        own = headers.get("Origin") in origins
        asked = headers.get("X-Requested-With") == "hyphad"
        if credential is None or not identity.from_cookie or not own or not asked:
            raise Refusal(401, "Log in first.", bare=True)
        token = await self.parts.authenticator.derive(identity.user, PAGE_TOKEN_SECONDS, credential)
        self.reply({"token": token, "expires_in": PAGE_TOKEN_SECONDS})


class ToLogin(BaseHandler):
    """`/login` for people, and the page without its slash (AUTH-81)."""

    kind = "page"

    def get(self) -> None:
        target = self.parts.settings.base_path + HOME
        bare = self.request.path.endswith("hypha-login")
        query = f"?{self.request.query}" if bare and self.request.query else ""
        self.redirect(target + query, status=307)


async def end_own_session(handler: FormHandler) -> None:
    account = handler.account
    if account is not None:
        try:
            await handler.signin.sessions.end(account, handler.session_id, handler.by)
        except Fault:
            return  # a cookie that was no session of ours goes all the same


def need_local_accounts(handler: FormHandler) -> None:
    if not handler.parts.settings.enable_local_auth:
        raise Refusal(403, "This server has no accounts with passwords. Ask its administrator.")


def need_same_passwords(handler: FormHandler) -> None:
    """Typed twice, so that a slip does not lock anybody out."""
    if handler.field("password", strip=False) != handler.field("again", strip=False):
        raise Refusal(400, "The two passwords are not the same.")


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")


class OwnPages(PathMatches):
    """These pages, unless a startup function has brought a login service of its own (AUTH-89)."""

    def __init__(self, parts: Parts, pattern: str) -> None:
        super().__init__(pattern)
        self._parts = parts

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return None if self._parts.custom_login() else super().match(request)


def login_routes(parts: Parts) -> list[tuple[Any, Any, dict[str, Any]]]:
    """Complete, with the base path."""
    base, given = parts.settings.base_path, {"parts": parts}
    pages: list[tuple[str, Any]] = [
        ("", LoginPage),
        ("login", Login),
        ("allow", Allow),
        ("deny", Deny),
        ("setup", Setup),
        ("signup", SignUp),
        ("reset", Reset),
        ("logout", LogOut),
        *account_routes(),
    ]
    own = [(OwnPages(parts, f"{base}{HOME}{path}"), page, given) for path, page in pages]
    return [
        *own,
        (OwnPages(parts, base + HOME.rstrip("/")), ToLogin, given),
        (base + "/login/?", ToLogin, given),
        (base + "/auth/token", PageToken, given),
    ]
