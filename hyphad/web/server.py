"""An HTTP server whose clients must get on: headers within 10 s, bodies without long pauses (D-19).

It also knows who is really asking: `X-Forwarded-For` and `-Proto` count only where the peer is one
of the configured proxies (AUTH-107). How long headers may be is the business of `heads`.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from hyphad.core.quota import Quota, address_factor, address_key
from hyphad.web.accept import Acceptor
from hyphad.web.heads import MAX_BYTES, Heads

log = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
BODY_SECONDS = 30.0
IDLE_SECONDS = 300.0
LOOK_SECONDS = 2.0
UNLIMITED = 1 << 60

_HEADERS = {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}
_TOO_SLOW = b'{"success":false,"detail":"The request did not arrive in time."}'
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Access-Control-Allow-Origin: *\r\nContent-Length: %d\r\n\r\n%s"
) % (len(_TOO_SLOW), _TOO_SLOW)

Network = IPv4Network | IPv6Network


@dataclass(slots=True)
class _Progress:
    """How far a connection's current request has come. `since` is when it last moved."""

    since: float
    request: HTTPConnection
    phase: str = "first"
    address: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether an answer has begun; Tornado does not tell otherwise."""
        return getattr(self.request, "_response_start_line", None) is not None


class Server(HTTPServer):
    """Tornado's HTTP server with deadlines. Bodies have no bound here: handlers set theirs."""

    def initialize(  # type: ignore[override]
        self,
        request_callback: Any,
        *,
        trusted_proxies: list[str],
        addresses: Quota | None = None,
        **kwargs: Any,
    ) -> None:
        self._addresses = Quota(0) if addresses is None else addresses
        super().initialize(
            request_callback, max_body_size=UNLIMITED, max_header_size=MAX_BYTES, **kwargs
        )
        self.conn_params.header_timeout = None  # `_look` keeps the time, not a timer a request
        self._heads = Heads()
        self._proxies = [ip_network(name, strict=False) for name in trusted_proxies]
        self._progress: dict[Any, _Progress] = {}
        self._timer: asyncio.TimerHandle | None = None

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        self._heads.bound(stream)
        super().handle_stream(stream, address)

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        for sock in sockets:
            self._sockets[sock.fileno()] = sock
            self._handlers[sock.fileno()] = Acceptor(sock, self._handle_connection)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """A connection waits for its next request."""
        loop = asyncio.get_running_loop()
        progress = self._progress.get(server_conn)
        if progress is None:
            progress = self._progress[server_conn] = _Progress(loop.time(), request_conn)
            progress.address = self._count(request_conn)
            if self._timer is None:
                self._timer = loop.call_later(LOOK_SECONDS, self._look)
        else:
            progress.phase, progress.since = "idle", loop.time()
            progress.request = request_conn
        inner = super().start_request(server_conn, request_conn)
        return _Watched(inner, progress, request_conn, self._proxies)

    def on_close(self, server_conn: object) -> None:
        progress = self._progress.pop(server_conn, None)
        if progress is not None and progress.address:
            self._addresses.give(progress.address)
        super().on_close(server_conn)

    def _count(self, connection: HTTPConnection) -> str:
        """Count a connection for the address it comes from; the gate sees whether it is one too
        many. Those of proxies are not counted: they stand for many."""
        context: Any = connection.context  # type: ignore[attr-defined]
        remote = str(context.remote_ip)
        if _is_in(remote, self._proxies):
            return ""
        key = address_key(remote)
        context.crowded = not self._addresses.has_room(key, address_factor(remote))
        self._addresses.take(key)
        return key

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().stop()

    def _look(self) -> None:
        """Close the connections whose request does not get on."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(LOOK_SECONDS, self._look) if self._progress else None
        for connection, progress in list(self._progress.items()):
            stream = connection.stream
            started = bool(getattr(stream, "_read_buffer_size", 0))
            if progress.phase == "idle" and started:
                progress.phase, progress.since = "first", now
            elif progress.phase == "idle" and progress.since < now - IDLE_SECONDS:
                stream.close()
            elif progress.phase == "first" and progress.since < now - HEADER_SECONDS:
                self._end(stream, started)
            elif progress.phase == "body" and progress.since < now - BODY_SECONDS:
                self._end(stream, not progress.is_answered)

    @staticmethod
    def _end(stream: Any, tell: bool) -> None:
        log.info("too_slow remote=%s", stream.socket and stream.socket.getpeername()[:1])
        if tell and not stream.closed():
            stream.write(_ANSWER).add_done_callback(lambda done: done.exception())
        stream.close()


class _Watched(HTTPMessageDelegate):
    """Notes the progress of one request, and who sent it, on the way to the application."""

    def __init__(
        self,
        inner: HTTPMessageDelegate,
        progress: _Progress,
        connection: HTTPConnection,
        proxies: list[Network],
    ) -> None:
        self._inner = inner
        self._progress = progress
        self._connection = connection
        self._proxies = proxies
        self._loop = asyncio.get_running_loop()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if self._proxies:
            self._see_through_proxy(headers)
        self._moved("body")
        if isinstance(start_line, RequestStartLine) and start_line.path[:1] not in "/*":
            start_line = start_line._replace(path=_without_origin(start_line.path))
        try:
            return self._inner.headers_received(start_line, headers)
        except HTTPInputError as error:
            self._refuse(str(error))
            return None

    def _refuse(self, reason: str) -> None:
        """Answer a request that cannot be read; what follows of it is of no interest."""
        detail = {"success": False, "detail": f"Invalid request: {reason}"}
        body = json.dumps(detail, separators=(",", ":")).encode()
        headers = HTTPHeaders({**_HEADERS, "Content-Length": str(len(body))})
        start = ResponseStartLine("HTTP/1.1", 400, "Bad Request")
        self._connection.write_headers(start, headers, body)
        self._connection.finish()
        self._inner = HTTPMessageDelegate()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._moved("body")
        wait = self._inner.data_received(chunk)
        return None if wait is None else self._taken(wait)

    async def _taken(self, wait: Awaitable[None]) -> None:
        """While the application does not take more, the client is not the slow one."""
        self._moved("held")
        await wait
        self._moved("body")

    def finish(self) -> None:
        self._moved("done")
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._moved("done")
        self._inner.on_connection_close()

    def _moved(self, phase: str) -> None:
        self._progress.phase = phase
        self._progress.since = self._loop.time()

    def _see_through_proxy(self, headers: HTTPHeaders) -> None:
        context: Any = self._connection.context  # type: ignore[attr-defined]
        if not hasattr(context, "peer"):
            context.peer, context.peer_protocol = context.remote_ip, context.protocol
        context.remote_ip, context.protocol = context.peer, context.peer_protocol
        if not _is_in(context.peer, self._proxies):
            return
        forwarded = headers.get_list("X-Forwarded-For")
        for item in reversed(",".join(forwarded).split(",")):
            address = item.strip()
            try:
                ip_address(address)
            except ValueError:
                break
            context.remote_ip = address
            if not _is_in(address, self._proxies):
                break
        scheme = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            context.protocol = scheme


def _without_origin(uri: str) -> str:
    """The path of `http://host/path`, as proxies may send it (RFC 9112, 3.2.2)."""
    scheme, mark, rest = uri.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        return uri
    return "/" + rest.partition("/")[2]


def _is_in(address: str, networks: list[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
