"""One client of a WebSocket, from its first frame to its end, whatever carries the socket.

The first frame says who it is (text, JSON); then come RPC frames (binary) and pings (text).
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from hyphad.auth.admission import ESTABLISH, Admission, Hello
from hyphad.core.errors import Fault, Refused, Unavailable
from hyphad.web.base import to_json
from hyphad.wire.link import Link, Transport

log = logging.getLogger(__name__)

HELLO_SECONDS = 5.0
TRY_AGAIN = 1013
MAX_TEXT = 1000
MAX_HELLO = 64 << 10
UNREADABLE = "Failed to decode authentication information"

Wait = asyncio.Future[None] | None


class Socket(Transport, Protocol):
    """A transport that knows its own end. `link` is set once the client is admitted."""

    link: Link | None
    closing: bool
    closed: bool


class Conversation:
    """The handshake, then frames to the router. Its methods are called by what owns the socket."""

    __slots__ = (
        "_admission",
        "_admitting",
        "_ended",
        "_hello_timer",
        "_origin",
        "_refreshing",
        "_remote",
        "link",
        "transport",
    )

    def __init__(
        self, admission: Admission, transport: Socket, remote: str, origin: str = ""
    ) -> None:
        self._admission = admission
        self._remote = remote
        self._origin = origin
        self._ended = False
        self._refreshing: asyncio.Task[None] | None = None
        self._admitting: asyncio.Task[None] | None = None
        self.transport = transport
        self.link: Link | None = None
        loop = asyncio.get_running_loop()
        self._hello_timer: asyncio.TimerHandle | None = loop.call_later(
            HELLO_SECONDS, self.refuse, "Authentication payload timeout", 1008
        )
        crowded = admission.arrive(remote)
        if crowded is not None:
            self.refuse(crowded, 1008)

    def on_text(self, text: str) -> Wait:
        """A text frame; returns what to wait for before reading on, if anything."""
        link = self.link
        if link is None:
            return self._on_hello(text)
        link.touch()
        if len(text) > MAX_TEXT:
            return None
        kind = _type_of(text)
        if kind == "ping":
            link.send_text('{"type":"pong"}')
        elif kind == "refresh_token" and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.ensure_future(self._refresh(link))
        return None

    async def _refresh(self, link: Link) -> None:
        try:
            token = await self._admission.reconnection_token(link)
        except Exception:
            log.exception("token_not_refreshed client=%s", link.address)
            return
        link.send_text(to_json({"type": "reconnection_token", "reconnection_token": token}))

    def on_binary(self, data: bytes) -> Wait:
        """A binary frame; returns what to wait for before reading on, if anything."""
        link = self.link
        if link is None:
            if self._admitting is not None:
                return asyncio.ensure_future(self._once_in(self._admitting, self.on_binary, data))
            if not self.transport.closing:
                self.refuse(UNREADABLE, 1008)
            return None
        link.touch()
        wait = self._admission.router.route(link, data)
        delay = link.over_rate()
        return _after(delay) if delay > 0 else wait

    def on_end(self, code: int | None) -> None:
        """The socket has closed, with the code of the client if it sent one."""
        self._cancel_timer()
        if not self._ended:
            self._ended = True
            self._admission.depart(self._remote)
        if self._admitting is not None:
            self._admitting.cancel()
        link, self.link = self.link, None
        if link is not None:
            self._admission.left(link, None if link.close_code is not None else code)

    def refuse(self, text: str, code: int) -> None:
        """Say why, then close: clients take this as final (WIRE-13)."""
        self._cancel_timer()
        log.info("refused remote=%s code=%d reason=%r", self._remote, code, text)
        self.transport.send_text(to_json({"type": "error", "message": text}))
        self.transport.close(code, cut_reason(text))

    # the handshake

    async def _once_in(
        self, admitting: asyncio.Task[None], handle: Callable[[Any], Wait], frame: str | bytes
    ) -> None:
        """Handle a frame from right behind the hello: clients that come back call before they are
        told that they are in, and such a call must not be lost."""
        await asyncio.wait({admitting})
        if self.link is None:
            return
        try:
            wait = handle(frame)
        except Exception:
            log.exception("frame_failed remote=%s", self._remote)
            return
        if wait is not None:
            await wait

    def _on_hello(self, text: str) -> Wait:
        if self._admitting is not None:
            return asyncio.ensure_future(self._once_in(self._admitting, self.on_text, text))
        if self.transport.closing:
            return None
        self._cancel_timer()
        try:
            if len(text) > MAX_HELLO:
                raise ValueError
            hello = Hello.read(json.loads(text))
        except (ValueError, RecursionError):
            self.refuse(UNREADABLE, 1008)
            return None
        except Refused as error:
            self.refuse(error.message, error.code)
            return None
        self._admitting = asyncio.ensure_future(self._admit(hello))
        return None

    async def _admit(self, hello: Hello) -> None:
        try:
            link = await self._admission.admit(hello, self.transport, self._remote, self._origin)
        except Refused as error:
            self.refuse(error.message, error.code)
            return
        except Unavailable as error:
            # Not in words before the close: clients take those as final (WIRE-13).
            self.transport.close(TRY_AGAIN, cut_reason(error.message))
            return
        except Exception:
            log.exception("handshake_failed remote=%s", self._remote)
            self.transport.close(1011, "Internal error")
            return
        finally:
            self._admitting = None
        self.link = link
        self.transport.link = link
        if self.transport.closed:
            self.on_end(None)
            return
        try:
            info = await self._admission.connection_info(link)
        except Fault as error:
            self.refuse(f"{ESTABLISH}{error.message}", 1008)
            return
        self.transport.send_text(to_json(info))

    def _cancel_timer(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None


def _after(seconds: float) -> "asyncio.Future[None]":
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, _set, future)
    return future


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def cut_reason(text: str) -> str:
    """A close reason within the 123 bytes that the protocol allows (WIRE-12)."""
    return text.encode()[:123].decode("utf-8", "ignore")


def _type_of(text: str) -> Any:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message.get("type") if isinstance(message, dict) else None
