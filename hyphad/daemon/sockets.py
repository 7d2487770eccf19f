"""Where clients come in: the address, the certificate, and the socket of `hyphad status`."""

import asyncio
import contextlib
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application

from hyphad import systemd
from hyphad.config import Settings
from hyphad.core.quota import Quota
from hyphad.daemon.errors import StartFailed
from hyphad.web.redirect import redirecting
from hyphad.web.server import Server

log = logging.getLogger(__name__)


class Sockets:
    """`bind()` early, `listen(...)` when all is ready, then `stop()` and `close()`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bound: list[socket.socket] = []
        self._plain: list[socket.socket] = []
        self._http: HTTPServer | None = None
        self._local: HTTPServer | None = None
        self._redirect: HTTPServer | None = None
        self.port = settings.port
        self.tls: ssl.SSLContext | None = None

    def bind(self) -> None:
        """Take the address now, so that a conflict shows at once."""
        given = systemd.listen_fds()
        self._bound = given or self._addresses(self._settings.port)
        self.port = self._bound[0].getsockname()[1]
        if self._settings.http_redirect_port:
            self._plain = self._addresses(self._settings.http_redirect_port)

    def _addresses(self, port: int) -> list[socket.socket]:
        settings = self._settings
        try:
            found = socket.getaddrinfo(
                settings.host or None,
                port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
            return [_bound(family, address) for family, _, _, _, address in dict.fromkeys(found)]
        except OSError as error:
            raise StartFailed(
                f"Cannot listen on {settings.host} port {port}: {error.strerror or error}. "
                f"Stop what uses it, or choose another with "
                f"{'--port' if port == settings.port else '--http-redirect-port'}."
            ) from None

    def load_certificate(self) -> None:
        """For new connections; those that exist keep theirs."""
        settings = self._settings
        if settings.tls_cert is None:
            return
        context = self.tls or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise StartFailed(
                f"The certificate {settings.tls_cert} or its key {settings.tls_key} cannot be "
                f"used: {error.strerror or error}. `hyphad cert` makes a pair."
            ) from None
        self.tls = context

    def listen(self, application: Application, addresses: Quota) -> None:
        """`addresses` counts the connections of each."""
        for sock in self._bound:
            sock.listen(self._settings.backlog)
        self._http = Server(
            application,
            ssl_options=self.tls,
            trusted_proxies=self._settings.trusted_proxies,
            addresses=addresses,
        )
        self._http.add_sockets(self._bound)
        if self._plain:
            self._send_on(addresses)

    def _send_on(self, addresses: Quota) -> None:
        """Answer plain HTTP with where https is; who sends bodies or dawdles is cut off."""
        for sock in self._plain:
            sock.listen(self._settings.backlog)
        self._redirect = Server(
            redirecting(self.port, self._settings.public_base_url),
            trusted_proxies=[],
            addresses=addresses,
        )
        self._redirect.add_sockets(self._plain)

    def listen_locally(self, file: Path, application: Application) -> None:
        """A socket for `hyphad status`; a daemon without it is a daemon all the same."""
        try:
            self._local = HTTPServer(application)
            self._local.add_socket(bind_unix_socket(str(file), 0o600))
        except OSError as error:
            log.warning("no_status_socket file=%s reason=%r", file, error.strerror or str(error))

    def stop(self) -> None:
        """No new connections."""
        for server in (self._http, self._redirect, self._local):
            if server is not None:
                server.stop()

    async def close(self) -> None:
        """End the connections that are left."""
        for server in filter(None, (self._http, self._redirect)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await server.close_all_connections()


def _bound(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
