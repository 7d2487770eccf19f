"""One HTTP request to a service of type `asgi`: bodies stream both ways, a piece at a time.

The provider's `serve` gets the scope and two functions of ours, good for this request only.
`receive()` hands out the next piece of the body, and only then is more read from the socket;
`send()` returns when its piece has been written. So neither side can fill our memory (HTTP-70 to
HTTP-76).
"""

import asyncio
import logging
from typing import Any

from tornado.httputil import HTTPOutputError
from tornado.iostream import StreamClosedError

from hyphad.core.errors import BadCall, Fault, PeerGone
from hyphad.core.records import Caller, Service
from hyphad.web.failures import Refusal
from hyphad.web.responder import AppResponder

log = logging.getLogger(__name__)

LEAVE_SECONDS = 10.0
START, BODY = "http.response.start", "http.response.body"
DISCONNECT = {"type": "http.disconnect"}


class AsgiCall:
    """The life of one request. `take` and `end` feed it the body, `reader_gone` ends it."""

    def __init__(
        self,
        handler: AppResponder,
        caller: Caller,
        service: Service,
        scope: dict[str, Any],
        limit: int,
    ) -> None:
        self._handler = handler
        self._caller = caller
        self._service = service
        self._scope = scope
        self._limit = limit
        self._upload = Upload()
        self._received = 0
        self._begun = self._complete = self._gone = False
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Call the application; its answer may begin before the body has arrived."""
        self._task = asyncio.ensure_future(self._run())

    def take(self, chunk: bytes) -> "asyncio.Future[None] | None":
        """A piece of the body; returns what to wait for before reading on."""
        self._received += len(chunk)
        if self._received > self._limit:
            self._refuse_body()
            return None
        return self._upload.put(chunk)

    async def end(self) -> None:
        """The body is whole; wait until the application has answered."""
        self._upload.finish()
        if self._task is not None:
            await self._task

    def reader_gone(self) -> None:
        """The client has left: tell the application, and give it a while to stop."""
        self._gone = True
        self._upload.close()
        if self._task is not None and not self._task.done():
            asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._task.cancel)

    async def _run(self) -> None:
        error: Exception | None = None
        try:
            await self._serve()
        except asyncio.CancelledError:
            return
        except Exception as caught:
            error = caught
        finally:
            self._upload.close()
        self._settle(error)

    async def _serve(self) -> None:
        parts, service = self._handler.parts, self._service
        function = await parts.gateway.function(service, ["serve"])
        if function is None:
            raise Refusal(500, f"The service {service.id} has no function serve")
        if function.local is not None:
            asgi = {"scope": self._scope, "receive": self._receive, "send": self._send}
            await parts.gateway.invoke(self._caller, service, function, [asgi], {})
            return
        with parts.deputy.lend(service.client, self._caller, self._receive, self._send) as lent:
            asgi = {"scope": self._scope, "receive": lent[0], "send": lent[1]}
            await parts.gateway.invoke(self._caller, service, function, [asgi], {})

    def _settle(self, error: Exception | None) -> None:
        """The application has ended: the answer is whole, or never began, or is cut off."""
        handler = self._handler
        if self._complete or self._gone or self._failed:
            return
        if self._begun and handler.has_written:
            reason = handler.failure(error).detail if error is not None else "ended early"
            log.info("app_cut_off service=%s reason=%r", self._service.id, reason)
            handler.abort()
            return
        handler.clear()
        if error is None:
            error = Refusal(502, "The application ended without an answer")
        if not isinstance(error, Fault):
            log.error("app_failed service=%s", self._service.id, exc_info=error)
        handler.fail(handler.failure(error))

    def _refuse_body(self) -> None:
        if not self._begun and not self._failed:
            self._failed = True
            text = f"Request body too large: at most {self._limit} bytes are accepted here."
            self._handler.clear()
            self._handler.fail(Refusal(413, text).failure)
        elif not self._failed:
            self._handler.abort()
        self._failed = True
        self._upload.close()

    # what the application calls

    async def _receive(self) -> dict[str, Any]:
        """The next piece of the request; waits for the client to leave after the last one."""
        return await self._upload.get()

    async def _send(self, message: Any) -> None:
        """A part of the answer; returns when it has been written."""
        if self._gone or self._failed:
            raise PeerGone("The client has disconnected")
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == START and not self._begun:
            self._begin(message)
        elif kind == BODY and self._begun and not self._complete:
            await self._write(message)
        else:
            raise BadCall(f"Unexpected ASGI message: {str(kind)[:100]}")

    def _begin(self, message: dict[str, Any]) -> None:
        status = message.get("status")
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise BadCall("http.response.start needs a status from 200 to 599")
        pairs = [(_text(name), _text(value)) for name, value in message.get("headers") or ()]
        try:
            self._handler.begin(status, pairs, trusted=False)
        except ValueError as error:
            raise BadCall(f"Invalid header: {error}") from None
        self._begun = True

    async def _write(self, message: dict[str, Any]) -> None:
        handler = self._handler
        body = as_bytes(message.get("body"))
        last = not message.get("more_body")
        if handler.request.method == "HEAD" or handler.get_status() in (204, 304):
            body = b""
        try:
            if last:
                self._complete = True
                handler.finish(body or None)
                return
            if body:
                handler.write(body)
            await handler.flush()
        except StreamClosedError:
            self._gone = True
            raise PeerGone("The client has disconnected") from None
        except HTTPOutputError as error:
            self._failed = True
            handler.abort()
            raise BadCall(str(error)) from None


class Upload:
    """The body on its way to the application: one piece at most, and the wish for the next."""

    def __init__(self) -> None:
        self._piece: bytes | None = None
        self._finished = self._told = self._closed = False
        self._taken: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()

    def put(self, chunk: bytes) -> "asyncio.Future[None] | None":
        """Hold a piece; the future resolves when the application has taken it."""
        if self._closed:
            return None
        self._piece = chunk
        self._taken = asyncio.get_running_loop().create_future()
        self._changed.set()
        return self._taken

    def finish(self) -> None:
        """There is no more."""
        self._finished = True
        self._changed.set()

    def close(self) -> None:
        """The client has gone or the application has ended: nobody waits any longer."""
        self._closed = True
        self._piece = None
        self._release()
        self._changed.set()

    async def get(self) -> dict[str, Any]:
        """The next ASGI message."""
        while True:
            if self._closed:
                return DISCONNECT
            if self._piece is not None:
                piece, self._piece = self._piece, None
                self._release()
                return {"type": "http.request", "body": piece, "more_body": True}
            if self._finished and not self._told:
                self._told = True
                return {"type": "http.request", "body": b"", "more_body": False}
            self._changed.clear()
            await self._changed.wait()

    def _release(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None and not taken.done():
            taken.set_result(None)


def as_bytes(body: Any) -> bytes:
    """A body of the forms that clients send: bytes, text, or a typed array."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, dict) and isinstance(body.get("_rvalue"), bytes):
        body = body["_rvalue"]
    if not isinstance(body, bytes | bytearray | memoryview):
        raise BadCall(f"A body must be bytes, not {type(body).__name__}")
    return bytes(body)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
