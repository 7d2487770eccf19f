"""What every HTTP answer has in common: who asks, CORS, the error body, the methods it allows.

Written once and inherited by all handlers (HTTP-32, HTTP-56, HTTP-65).
"""

import asyncio
import gzip
import json
import logging
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from tornado.web import HTTPError, RequestHandler

from hyphad.core.errors import Fault
from hyphad.core.records import Caller
from hyphad.web.cors import preflight, set_cors
from hyphad.web.failures import Failure, Refusal, failure_of
from hyphad.web.identity import COOKIE, Identity, origin_of
from hyphad.web.parts import Parts
from hyphad.web.request_id import HEADER, request_id_of

log = logging.getLogger(__name__)

WORTH_COMPRESSING = 1000
COMPRESS_ASIDE = 1 << 20
COMPRESSION_LEVEL = 4
LINGER_BYTES = 16 << 20
_EXPIRED: dict[str, Any] = {"max-age": "0"}


class BaseHandler(RequestHandler):
    """A handler with the parts of the daemon at hand.

    `kind` is the family of requests that the metrics count it in.
    """

    kind = "other"
    parts: Parts

    def initialize(self, **given: Any) -> None:
        self.parts = given["parts"]

    def set_default_headers(self) -> None:
        self.set_header("Server", "hyphad")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header(HEADER, request_id_of(self.request))
        set_cors(self)

    @cached_property
    def identity(self) -> Identity:
        """Who asks. Raises `Unauthenticated`, `Denied`; a cookie that has expired is cleared."""
        identity = self.parts.identities.of(self.request)
        if identity.stale_cookie:
            self.set_cookie(COOKIE, "", path="/", **_EXPIRED)
            if self.request.method not in ("GET", "HEAD", "OPTIONS") and self._sends_json():
                raise Refusal(401, identity.stale_cookie, bare=True)
        return identity

    def caller(self, workspace: str) -> Caller:
        """On whose behalf a URL of that workspace is called (HTTP-51)."""
        request = self.request
        found = self.parts.identities.enter(self.identity, workspace)
        return replace(
            found,
            remote=str(request.remote_ip),
            origin=origin_of(request),
            request=request_id_of(request),
        )

    def compute_etag(self) -> str | None:
        """Answers are not cached unless a handler says so: a call has side effects (HTTP-59)."""
        return None

    def head(self, *args: str, **kwargs: str) -> Any:
        """HEAD wherever GET is (HTTP-32)."""
        return self.get(*args, **kwargs)

    def options(self, *_: str, **__: str) -> None:
        """A preflight needs no credential and no routing."""
        if not preflight(self):
            raise HTTPError(405)

    def reply(self, value: Any, status: int = 200) -> None:
        """JSON as the platform writes it: compact, UTF-8, no charset parameter (HTTP-1)."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.send(to_json(value).encode())

    def send(self, body: bytes) -> None:
        """Finish with a body, compressed if it is long and the client takes that (HTTP-66)."""
        if len(body) >= WORTH_COMPRESSING:
            self.add_header("Vary", "Accept-Encoding")
            if takes_gzip(self):
                self.set_header("Content-Encoding", "gzip")
                body = gzip.compress(body, COMPRESSION_LEVEL, mtime=0)
        self.finish(body)

    async def send_long(self, body: bytes) -> None:
        """As `send`; what takes long to compress does not hold up others."""
        if len(body) < COMPRESS_ASIDE or not takes_gzip(self):
            self.send(body)
            return
        self.add_header("Vary", "Accept-Encoding")
        self.set_header("Content-Encoding", "gzip")
        self.finish(await asyncio.to_thread(gzip.compress, body, 1))

    def fail(self, failure: Failure, finish: bool = True) -> None:
        """The one error body (HTTP-57)."""
        set_cors(self)
        for name, text in failure.headers.items():
            self.set_header(name, text)
        self.set_status(failure.status)
        self.set_header("Content-Type", "application/json")
        self.write(to_json(failure.body()))
        if finish:
            self.finish()

    def failure(self, error: BaseException) -> Failure:
        """How this error is answered; handlers may add what they know."""
        return failure_of(error, self.parts.settings.expose_detailed_errors)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors that Tornado raises; nothing of the inside gets out (AUTH-124)."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if status_code == 405:
            headers = {"Allow": allowed_methods(self)}
            self.fail(Failure(405, "Method Not Allowed", bare=True, headers=headers))
            return
        detail = self._reason
        if isinstance(error, HTTPError) and error.log_message:
            detail = error.log_message % error.args if error.args else error.log_message
        elif error is not None and not isinstance(error, HTTPError):
            detail = failure_of(error).detail
        self.fail(Failure(status_code, detail))

    def _handle_request_exception(self, e: BaseException) -> None:
        if isinstance(e, Fault) and not self._finished and not self._headers_written:
            self.clear()
            self.fail(self.failure(e))
            return
        super()._handle_request_exception(e)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A traceback only for a fault of ours."""
        if not isinstance(value, HTTPError | Fault):
            log.error(
                "request_failed method=%s path=%s request=%s",
                self.request.method,
                self.request.path,
                request_id_of(self.request),
                exc_info=(typ, value, tb),
            )

    def _sends_json(self) -> bool:
        return media_type(self.request.headers.get("Content-Type", "")) == "application/json"


class DrainingHandler(BaseHandler):
    """A handler that sees bodies come in, and may turn a request down before the body is there.

    What the client is still sending is then read and dropped for a while: a connection that is
    closed at once takes the answer with it.
    """

    streams_body = True
    _dropped = 0

    async def refuse(self, failure: Failure) -> None:
        """Answer now; the request is over when its body is, or has been long enough."""
        headers = self.request.headers
        empty = "Transfer-Encoding" not in headers and headers.get("Content-Length", "0") == "0"
        if empty or "Expect" in headers:
            self.fail(failure)
            return
        self.set_header("Connection", "close")
        self.fail(failure, finish=False)
        await self.flush()

    def drop(self, chunk: bytes) -> None:
        self._dropped += len(chunk)
        if self._dropped > LINGER_BYTES and not self._finished:
            self.finish()


class NotFoundHandler(BaseHandler):
    """Whatever no route knows; below a workspace the rest of the path is told (HTTP-88)."""

    def prepare(self) -> None:
        if self.request.method != "OPTIONS":
            path = unquote(self.request.path).removeprefix(self.parts.settings.base_path)
            first, _, rest = path.lstrip("/").partition("/")
            named = rest if rest and "-" in first else path.lstrip("/")
            raise Refusal(404, f"File not found: {named[:200]}")


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def media_type(content_type: str) -> str:
    """The media type alone, in lower case (HTTP-44)."""
    return content_type.partition(";")[0].strip().lower()


def takes_gzip(handler: RequestHandler) -> bool:
    accepted = handler.request.headers.get("Accept-Encoding", "").lower()
    for item in accepted.split(","):
        name, _, quality = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0")
    return False


def allowed_methods(handler: RequestHandler) -> str:
    names = ["GET", "HEAD", "POST", "DELETE", "PATCH", "PUT"]
    own = [n for n in names if _implements(handler, n.lower())]
    if "GET" not in own and "HEAD" in own:
        own.remove("HEAD")
    return ", ".join([*own, "OPTIONS"])


def _implements(handler: RequestHandler, name: str) -> bool:
    return getattr(type(handler), name) is not getattr(RequestHandler, name)
