"""Servers under measurement: started as processes, their CPU time and memory read from outside.

with Lab(folder, reference_python) as lab:
    target = lab.start("hyphad")        # ready when this returns
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HYPHAD, REFERENCE, FLOOR = "hyphad", "reference", "floor"
ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0
POLL_SECONDS = 0.005
REST_SECONDS = 1.0
UNLIMITED = "1000000000"

# Both servers know these names: no limit may be what is measured, and an empty workspace is
# cleaned up at once, so that its cost counts.
ENVIRONMENT = {
    "HYPHA_WS_MSG_RATE_LIMIT": UNLIMITED,
    "HYPHA_WS_MSG_BURST_LIMIT": UNLIMITED,
    "HYPHA_HTTP_RATE_LIMIT": UNLIMITED,
    "HYPHA_HTTP_BURST_LIMIT": UNLIMITED,
    "HYPHA_HTTP_AUTHENTICATED_RATE_LIMIT": UNLIMITED,
    "HYPHA_HTTP_AUTHENTICATED_BURST_LIMIT": UNLIMITED,
    "HYPHA_MAX_CONNECTIONS_PER_USER": UNLIMITED,
    "HYPHA_MAX_CLIENTS_PER_WORKSPACE": UNLIMITED,
    "HYPHA_MAX_SERVICES_PER_CLIENT": UNLIMITED,
    "HYPHA_MAX_WORKSPACES_PER_USER": UNLIMITED,
    "HYPHA_WORKSPACE_UNLOAD_GRACE_PERIOD": "0",
}


@dataclass
class Spent:
    """What a piece of work cost: the server's CPU seconds and the seconds that passed."""

    cpu: float = 0.0
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """A running server, as a client process sees it. It can be sent to another process."""

    kind: str
    port: int
    pid: int
    first_start: float
    restart: float
    first_rss: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """CPU seconds of all its threads so far, in nanosecond steps (`/proc` counts in 10 ms)."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def rss(self) -> float:
        """Resident memory in bytes."""
        return _rss(self.pid)

    @contextlib.contextmanager
    def spent(self, *, settle: bool = False) -> Iterator[Spent]:
        """Measures the body; with `settle` also what the server still does after it."""
        result = Spent()
        start, cpu = time.perf_counter(), self.cpu()
        yield result
        result.wall = time.perf_counter() - start
        if settle:
            self.settle()
        result.cpu = self.cpu() - cpu

    def settle(self) -> None:
        """Return once the server has been all but idle for 0.3 s, at the latest after 5 s."""
        end = time.monotonic() + 5
        before = self.cpu()
        while time.monotonic() < end:
            time.sleep(0.3)
            now = self.cpu()
            if now - before < 0.006:
                return
            before = now


def raise_file_limit() -> None:
    """Thousands of connections need as many file descriptors, here and in the servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Lab:
    """Starts servers below one folder and stops every one of them at the end.

    `limited`: with the limits that they have by default.
    """

    def __init__(
        self, folder: Path, reference_python: str | None, *, limited: bool = False
    ) -> None:
        self.folder = folder
        self.limited = limited
        self.reference_python = reference_python
        self._count = 0
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Lab":
        raise_file_limit()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    @property
    def kinds(self) -> list[str]:
        """The servers that can be compared here."""
        return [HYPHAD, REFERENCE] if self.reference_python else [HYPHAD]

    def start(self, kind: str, *, twice: bool = False, flags: tuple[str, ...] = ()) -> Target:
        """Start a server in a folder of its own. `twice`: stop it and start it again there."""
        self._count += 1
        folder = self.folder / f"{self._count}-{kind}"
        folder.mkdir(parents=True)
        port = _free_port()
        process, first = self._launch(kind, folder, port, flags)
        again, rss = first, 0.0
        if twice:
            time.sleep(REST_SECONDS)
            rss = _rss(process.pid)
            self.stop(process.pid)
            process, again = self._launch(kind, folder, port, flags)
        return Target(kind, port, process.pid, first, again, rss)

    def stop_all(self) -> None:
        for pid in list(self._running):
            self.stop(pid)

    def stop(self, pid: int) -> None:
        process = self._running.pop(pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _launch(
        self, kind: str, folder: Path, port: int, flags: tuple[str, ...]
    ) -> tuple["subprocess.Popen[bytes]", float]:
        """The process, and the seconds from its start until it said that it is ready."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HYPHA", "PYTHON"))
        }
        if not self.limited:
            environment |= ENVIRONMENT
        if kind != REFERENCE:
            environment["PYTHONPATH"] = str(ROOT)
        log = folder / "log"
        with log.open("ab") as out:
            start = time.perf_counter()
            process = subprocess.Popen(
                [*self._command(kind, folder, port), *flags],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=out,
            )
        self._running[process.pid] = process
        while not _is_ready(kind, port):
            late = time.perf_counter() - start > READY_SECONDS
            if late or process.poll() is not None:
                self.stop(process.pid)
                raise RuntimeError(f"{kind} does not start:\n{log.read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)
        return process, time.perf_counter() - start

    def _command(self, kind: str, folder: Path, port: int) -> list[str]:
        if kind == REFERENCE:
            assert self.reference_python is not None
            where = ["--host=127.0.0.1", f"--port={port}"]
            return [self.reference_python, "-m", "hypha.server", *where]
        if kind == FLOOR:
            return [sys.executable, str(Path(__file__).with_name("floor.py")), str(port)]
        where = ["--port", str(port), "--data-dir", str(folder / "data")]
        return [sys.executable, "-m", "hyphad", "serve", *where]


def _rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024.0
    raise ValueError("smaps_rollup tells no Rss")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _is_ready(kind: str, port: int) -> bool:
    try:
        if kind == FLOOR:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return True
        with _opener.open(f"http://127.0.0.1:{port}/health/readiness", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
