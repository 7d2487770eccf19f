"""The console's pages, and the stream of events that keeps them up to date.

`/{workspace}/events` carries what happens in a workspace to those who may read it; `/events` tells
anybody which public services there are, and then which come and go.
"""

import asyncio
import json
from collections import deque
from typing import Any

from tornado.iostream import StreamClosedError

from hyphad import __version__
from hyphad.core import policy
from hyphad.core.errors import Fault
from hyphad.core.events import SYSTEM_EVENTS
from hyphad.core.identity import Permission
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Refusal
from hyphad.web.pages import PageHandler
from hyphad.wire import frame

KEEP_ALIVE_SECONDS = 15.0
MAX_WAITING = 1000
MAX_TOLD = 100

# Pages of Hypha whose names look like those of workspaces (HTTP-88).
NO_WORKSPACES = frozenset(("api-docs", "api-redoc", "agent-skills", "hypha-core-app"))


class Landing(PageHandler):
    """`/`: hyphad runs, who I am, and a first service in a minute."""

    def get(self) -> None:
        self.page("index.html", version=__version__)


class WorkspacePage(PageHandler):
    """`/{workspace}/`: a program that asks for everything itself; it needs no permission."""

    def get(self, workspace: str, file: str) -> None:
        if workspace in NO_WORKSPACES:
            raise Refusal(404, f"File not found: {workspace}{file}")
        if file != "/":
            self.redirect(f"{self.request.path.removesuffix(file)}/", status=307)
            return
        self.page("workspace.html", version=__version__)


class ServerPage(PageHandler):
    """`/server`: for administrators; others see that it is for them."""

    def get(self) -> None:
        self.page("server.html", version=__version__)


class _Reader:
    """One open stream: a subscriber of events that drops out when it does not keep up."""

    def __init__(self) -> None:
        self.subscriptions: set[str] = set()
        self.waiting: deque[tuple[str, Any]] = deque()
        self.news = asyncio.Event()
        self.overrun = False

    def put(self, kind: str, data: Any) -> None:
        if len(self.waiting) >= MAX_WAITING:
            self.overrun = True
        else:
            self.waiting.append((kind, data))
        self.news.set()

    def send(self, *parts: bytes) -> None:
        """An event from the bus."""
        message = frame.unpack(b"".join(parts))
        self.put(str(message["type"]), message.get("data"))


class EventStream(BaseHandler):
    """Server-Sent Events: the type of each as its `event`, its data as JSON."""

    kind = "events"

    def initialize(self, **given: Any) -> None:
        super().initialize(**given)
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self._gone.set()

    async def get(self, workspace: str | None = None) -> None:
        reader = _Reader()
        events = self.parts.router.events
        if workspace is None:
            place = ""
            events.listen_public(reader.put)
            reader.put("services", self._public_services())
        else:
            caller = self.caller(workspace)
            policy.require(caller, Permission.READ, workspace)
            place = workspace
            events.subscribe(workspace, SYSTEM_EVENTS, reader)
        try:
            await self._tell(reader, workspace)
        except StreamClosedError:
            pass
        finally:
            if workspace is None:
                events.unlisten_public(reader.put)
            else:
                events.drop(place, reader)

    def _public_services(self) -> dict[str, Any]:
        """How many there are, and the newest in short: pages open at once, however many it be."""
        found = [
            service
            for service in self.parts.registry.public()
            if not service.is_presence and service.workspace != "public"
        ]
        newest = [service.summary() for service in found[-MAX_TOLD:]]
        return {"total": len(found), "newest": newest}

    def _is_welcome(self, workspace: str | None) -> bool:
        """Whether the reader may still read: a stream may outlive a token (AUTH-36)."""
        credential = self.identity.credential
        if workspace is None or credential is None:
            return True
        if self.parts.authenticator.lapsed(credential) is not None:
            return False
        try:
            return self.caller(workspace).user.scope.level(workspace) >= Permission.READ
        except Fault:
            return False

    async def _tell(self, reader: _Reader, workspace: str | None) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")
        self.write("retry: 2000\n\nevent: open\ndata: {}\n\n")
        await self.flush()
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            while not self._gone.is_set() and not reader.overrun:
                news = asyncio.ensure_future(reader.news.wait())
                await asyncio.wait(
                    (news, gone), timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                news.cancel()
                reader.news.clear()
                if not self._is_welcome(workspace):
                    return
                if not reader.waiting:
                    self.write(": keep-alive\n\n")
                while reader.waiting:
                    kind, data = reader.waiting.popleft()
                    self.write(f"event: {_line(kind)}\ndata: {json.dumps(data)}\n\n")
                await self.flush()
        finally:
            gone.cancel()


def _line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def console_routes() -> list[tuple[str, Any]]:
    named = r"/([^/]*-[^/]*|public)"
    return [
        (r"/", Landing),
        (r"/events", EventStream),
        (r"/server", ServerPage),
        (named + r"/events", EventStream),
        (named + r"(|/|/index\.html)", WorkspacePage),
    ]
