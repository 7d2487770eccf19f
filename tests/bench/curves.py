"""How costs grow: with connected clients, payload, services, and subscribers of an event.

Each curve takes one server at a time through growing sizes, from a client process of its own.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chart import chart
from families.relay import Pair
from rawpeer import RawPeer, pack
from rawsocket import client_frame, pump
from servers import FLOOR, Lab, Target, raise_file_limit
from table import HYPHAD_FIRST, number, table

Points = dict[str, list[tuple[float, float]]]
Walk = Iterator[tuple[str, int, float]]  # the chart, the size, the value
CURVE_SECONDS = 1800
PER_WORKSPACE, OF_LEAVER = 10, 1000  # services


@dataclass(frozen=True, slots=True)
class Series:
    """One chart: a value over a size."""

    key: str
    title: str
    size: str
    unit: str
    scale: float


@dataclass(frozen=True, slots=True)
class Curve:
    name: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    series: tuple[Series, ...]
    walk: Callable[[Target, tuple[int, ...]], Walk]
    floor: bool = False


@dataclass(slots=True)
class Drawn:
    """The points of one chart, by server."""

    series: Series
    lines: dict[str, list[tuple[float, float]]]


def draw(lab: Lab, quick: bool) -> list[Drawn]:
    """All curves; one on which a server fails ends where it did."""
    result = []
    for curve in CURVES:
        drawn = {series.key: Drawn(series, {}) for series in curve.series}
        for kind in [*lab.kinds, FLOOR] if curve.floor else lab.kinds:
            sizes = curve.quick if quick else curve.sizes
            points, failure = _in_process(lab.start(kind), curve, sizes)
            if failure:
                print(f"{curve.name} fails on {kind}: {failure}", file=sys.stderr)
            lab.stop_all()
            for key, line in points.items():
                scale = drawn[key].series.scale
                drawn[key].lines[kind] = [(size, value * scale) for size, value in line]
        result += [chart for chart in drawn.values() if chart.lines]
    return result


def _in_process(target: Target, curve: Curve, sizes: tuple[int, ...]) -> tuple[Points, str]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, raise_file_limit) as pool:
        return pool.submit(_walked, curve.walk, target, sizes).result(CURVE_SECONDS)


def _walked(
    walk: Callable[[Target, tuple[int, ...]], Walk], target: Target, sizes: tuple[int, ...]
) -> tuple[Points, str]:
    """The points, and what ended the walk if it was not its end."""
    points: Points = {}
    try:
        for key, size, value in walk(target, sizes):
            points.setdefault(key, []).append((size, value))
    except Exception as error:
        return points, f"{type(error).__name__}: {error}"
    return points, ""


def tables(drawn: list[Drawn]) -> str:
    """The points as text."""
    return "\n".join(f"{_title(item)}\n\n{_table(item)}\n" for item in drawn)


def charts(drawn: list[Drawn], report: Path) -> str:
    """Markdown with a chart for each; the SVG files lie beside the report."""
    text = ""
    for item in drawn:
        name = f"{report.stem}-{item.series.key.replace(' ', '-')}.svg"
        title = _title(item)
        report.with_name(name).write_text(chart(title, item.series.size, item.lines))
        text += f"\n## {title}\n\n![{title}]({name})\n\n{_table(item)}\n"
    return text


def _title(item: Drawn) -> str:
    return f"{item.series.title} ({item.series.unit})"


def _table(item: Drawn) -> str:
    kinds = [kind for kind in HYPHAD_FIRST if kind in item.lines]
    columns = {kind: dict(item.lines[kind]) for kind in kinds}
    sizes = sorted({size for line in item.lines.values() for size, _ in line})
    rows = [(f"{size:.0f}", *(number(columns[kind].get(size)) for kind in kinds)) for size in sizes]
    return table((item.series.size, *kinds), rows)


# the walks


def clients(target: Target, sizes: tuple[int, ...]) -> Walk:
    """Two clients talk while others are connected, each in a workspace of its own."""
    idle: list[RawPeer] = []
    pair = Pair(target)
    frame = pair.there(128)
    for size in sizes:
        more = size - len(idle)
        with target.spent() as spent:
            for _ in range(more):
                idle.append(RawPeer(target))
                if len(idle) % 100 == 0:
                    for peer in idle:
                        peer.socket.answer_pings()
        yield "clients-connect", size, spent.cpu / more
        target.settle()
        with target.spent() as spent:
            pump(pair.left, pair.right, frame, 5000, 256)
        yield "clients-cpu", size, spent.cpu / 5000
        yield "clients-turn", size, pair.turns(128, 500)


def payload(target: Target, sizes: tuple[int, ...]) -> Walk:
    """Frames of growing size between two clients."""
    pair = Pair(target)
    for size in sizes:
        frame = pair.there(size)
        window = min(256, max(2, (2 << 20) // size))
        count = max(window * 4, min(10_000, (256 << 20) // size))
        pump(pair.left, pair.right, frame, window, window)
        with target.spent() as spent:
            pump(pair.left, pair.right, frame, count, window)
        yield "payload-cpu", size, spent.cpu / count
        turns = 300 if size < 1 << 17 else 30
        pair.turns(size, 10)
        yield "payload-turn", size, pair.turns(size, turns)


def services(target: Target, sizes: tuple[int, ...]) -> Walk:
    """Services in ever more workspaces, ten in each, and what one more does there.

    A client that has a thousand of its own comes and leaves at each size.
    """
    owners: list[RawPeer] = []
    probe = RawPeer(target)
    probe.join()
    asked = probe.register("asked", "echo")
    for size in sizes:
        target.settle()
        more = size - len(owners) * PER_WORKSPACE
        fresh = [RawPeer(target) for _ in range(more // PER_WORKSPACE)]
        owners += fresh
        target.settle()
        connected = target.rss()
        with target.spent() as spent:
            for owner in fresh:
                for one in range(PER_WORKSPACE):
                    owner.register(f"service-{one}", "one", "two", "three")
        yield "services-register", size, spent.cpu / more
        yield "services-memory", size, (target.rss() - connected) / more
        for peer in (probe, *owners):
            peer.socket.answer_pings()
        with target.spent() as spent:
            for _ in range(50):
                probe.call("services.default.get_service_info", asked)
        yield "services-get", size, spent.cpu / 50
        with target.spent() as spent:
            for _ in range(10):
                owners[0].call("services.default.list_services")
        yield "services-page", size, spent.cpu / 10
        yield "services-leave", size, min(_leaves(target) for _ in range(3))


def _leaves(target: Target) -> float:
    """CPU seconds of a client's going, which takes many services with it."""
    leaver = RawPeer(target)
    for one in range(OF_LEAVER):
        leaver.register(f"service-{one}", "one")
    target.settle()
    with target.spent(settle=True) as spent:
        leaver.close()
    return spent.cpu


def subscribers(target: Target, sizes: tuple[int, ...]) -> Walk:
    """An event for a whole workspace: CPU of one event, and until the last one has it."""
    sender = RawPeer(target)
    sender.join()
    token = sender.call("services.default.generate_token")
    event = {"type": "bench-event", "to": "*", "from": sender.address, "data": {"value": "x" * 64}}
    frame = client_frame(pack(event))
    peers: list[RawPeer] = []
    for size in sizes:
        while len(peers) < size:
            peer = RawPeer(target, sender.workspace, token)
            peer.call("services.default.subscribe", ["bench-event"])
            peers.append(peer)
        target.settle()
        count = max(3, 3000 // size)
        start = time.perf_counter()
        with target.spent() as spent:
            for _ in range(count):
                sender.socket.sock.sendall(frame)
                for peer in peers:
                    peer.socket.receive()
        yield "events-cpu", size, spent.cpu / count
        yield "events-time", size, (time.perf_counter() - start) / count


US = 1e6
CURVES = (
    Curve(
        "clients",
        (10, 100, 500, 1000, 2000, 5000),
        (10, 100),
        (
            Series(
                "clients-cpu",
                "A relayed frame while others are connected: CPU",
                "clients",
                "us",
                US,
            ),
            Series(
                "clients-turn", "There and back while others are connected", "clients", "us", US
            ),
            Series("clients-connect", "One more client connects: CPU", "clients", "us", US),
        ),
        clients,
    ),
    Curve(
        "payload",
        (128, 1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 15 << 20),
        (128, 64 << 10),
        (
            Series(
                "payload-cpu", "A relayed frame of growing size, pipelined: CPU", "bytes", "us", US
            ),
            Series("payload-turn", "There and back with growing size", "bytes", "us", US),
        ),
        payload,
        floor=True,
    ),
    Curve(
        "services",
        (100, 1000, 3000, 10_000),
        (100, 500),
        (
            Series(
                "services-register", "One more service is registered: CPU", "services", "us", US
            ),
            Series("services-get", "One service is looked up: CPU", "services", "us", US),
            Series("services-page", "A workspace's services are listed: CPU", "services", "us", US),
            Series(
                "services-leave", "A client with 1000 services leaves: CPU", "services", "ms", 1e3
            ),
            Series("services-memory", "Memory of a service", "services", "KiB", 1 / 1024),
        ),
        services,
    ),
    Curve(
        "subscribers",
        (1, 10, 100, 500, 1000),
        (1, 10),
        (
            Series("events-cpu", "One event to all subscribers: CPU", "subscribers", "us", US),
            Series(
                "events-time", "One event until the last subscriber has it", "subscribers", "us", US
            ),
        ),
        subscribers,
    ),
)
