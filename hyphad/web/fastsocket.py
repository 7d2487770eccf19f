"""The same WebSocket endpoint over `picows`: its C parser reads many frames at a time.

Tornado takes the HTTP request, so that routes and limits are those of every URL; then the socket
is handed over, and the request is told to the new protocol again, which answers the handshake.
Where this is not possible (TLS, another picows), Tornado's own WebSocket does the same work.
"""

import asyncio
import logging
import socket
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSAutoPingStrategy, WSProtocol  # type: ignore[attr-defined]
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream

from hyphad.auth.admission import Admission
from hyphad.web.conversation import Conversation, cut_reason
from hyphad.wire.link import HIGH_WATER, Link

log = logging.getLogger(__name__)

CLOSE_SECONDS = 3.0
_HANDSHAKE = ("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
_BINARY, _TEXT, _CLOSE = WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CLOSE
_CONTINUATION = WSMsgType.CONTINUATION


class _Quiet:
    """A logger that says nothing: a real one per connection costs more than the connection."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        return False

    def log(self, *args: Any, **kwargs: Any) -> None:
        return

    debug = info = warning = error = log

    def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        log.exception("websocket_failed reason=%r", message)


class FastTransport:
    """What a link needs of a socket (`wire.link.Transport`)."""

    __slots__ = ("_send", "_ws", "closed", "closing", "link")

    def __init__(self, ws: Any) -> None:
        self._ws = ws
        self._send = ws.send
        self.closing = self.closed = False
        self.link: Link | None = None

    @property
    def queued(self) -> int:
        return 0 if self.closed else self._ws.underlying_transport.get_write_buffer_size()

    def send_bytes(self, *parts: bytes | memoryview) -> None:
        self._send(_BINARY, b"".join(parts))

    def send_text(self, text: str) -> None:
        self._send(_TEXT, text.encode())

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait a moment for the other side's."""
        if self.closed or self.closing:
            return
        self.closing = True
        self._ws.send_close(code, cut_reason(reason).encode())
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        if not self.closed:
            self._ws.disconnect(graceful=False)


class Listener(WSListener):
    """Frames from `picows` to the conversation of one connection."""

    def __init__(self, admission: Admission, remote: str, max_message: int) -> None:
        self._admission = admission
        self._remote = remote
        self._max = max_message
        self._pauses = 0
        self._parts: list[bytes] = []
        self._kind = _BINARY
        self._code: int | None = None
        self._transport: FastTransport | None = None
        self._conversation: Conversation | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.underlying_transport.set_write_buffer_limits(HIGH_WATER, HIGH_WATER // 2)
        self._transport = FastTransport(transport)
        self._conversation = Conversation(self._admission, self._transport, self._remote)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        try:
            if kind == _BINARY and frame.fin:
                wait = self._conversation.on_binary(frame.get_payload_as_bytes())  # type: ignore[union-attr]
                if wait is not None:
                    self._pause(transport, wait)
            elif kind in (_TEXT, _BINARY, _CONTINUATION):
                self._on_part(transport, frame)
            elif kind == _CLOSE:
                self._on_close(transport, frame)
        except Exception:
            log.exception("frame_failed remote=%s", self._remote)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._transport is not None and self._conversation is not None:
            self._transport.closed = True
            self._conversation.on_end(self._code)

    def pause_writing(self) -> None:
        """The link has seen for itself that its queue is long."""

    def resume_writing(self) -> None:
        if self._transport is not None and self._transport.link is not None:
            self._transport.link.on_drain()

    def _on_part(self, transport: WSTransport, frame: WSFrame) -> None:
        """Text, and messages that come in several frames."""
        if frame.msg_type != _CONTINUATION:
            self._kind, self._parts = frame.msg_type, []
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > self._max:
            self._parts = []
            self._fail(transport, WSCloseCode.MESSAGE_TOO_BIG, "message too big")
            return
        if not frame.fin:
            return
        data, self._parts = b"".join(self._parts), []
        conversation = self._conversation
        assert conversation is not None
        if self._kind == _BINARY:
            wait = conversation.on_binary(data)
        else:
            try:
                wait = conversation.on_text(data.decode())
            except UnicodeDecodeError:
                self._fail(transport, WSCloseCode.INVALID_TEXT, "text is not UTF-8")
                return
        if wait is not None:
            self._pause(transport, wait)

    def _on_close(self, transport: WSTransport, frame: WSFrame) -> None:
        code: Any = frame.get_close_code()
        code = int(code)
        self._code = code or None
        if not transport.is_close_frame_sent:
            transport.send_close(code if code else WSCloseCode.OK)
        transport.disconnect()

    def _fail(self, transport: WSTransport, code: WSCloseCode, reason: str) -> None:
        transport.send_close(code, reason.encode())
        transport.disconnect()

    def _pause(self, transport: WSTransport, wait: "asyncio.Future[None]") -> None:
        """Read nothing more until `wait` is done."""
        if self._pauses == 0:
            transport.underlying_transport.pause_reading()
        self._pauses += 1

        def resume(_: Any) -> None:
            self._pauses -= 1
            if self._pauses == 0 and not transport.is_disconnected:
                transport.underlying_transport.resume_reading()

        wait.add_done_callback(resume)


async def take_over(
    stream: IOStream, request: HTTPServerRequest, admission: Admission, max_message: int
) -> None:
    """Hand the socket of a detached HTTP request to `picows`, which answers the handshake."""
    loop = asyncio.get_running_loop()
    copy = socket.socket(fileno=_duplicate(stream.socket))
    stream.close()
    copy.setblocking(False)
    remote = str(request.remote_ip)

    def protocol() -> Any:
        return WSProtocol(
            None,
            None,
            False,
            lambda _: Listener(admission, remote, max_message),
            _QUIET,
            True,
            None,
            False,
            None,
            None,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,
            max_message,
            None,
            2048,
        )

    _, made = await loop.connect_accepted_socket(protocol, copy)
    lines = [f"{name}: {request.headers[name]}" for name in _HANDSHAKE if name in request.headers]
    told = ("GET /ws HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    buffer: Any = made
    buffer.get_buffer(-1)[: len(told)] = told
    buffer.buffer_updated(len(told))


_QUIET = _Quiet()


def _duplicate(sock: Any) -> int:
    return int(sock.dup().detach())
