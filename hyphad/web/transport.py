"""The clients' HTTP transport: frames come down a stream and go up in POSTs (WIRE-93 to WIRE-105).

`GET /rpc` is one client of the router, like a WebSocket. Its frames follow each other, each behind
four bytes of length. When the stream breaks the client stays for a while, parked: what is sent to
it waits, and a new stream that proves to be the same client takes over where the old one ended.

A POST is executed as the client of the stream it names, so it must come from the same user. Streams
of visitors are known by their workspace and client id alone; clients that keep cookies, as the
Python one does, prove more (WIRE-103, D-12).
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.iostream import StreamClosedError

from hyphad.auth.admission import AUTHENTICATE, ESTABLISH, Admission, Hello
from hyphad.core import address
from hyphad.core.errors import Fault, Refused, Unauthenticated
from hyphad.core.identity import User
from hyphad.core.names import random_key
from hyphad.web.base import BaseHandler
from hyphad.web.failures import Refusal
from hyphad.web.identity import header_token, origin_of
from hyphad.wire import frame
from hyphad.wire.link import Link

log = logging.getLogger(__name__)

PING_SECONDS = 10.0
SILENT_SECONDS = 60.0
LOOK_SECONDS = 30.0
ANSWER_SECONDS = 5.0
MAX_MISSED = 3
COOKIE = "hyphad_rpc"
STREAM_TYPE = "application/x-msgpack-stream"


class StreamTransport:
    """What a link needs of a transport, over a stream that may break and come back."""

    def __init__(self, admission: Admission, grace: float, token: str | None) -> None:
        self._admission = admission
        self._grace = grace
        self._frames: list[bytes] = []
        self._waiting = 0
        self._writing = 0
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._token = digest(token) if token else None
        self.secret = secrets.token_urlsafe(16)
        self.proven = False
        self.closed = self.parked = self.left = False
        self.link: Link | None = None

    # for the link

    @property
    def queued(self) -> int:
        return self._waiting + self._writing

    def send_bytes(self, *parts: frame.Buffer) -> None:
        size = sum(map(len, parts))
        self._put(b"".join((size.to_bytes(4, "big"), *parts)))

    def send_text(self, text: str) -> None:
        """A control message: JSON on a WebSocket, MessagePack here (WIRE-98)."""
        self.send_bytes(frame.pack(json.loads(text)))

    def close(self, code: int, reason: str) -> None:
        """End the stream after what is queued, for good."""
        self.closed = True
        self._changed.set()
        if self._timer is not None:
            self._leave()

    def abort(self) -> None:
        """There is no more to a stream's end than its end."""
        self.closed = True
        self._changed.set()

    # for the stream

    async def next(self, patience: float) -> bytes | None:
        """All frames that wait; None where none comes in time, or no more are to be written."""
        if not self._frames and not self.closed and not self.parked:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._changed.wait()
        if self.parked:
            return None
        data, self._frames = b"".join(self._frames), []
        self._writing, self._waiting = self._waiting, 0
        return data or None

    def written(self) -> None:
        """The kernel has taken what `next` handed out."""
        self._writing = 0
        if self.link is not None:
            self.link.on_drain()

    def broke(self) -> None:
        """The stream has ended. The client may come back for a while (WIRE-101)."""
        if self.parked or self.left:
            return
        self._writing = 0
        self._changed.set()
        if self.closed or self._grace <= 0 or self.link is None:
            self._leave()
            return
        self.parked = self.link.parked = True
        self._timer = asyncio.get_running_loop().call_later(self._grace, self._leave)

    def adopt(self, old: "StreamTransport") -> None:
        """Take over from the stream that this one replaces: its frames and its proof."""
        self.secret, self.proven = old.secret, old.proven
        self._frames += old._frames
        self._waiting += old._waiting
        old._frames, old._waiting = [], 0

    def is_owner(self, token: str | None, cookie: str | None) -> bool | None:
        """Whether a POST is of the client of this stream; None where the token must be read."""
        if token is None:
            return self._token is None and self._is_visitor() and self._is_proven(cookie)
        if self._token is not None and hmac.compare_digest(self._token, digest(token)):
            return True
        return None

    def _is_visitor(self) -> bool:
        return self.link is not None and self.link.caller.user.is_anonymous

    def _is_proven(self, cookie: str | None) -> bool:
        """Who has once shown the secret of the stream must always do so."""
        shown = cookie is not None and hmac.compare_digest(cookie, self.secret)
        self.proven = self.proven or shown
        return shown or not self.proven

    def _put(self, data: bytes) -> None:
        if not self.closed:
            self._frames.append(data)
            self._waiting += len(data)
            self._changed.set()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.left:
            return
        self.left = self.closed = True
        if self.link is not None:
            self._admission.left(self.link, 1001)


class RpcEndpoint(BaseHandler):
    """`/rpc`: GET opens the stream, POST sends one frame."""

    kind = "rpc"
    transport: StreamTransport | None = None

    # the stream

    async def get(self) -> None:
        link, transport = await self._admit()
        self.transport = transport
        self.set_header("Content-Type", STREAM_TYPE)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")
        if self._may_keep_cookies():
            path = self.request.path
            self.set_cookie(COOKIE, transport.secret, path=path, httponly=True, samesite="Strict")
        watch = Watch(link, self.parts.manager.call)
        try:
            self._write(frame.pack(await self.parts.admission.connection_info(link)))
            await self.flush()
            await self._pump(transport)
        except StreamClosedError:
            pass
        finally:
            watch.stop()
            transport.broke()

    async def _pump(self, transport: StreamTransport) -> None:
        """Write frames as they come, and a ping after ten seconds without one (WIRE-98)."""
        ping = frame.pack({"type": "ping"})
        while True:
            data = await transport.next(PING_SECONDS)
            if data is not None:
                self.write(data)
            elif transport.closed or transport.parked:
                return
            else:
                self._write(ping)
            await self.flush()
            transport.written()

    def on_connection_close(self) -> None:
        if self.transport is not None:
            self.transport.broke()
        super().on_connection_close()

    def _write(self, data: bytes) -> None:
        self.write(len(data).to_bytes(4, "big") + data)

    async def _admit(self) -> tuple[Link, StreamTransport]:
        token = header_token(self.request)
        hello, old = self._hello(token)
        parts = self.parts
        transport = StreamTransport(parts.admission, parts.settings.reconnect_grace, token)
        try:
            link = await parts.admission.admit(
                hello, transport, str(self.request.remote_ip), origin_of(self.request)
            )
        except Refused as error:
            raise _refusal(error) from None
        transport.link = link
        if link.resumed and isinstance(old, StreamTransport):
            transport.adopt(old)
        return link, transport

    def _hello(self, token: str | None) -> tuple[Hello, Any]:
        """The handshake that query and header make, and the transport that it may replace."""
        authenticator = self.parts.authenticator
        client_id = self.get_query_argument("client_id", None) or random_key()
        old: Link | None = None
        again = self.get_query_argument("reconnection_token", None) or None
        if again is not None:
            try:
                bound = authenticator.credential(again).workspace
                old = self.parts.router.links.get(address.peer(bound or "", client_id))
            except Unauthenticated as error:
                text = f"Invalid reconnection token: 401: {error.message}"
                raise Refusal(401, text) from None
        elif token is not None:
            authenticator.credential(token)
        workspace = self.get_query_argument("workspace", None)
        if workspace in ("", "public"):
            workspace = None
        hello = Hello(client_id, workspace, token, again)
        return hello, old.transport if old is not None else None

    def _may_keep_cookies(self) -> bool:
        """Browsers keep too many cookies for too long; other clients keep them while they run."""
        headers = self.request.headers
        return "Origin" not in headers and "Sec-Fetch-Mode" not in headers

    # what the client sends

    async def post(self) -> None:
        client_id = self.get_query_argument("client_id", None)
        if not client_id:
            raise Refusal(400, "client_id is required")
        data = self.request.body
        if not data:
            raise Refusal(400, "Empty request body")
        if len(data) > self.parts.settings.max_frame_bytes:
            limit = self.parts.settings.max_frame_bytes
            raise Refusal(413, f"Frame too large: at most {limit} bytes", "Send it in chunks.")
        try:
            kind = frame.split(data)[0].get("type")
        except frame.BadFrame as error:
            status = 431 if str(error) == frame.HEADER_TOO_LARGE else 400
            raise Refusal(status, f"Failed to decode message: {error}") from None
        link = self._owned_link(client_id, str(kind))
        link.touch()
        if kind == "ping":
            link.send_text('{"type":"pong"}')
        elif kind == "refresh_token":
            token = await self.parts.admission.reconnection_token(link)
            link.send_text(json.dumps({"type": "reconnection_token", "reconnection_token": token}))
        else:
            await self._route(link, data)
        self.set_header("Content-Type", STREAM_TYPE)
        self.finish()

    async def _route(self, link: Link, data: bytes) -> None:
        """The same way as a frame of a WebSocket; answered when more may be sent."""
        wait = self.parts.router.route(link, data)
        delay = link.over_rate()
        if delay > 0:
            await asyncio.sleep(delay)
        if wait is not None:
            await asyncio.shield(wait)

    def _owned_link(self, client_id: str, kind: str) -> Link:
        """The client that this POST may speak for. Raises `Refusal`."""
        workspace = self.get_query_argument("workspace", "")
        link = self.parts.router.links.get(address.peer(workspace, client_id))
        transport = link.transport if link is not None else None
        token = header_token(self.request)
        if link is None or not isinstance(transport, StreamTransport):
            if token is not None:
                self.parts.authenticator.credential(token)
            if kind != "method":
                raise Refusal(400, "Stateless calls require type='method'")
            text = f"No stream is open for {workspace}/{client_id}. Open one with GET first."
            raise Refusal(400, text)
        cookie = self.request.cookies.get(COOKIE)
        mine = transport.is_owner(token, cookie.value if cookie is not None else None)
        if mine is None and token is not None:
            user = self.parts.authenticator.credential(token).user
            mine = speaks_for(user, link.caller.user)
        if not mine:
            raise Refusal(403, f"Permission denied for workspace {workspace}")
        return link


class Watch:
    """Asks a client that has been silent whether it is still there, and ends it if not (WIRE-102).

    A stream over a dead network looks alive for a long time.
    """

    def __init__(self, link: Link, call: Callable[..., Awaitable[Any]]) -> None:
        self._link = link
        self._call = call
        self._missed = 0
        self._task = asyncio.ensure_future(self._look())

    def stop(self) -> None:
        self._task.cancel()

    async def _look(self) -> None:
        link = self._link
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if link.last_seen > link.loop.time() - SILENT_SECONDS:
                self._missed = 0
                continue
            if await self._answers():
                self._missed = 0
                continue
            self._missed += 1
            if self._missed >= MAX_MISSED:
                log.info("not_responding client=%s", link.address)
                link.close(1001, "Not responding")
                return

    async def _answers(self) -> bool:
        method = "services.built-in.ping"
        try:
            answer = self._call(self._link.address, method, "ping", timeout=ANSWER_SECONDS)
            return bool(await answer == "pong")
        except Fault:
            return False


def speaks_for(user: User, owner: User) -> bool:
    """Another token of the same user that is good for all that the stream may do (WIRE-103)."""
    if user.effective_id != owner.effective_id or user.scope.specialised:
        return False
    if not set(owner.roles) <= set(user.roles):
        return False
    levels = owner.scope.workspaces
    return all(user.scope.level(name) >= level for name, level in levels.items())


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _refusal(error: Refused) -> Refusal:
    """A refused handshake in the words and with the status of HTTP (WIRE-97)."""
    text = error.message.removeprefix(ESTABLISH).removeprefix(AUTHENTICATE.removeprefix(ESTABLISH))
    denied = "Permission denied for workspace"
    if text.startswith(denied):
        return Refusal(403, text.replace("workspace: ", "workspace ", 1))
    for start, status in (
        ("'Workspace ", 404),
        ("Client already exists", 409),
        ("Superseded", 409),
        ("Connection limit", 429),
        ("Authentication error", 401),
        ("Authentication required", 401),
        ("Invalid client id", 400),
    ):
        if text.startswith(start):
            return Refusal(status, text)
    return Refusal(403, text)
