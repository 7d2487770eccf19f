"""Who sent an HTTP request, and in which workspace it acts (AUTH-44 to AUTH-47, HTTP-60 to 62).

    identity = identities.of(request)
    caller = identities.caller_for(request, "ws-lab")

An `Authorization` header decides alone and must be valid. The cookie of the login page counts only
where no page of another site can have caused the request (AUTH-87); one that is no longer valid
is ignored; `stale_cookie` then says why, and tells the handler to clear it.
"""

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest

from hyphad.auth.authenticate import Authenticator, Blocked, Credential
from hyphad.auth.tokens import strip_bearer
from hyphad.core import address, policy
from hyphad.core.errors import Denied, Unauthenticated
from hyphad.core.identity import ANONYMOUS_HTTP, Permission, Scope, User
from hyphad.core.quota import address_key
from hyphad.core.records import Caller, Workspace
from hyphad.store.directory import Directory
from hyphad.web.failures import Refusal

COOKIE = "access_token"
_REMEMBERED = "hyphad_identity"
_GIVEN = "hyphad_token"
ANONYMOUS_WORKSPACE = "ws-anonymous"
LOGIN_SERVICE, LOGIN_PAGES = "/public/services/hypha-login/", "/public/apps/hypha-login/"
VISITOR = User(
    ANONYMOUS_HTTP,
    ("anonymous",),
    Scope({ANONYMOUS_WORKSPACE: Permission.READ}, ANONYMOUS_WORKSPACE),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The user of a request, and the credential that says so; None is a visitor's."""

    user: User
    credential: Credential | None = None
    from_cookie: bool = False
    stale_cookie: str | None = None


class Identities:
    """Reads identities from requests. `client_id` is the name under which they call services.

    `origins` are the web origins whose pages may use the cookie, besides the server's own; a
    request without credentials is refused where `visitors` is false.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        directory: Directory,
        client_id: str,
        origins: list[str],
        visitors: bool = True,
        base_path: str = "",
    ) -> None:
        self._authenticator = authenticator
        self._directory = directory
        self._client_id = client_id
        self._origins = frozenset(origin for origin in origins if origin != "*")
        self._visitors = visitors
        self._login = (f"{base_path}{LOGIN_SERVICE}", f"{base_path}{LOGIN_PAGES}")

    def of(self, request: HTTPServerRequest) -> Identity:
        """The identity of a request. Raises `Unauthenticated`, or `Denied` for who is blocked."""
        known: Identity | None = request.__dict__.get(_REMEMBERED)
        if known is None:
            known = request.__dict__[_REMEMBERED] = self._read(request)
        return known

    def _read(self, request: HTTPServerRequest) -> Identity:
        self._authenticator.check_blocked("ip", str(request.remote_ip))
        token = getattr(request.connection, _GIVEN, None)
        if token is not None:
            return self._identity(token)
        if "Authorization" in request.headers:
            token = header_token(request)
            return self._identity(token) if token else self._visitor(request)
        token = cookie_token(request)
        if token is None:
            return self._visitor(request)
        if not self._may_use_cookie(request):
            return self._visitor(request)
        try:
            found = self._identity(token)
            return Identity(found.user, found.credential, from_cookie=True)
        except Blocked:
            raise
        except (Unauthenticated, Denied, Refusal) as error:
            return self._visitor(request, error.message)

    def payer(self, request: HTTPServerRequest) -> str:
        """Whom a request counts for: the user, or the address where there is no good credential."""
        with suppress(Unauthenticated, Denied, Refusal):
            identity = self.of(request)
            if identity.credential is not None:
                return f"user {identity.user.effective_id}"
        return f"address {address_key(str(request.remote_ip))}"

    def by_now(self, identity: Identity) -> Identity:
        """An identity of a while ago, without what it has lost (AUTH-36, AUTH-112).

        Raises `Unauthenticated` if its credential is no longer good.
        """
        credential = identity.credential
        if credential is None:
            return identity
        lapsed = self._authenticator.lapsed(credential)
        if lapsed is not None:
            raise Unauthenticated(lapsed)
        user = self._authenticator.as_owner(credential.user)
        return replace(identity, user=user, credential=replace(credential, user=user))

    def of_token(self, token: str) -> Identity:
        """The identity of a token that came by another way than a header."""
        return self._identity(token)

    def caller_for(self, request: HTTPServerRequest, workspace: str) -> Caller:
        """Who calls when the URL names `workspace`: the table of HTTP-51 and AUTH-47."""
        return self.enter(self.of(request), workspace)

    def enter(self, identity: Identity, workspace: str) -> Caller:
        """The caller that an identity is in a URL of `workspace`.

        Raises `Refusal` with 404 for a general token where there is no such workspace.
        """
        credential = identity.credential
        if credential is None:
            return Caller(identity.user, ANONYMOUS_WORKSPACE, self._client_id)
        if credential.workspace is not None:
            return self._caller(credential, *self._bound(credential.user, credential.workspace))
        user = credential.user
        found = self._find(user, workspace)
        if found is None:
            raise Refusal(404, f"Workspace '{workspace}' not found")
        if workspace == "public" or policy.entry_level(user, found) >= Permission.READ:
            return self._caller(credential, *self._inside(user, found))
        if user.scope.level(user.home) >= Permission.READ:
            return self._caller(credential, user, user.home)
        return self._caller(credential, user, ANONYMOUS_WORKSPACE)

    def inside(self, identity: Identity, workspace: str) -> Caller:
        """The caller inside a workspace that it may read, wherever its token would put it."""
        credential, found = identity.credential, self._directory.get(workspace)
        if credential is None or found is None:
            return self.enter(identity, workspace)
        return self._caller(credential, *self._inside(credential.user, found))

    def _identity(self, token: str) -> Identity:
        credential = self._authenticator.credential(token)
        special = credential.user.scope.specialised
        if special:
            raise Refusal(
                403,
                f"Specialized token with scopes {special} cannot be used for general workspace "
                "access. This token can only be used for its intended purpose.",
            )
        if credential.user.is_anonymous and not self._visitors:
            raise Unauthenticated(policy.LOG_IN)
        return Identity(credential.user, credential)

    def _visitor(self, request: HTTPServerRequest, stale_cookie: str | None = None) -> Identity:
        """Nobody in particular; where visitors are not welcome, they may still log in (AUTH-10)."""
        if not self._visitors and not request.path.startswith(self._login):
            raise Unauthenticated(policy.LOG_IN)
        return Identity(VISITOR, stale_cookie=stale_cookie)

    def _may_use_cookie(self, request: HTTPServerRequest) -> bool:
        """No page of another site has caused this request (AUTH-87 b).

        Following a link from elsewhere to a page is no harm; to a call it is.
        """
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins and not _is_own(origin, request):
            return False
        if site_of(request) not in ("cross-site", "same-site"):
            return True
        is_link = request.method in ("GET", "HEAD") and _navigates(request)
        return is_link and not is_call(request.path)

    def _find(self, user: User, workspace: str) -> Workspace | None:
        """The workspace of that name; the user's own is made on first use."""
        found = self._directory.get(workspace)
        if found is None and workspace == user.home:
            may_open = user.parent is None or user.scope.level(user.home) > Permission.NONE
            if may_open:
                address.check_workspace_name(workspace)
                found = self._directory.home_of(user)
        return found

    def _bound(self, user: User, workspace: str) -> tuple[User, str]:
        """Inside the workspace that a token names. It may be gone; public services are not."""
        found = self._find(user, workspace)
        if found is not None and policy.entry_level(user, found) >= Permission.READ:
            return self._inside(user, found)
        if user.scope.level(workspace) >= Permission.READ:
            return user, workspace
        raise Denied(f"Permission denied for workspace: {workspace}")

    def _inside(self, user: User, workspace: Workspace) -> tuple[User, str]:
        """The user as the workspace knows it; everybody may act in `public`, without rights."""
        if policy.entry_level(user, workspace) < Permission.READ:
            return user, workspace.id
        return policy.enter(user, workspace, self._client_id), workspace.id

    def _caller(self, credential: Credential, user: User, workspace: str) -> Caller:
        return Caller(
            user,
            workspace,
            self._client_id,
            credential.bound is not None,
            credential.family,
            credential.version,
        )


def header_token(request: HTTPServerRequest) -> str | None:
    """The token of an `Authorization` header: Bearer, Basic (as the password), or bare.

    Basic without a password, or unreadable, counts as no credential (HTTP-60).
    Raises `Unauthenticated` for other schemes.
    """
    return _token_of(request.headers.get("Authorization", ""))


def _token_of(line: str) -> str | None:
    text = line.strip()
    if not text:
        return None
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "basic":
        return strip_bearer(text)
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return pair.partition(":")[2].strip() or None


def give_token(connection: HTTPConnection, token: str) -> None:
    """Have the request that is coming in on a connection decided by this token."""
    setattr(connection, _GIVEN, token)


def tokens_in(headers: HTTPHeaders) -> list[str]:
    """Tokens that a request may be about to show, in whatever place."""
    shown = []
    for line in headers.get_list("Authorization"):
        with suppress(Unauthenticated):
            shown.append(_token_of(line))
    for line in headers.get_list("Cookie"):
        pairs = (pair.strip().partition("=") for pair in line.split(";"))
        shown += [value for name, _, value in pairs if name == COOKIE]
    return [token for token in shown if token]


def cookie_token(request: HTTPServerRequest) -> str | None:
    """The token of the login cookie."""
    if "Cookie" not in request.headers:
        return None
    morsel = request.cookies.get(COOKIE)
    return (morsel.value or None) if morsel is not None else None


def origin_of(request: HTTPServerRequest) -> str:
    """Scheme, host and port under which the client reaches this server."""
    return f"{request.protocol}://{request.host}"


def site_of(request: HTTPServerRequest) -> str | None:
    """What page has caused a request: the `Sec-Fetch-Site` of a browser, None for a program.

    Browsers send no such header by plain http, except to their own machine. There a page of
    another site shows by its `Referer`, or hides it; so only a `Referer` of ours says that it was
    one of our pages. An `Origin` is judged by whoever asks.
    """
    headers = request.headers
    told = headers.get("Sec-Fetch-Site")
    if told is not None or not headers.get("User-Agent", "").startswith("Mozilla/"):
        return told
    shown = headers.get("Origin") or headers.get("Referer", "")
    return "same-origin" if _is_own(shown, request) else "cross-site"


def _navigates(request: HTTPServerRequest) -> bool:
    """A person goes to another page; no script or image can send either of these headers."""
    headers = request.headers
    mode = headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else headers.get("Upgrade-Insecure-Requests") == "1"


def is_call(path: str) -> bool:
    """Whether a GET of this path may change something: it calls a function of a service."""
    return "/services/" in unquote(path)


def _is_own(origin: str, request: HTTPServerRequest) -> bool:
    """Same host and port. The scheme may differ behind a proxy that does not tell it."""
    try:
        return urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        return False
