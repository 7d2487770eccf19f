"""A client that speaks the wire protocol by hand, for what no well-behaved client would do.

async with RawClient.connect(hyphad.ws_url, "a") as raw:
    assert await raw.call("services.default.echo", 1) == 1
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from typing import Any

import msgpack
import websockets
from websockets.asyncio.client import ClientConnection

WAIT = 10.0
Frame = dict[str, Any]


class Rejected(Exception):
    """The other side rejected a call; the text is what it said."""


class Refused(Exception):
    """The server ended the handshake: its error frame, and how it closed."""

    def __init__(self, message: str | None, code: int | None, reason: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason


def pack(header: Any, extra: Any = None) -> bytes:
    """A frame of one or two maps (WIRE-35)."""
    data: bytes = msgpack.packb(header)
    return data if extra is None else data + msgpack.packb(extra)


def unpack(data: bytes) -> tuple[Frame, Any]:
    """The header and the extra of a frame; an empty extra where there is none."""
    unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape")
    unpacker.feed(data)
    parts = list(unpacker)
    return parts[0], parts[1] if len(parts) > 1 else {}


class RawClient:
    """One connection. What comes in is kept in `frames` and `texts` until somebody takes it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.info: dict[str, Any] = {}
        self.frames: list[tuple[Frame, Any]] = []
        self.texts: list[dict[str, Any]] = []
        self.serving: dict[str, Callable[..., Any]] = {}
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    # coming and going

    @classmethod
    async def dial(cls, url: str, **options: Any) -> "RawClient":
        """The socket alone, without a handshake."""
        options = {"max_size": None, "ping_interval": None, "compression": None, **options}
        return cls(await websockets.connect(url, open_timeout=WAIT, close_timeout=1, **options))

    @classmethod
    async def open(
        cls,
        url: str,
        client_id: str | None = None,
        *,
        register: bool = True,
        serving: dict[str, Callable[..., Any]] | None = None,
        **hello: Any,
    ) -> "RawClient":
        """A connected client; with its built-in service registered unless `register` is false.

        It answers calls of what is in `serving`. Raises `Refused`.
        """
        raw = await cls.dial(url)
        raw.serving.update(serving or {})
        client_id = client_id or f"raw-{secrets.token_hex(4)}"
        await raw.socket.send(json.dumps({"client_id": client_id, **hello}))
        await raw.greeted()
        raw.start()
        if register:
            await raw.register("built-in", type="built-in", config={"visibility": "public"})
        return raw

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url: str, client_id: str | None = None, **hello: Any) -> Any:
        """`open`, and closed at the end."""
        raw = await cls.open(url, client_id, **hello)
        try:
            yield raw
        finally:
            await raw.close()

    async def greeted(self) -> dict[str, Any]:
        """Read the answer to the first message: `connection_info`. Raises `Refused`."""
        message = None
        try:
            async with asyncio.timeout(WAIT):
                first = json.loads(await self.socket.recv())
                if first["type"] == "connection_info":
                    self.info = first
                    return first
                message = first.get("message")
                assert first["type"] == "error", first
                await self.socket.recv()
        except websockets.ConnectionClosed:
            pass
        raise Refused(message, self.socket.close_code, self.socket.close_reason)

    def start(self) -> None:
        """Read from now on."""
        self._reader = asyncio.ensure_future(self._read())

    async def close(self) -> None:
        await self.socket.close()
        if self._reader is not None:
            await self._reader

    def abort(self) -> None:
        """Cut the connection without a goodbye."""
        self.socket.transport.abort()

    async def closed(self, seconds: float = WAIT) -> tuple[int | None, str | None]:
        """Wait for the end of the connection: its code and reason."""
        async with asyncio.timeout(seconds):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason

    # who it is

    @property
    def workspace(self) -> str:
        return str(self.info["workspace"])

    @property
    def client_id(self) -> str:
        return str(self.info["client_id"])

    @property
    def address(self) -> str:
        return f"{self.workspace}/{self.client_id}"

    @property
    def manager(self) -> str:
        return f"*/{self.info['manager_id']}"

    # sending

    async def send(self, header: Any, extra: Any = None) -> None:
        await self.socket.send(pack(header, extra))

    async def send_text(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))

    async def call(
        self,
        method: str,
        *args: Any,
        to: str | None = None,
        kwargs: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
        seconds: float = WAIT,
    ) -> Any:
        """Call a method of the manager, or of the peer `to`. Raises `Rejected`."""
        session = await self.begin(method, *args, to=to, kwargs=kwargs, header=header, extra=extra)
        return await self.answer(session, seconds)

    async def begin(
        self,
        method: str,
        *args: Any,
        to: str | None = None,
        kwargs: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Send a call; returns its session."""
        session = secrets.token_hex(8)
        head = {
            "type": "method",
            "from": self.address,
            "to": to or self.manager,
            "method": method,
            "session": session,
            **(header or {}),
        }
        arguments = [*args, kwargs] if kwargs else list(args)
        body = {"args": arguments, "promise": "*", "t": 15.0}
        if kwargs:
            body["with_kwargs"] = True
        await self.send(head, {**body, **(extra or {})})
        return session

    async def answer(self, session: str, seconds: float = WAIT) -> Any:
        """Wait for the answer of a call. Raises `Rejected`."""

        def mine(header: Frame, extra: Any) -> bool:
            if header.get("type") == "peer_not_found":
                return header.get("session") == session
            return header.get("method") in (f"{session}.resolve", f"{session}.reject")

        header, extra = await self.take(mine, seconds)
        if header["type"] == "peer_not_found":
            raise Rejected(header["error"])
        value = extra["args"][0]
        if header["method"].endswith(".reject"):
            raise Rejected(value["_rvalue"])
        return value

    async def rejection(self, method: str, *args: Any, **options: Any) -> str:
        """Call what must be rejected; the text."""
        try:
            value = await self.call(method, *args, **options)
        except Rejected as error:
            return str(error)
        raise AssertionError(f"{method} was answered with {value!r}")

    async def register(self, name: str, **info: Any) -> None:
        """Register a service record of this client."""
        record = {"id": f"{self.address}:{name}", "name": name, "config": {}, **info}
        await self.call("services.default.register_service", record)

    async def subscribe(self, *types: str) -> None:
        await self.call("services.default.subscribe", list(types))

    # receiving

    async def take(
        self, wanted: Callable[[Frame, Any], bool], seconds: float = WAIT
    ) -> tuple[Frame, Any]:
        """Take the first frame that fits, now or when it comes."""
        async with asyncio.timeout(seconds):
            while True:
                for index, (header, extra) in enumerate(self.frames):
                    if wanted(header, extra):
                        return self.frames.pop(index)
                await self._wait()

    async def taken(self, method: str, seconds: float = WAIT) -> tuple[Frame, Any]:
        """Take the first call of a method."""
        return await self.take(lambda header, _: header.get("method") == method, seconds)

    async def take_type(self, kind: str, seconds: float = WAIT) -> Frame:
        """Take the first message of a type."""
        header, _ = await self.take(lambda header, _: header.get("type") == kind, seconds)
        return header

    async def take_text(self, kind: str, seconds: float = WAIT) -> dict[str, Any]:
        """Take the first text message of a type."""
        async with asyncio.timeout(seconds):
            while True:
                for index, text in enumerate(self.texts):
                    if text.get("type") == kind:
                        return self.texts.pop(index)
                await self._wait()

    async def settle(self) -> None:
        """Wait until all that was sent before has been handled: a call there and back."""
        await self.call("services.built-in.ping", "ping")

    async def _wait(self) -> None:
        self._changed.clear()
        assert self._reader is not None, "the client does not read"
        if self._reader.done():
            raise AssertionError(f"closed: {self.socket.close_code} {self.socket.close_reason}")
        await self._changed.wait()

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                if isinstance(data, str):
                    self.texts.append(json.loads(data))
                else:
                    header, extra = unpack(data)
                    if not await self._serve(header, extra):
                        self.frames.append((header, extra))
                self._changed.set()
        except websockets.ConnectionClosed:
            pass
        finally:
            asyncio.get_running_loop().call_soon(self._changed.set)

    async def _serve(self, header: Frame, extra: Any) -> bool:
        """Answer calls of `services.built-in.ping` and of what is in `serving`."""
        method = header.get("method")
        function = self.serving.get(str(method))
        if method == "services.built-in.ping" and function is None:
            function = _pong
        if function is None or "session" not in header:
            return False
        session = header["session"]
        result = function(*extra.get("args", []))
        reply = {
            "type": "method",
            "to": header["from"],
            "from": self.address,
            "method": f"{session}.resolve",
            "parent": session,
        }
        await self.send(reply, {"args": [result]})
        return True


def _pong(*args: Any) -> str:
    return "pong"


async def answered_right_behind_the_hello(hyphad: Any) -> None:
    """A client that comes back has its socket before it is in, and calls what it knows.

    Such a call must not be lost: its caller would wait in vain.
    """
    async with RawClient.connect(hyphad.ws_url) as known:
        manager = known.manager
    raw = await RawClient.dial(hyphad.ws_url)
    head = {"type": "method", "from": "early", "to": manager, "method": "services.default.echo"}
    await raw.socket.send('{"client_id": "early"}')
    await raw.send({**head, "session": "s1"}, {"args": [1], "promise": "*"})
    await raw.send_text({"type": "ping"})
    await raw.send({**head, "session": "s2"}, {"args": [2], "promise": "*"})
    await raw.greeted()
    raw.start()
    assert [await raw.answer("s1"), await raw.answer("s2")] == [1, 2]
    await raw.take_text("pong")
    await raw.close()
