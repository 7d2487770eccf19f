"""The same WebSocket endpoint over `picows`: its C parser reads many frames at a time.

Tornado takes the HTTP request, so that routes and limits are those of every URL; then the socket
is handed over, and the request is told to the new protocol again, which answers the handshake.
Where this is not possible (TLS, another picows), Tornado's own WebSocket does the same work.
"""

import asyncio
import logging
from collections import deque
from time import perf_counter
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
READ_LESS = 128 << 10
READ_LARGE = 512 << 10
TURN_SECONDS = 0.0005
MANY_FRAMES = 500
_HANDSHAKE = ("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
_BINARY, _TEXT, _CLOSE = WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CLOSE
_CONTINUATION = WSMsgType.CONTINUATION

Frame = tuple[Any, bool, bytes]
Wait = asyncio.Future[None] | None


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
    """Frames from `picows` to the conversation of one connection.

    One read may bring thousands of frames. They are handled for a short time only; what is left
    waits, unread data waits in the kernel, and other connections have their turn meanwhile.
    """

    def __init__(
        self, admission: Admission, remote: str, origin: str, max_message: int, batch: Batch
    ) -> None:
        self._admission = admission
        self._batch = batch
        self._remote = remote
        self._origin = origin
        self._max = max_message
        self._message = bytearray()
        self._kind = _BINARY
        self._code: int | None = None
        self._turn_ends = 0.0
        # Frames that were read and must wait; None while there is nothing to wait for.
        self._later: deque[Frame] | None = None
        self._gone = False
        self._measured: Measured | None = None
        self._ws: Any = None
        self._transport: Any = None
        self._conversation: Any = None
        self._on_binary: Any = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.underlying_transport.set_write_buffer_limits(HIGH_WATER, HIGH_WATER // 2)
        self._ws = transport
        self._transport = FastTransport(transport, self._batch)
        self._conversation = Conversation(
            self._admission, self._transport, self._remote, self._origin
        )
        self._on_binary = self._conversation.on_binary

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        last = frame.last_in_buffer
        if self._later is not None:
            self._later.append((frame.msg_type, frame.fin, frame.get_payload_as_bytes()))
        else:
            if not last and not self._batch.open:
                self._batch.begin()
                self._turn_ends = perf_counter() + TURN_SECONDS
            if frame.msg_type == _BINARY and frame.fin:
                wait = None
                data = frame.get_payload_as_bytes()
                if len(data) > READ_LARGE:
                    self._read_less(READ_LARGE)
                try:
                    wait = self._on_binary(data)
                except Exception:
                    log.exception("frame_failed remote=%s", self._remote)
            else:
                wait = self._handle(frame.msg_type, frame.fin, frame.get_payload_as_bytes())
            if wait is not None:
                self._stop_reading()
                wait.add_done_callback(self._go_on)
            elif not last and perf_counter() > self._turn_ends:
                self._end_turn()
        if last and self._batch.open:
            self._batch.end()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._transport is None:
            return
        self._transport.closed = self._gone = True
        if self._later:
            asyncio.get_running_loop().call_soon(self._go_on)
        else:
            self._end()

    def pause_writing(self) -> None:
        """The link has seen for itself that its queue is long."""

    def resume_writing(self) -> None:
        if self._transport is not None and self._transport.link is not None:
            self._transport.link.on_drain()

    # turns

    def _stop_reading(self) -> None:
        self._later = deque()
        self._ws.underlying_transport.pause_reading()

    def _end_turn(self) -> None:
        """There is more than one turn's work in one read: go on when others have had theirs."""
        self._stop_reading()
        asyncio.get_running_loop().call_soon(self._go_on)

    def _read_less(self, most: int) -> None:
        """So much at a time that to read and parse it is a long turn already."""
        if self._measured is None:
            below = self._ws.underlying_transport
            self._measured = Measured(below.get_protocol(), most)
            below.set_protocol(self._measured)
        elif most < self._measured.most:
            self._measured.most = most

    def _go_on(self, _: Any = None) -> None:
        """Handle what waits, for one turn. What a client sent before it left counts as well."""
        later = self._later
        if later is None:
            return
        if later:
            self._read_less(READ_LESS if len(later) > MANY_FRAMES else READ_LARGE)
        wait = None
        self._batch.begin()
        ends = perf_counter() + TURN_SECONDS
        while later and wait is None and perf_counter() < ends:
            wait = self._handle(*later.popleft())
            if self._gone:
                wait = None
        self._batch.end()
        if wait is not None:
            wait.add_done_callback(self._go_on)
        elif later:
            asyncio.get_running_loop().call_soon(self._go_on)
        else:
            self._later = None
            if self._gone:
                self._end()
            elif not self._ws.is_disconnected:
                self._ws.underlying_transport.resume_reading()

    def _end(self) -> None:
        """Let go of each other, so that memory is free at once and not when cycles are sought."""
        self._later = None
        self._conversation.on_end(self._code)
        self._transport.link = self._ws = None

    # frames

    def _handle(self, kind: Any, fin: bool, data: bytes) -> Wait:
        """One frame; returns what to wait for before the next, if anything."""
        try:
            if kind == _BINARY and fin:
                return self._conversation.on_binary(data)
            if kind == _CLOSE:
                self._on_close(data)
            elif kind in (_TEXT, _BINARY, _CONTINUATION):
                return self._on_part(kind, fin, data)
        except Exception:
            log.exception("frame_failed remote=%s", self._remote)
        return None

    def _on_part(self, kind: Any, fin: bool, data: bytes) -> Wait:
        """Text, and messages that come in several frames."""
        if kind != _CONTINUATION:
            self._kind, self._message = kind, bytearray()
        self._message += data
        if len(self._message) > self._max:
            self._message = bytearray()
            self._fail(WSCloseCode.MESSAGE_TOO_BIG, "message too big")
            return None
        if not fin:
            return None
        message, self._message = bytes(self._message), bytearray()
        if self._kind == _BINARY:
            return self._conversation.on_binary(message)
        try:
            return self._conversation.on_text(message.decode())
        except UnicodeDecodeError:
            self._fail(WSCloseCode.INVALID_TEXT, "text is not UTF-8")
            return None

    def _on_close(self, data: bytes) -> None:
        self._code = int.from_bytes(data[:2], "big") or None
        if not self._ws.is_close_frame_sent:
            self._ws.send_close(self._code or WSCloseCode.OK)
        self._ws.disconnect()

    def _fail(self, code: WSCloseCode, reason: str) -> None:
        self._ws.send_close(code, reason.encode())
        self._ws.disconnect()


class Measured(asyncio.BufferedProtocol):
    """Stands before the parser of a client that sends very much, and reads less at a time.

    So to parse is no long turn either, and the parser's buffer does not grow with the flood.
    """

    def __init__(self, parser: Any, most: int) -> None:
        self._parser = parser
        self.most = most

    def get_buffer(self, sizehint: int) -> memoryview:
        buffer: memoryview = self._parser.get_buffer(sizehint)
        return buffer[: self.most]

    def buffer_updated(self, nbytes: int) -> None:
        self._parser.buffer_updated(nbytes)

    def eof_received(self) -> Any:
        return self._parser.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._parser.connection_lost(exc)

    def pause_writing(self) -> None:
        self._parser.pause_writing()

    def resume_writing(self) -> None:
        self._parser.resume_writing()


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
