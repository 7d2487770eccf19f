"""A reader of Server-Sent Events that can wait for the next one, and hang up."""

import contextlib
import http.client
import json
import queue
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

WAIT = 20.0


class EventStream:
    """An open stream. `status` and `headers` are there at once."""

    def __init__(
        self, url: str, body: Any = None, headers: dict[str, str] | None = None, method: str = ""
    ) -> None:
        place = urlsplit(url)
        path = place.path + (f"?{place.query}" if place.query else "")
        self._connection = http.client.HTTPConnection(place.netloc, timeout=WAIT)
        given = {"Accept": "text/event-stream", **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        self._connection.request(method or ("POST" if data else "GET"), path, data, given)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = {name.lower(): text for name, text in self._answer.getheaders()}
        self.events: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        name, data = "message", []
        try:
            while line := self._answer.readline():
                text = line.decode().rstrip("\r\n")
                if text.startswith("event:"):
                    name = text[6:].strip()
                elif text.startswith("data:"):
                    data.append(text[5:].strip())
                elif not text and data:
                    self.events.put((name, "\n".join(data)))
                    name, data = "message", []
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.events.put(None)

    def next(self, seconds: float = WAIT) -> tuple[str, str]:
        """(name, data) of the next event; fails when there is none in time, or the stream ends."""
        event = self.events.get(timeout=seconds)
        assert event is not None, "the stream has ended"
        return event

    def message(self, seconds: float = WAIT) -> Any:
        """The next event, which is JSON."""
        return json.loads(self.next(seconds)[1])

    def ended(self, seconds: float = WAIT) -> bool:
        """Whether the stream ends without another event."""
        return self.events.get(timeout=seconds) is None

    def close(self) -> None:
        """Hang up at once, whoever still reads."""
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._connection.close()
