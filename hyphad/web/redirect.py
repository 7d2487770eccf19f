"""Plain HTTP beside https: every request is sent on to the same URL, encrypted."""

from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler, stream_request_body


@stream_request_body
class Redirect(RequestHandler):
    """Any method and any path. 307 keeps method and body, and no browser remembers it for good."""

    def initialize(self, port: int, public: str | None) -> None:
        self._port, self._public = port, public

    def set_default_headers(self) -> None:
        self.set_header("Server", "hyphad")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        target = secure_url(self.request, self._port, self._public)
        if target is None:
            self.set_status(400)
            self.finish("This port only sends on to https, and the request names no host.\n")
        else:
            self.redirect(target, status=307)

    def data_received(self, chunk: bytes) -> None:
        """What follows of the request is of no interest, and is kept nowhere."""


def secure_url(request: HTTPServerRequest, port: int, public: str | None) -> str | None:
    """Where the request should have gone: at the public URL's host, else at the one it names."""
    if public:
        place = urlsplit(public).netloc
    else:
        try:
            host = urlsplit(f"//{request.host}").hostname
        except ValueError:
            host = None
        if not host:
            return None
        host = f"[{host}]" if ":" in host else host
        place = host if port == 443 else f"{host}:{port}"
    path = request.uri if request.uri and request.uri.startswith("/") else "/"
    return f"https://{place}{path}"


def redirecting(port: int, public: str | None) -> Application:
    """`port` is that of https. A public URL that is not https says nothing about where to go."""
    known = public if public and public.startswith("https://") else None
    given = {"port": port, "public": known}
    return Application([(r".*", Redirect, given)], log_function=lambda handler: None)
