"""A conversation with an external MCP server: hello, lists, calls, and word of changes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hyphad import __version__
from hyphad.core.errors import Fault, PeerGone, TimedOut
from hyphad.services.mcp_links import Link, Message

log = logging.getLogger(__name__)

VERSION = "2025-11-25"
HELLO_SECONDS = 30.0
CALL_SECONDS = 600.0
MAX_PAGES = 100
NO_METHOD = -32601


class McpRefused(Fault):
    """The server answered a request with an error of the protocol."""

    kind = "McpError"


class McpClient:
    """One live session. `changed` is called when the server says that its lists are others now."""

    def __init__(self, link: Link, changed: Callable[[], None]) -> None:
        self._link = link
        self._changed = changed
        self._calls: dict[int, asyncio.Future[Message]] = {}
        self._last_id = 0
        self.capabilities: dict[str, Any] = {}
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        link.heard = self._heard
        link.lost = self._lost

    async def open(self) -> None:
        """Connect and greet. Raises `LinkFailed`, `Fault`."""
        await self._link.open()
        hello = {
            "protocolVersion": VERSION,
            "capabilities": {},
            "clientInfo": {"name": "hyphad", "version": __version__},
        }
        answer = await self.request("initialize", hello, HELLO_SECONDS)
        found = answer.get("capabilities")
        self.capabilities = found if isinstance(found, dict) else {}
        note = getattr(self._link, "agreed", None)
        if note is not None:
            note(str(answer.get("protocolVersion", VERSION)))
        self._link.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def close(self) -> None:
        self._lost("closed")
        await self._link.close()

    async def request(
        self, method: str, params: Message | None = None, seconds: float = CALL_SECONDS
    ) -> Message:
        """The result of a request. Raises `McpRefused`, `PeerGone`, `TimedOut`."""
        if self.ended.done():
            raise PeerGone(f"MCP server disconnected: {self.ended.result()}")
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        self._link.send(message)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise TimedOut(f"MCP server: no answer to {method} within {seconds:g} s") from None
        finally:
            self._calls.pop(number, None)
            if not future.done() or future.cancelled():
                self._take_back(number, method)

    def _take_back(self, number: int, method: str) -> None:
        if method != "initialize" and not self.ended.done():
            params = {"requestId": number, "reason": "nobody waits for the answer"}
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            self._link.send(note)

    async def listed(self, method: str, key: str) -> list[dict[str, Any]]:
        """All entries of a list, page after page; what is no entry is left out."""
        entries: list[dict[str, Any]] = []
        params: Message = {}
        for _ in range(MAX_PAGES):
            page = await self.request(method, params, HELLO_SECONDS)
            found = page.get(key)
            entries += [item for item in found or [] if isinstance(item, dict)]
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str):
                break
            params = {"cursor": cursor}
        return entries

    # what comes in

    def _heard(self, message: Message) -> None:
        number, method = message.get("id"), message.get("method")
        if method is not None:
            self._asked(message, str(method))
            return
        future = self._calls.get(number) if isinstance(number, int) else None
        if future is None or future.done():
            return
        error = message.get("error")
        if isinstance(error, dict):
            future.set_exception(McpRefused(str(error.get("message") or "refused")[:2000]))
        else:
            result = message.get("result")
            future.set_result(result if isinstance(result, dict) else {})

    def _asked(self, message: Message, method: str) -> None:
        """A notification, or a request of the server's own, of which only `ping` is understood."""
        if "id" in message:
            answer: Message = {"jsonrpc": "2.0", "id": message["id"]}
            error = {"code": NO_METHOD, "message": "Method not found"}
            known = method == "ping"
            self._link.send({**answer, **({"result": {}} if known else {"error": error})})
        elif method.endswith("/list_changed"):
            self._changed()

    def _lost(self, reason: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(reason)
        for future in self._calls.values():
            if not future.done():
                future.set_exception(PeerGone(f"MCP server disconnected: {reason}"))
