"""Thousands of clients that only stay connected: what each costs, and what others wait meanwhile.

python tests/bench/idle.py [--connections 10000] [--join]

Every client is a visitor with a workspace of its own; with `--join` it has registered its built-in
service and subscribed to an event too, as hypha-rpc does. Resident memory is the server's alone:
what the kernel keeps for a socket is not in it.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from families.httpcalls import raw_provider, request
from rawpeer import RawPeer
from servers import HYPHAD, Lab, Target
from victims import Victims

KIB = 1 << 10
SECONDS = 5.0
GONE_SECONDS = 25.0  # within which nobody is expected back any more


def main() -> int:
    arguments = parser().parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="hyphad-idle-") as folder,
        Lab(Path(folder), None) as lab,
    ):
        target = lab.start(HYPHAD)
        with raw_provider(target) as (workspace, service_id):
            victims = Victims(target, request(target, workspace, service_id))
            report(target, victims, "none held")
            hold(target, victims, arguments.connections, arguments.join)
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description="Hold idle connections.")
    result.add_argument("--connections", type=int, default=10_000)
    result.add_argument("--join", action="store_true", help="as hypha-rpc clients, not bare ones")
    return result


def hold(target: Target, victims: Victims, count: int, join: bool) -> None:
    """Connect, measure, disconnect, and see what memory is left."""
    target.settle()
    before, start = target.rss(), time.perf_counter()
    idle = []
    for _ in range(count):
        peer = RawPeer(target)
        if join:
            peer.join()
        idle.append(peer)
    seconds = time.perf_counter() - start
    target.settle()
    each = (target.rss() - before) / count / KIB
    print(f"{count} connected in {seconds:.1f} s: {each:.1f} KiB each")
    report(target, victims, f"{count} held")
    with target.spent() as spent:
        time.sleep(SECONDS)
    print(f"CPU while nothing happens: {spent.cpu / spent.wall:.1%}")
    for peer in idle:
        peer.socket.sock.close()
    time.sleep(GONE_SECONDS)
    left = (target.rss() - before) / KIB / KIB
    print(f"{left:.1f} MiB more than before {GONE_SECONDS:.0f} s after they went")


def report(target: Target, victims: Victims, what: str) -> None:
    target.settle()
    for kind, times in victims.measure(SECONDS).items():
        cuts = statistics.quantiles(times, n=100)
        print(f"{kind} call, {what}: p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms")


if __name__ == "__main__":
    raise SystemExit(main())
