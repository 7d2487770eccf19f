"""An RPC peer of a few lines over a raw socket: it calls the manager and serves plain functions."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import msgpack
from rawsocket import TEXT, RawSocket
from servers import Target

Function = Callable[..., Any]
pack: Callable[[Any], bytes] = msgpack.packb


class RawPeer:
    """A connected client. Without a token it gets a workspace of its own."""

    def __init__(
        self,
        target: Target,
        workspace: str | None = None,
        token: str | None = None,
        client_id: str | None = None,
    ) -> None:
        self.socket = RawSocket(target.port)
        self._later: list[tuple[dict[str, Any], dict[str, Any]]] = []
        hello = {
            "client_id": client_id or secrets.token_hex(11),
            "workspace": workspace,
            "token": token,
            "reconnection_token": None,
        }
        self.socket.send(json.dumps(hello).encode(), TEXT)
        info = json.loads(self.socket.receive()[1])
        if info["type"] != "connection_info":
            raise ConnectionError(info)
        self.workspace: str = info["workspace"]
        self.client_id: str = info["client_id"]
        self.address = f"{self.workspace}/{self.client_id}"
        self.manager = f"*/{info['manager_id']}"
        self.ping()

    def companion(self) -> "RawPeer":
        """Another client in the same workspace."""
        token = self.call("services.default.generate_token")
        return RawPeer(self._target(), self.workspace, token)

    def _target(self) -> Target:
        return Target("", self.socket.sock.getpeername()[1], 0, 0, 0, 0)

    def ping(self) -> None:
        self.socket.send(b'{"type":"ping"}', TEXT)
        while self.socket.receive()[0] != TEXT:
            pass

    def close(self) -> None:
        self.socket.close()

    def header(self, to: str, method: str, **more: str) -> bytes:
        fields = {"type": "method", "from": self.address, "to": to, "method": method, **more}
        return pack(fields)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the manager and wait for the answer."""
        session = secrets.token_urlsafe(16)
        extra: dict[str, Any] = {"promise": "*", "t": 15.0}
        if kwargs:
            extra |= {"args": [*args, kwargs], "with_kwargs": True}
        elif args:
            extra["args"] = list(args)
        frame = self.header(self.manager, method, session=session) + pack(extra)
        self.socket.send(frame)
        while True:
            header, body = self.receive()
            if header.get("method") == f"{session}.resolve":
                return body["args"][0]
            if header.get("method") == f"{session}.reject":
                raise RuntimeError(body["args"][0]["_rvalue"])
            self._later.append((header, body))

    def receive(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(header, extra) of the next RPC frame."""
        while True:
            kind, data = self.socket.receive()
            if kind != TEXT:
                unpacker = msgpack.Unpacker(max_buffer_size=0)
                unpacker.feed(data)
                header = unpacker.unpack()
                return header, (unpacker.unpack() if unpacker.tell() < len(data) else {})

    # services

    def register(self, name: str, *functions: str) -> str:
        """Register a service's record as hypha-rpc does; its full id."""
        record = service_record(self.address, self.workspace, name, functions)
        self.call("services.default.register_service", record)
        return f"{self.address}:{name}"

    def join(self) -> None:
        """What hypha-rpc does after the handshake: built-in service, one subscription."""
        self.register("built-in", "ping", "get_service")
        self.call("services.default.subscribe", ["client_disconnected"])

    def serve(self, name: str, functions: dict[str, Function]) -> None:
        """Answer calls for as long as the connection lives."""
        record = service_record(self.address, self.workspace, name, tuple(functions))
        descriptors = {
            function: {
                "_rtype": "method",
                "_rtarget": self.client_id,
                "_rmethod": f"services.{name}.{function}",
                "_rpromise": "*",
                "_rname": function,
                "_rschema": record["service_schema"][function]["function"],
            }
            for function in functions
        }
        answers: dict[str, Function] = {
            "services.built-in.ping": lambda *_: "pong",
            "services.built-in.get_service": lambda *_: {**record, **descriptors},
            **{f"services.{name}.{key}": function for key, function in functions.items()},
        }
        while True:
            header, extra = self._later.pop(0) if self._later else self.receive()
            function = answers.get(header.get("method", ""))
            session = header.get("session")
            if function is None or session is None:
                continue
            args, kwargs = list(extra.get("args", ())), {}
            if extra.get("with_kwargs"):
                kwargs = args.pop()
            head = self.header(header["from"], f"{session}.resolve", parent=session)
            self.socket.send(head + pack({"args": [function(*args, **kwargs)]}))


def service_record(
    address: str, workspace: str, name: str, functions: tuple[str, ...]
) -> dict[str, Any]:
    """What a client tells the manager about a service: everything but its functions."""
    kind = "built-in" if name == "built-in" else "generic"
    return {
        "id": f"{address}:{name}",
        "name": name,
        "type": kind,
        "description": "A service of the benchmark.",
        "docs": None,
        "app_id": "*",
        "config": {
            "visibility": "public",
            "require_context": False,
            "workspace": workspace,
            "api_version": 3,
        },
        "service_schema": {
            function: {
                "type": "function",
                "function": {
                    "name": function,
                    "description": "Gives back what it is given.",
                    "parameters": {
                        "type": "object",
                        "properties": {"data": {"type": "string", "description": "Anything."}},
                        "required": ["data"],
                    },
                },
            }
            for function in functions
        },
    }
