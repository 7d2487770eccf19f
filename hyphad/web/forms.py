"""Pages with forms: who is signed in, proof that the form is ours, cookies, safe redirects.

Every form carries a token that belongs to a cookie of this browser and to whoever is signed in
(AUTH-87, D-4); a page of another site can make a browser send neither. Inside a frame nobody is
signed in, so that a click cannot be stolen (AUTH-84).
"""

import hmac
import secrets
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.template import Loader

from hyphad.auth.audit import By
from hyphad.auth.sessions import Signed
from hyphad.auth.signin import SignIn
from hyphad.core.errors import Fault
from hyphad.store.accounts import Account
from hyphad.web.base import BaseHandler
from hyphad.web.identity import COOKIE, Identity, cookie_token, is_call, origin_of
from hyphad.web.parts import Parts

HOME = "/public/apps/hypha-login/"
FORM_COOKIE = "hyphad_form"
DEVICE_COOKIE = "hyphad_device"
DEVICE_SECONDS = 180 * 86_400
FRAMES = ("iframe", "frame", "embed", "object")
# The first mark that is found in a User-Agent tells; later ones pose as earlier ones.
BROWSERS = (
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chromium"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
STALE = "This form was out of date. Please try again."
_templates = Loader(str(Path(__file__).with_name("templates")), autoescape="xhtml_escape")


class FormHandler(BaseHandler):
    """A page of the login application."""

    kind = "page"

    def set_default_headers(self) -> None:
        """Strict, uncached, and in no frame of others (AUTH-88, D-4, D-19)."""
        self.set_header("Server", "hyphad")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        origins: list[str] = self.application.settings.get("allow_origins", [])
        framers = " ".join(["'self'", *(origin for origin in origins if origin != "*")])
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors {framers}",
        )
        if framers == "'self'":
            self.set_header("X-Frame-Options", "SAMEORIGIN")

    # who

    @property
    def signin(self) -> SignIn:
        return self.parts.signin

    @property
    def is_https(self) -> bool:
        """Whether people reach this server by https (AUTH-110)."""
        public = self.parts.settings.public_base_url or ""
        return self.request.protocol == "https" or public.startswith("https://")

    @property
    def embedded(self) -> bool:
        """Shown inside another page."""
        return self.request.headers.get("Sec-Fetch-Dest") in FRAMES

    @property
    def account(self) -> Account | None:
        """Who is signed in with the cookie of this page; nobody inside a frame."""
        if self.embedded:
            return None
        identity = self._who
        if not identity.from_cookie or identity.user.parent is not None:
            return None
        scope = identity.user.scope
        if scope.current_workspace is not None or scope.client_id is not None:
            # A login for one workspace, or what a connection was given to come back with: these
            # pages give all that the account may, which is more.
            return None
        found = self.signin.accounts.table.get(identity.user.id)
        return found if found is not None and found.is_active else None

    @cached_property
    def _who(self) -> Identity:
        """The identity of the cookie. A form whose origin the browser keeps to itself is proved
        by its token alone (D-4), so that its cookie must count, and counts for nothing else."""
        token = cookie_token(self.request)
        if token is None or self.request.headers.get("Origin") != "null":
            return self.identity
        try:
            found = self.parts.identities.of_token(token)
        except Fault:
            return self.identity
        return replace(found, from_cookie=True)

    @property
    def by(self) -> By:
        account = self.account
        return By(account.id if account else "", str(self.request.remote_ip))

    @property
    def session_id(self) -> str:
        """The id of the token in the cookie."""
        credential = self._who.credential
        return credential.keys[0] if credential is not None and credential.keys else ""

    # forms

    def field(self, name: str, strip: bool = True) -> str:
        """What was typed into a field, or stands in the query."""
        return self.get_argument(name, "", strip)

    def form_token(self) -> str:
        """The hidden field of every form.

        A frame of another site keeps no cookies. Nobody is signed in there, so its forms can only
        do what anybody can do who has the key of a login session.
        """
        if self.embedded:
            return self._frame_seal()
        cookie = self.get_cookie(FORM_COOKIE) or ""
        if len(cookie) != 32:
            cookie = secrets.token_hex(16)
            self._set_cookie(FORM_COOKIE, cookie, None)
        return self._seal(cookie)

    def is_own_form(self) -> bool:
        """Whether this POST comes from a form that we gave to this browser."""
        headers = self.request.headers
        origin = headers.get("Origin")
        if origin not in (None, "null", origin_of(self.request), self._public_origin()):
            return False
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        given = self.get_body_argument("csrf", "")
        if self.embedded:
            return hmac.compare_digest(given.encode(), self._frame_seal().encode())
        cookie = self.get_cookie(FORM_COOKIE) or ""
        return bool(cookie) and hmac.compare_digest(given.encode(), self._seal(cookie).encode())

    def _seal(self, cookie: str) -> str:
        account = self.account
        who = f"{account.id} {self.session_id}" if account is not None else ""
        return self.parts.authenticator.tokens.seal(f"form {cookie} {who}")

    def _frame_seal(self) -> str:
        return self.parts.authenticator.tokens.seal(f"frame {self.field('key')}")

    # answers

    def show(self, template: str, status: int = 200, **values: Any) -> None:
        """Answer with a template."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        if self.is_https:
            self.set_header("Strict-Transport-Security", "max-age=31536000")
        base = self.parts.settings.base_path
        text = _templates.load(template).generate(
            base=base,
            home=base + HOME,
            csrf=self.form_token(),
            account=self.account,
            embedded=self.embedded,
            signup=self.signin.signup,
            local=self.parts.settings.enable_local_auth,
            **values,
        )
        self.finish(text)

    def go(self, path: str = "", **query: str) -> None:
        """See another page after a POST."""
        given = {key: value for key, value in query.items() if value}
        target = self.parts.settings.base_path + HOME + path
        self.redirect(f"{target}?{urlencode(given)}" if given else target, status=303)

    def failed(self, error: Fault) -> int:
        """The status of a page that tells about an error; `Retry-After` where waiting helps."""
        seconds = getattr(error, "seconds", None)
        if seconds is not None:
            self.set_header("Retry-After", str(seconds))
        return error.status if error.status in (403, 429, 503, 507) else 400

    # cookies

    def sign_in(self, signed: Signed, account: Account) -> None:
        """This browser is signed in from now on, and is known again later."""
        self._set_cookie(COOKIE, signed.token, int(signed.expires_at - time.time()))
        self._set_cookie(DEVICE_COOKIE, self.signin.device(account), DEVICE_SECONDS)

    def sign_out(self) -> None:
        self.clear_cookie(COOKIE)

    def _set_cookie(self, name: str, value: str, seconds: int | None) -> None:
        secure = self.is_https
        self.set_cookie(
            name, value, path="/", max_age=seconds, httponly=True, samesite="Lax", secure=secure
        )

    # redirects

    def browser(self) -> str:
        """What this browser is, in a few words, for the list of sessions."""
        agent = self.request.headers.get("User-Agent", "")
        name = next((name for mark, name in BROWSERS if mark in agent), "A browser")
        system = next((name for mark, name in SYSTEMS if mark in agent), "")
        return f"{name} on {system}" if system else name

    def safe_target(self, text: str) -> str | None:
        """Where a `redirect` may lead: to a page of this server, or of an origin that is allowed.

        Never to a call: who made the link would call in the name of who has just signed in.
        """
        if not text or not text.isprintable() or "\\" in text:
            return None
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        if is_call(parts.path):
            return None
        if not parts.scheme and not parts.netloc:
            return text if text.startswith("/") and not text.startswith("//") else None
        origin = f"{parts.scheme}://{parts.netloc}"
        allowed = [*self.parts.settings.allow_origins, origin_of(self.request)]
        return text if origin in {*allowed, self._public_origin()} - {"*"} else None

    def _public_origin(self) -> str:
        return public_origin(self.parts)


def public_origin(parts: Parts) -> str:
    """The origin under which people know this server, whatever a proxy makes of requests."""
    url = urlsplit(str(parts.info["public_base_url"]))
    return f"{url.scheme}://{url.netloc}"
