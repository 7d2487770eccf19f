"""Numbers for Prometheus: `/metrics` in its text format (HTTP-85).

What happens in HTTP is counted as it happens (`counts`); everything else is read from the parts
when somebody asks. Names of Hypha that dashboards look for are kept.
"""

import asyncio
import contextlib
import os
import platform
import resource
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hyphad import __version__
from hyphad.store import archive
from hyphad.store.datadir import DataDir
from hyphad.web.base import BaseHandler
from hyphad.web.parts import Parts

MAX_NAMED = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")

Sample = tuple[str, dict[str, Any], float]


class Exporter(BaseHandler):
    """`/metrics`."""

    kind = "metrics"

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.send(render(self.parts).encode())


def render(parts: Parts) -> str:
    """All metrics in the text format of Prometheus."""
    lines: list[str] = []
    for name, kind, text, samples in _families(parts):
        lines.append(f"# HELP {name} {text}")
        lines.append(f"# TYPE {name} {kind}")
        lines += [
            f"{sample}{_labels(labels)} {_number(value)}" for sample, labels, value in samples
        ]
    return "\n".join(lines) + "\n"


Family = tuple[str, str, str, Iterable[Sample]]


def _families(parts: Parts) -> Iterator[Family]:
    yield from _process(parts)
    yield from _data(parts.settings.data_dir)
    yield from _connections(parts)
    yield from _traffic(parts)
    if parts.settings.metrics_per_workspace:
        yield from _workspaces(parts)


def _one(name: str, kind: str, text: str, value: float, **labels: Any) -> Family:
    return name, kind, text, [(name, labels, float(value))]


def _process(parts: Parts) -> Iterator[Family]:
    pages = Path("/proc/self/statm").read_text().split()
    times = os.times()
    yield _one("hyphad_info", "gauge", "Version of the daemon.", 1, version=__version__)
    version = platform.python_version()
    yield _one("python_info", "gauge", "Version of Python.", 1, version=version)
    resident, virtual = int(pages[1]) * _PAGE, int(pages[0]) * _PAGE
    yield _one("process_resident_memory_bytes", "gauge", "Resident memory.", resident)
    yield _one("process_virtual_memory_bytes", "gauge", "Virtual memory.", virtual)
    spent = times.user + times.system
    yield _one("process_cpu_seconds_total", "counter", "CPU time spent.", spent)
    yield _one("process_start_time_seconds", "gauge", "Start, in unix seconds.", parts.started)
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    yield _one("process_open_fds", "gauge", "Open files and sockets.", files)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield _one("process_max_fds", "gauge", "Most files and sockets that may be open.", most)
    uptime = time.time() - parts.started
    yield _one("hyphad_uptime_seconds", "gauge", "Seconds since the start.", uptime)
    tasks = len(asyncio.all_tasks())
    yield _one("hyphad_tasks", "gauge", "Tasks of the event loop.", tasks)


def _data(folder: Path) -> Iterator[Family]:
    """What an operator must know before the disk is full, or a backup is needed."""
    file = DataDir(folder).database_file
    size = sum(_size(Path(f"{file}{end}")) for end in ("", "-wal"))
    yield _one("hyphad_database_bytes", "gauge", "The database with its log.", size)
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        yield _one("hyphad_disk_free_bytes", "gauge", "Free at the data directory.", free)
    made = [path.stat().st_mtime for path in archive.backups(folder / "backups")]
    yield _one("hyphad_backups", "gauge", "Backups in the data directory.", len(made))
    name = "hyphad_last_backup_timestamp_seconds"
    yield _one(name, "gauge", "The newest of them, in unix seconds; 0: none.", max(made, default=0))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _connections(parts: Parts) -> Iterator[Family]:
    links, presence = list(parts.router.links.values()), parts.presence
    established, closed = presence.established, presence.closed
    yield _one("websocket_connections", "gauge", "Connected clients.", len(links))
    yield _one(
        "websocket_connections_established_total", "counter", "Clients ever connected.", established
    )
    yield _one("hyphad_connections_closed_total", "counter", "Connections that ended.", closed)
    name = "websocket_rate_limited_disconnects_total"
    yield _one(name, "counter", "Never: floods are slowed down.", 0)
    for old, kind, value in (
        ("redis_rpc_connections_created_total", "counter", established),
        ("redis_rpc_connections_closed_total", "counter", closed),
        ("redis_rpc_active_connections", "gauge", len(links)),
    ):
        yield _one(old, kind, "As its websocket_ counterpart; there is no Redis.", value)
    queued = sum(link.transport.queued for link in links)
    yield _one("hyphad_queue_bytes", "gauge", "Bytes that wait for clients.", queued)
    longest = max((link.transport.queued for link in links), default=0)
    yield _one("hyphad_queue_bytes_max", "gauge", "The same, of the slowest client.", longest)
    name = "hyphad_slow_consumer_bytes"
    slow = sorted(
        ((float(link.transport.queued), link.address) for link in links if link.drained),
        reverse=True,
    )
    samples = [(name, {"client": client}, size) for size, client in slow[:MAX_NAMED]]
    yield name, "gauge", "Bytes that wait for clients for whom senders are held up.", samples
    name = "hyphad_slow_consumers_closed_total"
    yield _one(name, "counter", "Clients closed because they were too slow.", parts.admission.slow)
    held = parts.router.away.held
    yield _one("hyphad_held_bytes", "gauge", "Bytes held for clients that are away.", held)
    yield _one("hyphad_services", "gauge", "Registered services.", len(parts.registry))
    yield _one("hyphad_workspaces", "gauge", "Workspaces.", len(parts.directory))
    name = "client_load_current"
    yield _one(name, "gauge", "Frames a minute to the busiest client.", _busiest(links))


def _busiest(links: list[Any]) -> float:
    return max(
        (60.0 * link.frames_out / max(1.0, link.loop.time() - link.opened) for link in links),
        default=0.0,
    )


def _traffic(parts: Parts) -> Iterator[Family]:
    counts, router = parts.counts, parts.router
    yield _one("client_requests_total", "counter", "Frames from clients.", router.frames)
    yield _one("hyphad_frames_total", "counter", "Frames from clients.", router.frames)
    yield _one("hyphad_rejects_total", "counter", "Frames that were rejected.", router.rejects)
    made = sum(counts.calls.values())
    yield _one("rpc_call_total", "counter", "Calls of services over HTTP.", made)
    name = "hyphad_calls_total"
    samples = [(name, {"outcome": key}, float(n)) for key, n in sorted(counts.calls.items())]
    yield name, "counter", "Calls of services over HTTP, by outcome.", samples
    waiting = len(parts.manager.calls) + len(parts.deputy.calls)
    yield _one("hyphad_calls_waiting", "gauge", "Calls of the server's that wait.", waiting)
    name = "hyphad_call_seconds"
    yield name, "histogram", "Time that services took.", counts.call_seconds.samples(name, {})
    name = "hyphad_http_requests_total"
    samples = [
        (name, {"kind": kind, "status": status}, float(n))
        for (kind, status), n in sorted(counts.requests.items())
    ]
    yield name, "counter", "HTTP requests answered.", samples
    name = "hyphad_http_request_seconds"
    times = [
        sample
        for kind, histogram in sorted(counts.seconds.items())
        for sample in histogram.samples(name, {"kind": kind})
    ]
    yield name, "histogram", "Time until HTTP requests were answered.", times
    yield _one("event_bus_total", "counter", "Events emitted.", counts.events)


def _workspaces(parts: Parts) -> Iterator[Family]:
    clients = parts.presence.workspaces()
    for name, text, values in (
        ("hyphad_workspace_clients", "Connected clients of a workspace.", clients),
        (
            "hyphad_workspace_services",
            "Services of a workspace.",
            {ws.id: sum(1 for _ in parts.registry.of_workspace(ws.id)) for ws in parts.directory},
        ),
    ):
        samples = [(name, {"workspace": key}, float(n)) for key, n in sorted(values.items())]
        yield name, "gauge", text, samples


def _number(value: float) -> str:
    """All its digits: a rate of counters that were rounded is nought, and then a peak."""
    return str(int(value)) if value == int(value) else repr(value)


def _labels(labels: dict[str, Any]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(str(value))}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
