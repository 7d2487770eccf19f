"""Messages that arrive in chunks, kept per sender until they are whole (WIRE-75, WIRE-76, D-16).

Small chunks are charged for the memory that keeping them takes, not for their bytes alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hyphad.core.errors import BadCall, QuotaExceeded, TimedOut

CHUNK = 262_144
MIN_COST = 256
MAX_KEY = 256
WHOLE = CHUNK + 1024
MAX_KEYS = 256
IDLE_SECONDS = 60.0


@dataclass(slots=True)
class _Partial:
    touched: float
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Account:
    """Bytes that the server holds for clients, bounded per client and in all.

    Something that is longer than a bound may pass alone.
    """

    def __init__(self, per_client: int, total: int) -> None:
        self._per_client = per_client
        self._total = total
        self._held: dict[str, int] = {}
        self.size = 0

    def take(self, client: str, size: int) -> bool:
        """Whether there is room; if so, it is taken until `give`."""
        held = self._held.get(client, 0)
        if held and held + size > self._per_client:
            return False
        if self.size and self.size + size > self._total:
            return False
        self._held[client] = held + size
        self.size += size
        return True

    def give(self, client: str, size: int) -> None:
        self.size -= size
        self._held[client] -= size
        if not self._held[client]:
            del self._held[client]


class ChunkStore:
    """What every sender has sent so far. Bounds are in bytes: per sender and in all.

    `answers` counts what goes the other way: long answers that clients have not taken yet.
    """

    def __init__(
        self, per_sender: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._per_sender = per_sender
        self._total = total
        self._partials: dict[str, dict[str, _Partial]] = {}
        self._sizes: dict[str, int] = {}
        self.answers = Account(per_sender, total)
        self._next_sweep = 0.0
        self.size = 0

    def create(self, sender: str, key: str) -> None:
        """Start a message; an unfinished one of that key is begun anew."""
        if not isinstance(key, str) or len(key) > MAX_KEY:
            raise BadCall(
                f"message_cache: the key must be a string of at most {MAX_KEY} characters"
            )
        self.sweep()
        self.remove(sender, key)
        mine = self._partials.setdefault(sender, {})
        if len(mine) >= MAX_KEYS:
            raise QuotaExceeded(f"Too many unfinished messages: at most {MAX_KEYS} per client")
        mine[key] = _Partial(self._clock())

    def put(self, sender: str, key: str, index: int | None, data: bytes) -> None:
        """Add a chunk at `index`, or at the end where it is None."""
        partial = self._find(sender, key)
        if not isinstance(data, bytes) or not isinstance(index, int | None):
            raise BadCall("message_cache: a chunk is an index and bytes")
        at = len(partial.parts) if index is None else index
        known = partial.parts.get(at)
        grown = _cost(data) - (0 if known is None else _cost(known))
        if self._sizes.get(sender, 0) + grown > self._per_sender or self.size + grown > self._total:
            self.remove(sender, key)
            raise QuotaExceeded(
                f"Message too large for the server: at most {self._per_sender} bytes per client "
                "may be unfinished. Call the other client directly, or send less at a time."
            )
        partial.parts[at] = data
        partial.touched = self._clock()
        self._grow(sender, partial, grown)

    def take(self, sender: str, key: str) -> bytes:
        """The whole message, which is then forgotten. Raises `BadCall` where a chunk is missing."""
        partial = self._find(sender, key)
        count = len(partial.parts)
        if set(partial.parts) != set(range(count)):
            self.remove(sender, key)
            raise BadCall(f"Message with key {key} is incomplete.")
        data = b"".join(partial.parts[index] for index in range(count))
        self.remove(sender, key)
        return data

    def remove(self, sender: str, key: str) -> None:
        mine = self._partials.get(sender, {})
        partial = mine.pop(key, None)
        if partial is not None:
            self._grow(sender, partial, -partial.size)
        if not mine:
            self._partials.pop(sender, None)
            self._sizes.pop(sender, None)

    def drop(self, sender: str) -> None:
        """The sender has gone."""
        for key in list(self._partials.get(sender, ())):
            self.remove(sender, key)

    def sweep(self) -> None:
        """Drop what has not grown for a minute (D-16); looks at most once a second."""
        now = self._clock()
        if now < self._next_sweep:
            return
        self._next_sweep = now + 1.0
        oldest = now - IDLE_SECONDS
        for sender, mine in list(self._partials.items()):
            for key, partial in list(mine.items()):
                if partial.touched < oldest:
                    self.remove(sender, key)

    def _find(self, sender: str, key: str) -> _Partial:
        partial = self._partials.get(sender, {}).get(key)
        if partial is None:
            raise TimedOut(f"Message with key {key} does not exists.")
        return partial

    def _grow(self, sender: str, partial: _Partial, amount: int) -> None:
        partial.size += amount
        self.size += amount
        self._sizes[sender] = self._sizes.get(sender, 0) + amount


def _cost(data: bytes) -> int:
    return max(len(data), MIN_COST)
