"""Clients that want little, and how long they wait for it."""

import time
from collections.abc import Callable

from families.relay import Pair
from httpclient import HttpConnection
from rawpeer import RawPeer
from servers import Target

PACE = 0.002
Times = dict[str, list[float]]


class Victims:
    """Clients that want little: a call every two milliseconds, by RPC and by HTTP in turn."""

    def __init__(self, target: Target, message: bytes) -> None:
        self._pair = Pair(target)
        self._http = HttpConnection(target.port)
        token = RawPeer(target).call("services.default.generate_token")
        self._message = message.replace(
            b"\r\n", f"\r\nAuthorization: Bearer {token}\r\n".encode(), 1
        )

    def measure(self, seconds: float) -> Times:
        """How long each call took."""
        there, back = self._pair.there(128), self._pair.back(128)

        def call() -> None:
            self._pair.left.sock.sendall(there)
            self._pair.right.receive()
            self._pair.right.sock.sendall(back)
            self._pair.left.receive()

        def ask() -> None:
            status, body = self._http.ask(self._message)
            if status != 200:
                raise AssertionError(f"HTTP {status}: {body[:200]!r}")

        times: Times = {"rpc": [], "http": []}
        works: list[tuple[str, Callable[[], None]]] = [("rpc", call), ("http", ask)]
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for kind, work in works:
                start = time.perf_counter()
                work()
                times[kind].append(time.perf_counter() - start)
                time.sleep(PACE)
        return times
