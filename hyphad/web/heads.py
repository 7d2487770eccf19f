"""The heads of requests: bounded in bytes and lines, and told so where they are longer (D-19).

Tornado ends a connection whose head is too long without a word, takes any number of lines, and
looks through all that has come of a head with each packet. Here a long head is answered with 431,
and what the client is still sending is dropped for a while: a connection that is closed at once
takes the answer with it.
"""

import asyncio
import contextlib
import os
import re
import socket
import weakref
from functools import partial
from typing import Any

from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError

MAX_BYTES = 128 << 10
MAX_LINES = 500
LINGER_SECONDS = 5.0
LINGER_BYTES = 16 << 20

# Ends where Tornado's own pattern does, but begins with a byte that can be searched for: a client
# that sends its head in a thousand packets does not cost a thousand slow searches.
_END: Any = re.compile(rb"\n\r?\n")
_DETAIL = (
    b'{"success":false,"detail":"Request header too large: at most %d bytes in %d lines are'
    b' accepted here."}'
) % (MAX_BYTES, MAX_LINES)
_ANSWER = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: %d\r\n\r\n%s"
) % (len(_DETAIL), _DETAIL)


class Heads:
    """Bounds the heads of all requests of the connections it is shown."""

    def __init__(self) -> None:
        self._ending: set[asyncio.Task[None]] = set()

    def bound(self, stream: IOStream) -> None:
        """Bound the heads on a connection that has just been accepted."""
        methods: Any = stream
        methods.read_until_regex = partial(self._read, weakref.ref(stream))

    async def _read(
        self, known: "weakref.ref[IOStream]", _: bytes, max_bytes: int | None = None
    ) -> bytes:
        stream: Any = known()
        stream.close = partial(self._close, stream)  # until the head is there
        try:
            data: bytes = await IOStream.read_until_regex(stream, _END, max_bytes)
            if data.count(b"\n") > MAX_LINES:
                stream.close(UnsatisfiableReadError("too many lines"))
                raise StreamClosedError
        finally:
            stream.__dict__.pop("close", None)
        return data

    def _close(self, stream: IOStream, exc_info: Any = False) -> None:
        """Close the stream; where that is for a head that is too long, say so."""
        if isinstance(exc_info, UnsatisfiableReadError) and not stream.closed():
            with contextlib.suppress(OSError):
                stream.socket.send(_ANSWER)
                rest = socket.socket(fileno=os.dup(stream.socket.fileno()))
                task = asyncio.get_running_loop().create_task(_linger(rest))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        IOStream.close(stream, exc_info)


async def _linger(rest: socket.socket) -> None:
    """Drop what is still coming, until the client has seen the answer and closes."""
    loop, left = asyncio.get_running_loop(), LINGER_BYTES
    with rest, contextlib.suppress(OSError, TimeoutError):
        rest.setblocking(False)
        rest.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (data := await loop.sock_recv(rest, 1 << 16)):
                left -= len(data)
