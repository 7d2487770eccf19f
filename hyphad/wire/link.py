"""One connected client, whatever its transport.

A `Link` knows who is on the other side (fixed at the handshake), sends frames to it, counts what
the transport has not taken yet, and tells senders to wait when that grows (WIRE-27). What
identifies the client in every header is packed once, when the link is made (WIRE-41).
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hyphad.core.records import Caller
from hyphad.wire import frame

log = logging.getLogger(__name__)

HIGH_WATER = 4 << 20
FIRST_FRAME_WAIT = 5.0
MAX_OPEN_CALLS = 10_000
MAX_SESSION = 256
MAX_REASON = 123


class Transport(Protocol):
    """What carries a link's frames. `queued` is in bytes not yet taken by the kernel."""

    @property
    def queued(self) -> int: ...

    def send_bytes(self, *parts: frame.Buffer) -> None: ...

    def send_text(self, text: str) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class FlowLimits:
    """Bounds of one connection: frames a second and in a burst, bytes queued, seconds congested."""

    rate: float = 5000.0
    burst: float = 10_000.0
    queue: int = 64 << 20
    slow_after: float = 30.0


class Link:
    """A live connection of `caller`; a `parked` one has lost its stream and may come back."""

    __slots__ = (
        "_drained",
        "_held",
        "_held_size",
        "_high",
        "_last_refill",
        "_on_slow",
        "_slow_timer",
        "_tokens",
        "address",
        "alive",
        "caller",
        "close_code",
        "frames_in",
        "frames_out",
        "last_seen",
        "limits",
        "loop",
        "only_logs_in",
        "open_calls",
        "opened",
        "parked",
        "remote",
        "resumed",
        "roomy",
        "stamp",
        "subscriptions",
        "transport",
        "waited",
        "workspace",
    )

    def __init__(
        self,
        caller: Caller,
        transport: Transport,
        limits: FlowLimits,
        on_slow: Callable[["Link"], None] | None = None,
        resumed: bool = False,
        remote: str = "",
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.caller = caller
        self.address = caller.address
        self.workspace = caller.workspace
        self.transport = transport
        self.limits = limits
        self.alive = True
        self.only_logs_in = caller.user.only_logs_in
        self.parked = False
        self.resumed = resumed
        self.remote = remote
        self.close_code: int | None = None
        self.opened = self.last_seen = self.loop.time()
        self.subscriptions: set[str] = set()
        self.open_calls: dict[tuple[str, str], None] | None = None
        self.frames_in = self.frames_out = 0
        self.waited = False
        self.roomy = False
        self.stamp = frame.pairs({"ws": self.workspace, "user": caller.user.to_dict()})
        self._high = min(HIGH_WATER, limits.queue)
        self._held: list[bytes] | None = []
        self._held_size = 0
        self._drained: asyncio.Future[None] | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._on_slow = on_slow
        self._tokens = limits.burst
        self._last_refill = self.opened
        self.loop.call_later(FIRST_FRAME_WAIT, self.release)

    # sending

    def send(self, *parts: frame.Buffer) -> None:
        """Queue one frame; nothing happens on a link that has ended or ends (WIRE-133)."""
        if not self.alive or self.close_code is not None:
            return
        if self._held is not None:
            self._hold(b"".join(parts))
            return
        self.frames_out += 1
        self.transport.send_bytes(*parts)
        queued = self.transport.queued
        if queued > self._high:
            self._congested(queued)

    def send_text(self, text: str) -> None:
        if self.alive and self.close_code is None:
            self.transport.send_text(text)

    def _hold(self, data: bytes) -> None:
        """Keep a frame for a client that has not spoken yet, within what flow control allows."""
        assert self._held is not None
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > self._high:
            self.release()

    def release(self) -> None:
        """Let the frames go that waited for the client's first one (D-25)."""
        held, self._held = self._held, None
        for data in held or ():
            self.send(data)

    def close(self, code: int, reason: str) -> None:
        """End the connection, once; the reason is cut to what the protocol allows (WIRE-12)."""
        if self.alive and self.close_code is None:
            self.close_code = code
            self.transport.close(code, reason.encode()[:MAX_REASON].decode(errors="ignore"))

    def refuse(self, text: str, code: int) -> None:
        """Tell the client why, then end the connection (WIRE-24)."""
        self.send_text(json.dumps({"type": "error", "message": text}))
        self.close(code, text)

    # flow control

    @property
    def drained(self) -> "asyncio.Future[None] | None":
        """None, or what senders wait for before they may send more to this link."""
        return self._drained

    def on_drain(self) -> None:
        """The transport has taken what was queued; called by the transport."""
        if self._drained is not None and self.transport.queued <= self._high // 2:
            self._relieve()

    def _congested(self, queued: int) -> None:
        if self._drained is None:
            self._drained = self.loop.create_future()
            self._slow_timer = self.loop.call_later(self.limits.slow_after, self.give_up)
        if queued > self.limits.queue:
            self.give_up()

    def _relieve(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        waiting, self._drained = self._drained, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def give_up(self) -> None:
        """Close the connection of a client that does not take what is sent to it."""
        if self.close_code is not None:
            return
        log.warning(
            "slow_consumer client=%s queued=%d user=%s",
            self.address,
            self.transport.queued,
            self.caller.user.id,
        )
        if self._on_slow is not None:
            self._on_slow(self)
        self.close(1001, "Slow consumer")

    def over_rate(self) -> float:
        """Seconds to wait before reading on, 0.0 while within the message rate (WIRE-21, D-23).

        To be asked once for each frame, after `touch`.
        """
        rate = self.limits.rate
        if rate <= 0:
            return 0.0
        now = self.last_seen
        filled = self._tokens + (now - self._last_refill) * rate
        self._tokens = min(self.limits.burst, filled) - 1.0
        self._last_refill = now
        return max(0.0, -self._tokens / rate)

    # life

    def touch(self) -> None:
        """A frame came in."""
        self.last_seen = self.loop.time()
        self.frames_in += 1
        if self._held is not None:
            self.release()

    def end(self) -> None:
        """The connection is gone; senders stop waiting for it."""
        self.alive = False
        self._held = None
        self._relieve()

    def note_call(self, caller: str, session: str) -> None:
        """Remember a call from another workspace: its caller is told if this link goes (WIRE-55).

        A session of over 256 characters is nobody's random id and is not worth its memory.
        """
        if len(session) > MAX_SESSION:
            return
        if self.open_calls is None:
            self.open_calls = {}
        elif len(self.open_calls) >= MAX_OPEN_CALLS:
            del self.open_calls[next(iter(self.open_calls))]
        self.open_calls[(caller, session)] = None

    def forget_call(self, caller: str, session: str) -> None:
        if self.open_calls is not None:
            self.open_calls.pop((caller, session), None)
