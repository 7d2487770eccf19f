"""What systemd hears from hyphad, and what hyphad takes from systemd."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyphad import systemd

WAIT_SECONDS = 20.0


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(address.replace("@", "\0", 1))
        self.patience(WAIT_SECONDS)

    def patience(self, seconds: float) -> None:
        """How long to wait for a message before `TimeoutError`."""
        self._sock.settimeout(seconds)

    def next(self) -> list[str]:
        """The lines of the next message."""
        return self._sock.recv(4096).decode().split("\n")

    def until(self, line: str) -> list[list[str]]:
        """All messages up to the one that has this line."""
        heard = [self.next()]
        while line not in heard[-1]:
            heard.append(self.next())
        return heard

    def close(self) -> None:
        self._sock.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path) -> Iterator[Manager]:
    name = secrets.token_hex(8)
    address = f"@hyphad-{name}" if request.param == "abstract" else str(tmp_path / name)
    listening = Manager(address)
    yield listening
    listening.close()


@pytest.fixture(autouse=True)
def not_under_systemd(monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"):
        monkeypatch.delenv(name, raising=False)


# messages


@pytest.mark.parametrize(
    "lines",
    [
        ["READY=1", "STATUS=Serving"],
        ["RELOADING=1", "MONOTONIC_USEC=1"],
        ["STOPPING=1"],
        ["WATCHDOG=1"],
        ["STATUS=\N{SNOWMAN}"],
    ],
)
def test_a_message_is_one_datagram(lines, manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    assert systemd.notify(*lines) is True
    assert manager.next() == lines


def test_without_systemd_nothing_is_sent(monkeypatch):
    assert systemd.notify("READY=1") is False
    for address in ("", "nonsense", "vsock:2:1", "/no/such/socket", "@hyphad-nobody-listens"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        assert systemd.notify("READY=1") is False


def test_a_manager_that_does_not_read_does_not_stop_us(manager, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    assert systemd.notify("WATCHDOG=1") is True
    assert not all(systemd.notify("WATCHDOG=1") for _ in range(100_000))


# the watchdog


def test_half_the_time_that_systemd_allows(monkeypatch):
    assert systemd.watchdog_interval() is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert systemd.watchdog_interval() == 15.0
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert systemd.watchdog_interval() == 15.0


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert systemd.watchdog_interval() is None


@pytest.mark.parametrize("text", ["", "0", "-1", "soon"])
def test_no_watchdog(text, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", text)
    assert systemd.watchdog_interval() is None


# socket activation


def test_no_sockets_without_activation(monkeypatch):
    assert systemd.listen_fds() == []
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    for count in ("", "many", "-1", "0"):
        monkeypatch.setenv("LISTEN_FDS", count)
        assert systemd.listen_fds() == []


def test_sockets_for_another_process_are_left_alone(monkeypatch):
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.listen_fds() == []


def activated(command: list[str], sock: socket.socket, env: dict[str, str]) -> subprocess.Popen:
    """Start a process as systemd does: the socket is descriptor 3, and LISTEN_PID is its pid."""
    launch = (
        "import os, sys\n"
        f"os.dup2({sock.fileno()}, 3)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    words = [sys.executable, "-c", launch, *command]
    return subprocess.Popen(words, env={**os.environ, **env}, pass_fds=[sock.fileno()])


def test_sockets_are_taken_over_ready_for_an_event_loop(tmp_path):
    script = (
        "import os\n"
        "from hyphad import systemd\n"
        "[sock] = systemd.listen_fds()\n"
        "print(sock.getsockname()[1], sock.getblocking(), os.get_inheritable(sock.fileno()))\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        out = tmp_path / "out"
        shell = f"exec {sys.executable} -c '{script}' > {out}"
        process = activated(["/bin/sh", "-c", shell], sock, {})
        assert process.wait(WAIT_SECONDS) == 0
    assert out.read_text().split() == [str(port), "False", "False"]


# the daemon


def test_the_daemon_tells_its_life(make_hyphad, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    daemon = make_hyphad(env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"})
    process = daemon.spawn()
    ready = manager.until("READY=1")[-1]
    assert any(line.startswith("STATUS=Serving http://") for line in ready)
    assert daemon.get("/health/readiness")[0] == 200

    manager.until("WATCHDOG=1")
    manager.until("WATCHDOG=1")

    before = time.monotonic_ns() // 1000
    process.send_signal(signal.SIGHUP)
    reloading = manager.until("RELOADING=1")[-1]
    stamp = next(line for line in reloading if line.startswith("MONOTONIC_USEC="))
    assert before <= int(stamp.partition("=")[2]) <= time.monotonic_ns() // 1000
    manager.until("READY=1")

    process.send_signal(signal.SIGTERM)
    manager.until("STOPPING=1")
    assert process.wait(WAIT_SECONDS) == 0
    manager.close()


def test_a_daemon_that_hangs_gives_no_sign_of_life(make_hyphad, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    script = tmp_path / "hang.py"
    script.write_text(
        "import asyncio, signal, time\n"
        "async def start(server):\n"
        "    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, time.sleep, 600)\n"
    )
    daemon = make_hyphad(
        f"--startup-functions={script}:start",
        env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"},
    )
    process = daemon.spawn()
    manager.until("READY=1")
    manager.until("WATCHDOG=1")
    process.send_signal(signal.SIGUSR1)
    manager.patience(2.0)  # twenty times what is allowed
    with pytest.raises(TimeoutError):
        while True:
            manager.next()
    manager.close()


def test_the_daemon_listens_on_the_socket_that_it_is_given(hyphad, tmp_path):
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        command = [sys.executable, "-m", "hyphad", "--port", "1", "--data-dir", str(data)]
        log = (tmp_path / "log").open("w")
        process = activated(["/bin/sh", "-c", f"exec {' '.join(command)} 2>{log.name}"], sock, {})
        try:
            # The socket listens already: the request waits until the daemon is there.
            assert hyphad.get(f"{url}/health/readiness")[0] == 200
        finally:
            process.terminate()
            assert process.wait(WAIT_SECONDS) == 0, Path(log.name).read_text()
            log.close()
