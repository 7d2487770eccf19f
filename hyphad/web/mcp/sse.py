"""The transport of 2024: a stream that stays open, and a URL to post messages to (MCP-55).

The stream's first event names the URL; answers come on the stream. Kept for clients that know
nothing newer. A message must come from whoever opened the stream.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from hyphad.core.names import random_key
from hyphad.web.agents import encoded
from hyphad.web.failures import Refusal
from hyphad.web.mcp.content import Dialect
from hyphad.web.mcp.endpoint import (
    CHANGES,
    PING,
    PING_SECONDS,
    Message,
    ServiceEndpoint,
    is_request,
)
from hyphad.web.mcp.protocol import HANDSHAKE, INVALID_REQUEST, Exchange, respond
from hyphad.web.mcp.streams import Watch

LOST = "SSE session not found. Please reconnect."
MAX_RUNNING = 32
UNNAMED = Dialect(HANDSHAKE[0], named=False)  # they say their version in `initialize` alone


@dataclass(slots=True)
class Session:
    """An open stream: what waits to be written, what is being worked on, and whose it is."""

    owner: tuple[Any, ...]
    outbox: deque[Message] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    running: set["asyncio.Future[None]"] = field(default_factory=set)

    @property
    def is_full(self) -> bool:
        return len(self.running) + len(self.outbox) >= MAX_RUNNING

    def put(self, message: Message) -> None:
        self.outbox.append(message)
        self.news.set()

    async def put_when_read(self, message: Message) -> None:
        """For what may come without end: a tool waits until the client has read what it said."""
        while len(self.outbox) >= MAX_RUNNING:
            self.room.clear()
            await self.room.wait()
        self.put(message)

    def take(self) -> Message:
        self.room.set()
        return self.outbox.popleft()

    def end(self) -> None:
        for task in self.running:
            task.cancel()
        self.news.set()


class SseStream(ServiceEndpoint):
    """`GET .../sse`: open a session."""

    _session: Session | None = None

    async def get(self, *place: str) -> None:
        self.check_origin()
        await self.offer(*place)
        watch = self._watch = self.watch(*place)
        if watch is None:
            raise self._rpc_error(405, INVALID_REQUEST, "Too many open streams")
        name, session = random_key(), Session(self._owner())
        self._session = session
        self.agents.sessions[name] = session
        telling = asyncio.ensure_future(_tell_changes(watch, session))
        try:
            await self._begin_stream()
            path = f"{self.request.path}/messages/?session_id={name}"
            self.write(f"event: endpoint\ndata: {path}\n\n")
            await self._flush()
            await self._carry(session)
        finally:
            del self.agents.sessions[name]
            telling.cancel()
            session.end()
            self.agents.watches.close(watch)
        if not self._gone:
            self.finish()

    async def _carry(self, session: Session) -> None:
        while not self._gone and self._may_still_listen():
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await session.news.wait()
            except TimeoutError:
                self.write(PING)
            session.news.clear()
            while session.outbox and not self._gone:
                self.write(b"event: message\ndata: " + encoded(session.take()) + b"\n\n")
                await self._flush()
            await self._flush()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._session is not None:
            self._session.news.set()

    def _owner(self) -> tuple[Any, ...]:
        credential = self.identity.credential
        keys = credential.keys if credential is not None else ()
        return (self.identity.user.id, keys, self.request.remote_ip, *self.path_args)

    async def post(self, *_: str) -> None:
        """Newer clients try to post here first, and then do as older ones (405 tells them)."""
        self.put()


class SseMessages(SseStream):
    """`POST .../sse/messages/?session_id=`: a message for an open session."""

    async def get(self, *_: str) -> None:
        self.put()

    async def post(self, *place: str) -> None:
        self.check_origin()
        session = self.agents.sessions.get(self.get_query_argument("session_id", ""))
        if session is None or session.owner != self._owner():
            raise Refusal(404, LOST)
        offer = await self.offer(*place)
        self._check_content_type()
        message = self._message()
        if isinstance(message, list) or session.is_full:
            raise Refusal(400, "One message at a time, and few that are unanswered.")
        if is_request(message):
            exchange = Exchange(offer, UNNAMED)

            async def notify(method: str, params: Message) -> None:
                note = {"jsonrpc": "2.0", "method": method, "params": params}
                await session.put_when_read(note)

            exchange.notify = notify
            task = asyncio.ensure_future(_answer(message, exchange, session))
            session.running.add(task)
            task.add_done_callback(session.running.discard)
        self.set_status(202)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Accepted")


async def _answer(message: Message, exchange: Exchange, session: Session) -> None:
    session.put(await respond(message, exchange))


async def _tell_changes(watch: Watch, session: Session) -> None:
    while not watch.ended:
        if await watch.changed(PING_SECONDS):
            for what in CHANGES:
                method = f"notifications/{what}/list_changed"
                session.put({"jsonrpc": "2.0", "method": method})
