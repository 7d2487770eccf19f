"""Calls the server has made and whose answers are awaited."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hyphad.core.errors import PeerGone, RemoteError, TimedOut
from hyphad.core.names import random_key
from hyphad.wire import values


@dataclass(slots=True)
class Pending:
    """One open call: whom it went to (`target`, a full id) and the future of its answer."""

    session: str
    target: str
    future: asyncio.Future[Any]
    timeout: float
    timer: asyncio.TimerHandle | None = None


class PendingCalls:
    """Open calls by session. Only the peer that was called may answer (WIRE-46)."""

    def __init__(self) -> None:
        self._calls: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def open(self, target: str, timeout: float, request: str = "") -> Pending:
        """A new call with a session of its own; `timeout` seconds without a sign of life end it.

        The session begins with `request`, the id of the HTTP request that makes the call.
        """
        loop = asyncio.get_running_loop()
        session = f"{request}-{random_key()}" if request else random_key()
        call = Pending(session, target, loop.create_future(), timeout)
        self._calls[call.session] = call
        call.timer = loop.call_later(timeout, self._expire, call)
        call.future.add_done_callback(lambda _: self._forget(call))
        return call

    def answer(self, sender: str, session: str, verb: str, args: list[Any]) -> bool:
        """Take a `resolve`, `reject` or `heartbeat`; False if it is for no open call of ours."""
        call = self._calls.get(session)
        if call is None or call.target != sender or call.future.done():
            return False
        value = args[0] if args else None
        if verb == "resolve":
            call.future.set_result(value)
        elif verb == "reject":
            call.future.set_exception(RemoteError(*values.error_text(value)))
        elif verb == "heartbeat":
            self._restart(call)
        else:
            return False
        return True

    def touch(self, session: str) -> bool:
        """A chunk of the answer has arrived; False if the call is over."""
        call = self._calls.get(session)
        if call is None:
            return False
        self._restart(call)
        return True

    def fail(self, sender: str, session: str, error: Exception) -> None:
        """The answer of `sender` cannot be taken; of no effect for a call that is not open."""
        call = self._calls.get(session)
        if call is not None and call.target == sender and not call.future.done():
            call.future.set_exception(error)

    def peer_gone(self, address: str) -> None:
        """Fail every call to a peer that has left (WIRE-56)."""
        for call in [c for c in self._calls.values() if c.target == address]:
            if not call.future.done():
                call.future.set_exception(PeerGone(f"Client disconnected: {address}"))

    def _restart(self, call: Pending) -> None:
        if call.timer is not None:
            call.timer.cancel()
        call.timer = asyncio.get_running_loop().call_later(call.timeout, self._expire, call)

    def _expire(self, call: Pending) -> None:
        if not call.future.done():
            text = f"No answer from {call.target} within {call.timeout:g} seconds"
            call.future.set_exception(TimedOut(text))

    def _forget(self, call: Pending) -> None:
        self._calls.pop(call.session, None)
        if call.timer is not None:
            call.timer.cancel()
