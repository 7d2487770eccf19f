"""What HTTP counts while it happens: requests, calls, and how long they took."""

from bisect import bisect_left
from collections import Counter
from typing import Any

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ENDLESS = ("stream", "rpc", "events")

Samples = list[tuple[str, dict[str, str], float]]


class Histogram:
    """Durations in buckets, in seconds."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        self._buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def samples(self, name: str, labels: dict[str, str]) -> Samples:
        """Its lines in the text format of Prometheus: running sums, then sum and count."""
        lines: Samples = []
        count = 0
        for bound, hits in zip((*map(str, BOUNDS), "+Inf"), self._buckets, strict=True):
            count += hits
            lines.append((f"{name}_bucket", {**labels, "le": bound}, float(count)))
        lines.append((f"{name}_sum", labels, self.total))
        lines.append((f"{name}_count", labels, float(count)))
        return lines


class Counts:
    """Requests by kind and class of status, calls by outcome."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.calls: Counter[str] = Counter()
        self.events = 0
        self.call_seconds = Histogram()

    def answered(self, kind: str, status: int, seconds: float) -> None:
        """A request has its answer. How long a stream was open is nobody's latency."""
        self.requests[(kind, f"{status // 100}xx")] += 1
        if kind not in ENDLESS:
            histogram = self.seconds.get(kind)
            if histogram is None:
                histogram = self.seconds[kind] = Histogram()
            histogram.add(seconds)

    def happened(self, workspace: str, kind: str, data: Any) -> None:
        """An event of a workspace."""
        self.events += 1

    def called(self, outcome: str, seconds: float) -> None:
        """A service has answered a call, or failed to."""
        self.calls[outcome] += 1
        self.call_seconds.add(seconds)
