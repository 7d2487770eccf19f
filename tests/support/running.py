"""A real hyphad process for tests: started, asked, killed, started again.

`HYPHAD_TEST_FLAGS=--no-fast-websocket pytest tests/wire_raw` gives every one of them more flags.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

READY_SECONDS = 20.0
EVERYWHERE = shlex.split(os.environ.get("HYPHAD_TEST_FLAGS", ""))


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a program listens there."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on port {port}")


class Hyphad:
    """One daemon on a port and data directory that stay the same over restarts."""

    def __init__(self, folder: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.flags = flags
        self.env = env or {}
        self.wrapper: list[str] = []  # a command that ends by executing the rest of its arguments
        self.passed: list[int] = []  # descriptors that it inherits
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log_file = folder / "hyphad.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def log(self) -> str:
        """Everything it has logged so far, over all starts."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def spawn(self, *flags: str) -> "subprocess.Popen[bytes]":
        """Start the process without waiting until it is ready."""
        command = [
            *self.wrapper, sys.executable, "-m", "hyphad", "serve", "--port", str(self.port),
            "--data-dir", str(self.data), *EVERYWHERE, *self.flags, *flags,
        ]  # fmt: skip
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HYPHA_", "HYPHAD_"))}
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                env={**clean, **self.env},
                pass_fds=self.passed,
            )
        return self.process

    def start(self, *flags: str) -> "Hyphad":
        """Start it and wait until it is ready."""
        process = self.spawn(*flags)
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise AssertionError(f"hyphad ended with {process.returncode}:\n{self.log}")
            try:
                if self.get("/health/readiness")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"hyphad is not ready:\n{self.log}")

    def wait_for_log(self, text: str, seconds: float = READY_SECONDS) -> None:
        """Wait until a line with that text is in the log."""
        end = time.monotonic() + seconds
        while text not in self.log:
            assert time.monotonic() < end, f"no {text!r} in the log:\n{self.log}"
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        self.process = None
        return code

    def restart(self) -> "Hyphad":
        self.stop()
        return self.start()

    def request(
        self,
        path: str,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        """(status, body, headers) of an HTTP request; headers in lower case."""
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data, headers or {}, method=method)
        try:
            with _opener.open(request, timeout=30) as answer:
                return answer.status, answer.read(), _lower(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), _lower(error.headers)

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """(status, value) of a GET; the value is JSON where the answer is."""
        status, body, _ = self.request(path, headers=headers)
        return status, _value(body)

    def post(self, path: str, value: Any, **headers: str) -> tuple[int, Any]:
        """(status, value) of a POST of JSON."""
        given = {"Content-Type": "application/json", **headers}
        status, body, _ = self.request(path, json.dumps(value).encode(), given)
        return status, _value(body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _lower(headers: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items():
        known = found.get(name.lower())
        # Cookies come in several lines, which must not be joined by commas.
        found[name.lower()] = value if known is None else f"{known}\n{value}"
    return found


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
