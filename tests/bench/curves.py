"""How costs grow: with connected clients, payload, services, and subscribers of an event.

Each curve takes one server at a time through growing sizes, from a client process of its own.
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
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
CURVE_SECONDS = 1800


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
    walk: Callable[[Target, tuple[int, ...]], Points]
    floor: bool = False


@dataclass(slots=True)
class Drawn:
    """The points of one chart, by server."""

    series: Series
    lines: dict[str, list[tuple[float, float]]]


def draw(lab: Lab, quick: bool) -> list[Drawn]:
    """All curves; a server that fails at one is missing there."""
    result = []
    for curve in CURVES:
        drawn = {series.key: Drawn(series, {}) for series in curve.series}
        for kind in [*lab.kinds, FLOOR] if curve.floor else lab.kinds:
            sizes = curve.quick if quick else curve.sizes
            try:
                points = _walk(lab.start(kind), curve, sizes)
            except Exception as error:
                points = {}
                print(
                    f"{curve.name} fails on {kind}: {type(error).__name__}: {error}",
                    file=sys.stderr,
                )
            lab.stop_all()
            for key, line in points.items():
                scale = drawn[key].series.scale
                drawn[key].lines[kind] = [(size, value * scale) for size, value in line]
        result += [chart for chart in drawn.values() if chart.lines]
    return result


def _walk(target: Target, curve: Curve, sizes: tuple[int, ...]) -> Points:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, raise_file_limit) as pool:
        return pool.submit(curve.walk, target, sizes).result(CURVE_SECONDS)


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


def clients(target: Target, sizes: tuple[int, ...]) -> Points:
    """Two clients talk while others are connected, each in a workspace of its own."""
    points: Points = {"clients-cpu": [], "clients-turn": [], "clients-connect": []}
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
        points["clients-connect"].append((size, spent.cpu / more))
        target.settle()
        with target.spent() as spent:
            pump(pair.left, pair.right, frame, 5000, 256)
        points["clients-cpu"].append((size, spent.cpu / 5000))
        points["clients-turn"].append((size, pair.turns(128, 500)))
    return points


def payload(target: Target, sizes: tuple[int, ...]) -> Points:
    """Frames of growing size between two clients."""
    points: Points = {"payload-cpu": [], "payload-turn": []}
    pair = Pair(target)
    for size in sizes:
        frame = pair.there(size)
        window = min(256, max(2, (2 << 20) // size))
        count = max(window * 4, min(10_000, (256 << 20) // size))
        pump(pair.left, pair.right, frame, window, window)
        with target.spent() as spent:
            pump(pair.left, pair.right, frame, count, window)
        points["payload-cpu"].append((size, spent.cpu / count))
        turns = 300 if size < 1 << 17 else 30
        pair.turns(size, 10)
        points["payload-turn"].append((size, pair.turns(size, turns)))
    return points


def services(target: Target, sizes: tuple[int, ...]) -> Points:
    """Services of many clients; one more is registered, looked up, and a page is listed."""
    points: Points = {"services-register": [], "services-get": [], "services-page": []}
    owners: list[RawPeer] = []
    count = 0
    probe = RawPeer(target)
    probe.join()
    asked = probe.register("asked", "echo")
    for size in sizes:
        more = size - count
        with target.spent() as spent:
            for _ in range(more):
                if count % 100 == 0:
                    owners.append(RawPeer(target))
                    owners[-1].join()
                owners[-1].register(f"service-{count % 100}", "one", "two", "three")
                count += 1
        points["services-register"].append((size, spent.cpu / more))
        for peer in owners:
            peer.socket.answer_pings()
        with target.spent() as spent:
            for _ in range(50):
                probe.call("services.default.get_service_info", asked)
        points["services-get"].append((size, spent.cpu / 50))
        page = owners[0]
        with target.spent() as spent:
            for _ in range(10):
                page.call("services.default.list_services")
        points["services-page"].append((size, spent.cpu / 10))
    return points


def subscribers(target: Target, sizes: tuple[int, ...]) -> Points:
    """An event for a whole workspace: CPU of one event, and until the last one has it."""
    points: Points = {"events-cpu": [], "events-time": []}
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
        points["events-cpu"].append((size, spent.cpu / count))
        points["events-time"].append((size, (time.perf_counter() - start) / count))
    return points


US = 1e6
CURVES = (
    Curve(
        "clients",
        (10, 100, 500, 1000, 2000),
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
        (128, 1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20),
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
        (10, 100, 1000, 3000, 10_000),
        (10, 200),
        (
            Series(
                "services-register", "One more service is registered: CPU", "services", "us", US
            ),
            Series("services-get", "One service is looked up: CPU", "services", "us", US),
            Series("services-page", "A client's services are listed: CPU", "services", "us", US),
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
