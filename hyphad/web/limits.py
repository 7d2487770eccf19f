"""What is turned down before any handler sees it: foreign hosts, blocked addresses, floods.

Requests are counted in token buckets, by address or, with a valid `Authorization` header, by user
(HTTP-67). Bad credentials have a bucket of their own, so that guessing is slow and a good
credential from the same address is never refused for it (AUTH-106, D-18).
"""

import math
import time
from collections.abc import Callable, Container
from ipaddress import ip_address
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from hyphad.auth.authenticate import Authenticator
from hyphad.auth.tokens import EXPIRED
from hyphad.config import Settings
from hyphad.core.errors import Denied, Unauthenticated
from hyphad.core.quota import address_factor, address_key, is_loopback
from hyphad.web.failures import Failure, Refusal, failure_of
from hyphad.web.identity import Identities

IDLE_SECONDS = 300.0
SWEEP_SECONDS = 60.0
BAD_CREDENTIALS = 60.0
TOO_MANY = "Rate limit exceeded. Please slow down."
CROWDED = "Too many connections from your address are open. Close some of them, or use them again."
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Buckets:
    """Token buckets by key: `rate` a second flow in, `burst` fit in. A rate of 0 is no limit."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._filled: dict[str, tuple[float, float]] = {}
        self._next_sweep = clock() + SWEEP_SECONDS

    def __len__(self) -> int:
        return len(self._filled)

    def take(self, key: str, factor: float = 1.0) -> float:
        """Take one token; 0.0 if there was one, else the seconds until there is."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        if now >= self._next_sweep:
            self._sweep(now)
        rate, burst = self._rate * factor, self._burst * factor
        level, since = self._filled.get(key, (burst, now))
        level = min(burst, level + (now - since) * rate)
        if level < 1.0:
            self._filled[key] = (level, now)
            return (1.0 - level) / rate
        self._filled[key] = (level - 1.0, now)
        return 0.0

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + SWEEP_SECONDS
        idle = [key for key, (_, since) in self._filled.items() if since < now - IDLE_SECONDS]
        for key in idle:
            del self._filled[key]


class Gate:
    """Looks at every request first; answers how to turn it down, or None."""

    def __init__(
        self,
        settings: Settings,
        identities: Identities,
        authenticator: Authenticator,
        links: Container[str],
    ) -> None:
        self._identities = identities
        self._authenticator = authenticator
        self._links = links
        self._health = settings.base_path + "/health"
        self._rpc = settings.base_path + "/rpc"
        self._hosts = _allowed_hosts(settings)
        self._addresses = Buckets(settings.http_rate_limit, settings.http_burst_limit)
        self._users = Buckets(
            settings.http_authenticated_rate_limit, settings.http_authenticated_burst_limit
        )
        self._bad = Buckets(BAD_CREDENTIALS / 60, BAD_CREDENTIALS)

    def refusal(self, request: HTTPServerRequest) -> Failure | None:
        """Why this request goes no further, if it does not."""
        if self._hosts is not None and _host_name(request) not in self._hosts:
            return Failure(
                421,
                f"This server is not known as {request.host[:100]!r}. Use an address that it knows,"
                " or add the name to allowed_hosts.",
            )
        if request.path.startswith(self._health):
            return None
        context = getattr(request.connection, "context", None)
        if getattr(context, "crowded", False) and not self.is_spared(request):
            return Failure(429, CROWDED, headers={"Connection": "close", "Retry-After": "1"})
        if self._is_metered(request):
            return None
        remote = str(request.remote_ip)
        try:
            self._authenticator.check_blocked("ip", remote)
        except Denied as error:
            return failure_of(error)
        return _too_many(self._wait(request, remote))

    def is_spared(self, request: HTTPServerRequest) -> bool:
        """Health is told whatever happens; WebSockets are turned away in words of their own."""
        return request.path.startswith(self._health) or _is_upgrade(request)

    def _is_metered(self, request: HTTPServerRequest) -> bool:
        """WebSockets and frames of a live stream have limits of their own (WIRE-21).

        Who is blocked hears so in the first frame: a WebSocket is never refused with 403 (WIRE-6).
        """
        if _is_upgrade(request):
            return True
        if request.path != self._rpc or request.method != "POST":
            return False
        workspace, client_id = (_given(request, name) for name in ("workspace", "client_id"))
        return f"{workspace}/{client_id}" in self._links

    def _wait(self, request: HTTPServerRequest, remote: str) -> float:
        factor = address_factor(remote)
        if "Authorization" in request.headers:
            try:
                identity = self._identities.of(request)
            except Unauthenticated as error:
                if error.message != EXPIRED:
                    wait = self._bad.take(address_key(remote), factor)
                    if wait:
                        return wait
            except (Denied, Refusal):
                pass
            else:
                if identity.credential is not None:
                    return self._users.take(_user_key(identity.user.effective_id, request), factor)
        return self._addresses.take(address_key(remote), factor)


def _is_upgrade(request: HTTPServerRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _too_many(wait: float) -> Failure | None:
    if wait <= 0:
        return None
    seconds = str(max(1, math.ceil(wait)))
    return Failure(429, TOO_MANY, bare=True, headers={"Retry-After": seconds})


def _user_key(user_id: str, request: HTTPServerRequest) -> str:
    return "\n".join((user_id, _given(request, "workspace"), _given(request, "client_id")))


def _given(request: HTTPServerRequest, name: str) -> str:
    """A query argument, cut to what may be a key."""
    given = request.query_arguments.get(name, [b""])[-1]
    return given[:128].decode(errors="replace")


def _host_name(request: HTTPServerRequest) -> str:
    """The host without its port; what is no host is no name that anybody has allowed."""
    try:
        return (urlsplit(f"//{request.host}").hostname or "").lower()
    except ValueError:
        return request.host


def _allowed_hosts(settings: Settings) -> "frozenset[str] | _LocalHosts | None":
    """The host names that requests may carry; None for any (AUTH-87 e).

    Behind loopback only local names are right: another one means that a web page has made a
    browser look here (DNS rebinding).
    """
    named = {host.lower() for host in settings.allowed_hosts}
    if settings.public_base_url:
        named.add((urlsplit(settings.public_base_url).hostname or "").lower())
    if settings.host in _LOCAL_HOSTS or is_loopback(settings.host):
        return _LocalHosts(named)
    return frozenset(named) if settings.allowed_hosts else None


class _LocalHosts:
    """`localhost`, any loopback address, and what was named besides."""

    def __init__(self, named: set[str]) -> None:
        self._named = {*named, *_LOCAL_HOSTS}

    def __contains__(self, host: str) -> bool:
        if host in self._named:
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host.endswith(".localhost")
