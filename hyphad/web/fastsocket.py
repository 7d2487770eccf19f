"""The same WebSocket endpoint over `picows`: its C parser reads many frames at a time.

Tornado takes the HTTP request, so that routes and limits are those of every URL; then the socket
is handed over, and the request is told to the new protocol again, which answers the handshake.
Where this is not possible (TLS, another picows), Tornado's own WebSocket does the same work.
"""

import asyncio
import logging
from typing import Any

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSAutoPingStrategy, WSProtocol  # type: ignore[attr-defined]
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream

from hyphad.auth.admission import Admission
from hyphad.web.conversation import Conversation, cut_reason
from hyphad.web.identity import origin_of
from hyphad.wire.link import HIGH_WATER, Link

log = logging.getLogger(__name__)

CLOSE_SECONDS = 3.0
MAX_HELD = 256 << 10
READ_BUFFER = 2048
_ROOM = bytes(14)
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


class Batch:
    """Frames that come in with one read go out with one write to each target."""

    def __init__(self) -> None:
        self.open = False
        self.waiting: list[FastTransport] = []

    def begin(self) -> None:
        """Hold what is sent until `end`; a reader that fails meanwhile holds nothing back."""
        if not self.open:
            self.open = True
            asyncio.get_running_loop().call_soon(self.end)

    def end(self) -> None:
        self.open = False
        waiting, self.waiting = self.waiting, []
        for transport in waiting:
            transport.flush()


class FastTransport:
    """What a link needs of a socket (`wire.link.Transport`)."""

    __slots__ = ("_batch", "_held", "_send", "_size", "_ws", "closed", "closing", "link")

    def __init__(self, ws: Any, batch: Batch) -> None:
        self._ws = ws
        self._send = ws.send_reuse_external_bytearray
        self._batch = batch
        self._held: list[bytes | memoryview] = []
        self._size = 0
        self.closing = self.closed = False
        self.link: Link | None = None

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken."""
        if self.closed:
            return 0
        waiting: int = self._ws.underlying_transport.get_write_buffer_size()
        return waiting + self._size

    def send_bytes(self, *parts: bytes | memoryview) -> None:
        if self._batch.open:
            self._hold(parts)
        else:
            # Joined behind room for the head, which the parser writes there: one copy in all.
            self._send(_BINARY, bytearray().join((_ROOM, *parts)), len(_ROOM))

    def _hold(self, parts: tuple[bytes | memoryview, ...]) -> None:
        if self.closing:
            return
        size = sum(map(len, parts))
        held = self._held
        if not held:
            self._batch.waiting.append(self)
        held.append(_head(size))
        held.extend(parts)
        self._size += size
        if self._size > MAX_HELD:
            self.flush()

    def flush(self) -> None:
        """Write what was held."""
        held, self._held, self._size = self._held, [], 0
        if held and not self.closed:
            self._ws.underlying_transport.write(b"".join(held))

    def send_text(self, text: str) -> None:
        self.flush()
        self._ws.send(_TEXT, text.encode())

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait a moment for the other side's."""
        if self.closed or self.closing:
            return
        self.flush()
        self.closing = True
        self._ws.send_close(code, cut_reason(reason).encode())
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        if not self.closed:
            self._ws.disconnect(graceful=False)


class Listener(WSListener):
    """Frames from `picows` to the conversation of one connection."""

    def __init__(
        self, admission: Admission, remote: str, origin: str, max_message: int, batch: Batch
    ) -> None:
        self._admission = admission
        self._batch = batch
        self._remote = remote
        self._origin = origin
        self._max = max_message
        self._pauses = 0
        self._parts: list[bytes] = []
        self._kind = _BINARY
        self._code: int | None = None
        self._transport: FastTransport | None = None
        self._conversation: Conversation | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.underlying_transport.set_write_buffer_limits(HIGH_WATER, HIGH_WATER // 2)
        self._transport = FastTransport(transport, self._batch)
        self._conversation = Conversation(
            self._admission, self._transport, self._remote, self._origin
        )

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind, last = frame.msg_type, frame.last_in_buffer
        if not last:
            self._batch.begin()
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
        if last and self._batch.open:
            self._batch.end()

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


class FastWebSockets:
    """Takes over sockets; one for the whole daemon."""

    def __init__(self, admission: Admission, max_message: int) -> None:
        self._admission = admission
        self._max = max_message
        self._batch = Batch()

    async def take_over(self, stream: IOStream, request: HTTPServerRequest) -> None:
        """Hand the socket of a detached request to `picows`, which answers the handshake."""
        copy = stream.socket.dup()
        stream.close()
        copy.setblocking(False)
        remote = str(request.remote_ip)

        origin = origin_of(request)

        def protocol() -> Any:
            return self._protocol(remote, origin)

        loop = asyncio.get_running_loop()
        _, made = await loop.connect_accepted_socket(protocol, copy)
        lines = [f"{n}: {request.headers[n]}" for n in _HANDSHAKE if n in request.headers]
        told = ("GET /ws HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        buffer: Any = made
        buffer.get_buffer(-1)[: len(told)] = told
        buffer.buffer_updated(len(told))

    def _protocol(self, remote: str, origin: str) -> Any:
        return WSProtocol(
            None,  # host, of clients
            None,  # path, of clients
            False,  # is a client
            lambda _: Listener(self._admission, remote, origin, self._max, self._batch),
            _QUIET,
            True,  # disconnect when the listener fails
            None,  # handshake timeout
            False,  # automatic pings
            None,
            None,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # automatic pongs
            self._max,
            None,  # headers, of clients
            READ_BUFFER,
        )


_QUIET = _Quiet()


def _head(size: int) -> bytes:
    """The head of an unmasked binary frame (RFC 6455, 5.2)."""
    if size < 126:
        return b"\x82%c" % size
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big")
    return b"\x82\x7f" + size.to_bytes(8, "big")
