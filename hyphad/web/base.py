"""What every HTTP answer has in common: CORS, the error body, the methods it allows.

Written once and inherited by all handlers (HTTP-32, HTTP-65, D-2).
"""

import json
import logging
from typing import Any

from tornado.web import HTTPError, RequestHandler

from hyphad.core.errors import Fault
from hyphad.web.parts import Parts

log = logging.getLogger(__name__)

METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
REQUEST_HEADERS = (
    "Accept, Accept-Encoding, Accept-Language, Authorization, Content-Encoding, Content-Language, "
    "Content-Type, Inference-Header-Content-Length, Last-Event-ID, Mcp-Protocol-Version, "
    "Mcp-Session-Id, Origin, Range, X-Requested-With"
)
EXPOSED_HEADERS = (
    "Accept-Encoding, Accept-Ranges, Content-Disposition, Content-Length, Content-Range, "
    "Content-Type, ETag, Inference-Header-Content-Length, Mcp-Session-Id, Origin, Range, "
    "Retry-After"
)


class BaseHandler(RequestHandler):
    """A handler with the parts of the daemon at hand."""

    parts: Parts

    def initialize(self, parts: Parts, **_: Any) -> None:
        self.parts = parts

    def set_default_headers(self) -> None:
        self.set_header("Server", "hyphad")
        self.set_header("X-Content-Type-Options", "nosniff")
        set_cors(self)

    def compute_etag(self) -> str | None:
        """Answers are not cached unless a handler says so: a call has side effects (HTTP-59)."""
        return None

    def head(self, *args: str, **kwargs: str) -> Any:
        """HEAD wherever GET is (HTTP-32)."""
        return self.get(*args, **kwargs)

    def options(self, *_: str, **__: str) -> None:
        """A preflight needs no credential and no routing."""
        preflight(self)

    def reply(self, value: Any, status: int = 200) -> None:
        """JSON as the platform writes it: compact, UTF-8, no charset parameter (HTTP-1)."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One JSON body for every error; nothing of the inside gets out (HTTP-56, AUTH-124)."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        set_cors(self)
        if status_code == 405:
            self.set_header("Allow", allowed_methods(self))
        if isinstance(error, HTTPError) and error.log_message:
            detail = error.log_message % error.args if error.args else error.log_message
        else:
            detail = self._reason
        self.reply({"success": False, "detail": detail}, status_code)

    def _handle_request_exception(self, e: BaseException) -> None:
        if isinstance(e, Fault) and not self._finished and not self._headers_written:
            self.reply({"success": False, "detail": e.rpc_text}, e.status)
            return
        super()._handle_request_exception(e)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A traceback only for a fault of ours."""
        if not isinstance(value, HTTPError):
            log.error(
                "request_failed method=%s path=%s",
                self.request.method,
                self.request.path,
                exc_info=(typ, value, tb),
            )


class NotFoundHandler(BaseHandler):
    """Whatever no route knows."""

    def prepare(self) -> None:
        if self.request.method != "OPTIONS":
            path = self.request.path.lstrip("/")
            self.reply({"success": False, "detail": f"File not found: {path[:200]}"}, 404)


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def allowed_methods(handler: RequestHandler) -> str:
    names = ["GET", "HEAD", "POST", "DELETE", "PATCH", "PUT"]
    own = [n for n in names if _implements(handler, n.lower())]
    if "GET" not in own and "HEAD" in own:
        own.remove("HEAD")
    return ", ".join([*own, "OPTIONS"])


def _implements(handler: RequestHandler, name: str) -> bool:
    return getattr(type(handler), name) is not getattr(RequestHandler, name)


def set_cors(handler: RequestHandler) -> None:
    """Any origin may read answers; credentials only for configured origins (D-2)."""
    settings = handler.application.settings
    origin = handler.request.headers.get("Origin")
    allowed: list[str] = settings.get("allow_origins", ["*"])
    if origin is not None and origin in allowed:
        handler.set_header("Access-Control-Allow-Origin", origin)
        handler.set_header("Access-Control-Allow-Credentials", "true")
    elif "*" in allowed:
        handler.set_header("Access-Control-Allow-Origin", "*")
    if allowed != ["*"]:
        handler.set_header("Vary", "Origin")
    handler.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)


def preflight(handler: RequestHandler) -> None:
    handler.set_header("Access-Control-Allow-Methods", METHODS)
    handler.set_header("Access-Control-Allow-Headers", REQUEST_HEADERS)
    handler.set_header("Access-Control-Max-Age", "600")
    handler.set_header("Content-Type", "text/plain; charset=utf-8")
    handler.finish("OK")
