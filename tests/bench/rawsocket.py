"""A WebSocket client over a plain socket that costs next to nothing.

It builds a frame once and sends its bytes again and again, and it counts what comes in without
copying it, so that what is measured is the server.
"""

import base64
import os
import select
import socket
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
BUFFER = 1 << 20
WAIT_SECONDS = 60.0


def client_frame(data: bytes, kind: int = BINARY) -> bytes:
    """The bytes of one masked frame, as clients send them."""
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 0xFF, size)
    mask = os.urandom(4)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(data, "big") ^ key).to_bytes(size, "big")


class RawSocket:
    """One WebSocket connection to 127.0.0.1. Blocking, except `drain` and `push`."""

    def __init__(self, port: int, path: str = "/ws") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer, _, self._rest = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        if b" 101 " not in answer.split(b"\r\n", 1)[0] + b" ":
            raise ConnectionError(f"No WebSocket: {answer[:200]!r}")
        self._skip = 0
        self._partial = b""

    def send(self, data: bytes, kind: int = BINARY) -> None:
        self.sock.sendall(client_frame(data, kind))

    def receive(self) -> tuple[int, bytes]:
        """The next text or binary frame; pings are answered."""
        while True:
            kind, data = self._next()
            if kind == PING:
                self.send(data, PONG)
            elif kind == CLOSE:
                raise ConnectionError(f"Closed by the server: {data!r}")
            elif kind != PONG:
                return kind, data

    def waiting(self) -> bool:
        """Whether something has come in."""
        poll = select.poll()  # `select` takes no descriptor above 1023
        poll.register(self.sock, select.POLLIN)
        return bool(self._rest) or bool(poll.poll(0))

    def answer_pings(self) -> None:
        """Throw away what has come in, but answer pings: servers close clients that do not."""
        while self.waiting():
            kind, data = self._next()
            if kind == PING:
                self.send(data, PONG)

    def close(self) -> None:
        """Say goodbye as clients do, and wait for the answer."""
        self.send(b"\x03\xe8", CLOSE)
        try:
            while self._next()[0] != CLOSE:
                pass
        except OSError:
            pass
        self.sock.close()

    # for pipelining: neither waits

    def push(self, data: memoryview) -> memoryview:
        """Send what the socket takes; the rest of it."""
        try:
            return data[self.sock.send(data, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            return data

    def drain(self, buffer: bytearray) -> int:
        """Read what is there; how many whole frames ended in it."""
        try:
            size = self.sock.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        if size == 0:
            raise ConnectionError("Closed by the server")
        position = done = 0
        while position < size:
            if self._skip:
                step = min(self._skip, size - position)
                position += step
                self._skip -= step
                done += not self._skip
                continue
            head = self._partial + buffer[position : position + 10 - len(self._partial)]
            length, used = _length(head)
            if length < 0:
                self._partial = bytes(head)
                break
            position += used - len(self._partial)
            self._partial = b""
            self._skip = length
            done += not length
        return done

    # reading

    def _next(self) -> tuple[int, bytes]:
        length, used = _length(self._rest)
        while length < 0 or len(self._rest) < used + length:
            self._rest += self._more()
            length, used = _length(self._rest)
        kind = self._rest[0] & 0x0F
        data = self._rest[used : used + length]
        self._rest = self._rest[used + length :]
        return kind, data

    def _more(self) -> bytes:
        data = self.sock.recv(BUFFER)
        if not data:
            raise ConnectionError("Closed by the server")
        return data

    def _until(self, mark: bytes) -> bytes:
        data = b""
        while mark not in data:
            data += self._more()
        return data


def _length(head: bytes) -> tuple[int, int]:
    """(length of the payload, of the head) of an unmasked frame; -1 where the head is cut off."""
    if len(head) < 2:
        return -1, 0
    size = head[1] & 0x7F
    if size < 126:
        return size, 2
    if size == 126:
        return (int.from_bytes(head[2:4], "big"), 4) if len(head) >= 4 else (-1, 0)
    return (int.from_bytes(head[2:10], "big"), 10) if len(head) >= 10 else (-1, 0)


def pump(sender: RawSocket, receiver: RawSocket, frame: bytes, count: int, window: int) -> None:
    """Send the bytes of a frame `count` times, `window` under way at most; wait for all of them."""
    batch = max(1, window // 4)
    bundle = memoryview(frame * batch)
    buffer = bytearray(BUFFER)
    sent = received = 0
    pending = bundle[:0]
    poll = select.poll()
    poll.register(receiver.sock, select.POLLIN)
    writing = False
    while received < count:
        while not pending and sent < count and sent + batch - received <= window:
            size = min(batch, count - sent)
            sent += size
            pending = sender.push(bundle[: size * len(frame)])
        if bool(pending) != writing:
            writing = bool(pending)
            if writing:
                poll.register(sender.sock, select.POLLOUT)
            else:
                poll.unregister(sender.sock)
        ready = poll.poll(WAIT_SECONDS * 1000)
        if not ready:
            raise TimeoutError(f"{received} of {count} frames arrived")
        for fileno, _ in ready:
            if fileno == receiver.sock.fileno():
                received += receiver.drain(buffer)
            else:
                pending = sender.push(pending)
