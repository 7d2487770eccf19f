"""New connections are taken while there are file descriptors for them, a few at a time.

At the limit nothing is refused and nothing breaks: who is connected goes on, some descriptors stay
free for the store and for backups, and newcomers wait in the kernel's queue until somebody leaves.
"""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

AT_ONCE = 16
RESERVE = 32
PAUSE_SECONDS = 0.2
SAY_SECONDS = 60.0

Take = Callable[[socket.socket, Any], None]


class Acceptor:
    """Accepts on one listening socket and hands each connection on; calling it stops that."""

    def __init__(self, sock: socket.socket, take: Take) -> None:
        self._sock = sock
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._said = -SAY_SECONDS
        self._loop.add_reader(sock, self._accept)

    def __call__(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock)

    def _accept(self) -> None:
        """A few connections; others have their turn before the next."""
        for _ in range(AT_ONCE):
            try:
                if not self._has_room():
                    self._stand_back("no file descriptors are left")
                    return
                connection, address = self._sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                self._stand_back(error.strerror or str(error))
                return
            self._take(connection, address)

    def _has_room(self) -> bool:
        """Whether more descriptors than the reserve are free: the system gives the lowest."""
        free = os.dup(self._sock.fileno())
        os.close(free)
        return free + RESERVE < resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def _stand_back(self, reason: str) -> None:
        self._loop.remove_reader(self._sock)
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._go_on)
        now = self._loop.time()
        if now - self._said >= SAY_SECONDS:
            self._said = now
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            log.warning(
                "not_accepting reason=%r limit=%d hint='new connections wait; raise LimitNOFILE, "
                "or look in `hyphad status` for who has so many'",
                reason,
                limit,
            )

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock, self._accept)
