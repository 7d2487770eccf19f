"""The clients' HTTP transport spoken by hand: frames out of a stream, POSTs into the server."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlencode

import msgpack
from rawclient import pack, unpack
from running import Hyphad


class RawStream:
    """One `GET /rpc`. `info` is its first frame; `next` gives the frames after it."""

    def __init__(self, hub: Hyphad, token: str | None = None, **query: str) -> None:
        self.hub = hub
        self.token = token
        self.connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection.request("GET", f"/rpc?{urlencode(query)}", headers=headers)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.headers = {name.lower(): value for name, value in self.answer.getheaders()}
        self.info: dict[str, Any] = {}
        if self.status == 200:
            self.info = self.next()[0]
        else:
            self.error = json.loads(self.answer.read())

    @property
    def address(self) -> str:
        return f"{self.info['workspace']}/{self.info['client_id']}"

    def next(self, *skip: str) -> tuple[dict[str, Any], Any]:
        """The next frame whose type is not in `skip`."""
        while True:
            size = int.from_bytes(self._exactly(4), "big")
            header, extra = unpack(self._exactly(size))
            if header.get("type") not in skip:
                return header, extra

    def ended(self) -> bool:
        """Read to the end of the stream."""
        try:
            while self.answer.read(1000):
                pass
        except (http.client.HTTPException, OSError):
            pass
        return True

    def close(self) -> None:
        """Cut the stream as a client that goes away does."""
        sock: socket.socket | None = self.connection.sock
        self.answer.close()
        if sock is not None:
            sock.close()
        self.connection.close()

    def post(
        self,
        header: dict[str, Any],
        extra: Any = None,
        *,
        body: bytes | None = None,
        **options: Any,
    ) -> tuple[int, Any]:
        """(status, value) of a POST for this stream; `token` and `cookie` may differ."""
        token = options.get("token", self.token)
        query = {"client_id": self.info["client_id"], "workspace": self.info["workspace"]}
        headers = {"Content-Type": "application/msgpack"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if options.get("cookie"):
            headers["Cookie"] = options["cookie"]
        data = body if body is not None else pack(header, extra)
        status, answer, _ = self.hub.request(f"/rpc?{urlencode(query)}", data, headers)
        return status, json.loads(answer) if answer else None

    def call(self, method: str, *args: Any, to: str | None = None, **options: Any) -> Any:
        """Call a function, by default of the manager, and wait for its answer."""
        session = "s" + method.replace(".", "")
        header = {
            "type": "method",
            "to": to or f"*/{self.info['manager_id']}",
            "method": method,
            "session": session,
        }
        status, error = self.post(header, {"args": list(args), "promise": "*", "t": 5.0}, **options)
        assert status == 200, error
        while True:
            answer, extra = self.next("ping")
            if answer.get("method") == f"{session}.resolve":
                return extra["args"][0]
            if answer.get("method") == f"{session}.reject":
                raise AssertionError(extra["args"][0])

    def register(self, name: str, **info: Any) -> None:
        record = {"id": f"{self.address}:{name}", "name": name, "config": {}, **info}
        self.call("services.default.register_service", record)

    def _exactly(self, size: int) -> bytes:
        data = self.answer.read(size)
        if len(data) < size:
            raise EOFError("the stream has ended")
        return data


def control(kind: str) -> bytes:
    return msgpack.packb({"type": kind})
