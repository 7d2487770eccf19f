"""Resident memory: of the server at rest, and of each client that only stays connected."""

from measure import Effort, Family, Measure, Round
from rawpeer import RawPeer
from servers import Target

CONNECTIONS = 1000
MIB = 1 / (1 << 20)


def run(target: Target, effort: Effort) -> Round:
    target.settle()
    rest = target.rss()
    count = max(200, effort.times(CONNECTIONS))
    warm = [RawPeer(target) for _ in range(20)]
    target.settle()
    before = target.rss()
    idle = [RawPeer(target) for _ in range(count)]
    target.settle()
    connected = target.rss()
    for peer in idle:
        peer.join()
    target.settle()
    joined = target.rss()
    for peer in warm + idle:
        peer.socket.sock.close()
    return {
        "first": target.first_rss,
        "rest": rest,
        "idle": (connected - before) / count,
        "joined": (joined - before) / count,
    }


FAMILY = Family(
    "memory",
    (
        Measure("first", "memory at rest, first start", "MiB", MIB, limit=45),
        Measure("rest", "memory at rest, later starts", "MiB", MIB, limit=45, goal=0.35),
        Measure("idle", "memory per idle connection", "KiB", 1 / 1024, limit=25),
        Measure("joined", "memory per idle client (built-in service, one event)", "KiB", 1 / 1024),
    ),
    run,
    fresh=True,
)
