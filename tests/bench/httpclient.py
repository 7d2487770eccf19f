"""Kept-alive HTTP connections over plain sockets; many requests under way in one thread."""

import contextlib
import select
import socket
import time

WAIT_SECONDS = 60.0


class HttpConnection:
    """Sends one request at a time and knows when its answer is complete."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def send(self, request: bytes) -> None:
        self._data = b""
        self.sock.sendall(request)

    def feed(self) -> tuple[int, bytes] | None:
        """Read what has come; (status, body) once all of it is here."""
        more = self.sock.recv(1 << 16)
        if not more:
            raise ConnectionError("Closed by the server")
        self._data += more
        head, mark, body = self._data.partition(b"\r\n\r\n")
        if not mark:
            return None
        fields = dict(_field(line) for line in head.split(b"\r\n")[1:])
        if fields.get(b"transfer-encoding") == b"chunked":
            if not body.endswith(b"0\r\n\r\n"):
                return None
        elif len(body) < int(fields.get(b"content-length", b"0")):
            return None
        return int(head.split(b" ", 2)[1]), body

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """One request and its answer."""
        self.send(request)
        while (answer := self.feed()) is None:
            pass
        return answer


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip().lower()


def storm(port: int, request: bytes, count: int, at_once: int) -> list[float]:
    """The seconds that each of `count` requests took, `at_once` of them under way."""
    times: list[float] = []
    poll = select.poll()
    open_: dict[int, tuple[HttpConnection, float]] = {}
    started = 0
    with contextlib.ExitStack() as stack:
        for _ in range(min(at_once, count)):
            connection = HttpConnection(port)
            stack.callback(connection.sock.close)
            poll.register(connection.sock, select.POLLIN)
            connection.send(request)
            open_[connection.sock.fileno()] = connection, time.perf_counter()
            started += 1
        while len(times) < count:
            for fileno, _ in poll.poll(WAIT_SECONDS * 1000):
                connection, start = open_[fileno]
                answer = connection.feed()
                if answer is None:
                    continue
                if answer[0] != 200:
                    raise AssertionError(f"HTTP {answer[0]}: {answer[1][:200]!r}")
                times.append(time.perf_counter() - start)
                if started < count:
                    connection.send(request)
                    open_[fileno] = connection, time.perf_counter()
                    started += 1
    return times
