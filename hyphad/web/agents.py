"""What all endpoints for agents share: whose request it is, from where it comes, which service.

MCP and A2A clients are programs as well as web pages. Programs come without `Origin`; pages of this
machine and of this server may call, others only with a token of their own (MCP-36).
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from hyphad.core.errors import Denied, Fault, NotFound, PeerGone, Unauthenticated
from hyphad.core.policy import is_visible
from hyphad.core.records import Caller, Service
from hyphad.web.a2a.tasks import Tasks
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Failure, Refusal
from hyphad.web.gateway import MANAGER_NAMES
from hyphad.web.mcp.streams import Watches
from hyphad.web.mcp.views import Views
from hyphad.web.parts import Parts

Key = tuple[Any, ...]
MAX_BODY = 4 << 20
MAX_DEPTH = 64
METHODS = "GET, POST, DELETE, OPTIONS"
REQUEST_HEADERS = (
    "Content-Type, Accept, Authorization, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, "
    "Mcp-Method, Mcp-Name, A2A-Version, A2A-Extensions"
)
EXPOSED_HEADERS = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
TRY_A_TOKEN = (
    "If the service is not public, send a token that may use it: Authorization: Bearer <token>"
)


@dataclass(slots=True)
class Agents:
    """The parts that the endpoints for agents have for themselves. `running` are calls by who
    made them and under which id, so that they can be taken back."""

    views: Views
    watches: Watches
    running: dict[Key, set[asyncio.Task[Any]]] = field(default_factory=dict)
    sessions: dict[str, Any] = field(default_factory=dict)
    tasks: Tasks = field(default_factory=Tasks)

    @contextmanager
    def running_as(self, key: Key, task: asyncio.Task[Any]) -> Iterator[None]:
        """While inside, the task can be found under its key."""
        tasks = self.running.setdefault(key, set())
        tasks.add(task)
        try:
            yield
        finally:
            tasks.discard(task)
            if not tasks:
                self.running.pop(key, None)


def agents_of(parts: Parts) -> Agents:
    catalogue = parts.catalogue
    views = Views(catalogue, parts.manager, parts.deputy, catalogue.events)
    return Agents(views, Watches(parts.registry, catalogue.events))


class AgentHandler(BaseHandler):
    """Errors have the body `{"error": ...}`; every request is checked anew (MCP-80)."""

    kind = "agents"
    max_body = MAX_BODY
    agents: Agents

    def initialize(self, **given: Any) -> None:
        super().initialize(**given)
        self.agents = given["agents"]

    def set_default_headers(self) -> None:
        super().set_default_headers()
        if "Origin" in self.request.headers:
            self.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)

    def options(self, *_: str, **__: str) -> None:
        """Pages may ask before they call; the call itself is checked (MCP-35)."""
        wanted = self.request.headers.get("Access-Control-Request-Headers", "")
        mirrored = [
            name.strip()
            for name in wanted.split(",")
            if name.strip().lower().startswith("mcp-param-")
        ]
        self.set_header("Access-Control-Allow-Methods", METHODS)
        self.set_header("Access-Control-Allow-Headers", ", ".join([REQUEST_HEADERS, *mirrored]))
        self.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)
        self.set_header("Access-Control-Max-Age", "600")
        self.add_header("Vary", "Origin, Access-Control-Request-Headers")
        self.set_status(204)
        self.finish()

    # answers

    def send_json(self, value: Any, status: int = 200, indent: int | None = None) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(encoded(value, indent))

    def failure(self, error: BaseException) -> Failure:
        if isinstance(error, Unauthenticated):
            given = "Authorization" in self.request.headers
            challenge = 'Bearer error="invalid_token"' if given else "Bearer"
            headers = {"WWW-Authenticate": challenge}
            return Failure(401, error.message, bare=True, headers=headers)
        if isinstance(error, Fault) and not isinstance(error, Refusal):
            return Failure(error.status, error.message)
        return super().failure(error)

    def fail(self, failure: Failure, finish: bool = True) -> None:
        for name, text in failure.headers.items():
            self.set_header(name, text)
        body = {"error": failure.detail}
        if failure.hint:
            body["help"] = failure.hint
        self.set_status(failure.status)
        self.set_header("Content-Type", "application/json")
        self.write(encoded(body))
        if finish:
            self.finish()

    # who and what

    @property
    def base_url(self) -> str:
        return str(self.parts.info["public_base_url"])

    @property
    def public_origin(self) -> str:
        place = urlsplit(self.base_url)
        return f"{place.scheme}://{place.netloc}"

    def check_origin(self) -> None:
        """Raises `Refusal` for pages that have no business here (MCP-36)."""
        origin = self.request.headers.get("Origin")
        if origin is None or self._is_welcome(origin):
            return
        identity = self.identity
        if identity.credential is None or identity.from_cookie:
            raise Refusal(403, "Invalid Origin header")

    def _is_welcome(self, origin: str) -> bool:
        if origin in self.parts.settings.allow_origins:
            return True
        try:
            place = urlsplit(origin)
        except ValueError:
            return False
        own = (self.request.host.lower(), urlsplit(self.base_url).netloc.lower())
        return place.netloc.lower() in own or is_loopback(place.hostname or "")

    async def service(self, caller: Caller, workspace: str, part: str) -> Service:
        """The service of a URL, if the caller may use it (MCP-12, MCP-13).

        Raises `Refusal` with 404 for what is not there and what is not to be seen alike.
        """
        missing = Refusal(404, f"Service {part} not found or not accessible", self._hint())
        mode = self.get_query_argument("_mode", "") or None
        if part in MANAGER_NAMES and self.identity.credential is None:
            raise missing
        try:
            if "/" not in part:
                return await self.parts.gateway.resolve(caller, workspace, part, mode)
            place, _, rest = part.partition("/")
            found = await self.parts.gateway.resolve(caller, place, rest, mode)
        except (NotFound, Denied, PeerGone):
            raise missing from None
        if place != workspace and found.visibility != "public":
            raise missing
        return found

    def visible(self, caller: Caller, workspace: str) -> list[Service]:
        """The services of a workspace that the caller may use, oldest first."""
        found = self.parts.registry.of_workspace(workspace)
        return [item for item in found if not item.is_presence and is_visible(item, caller)]

    def _hint(self) -> str | None:
        return TRY_A_TOKEN if self.identity.credential is None else None


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_shallow(value: Any) -> bool:
    """Whether JSON is nested at most 64 deep (MCP-37)."""
    level = [value]
    for _ in range(MAX_DEPTH):
        nested: list[Any] = []
        for item in level:
            inside = item.values() if isinstance(item, dict) else item
            nested.extend(deep for deep in inside if isinstance(deep, dict | list))
        if not nested:
            return True
        level = nested
    return False


def encoded(value: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8; broken text, which callers may have sent us, stays escaped."""
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(value, ensure_ascii=False, separators=separators, indent=indent)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=separators, indent=indent).encode()
