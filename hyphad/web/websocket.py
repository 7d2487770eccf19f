"""The WebSocket endpoint: bytes of a socket to the router, and frames of the router to a socket.

ws://host:port/ws   first frame: who I am (JSON text); then RPC frames (binary), pings (text)
"""

import asyncio
import json
import logging
from functools import partial
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from hyphad.auth.admission import Admission, Hello
from hyphad.core.errors import Refused
from hyphad.web.base import to_json
from hyphad.web.parts import Parts
from hyphad.wire.link import Link

log = logging.getLogger(__name__)

HELLO_SECONDS = 5.0
MAX_TEXT = 1000
MAX_HELLO = 64 << 10
LEGACY = {"workspace", "client_id", "token", "reconnection_token"}
LEGACY_REASON = (
    "Connection rejected, please  upgrade to `hypha-rpc` which pass the authentication "
    "information in the first message"
)
UNREADABLE = "Failed to decode authentication information"


class Conversation:
    """One socket from its first frame to its end; the same for every kind of WebSocket beneath."""

    __slots__ = ("_admission", "_admitting", "_hello_timer", "_remote", "link", "transport")

    def __init__(self, admission: Admission, transport: "SocketTransport", remote: str) -> None:
        self._admission = admission
        self._remote = remote
        self._admitting: asyncio.Task[None] | None = None
        self.transport = transport
        self.link: Link | None = None
        loop = asyncio.get_running_loop()
        self._hello_timer: asyncio.TimerHandle | None = loop.call_later(
            HELLO_SECONDS, self.refuse, "Authentication payload timeout", 1008
        )

    def on_text(self, text: str) -> Any:
        """A text frame; returns what to wait for before reading on, if anything."""
        link = self.link
        if link is None:
            return self._on_hello(text)
        link.touch()
        if len(text) > MAX_TEXT:
            return None
        kind = _type_of(text)
        if kind == "ping":
            link.send_text('{"type":"pong"}')
        elif kind == "refresh_token":
            token = self._admission.reconnection_token(link)
            link.send_text(to_json({"type": "reconnection_token", "reconnection_token": token}))
        return None

    def on_binary(self, data: bytes) -> Any:
        """A binary frame; returns what to wait for before reading on, if anything."""
        link = self.link
        if link is None:
            if self._admitting is None:
                self.refuse(UNREADABLE, 1008)
            return None
        link.touch()
        wait = self._admission.router.route(link, data)
        delay = link.over_rate()
        if delay > 0:
            return asyncio.sleep(delay)
        return wait

    def on_end(self, code: int | None) -> None:
        """The socket has closed, with the code of the client if it sent one."""
        self._cancel_timer()
        if self._admitting is not None:
            self._admitting.cancel()
        link, self.link = self.link, None
        if link is not None:
            self._admission.left(link, None if link.close_code is not None else code)

    def refuse(self, text: str, code: int) -> None:
        """Say why, then close: clients take this as final (WIRE-13)."""
        self._cancel_timer()
        log.info("refused remote=%s code=%d reason=%r", self._remote, code, text)
        self.transport.send_text(to_json({"type": "error", "message": text}))
        self.transport.close(code, cut_reason(text))

    # the handshake

    def _on_hello(self, text: str) -> Any:
        if self._admitting is not None or self.transport.closing:
            return None
        self._cancel_timer()
        try:
            if len(text) > MAX_HELLO:
                raise ValueError
            hello = Hello.read(json.loads(text))
        except (ValueError, RecursionError):
            self.refuse(UNREADABLE, 1008)
            return None
        except Refused as error:
            self.refuse(error.message, error.code)
            return None
        self._admitting = asyncio.ensure_future(self._admit(hello))
        return None

    async def _admit(self, hello: Hello) -> None:
        try:
            link = await self._admission.admit(hello, self.transport, self._remote)
        except Refused as error:
            self.refuse(error.message, error.code)
            return
        except Exception:
            log.exception("handshake_failed remote=%s", self._remote)
            self.transport.close(1011, "Internal error")
            return
        finally:
            self._admitting = None
        self.link = link
        self.transport.link = link
        if self.transport.closed:
            self.on_end(None)
            return
        self.transport.send_text(to_json(self._admission.connection_info(link)))

    def _cancel_timer(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None


class SocketTransport:
    """What a link needs of a socket, over Tornado's own WebSocket."""

    __slots__ = ("_handler", "closed", "closing", "link", "queued")

    def __init__(self, handler: WebSocketHandler) -> None:
        self._handler = handler
        self.queued = 0
        self.closing = self.closed = False
        self.link: Link | None = None

    def send_bytes(self, *parts: bytes | memoryview) -> None:
        self._write(b"".join(parts), True)

    def send_text(self, text: str) -> None:
        self._write(text.encode(), False)

    def close(self, code: int, reason: str) -> None:
        self.closing = True
        self._handler.close(code, cut_reason(reason))

    def _write(self, data: bytes, binary: bool) -> None:
        if self.closed or self.closing:
            return
        try:
            done = self._handler.write_message(data, binary)
        except WebSocketClosedError:
            return
        self.queued += len(data)
        done.add_done_callback(partial(self._written, len(data)))

    def _written(self, size: int, done: "asyncio.Future[None]") -> None:
        self.queued -= size
        if not done.cancelled():
            done.exception()
        if self.link is not None:
            self.link.on_drain()


class WebSocketEndpoint(WebSocketHandler):
    """`/ws`, spoken by Tornado itself."""

    def initialize(self, parts: Parts) -> None:
        self.parts = parts
        self.conversation: Conversation | None = None

    def check_origin(self, origin: str) -> bool:
        """Pages of any origin are clients; identity never comes from cookies here (WIRE-6)."""
        return True

    def get_compression_options(self) -> None:
        """Arrays do not compress, and every frame would pay for it."""
        return

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            self.set_status(426)
            self.set_header("Upgrade", "websocket")
            self.set_header("Content-Type", "application/json")
            detail = "This address speaks WebSocket. Connect with hypha-rpc."
            self.finish(to_json({"success": False, "detail": detail}))
            return
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        if not LEGACY.isdisjoint(self.request.query_arguments):
            self.close(1008, LEGACY_REASON)
            return
        self.conversation = Conversation(
            self.parts.admission, SocketTransport(self), str(self.request.remote_ip)
        )

    def on_message(self, message: str | bytes) -> Any:
        if self.conversation is None:
            return None
        try:
            if isinstance(message, bytes):
                return self.conversation.on_binary(message)
            return self.conversation.on_text(message)
        except Exception:
            log.exception("frame_failed remote=%s", self.request.remote_ip)
            return None

    def on_close(self) -> None:
        if self.conversation is not None:
            self.conversation.transport.closed = True
            self.conversation.on_end(self.close_code)


def cut_reason(text: str) -> str:
    """A close reason within the 123 bytes that the protocol allows (WIRE-12)."""
    return text.encode()[:123].decode("utf-8", "ignore")


def _type_of(text: str) -> Any:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message.get("type") if isinstance(message, dict) else None
