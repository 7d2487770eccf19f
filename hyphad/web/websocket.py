"""The WebSocket endpoint: Tornado takes the request, and speaks the protocol or hands it over.

`ws://host:port/ws` is for every client of any origin; identity comes with the first frame.
"""

import asyncio
import logging
from functools import partial
from typing import Any

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from hyphad.web.base import to_json
from hyphad.web.conversation import Conversation, cut_reason
from hyphad.web.identity import origin_of
from hyphad.web.parts import Parts
from hyphad.wire.link import Link

log = logging.getLogger(__name__)

LEGACY = {"workspace", "client_id", "token", "reconnection_token"}
LEGACY_REASON = (
    "Connection rejected, please  upgrade to `hypha-rpc` which pass the authentication "
    "information in the first message"
)


class SocketTransport:
    """What a link needs of a socket, over Tornado's own WebSocket."""

    __slots__ = ("_handler", "_stream", "closed", "closing", "link", "queued")

    def __init__(self, handler: WebSocketHandler) -> None:
        self._handler = handler
        self._stream = handler.ws_connection.stream if handler.ws_connection else None
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

    def abort(self) -> None:
        """Cut the connection, with all that it has not taken."""
        if self._stream is not None:
            self._stream.close()

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
    """`/ws`."""

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
        headers = self.request.headers
        if headers.get("Upgrade", "").lower() != "websocket":
            self.set_status(426)
            self.set_header("Upgrade", "websocket")
            self.set_header("Content-Type", "application/json")
            detail = "This address speaks WebSocket. Connect with hypha-rpc."
            self.finish(to_json({"success": False, "detail": detail}))
            return
        take_over = self.parts.take_over
        plain = headers.get("Sec-WebSocket-Version") == "13" and not self._is_legacy()
        if take_over is None or not plain or not headers.get("Sec-WebSocket-Key"):
            await super().get(*args, **kwargs)
            return
        await take_over(self.detach(), self.request)

    def _is_legacy(self) -> bool:
        return not LEGACY.isdisjoint(self.request.query_arguments)

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        if self._is_legacy():
            self.close(1008, LEGACY_REASON)
            return
        self.conversation = Conversation(
            self.parts.admission,
            SocketTransport(self),
            str(self.request.remote_ip),
            origin_of(self.request),
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
