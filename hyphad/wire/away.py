"""Peers that are away but expected back: their calls are held for a grace time (D-26, WIRE-53).

A peer is expected when its socket broke without a goodbye, or when the daemon has just restarted
and knew it. What is held goes out when the peer returns, or comes back as a rejection when the
grace time is over; nothing is dropped in silence.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MAX_HELD_BYTES = 8 << 20
MAX_HELD_IN_ALL = 64 << 20


@dataclass(slots=True)
class HeldCall:
    """A frame that waits for its target: what to send, whom to tell if it cannot be."""

    data: bytes
    sender: str
    method: str
    session: str | None


@dataclass(slots=True)
class Absent:
    """One peer that is away: the services it had, what waits for it, and who waits for it."""

    address: str
    user_id: str
    services: set[str]
    subscriptions: set[str]
    timer: asyncio.TimerHandle
    calls: list[HeldCall] = field(default_factory=list)
    size: int = 0
    returned: list[asyncio.Future[None]] = field(default_factory=list)


class Away:
    """The peers that are expected back. `give_up(absent)` is called when the grace time ends."""

    def __init__(self, grace: float, give_up: Callable[[Absent], None]) -> None:
        self.grace = grace
        self._give_up = give_up
        self._absent: dict[str, Absent] = {}
        self.held = 0

    @property
    def expected(self) -> int:
        """How many peers are expected back."""
        return len(self._absent)

    def __contains__(self, address: str) -> bool:
        return address in self._absent

    def expect(
        self,
        address: str,
        user_id: str,
        services: Iterable[str] = (),
        subscriptions: Iterable[str] = (),
    ) -> None:
        """From now on, for the grace time, hold what is sent to this peer."""
        if self.grace <= 0:
            return
        known = self._absent.get(address)
        if known is not None:
            known.timer.cancel()
        timer = asyncio.get_running_loop().call_later(self.grace, self._expire, address)
        absent = Absent(address, user_id, set(services), set(subscriptions), timer)
        if known is not None:
            absent.calls, absent.size, absent.returned = known.calls, known.size, known.returned
        self._absent[address] = absent

    def get(self, address: str) -> Absent | None:
        return self._absent.get(address)

    def hold(self, address: str, call: HeldCall) -> bool:
        """Keep a frame for an absent peer; False if it is not expected or too much is kept."""
        absent, size = self._absent.get(address), len(call.data)
        if absent is None or absent.size + size > MAX_HELD_BYTES:
            return False
        if self.held + size > MAX_HELD_IN_ALL:
            return False
        absent.calls.append(call)
        absent.size += size
        self.held += size
        return True

    def back(self, address: str) -> tuple[list[HeldCall], set[str]]:
        """The peer has returned with its state: hands over its calls and its subscriptions.

        Its services are still expected, each until it is registered again.
        """
        absent = self._absent.get(address)
        if absent is None:
            return [], set()
        calls = absent.calls
        self._keep(absent, [])
        return calls, absent.subscriptions

    def registered(self, address: str, service: str) -> list[HeldCall]:
        """A service of a returned peer is there again: the calls that waited for it."""
        absent = self._absent.get(address)
        if absent is None:
            return []
        absent.services.discard(service)
        prefix = f"services.{service}."
        ready = [call for call in absent.calls if call.method.startswith(prefix)]
        self._keep(absent, [c for c in absent.calls if not c.method.startswith(prefix)])
        self._wake(absent)
        return ready

    def forget(self, address: str) -> None:
        """The peer said goodbye: nobody waits for it any longer."""
        absent = self._absent.get(address)
        if absent is not None:
            absent.timer.cancel()
            self._expire(address)

    def providers(self, workspace: str, client_id: str, name: str) -> list[Absent]:
        """Absent peers that had a service of that name; `*` is any client."""
        return [
            absent
            for absent in self._absent.values()
            if name in absent.services
            and absent.address.startswith(workspace + "/")
            and client_id in ("*", absent.address.rpartition("/")[2])
        ]

    def changed(self, absent: Absent) -> "asyncio.Future[None]":
        """Resolves when the peer registers a service again, or is given up."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        absent.returned.append(future)
        return future

    def clear(self) -> list[tuple[str, HeldCall]]:
        """Expect nobody any longer; what was held, with its target (shutdown)."""
        absent, self._absent, self.held = list(self._absent.values()), {}, 0
        for peer in absent:
            peer.timer.cancel()
            self._wake(peer)
        return [(peer.address, call) for peer in absent for call in peer.calls]

    def _expire(self, address: str) -> None:
        absent = self._absent.pop(address, None)
        if absent is not None:
            self.held -= absent.size
            self._wake(absent)
            self._give_up(absent)

    def _keep(self, absent: Absent, calls: list[HeldCall]) -> None:
        size = sum(len(call.data) for call in calls)
        self.held += size - absent.size
        absent.calls, absent.size = calls, size

    @staticmethod
    def _wake(absent: Absent) -> None:
        waiting, absent.returned = absent.returned, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
