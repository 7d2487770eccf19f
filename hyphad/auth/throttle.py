"""Guessing gets slower with every failure, by account and by address, and nobody is locked out.

    with throttle.attempt("account:ann@lab.org", "address:10.0.0.7") as attempt:
        if await passwords.verify(...):
            attempt.succeeded()

After five failures the next attempt must wait 1 s, then 2, 4 ... 300 (AUTH-106). An attempt counts
as failed from its start, so that a hundred at once are not free. Counters survive a restart and are
forgotten after an hour of peace.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from hyphad.core.errors import QuotaExceeded

FREE = 5
MAX_DELAY = 300.0
PEACE = 3600.0
MAX_KEYS = 20_000


class TooMany(QuotaExceeded):
    """Wait before the next attempt; `seconds` is how long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"Too many attempts. Try again in {self.seconds} seconds.")

    @property
    def rpc_text(self) -> str:
        return self.message


class Table(Protocol):
    """Where counters are kept; written behind."""

    def all(self) -> list[tuple[str, int, float]]: ...

    def save(self, key: str, failures: int, last: float) -> None: ...

    def remove(self, keys: list[str]) -> None: ...


class Attempt:
    """One attempt under way."""

    done = False

    def succeeded(self) -> None:
        self.done = True


class Throttle:
    """Failures by key. `clock` gives unix seconds."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {
            key: (count, last) for key, count, last in table.all()
        }

    @contextmanager
    def attempt(self, *keys: str, spare: int = 1) -> Iterator[Attempt]:
        """Count an attempt against each key; raises `TooMany` before its time has come.

        A success clears the first `spare` keys, those of the account. The others, which it shares
        with strangers, only take this attempt back.
        """
        self.check(*keys)
        for key in keys:
            self._count(key, 1)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            if attempt.done:
                self.forget(*keys[:spare])
                for key in keys[spare:]:
                    self._count(key, -1)

    def count(self, *keys: str) -> None:
        """Something that may not be done often, or a failure that was no attempt under way."""
        for key in keys:
            self._count(key, 1)

    def check(self, *keys: str) -> None:
        """Raises `TooMany` while one of the keys has to wait."""
        wait = self.wait(*keys)
        if wait > 0:
            raise TooMany(wait)

    def wait(self, *keys: str) -> float:
        """Seconds until the next attempt may be made; none if that is not positive."""
        return max((self._wait(key) for key in keys), default=0.0)

    def forget(self, *keys: str) -> None:
        known = [key for key in keys if self._failures.pop(key, None) is not None]
        if known:
            self._table.remove(known)

    def purge(self) -> None:
        """Forget who has been quiet for long enough."""
        oldest = self._clock() - PEACE
        self.forget(*[key for key, (_, last) in self._failures.items() if last < oldest])

    def _wait(self, key: str) -> float:
        count, last = self._failures.get(key, (0, 0.0))
        now = self._clock()
        # A clock that was set back must not make anybody wait for longer than the longest delay.
        if count < FREE or last > now + MAX_DELAY or last < now - PEACE:
            return 0.0
        return min(MAX_DELAY, 2.0 ** min(count - FREE, 20)) - (now - last)

    def _count(self, key: str, change: int) -> None:
        count, last = self._failures.get(key, (0, 0.0))
        now = self._clock()
        if last < now - PEACE:
            count = 0
        count = max(0, count + change)
        if count == 0:
            self.forget(key)
            return
        self._failures.pop(key, None)
        while len(self._failures) >= MAX_KEYS:
            self.forget(next(iter(self._failures)))
        self._failures[key] = (count, now if change > 0 else last)
        self._table.save(key, *self._failures[key])


def address_key(address: str) -> str:
    """One key for what one person usually has: an IPv4 address, a /64 of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return f"address:{address}"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return f"address:{found.ipv4_mapped}"
        return f"address:{IPv6Address(int(found) >> 64 << 64)}/64"
    return f"address:{found}"
