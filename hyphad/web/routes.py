"""Every URL in one table."""

from typing import Any

from tornado.web import Application, StaticFileHandler

from hyphad.web.base import NotFoundHandler
from hyphad.web.console import console_routes
from hyphad.web.health import health_routes
from hyphad.web.pages import folder
from hyphad.web.parts import Parts
from hyphad.web.websocket import WebSocketEndpoint


def application(parts: Parts) -> Application:
    """The Tornado application; `base_path` stands before every route."""
    settings = parts.settings
    given = {"parts": parts}
    table: list[tuple[Any, ...]] = [
        (r"/ws", WebSocketEndpoint, given),
        *((path, handler, given) for path, handler in health_routes()),
        (r"/static/(.*)", StaticFileHandler, {"path": str(folder("static"))}),
        *((path, handler, given) for path, handler in console_routes()),
    ]
    base = settings.base_path
    return Application(
        [(base + route[0], *route[1:]) for route in table],
        default_handler_class=NotFoundHandler,
        default_handler_args=given,
        allow_origins=settings.allow_origins,
        websocket_max_message_size=settings.max_frame_bytes,
        log_function=lambda handler: None,
    )
