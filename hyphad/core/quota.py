"""How many things each user, or each address, may have at the same time.

A limit of 0 is none. Where several clients look like one address, as those on this very machine or
behind a proxy on it do, there is room for a hundred times as many.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

from hyphad.core.errors import QuotaExceeded
from hyphad.core.records import Caller

LOOPBACK_FACTOR = 100
TOO_MANY_CALLS = "Too many calls of yours are running; wait for some of them."


class Quota:
    """Counts by key, each up to `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, key: str) -> int:
        return self._counts.get(key, 0)

    def has_room(self, key: str, factor: int = 1) -> bool:
        return self.limit <= 0 or self.count(key) < self.limit * factor

    def take(self, key: str) -> None:
        """One more; to ask first is up to the caller."""
        self._counts[key] = self.count(key) + 1

    def give(self, key: str) -> None:
        """One less."""
        left = self.count(key) - 1
        if left > 0:
            self._counts[key] = left
        else:
            self._counts.pop(key, None)


class Calls(Quota):
    """Calls under way, by who pays for them."""

    def check(self, caller: Caller) -> None:
        """Raises `QuotaExceeded`."""
        if not self.has_room(payer(caller)):
            raise QuotaExceeded(TOO_MANY_CALLS)

    @contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """One call, for as long as the block runs. Raises `QuotaExceeded`."""
        self.check(caller)
        key = payer(caller)
        self.take(key)
        try:
            yield
        finally:
            self.give(key)


def payer(caller: Caller) -> str:
    """Whom a call counts for: its user (AUTH-2), or for visitors the address they come from."""
    if caller.user.is_anonymous and caller.remote:
        return f"address {address_key(caller.remote)}"
    return f"user {caller.user.effective_id}"


def address_key(remote: str) -> str:
    """One key for what one customer usually has: an IPv4 address, an IPv6 /64."""
    if ":" not in remote:
        return remote
    try:
        return str(IPv6Address(remote).exploded[:19])
    except ValueError:
        return remote


def is_loopback(remote: str) -> bool:
    return remote.startswith("127.") or remote == "::1"


def address_factor(remote: str) -> int:
    """How many customers an address may stand for."""
    return LOOPBACK_FACTOR if is_loopback(remote) else 1
