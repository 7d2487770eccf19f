"""Pages of other origins: what they may read and send (HTTP-65, D-2, AUTH-87).

Any page may call and read, without the visitor's cookie: `Access-Control-Allow-Origin: *`. Only
origins that `allow_origins` names may send credentials, and where the list has no `*`, only they
may read.
"""

from tornado.web import RequestHandler

METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
REQUEST_HEADERS = (
    "Accept, Accept-Encoding, Accept-Language, Access-Control-Allow-Headers, "
    "Access-Control-Request-Headers, Access-Control-Request-Method, Authorization, Cache-Control, "
    "Content-Encoding, Content-Language, Content-Type, If-None-Match, "
    "Inference-Header-Content-Length, Last-Event-ID, Mcp-Protocol-Version, Mcp-Session-Id, Origin, "
    "Range, X-Request-Id, X-Requested-With"
)
EXPOSED_HEADERS = (
    "Accept-Encoding, Accept-Ranges, Content-Disposition, Content-Length, Content-Range, "
    "Content-Type, ETag, Inference-Header-Content-Length, Mcp-Session-Id, Origin, Range, "
    "Retry-After, X-Request-Id"
)
_ALLOWED = {name.strip().lower() for name in REQUEST_HEADERS.split(",")}


def set_cors(handler: RequestHandler) -> None:
    """The headers that let pages of other origins read this answer."""
    allowed: list[str] = handler.application.settings.get("allow_origins", ["*"])
    origin = handler.request.headers.get("Origin")
    if origin is not None and origin in allowed:
        handler.set_header("Access-Control-Allow-Origin", origin)
        handler.set_header("Access-Control-Allow-Credentials", "true")
    elif "*" in allowed:
        handler.set_header("Access-Control-Allow-Origin", "*")
    if allowed != ["*"]:
        handler.set_header("Vary", "Origin")
    if origin is not None:
        handler.set_header("Access-Control-Expose-Headers", EXPOSED_HEADERS)


def preflight(handler: RequestHandler) -> bool:
    """Answer what a browser asks before the real request; False where this is no such question."""
    headers = handler.request.headers
    origin = headers.get("Origin")
    if origin is None or "Access-Control-Request-Method" not in headers:
        return False
    wanted = headers.get("Access-Control-Request-Headers", "").lower().split(",")
    refused = {name.strip() for name in wanted if name.strip()} - _ALLOWED
    allowed: list[str] = handler.application.settings.get("allow_origins", ["*"])
    text = "OK"
    if "*" not in allowed and origin not in allowed:
        text = "Disallowed CORS origin"
    elif refused:
        text = "Disallowed CORS headers"
    handler.set_status(200 if text == "OK" else 400)
    handler.set_header("Access-Control-Allow-Methods", METHODS)
    handler.set_header("Access-Control-Allow-Headers", REQUEST_HEADERS)
    handler.set_header("Access-Control-Max-Age", "600")
    handler.set_header("Content-Type", "text/plain; charset=utf-8")
    handler.finish(text)
    return True
