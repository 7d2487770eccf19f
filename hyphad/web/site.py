"""The Tornado application: every request passes the gate, then its body keeps within bounds."""

import logging
from collections.abc import Awaitable
from typing import Any

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application, RequestHandler, stream_request_body

from hyphad.auth.admission import SHORT_OF_MEMORY
from hyphad.auth.authenticate import Authenticator
from hyphad.web.base import DrainingHandler
from hyphad.web.failures import Failure
from hyphad.web.identity import give_token, tokens_in
from hyphad.web.limits import Gate
from hyphad.web.parts import Parts
from hyphad.web.request_id import request_id_of

access = logging.getLogger("hyphad.access")

_SECRETS = ("token", "access_token", "reconnection_token", "key", "secret", "password", "code")


@stream_request_body
class RefusalHandler(DrainingHandler):
    """Says why a request goes no further."""

    def initialize(self, **given: Any) -> None:
        super().initialize(**given)
        self._failure: Failure = given["failure"]

    async def prepare(self) -> None:
        await self.refuse(self._failure)

    def data_received(self, chunk: bytes) -> None:
        self.drop(chunk)

    def _end(self, *_: str) -> None:
        if not self._finished:
            self.finish()

    get = head = post = put = patch = delete = options = _end  # type: ignore[assignment]


class Site(Application):
    """Routes behind a gate. Handlers that stream bodies take longer ones than others do."""

    def __init__(
        self, routes: list[Any], gate: Gate, given: dict[str, Any], **settings: Any
    ) -> None:
        super().__init__(
            routes, log_function=self._finished, default_handler_args=given, **settings
        )
        self._gate = gate
        self._given = given
        self._parts: Parts = given["parts"]

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        inner = super().start_request(server_conn, request_conn)
        return _Prepared(inner, request_conn, self._parts.authenticator)

    def find_handler(  # type: ignore[override]
        self, request: HTTPServerRequest, **kwargs: Any
    ) -> HTTPMessageDelegate:
        failure = self._gate.refusal(request)
        if self._parts.admission.short_of_memory and not self._gate.is_spared(request):
            failure = Failure(503, SHORT_OF_MEMORY, headers={"Retry-After": "60"})
        if failure is not None:
            return self.refuse(request, failure)
        found: HTTPMessageDelegate = super().find_handler(request, **kwargs)
        turn = self._parts.turns.take(self._parts.identities.payer(request))
        return found if turn is None else _InTurn(found, turn)

    def get_handler_delegate(  # type: ignore[override]
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> HTTPMessageDelegate:
        inner: HTTPMessageDelegate = super().get_handler_delegate(
            request, target_class, target_kwargs, path_args, path_kwargs
        )
        headers = request.headers
        has_body = "Content-Length" in headers or "Transfer-Encoding" in headers
        if not has_body or target_class is RefusalHandler:
            return inner
        streams = getattr(target_class, "streams_body", False)
        bounds = self._parts.settings
        limit = bounds.max_body_bytes if streams else bounds.max_call_body_bytes
        limit = min(limit, getattr(target_class, "max_body", limit))
        length = headers.get("Content-Length", "")
        if length.isdigit() and int(length) > limit:
            return self.refuse(request, too_large(limit))
        return inner if streams else _Bounded(self, request, inner, limit)

    def refuse(self, request: HTTPServerRequest, failure: Failure) -> HTTPMessageDelegate:
        """A delegate that answers with a failure, whatever was asked for."""
        given = {**self._given, "failure": failure}
        return super().get_handler_delegate(request, RefusalHandler, given)

    def _finished(self, handler: RequestHandler) -> None:
        request, status = handler.request, handler.get_status()
        kind = getattr(handler, "kind", "other")
        self._parts.counts.answered(kind, status, request.request_time())
        if self._parts.settings.access_log:
            access.info(
                "request remote=%s method=%s uri=%s status=%d ms=%.1f request=%s",
                request.remote_ip,
                request.method,
                without_secrets(request),
                status,
                1000 * request.request_time(),
                request_id_of(request),
            )


class _Prepared(HTTPMessageDelegate):
    """Lets the operator's own token functions, which may be coroutines, have their say first.

    The token that `get_token` finds stands for what the request says itself (AUTH-89, AUTH-90).
    """

    def __init__(
        self, inner: HTTPMessageDelegate, connection: HTTPConnection, authenticator: Authenticator
    ) -> None:
        self._connection = connection
        self._authenticator = authenticator
        self._inner = inner
        self.data_received = inner.data_received  # type: ignore[method-assign]
        self.finish = inner.finish  # type: ignore[method-assign]
        self.on_connection_close = inner.on_connection_close  # type: ignore[method-assign]

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        hooks = self._authenticator.hooks
        if hooks.parse is None and hooks.get is None:
            return self._inner.headers_received(start_line, headers)
        return self._ask(start_line, headers)

    async def _ask(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        path = start_line.path if isinstance(start_line, RequestStartLine) else ""
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.get_all()]
        hooks = self._authenticator.hooks
        found = await hooks.extracted(pairs, path.partition("?")[2].encode())
        if found is not None:
            give_token(self._connection, found)
        for token in (found, *tokens_in(headers)):
            await self._authenticator.prepare(token)
        wait = self._inner.headers_received(start_line, headers)
        if wait is not None:
            await wait


class _InTurn(HTTPMessageDelegate):
    """A request that waits for its turn before anything is done about it."""

    def __init__(self, inner: HTTPMessageDelegate, turn: Awaitable[None]) -> None:
        self._inner = inner
        self._turn = turn
        self.data_received = inner.data_received  # type: ignore[method-assign]
        self.finish = inner.finish  # type: ignore[method-assign]
        self.on_connection_close = inner.on_connection_close  # type: ignore[method-assign]

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        await self._turn
        wait = self._inner.headers_received(start_line, headers)
        if wait is not None:
            await wait


class _Bounded(HTTPMessageDelegate):
    """A body that is gathered in memory, and refused once it is longer than it may be."""

    def __init__(
        self, site: Site, request: HTTPServerRequest, inner: HTTPMessageDelegate, limit: int
    ) -> None:
        self._site = site
        self._request = request
        self._inner = inner
        self._limit = limit
        self._size = 0

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._started = (start_line, headers)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        within = self._size <= self._limit
        self._size += len(chunk)
        if within and self._size > self._limit:
            self._inner.on_connection_close()
            self._inner = self._site.refuse(self._request, too_large(self._limit))
            return self._inner.headers_received(*self._started)
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()


def too_large(limit: int) -> Failure:
    return Failure(413, f"Request body too large: at most {limit} bytes are accepted here.")


def without_secrets(request: HTTPServerRequest) -> str:
    """The path and query as they may stand in a log (HTTP-101)."""
    query = "&".join(
        part if part.partition("=")[0].lower() not in _SECRETS else f"{part.partition('=')[0]}=***"
        for part in request.query.split("&")
        if part
    )
    return f"{request.path}?{query}" if query else request.path
