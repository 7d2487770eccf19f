"""A health check over a kept-alive connection."""

import statistics

from httpclient import storm
from measure import Effort, Family, Measure, Round
from servers import Target

CHECKS = 500


def run(target: Target, effort: Effort) -> Round:
    message = f"GET /health/liveness HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()
    storm(target.port, message, 20, 1)
    count = effort.times(CHECKS)
    with target.spent() as spent:
        times = storm(target.port, message, count, 1)
    return {"cpu": spent.cpu / count, "p50": statistics.median(times)}


FAMILY = Family(
    "health",
    (
        Measure("cpu", "health check: CPU", "ms", 1e3),
        Measure("p50", "health check: time", "ms", 1e3),
    ),
    run,
)
