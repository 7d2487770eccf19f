"""The way to an external MCP server over Streamable HTTP, for `services.mcp_outbound`."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from hyphad.services.mcp_links import Message

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
CALL_SECONDS = 900.0
MAX_BODY = 64 << 20
MAX_AT_ONCE = 100


class Events:
    """Server-Sent Events taken apart as they come; `found` gets the data of each."""

    def __init__(self, found: Callable[[str], None]) -> None:
        self._found = found
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> None:
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for raw in lines:
            line = raw.rstrip(b"\r").decode(errors="replace")
            if line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
            elif not line and self._data:
                self._found("\n".join(self._data))
                self._data = []


def _without_secrets(url: str) -> str:
    """A URL for logs and callers: without a password, and without the query, where keys stand."""
    place = urlsplit(url)
    return urlunsplit((place.scheme, place.netloc.rpartition("@")[2], place.path, "", ""))


class HttpLink:
    """One server by its URL. Each message is a POST; answers come as JSON or as events."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._shown = _without_secrets(url)
        self._headers = dict(headers)
        self._client = AsyncHTTPClient(
            force_instance=True, max_clients=MAX_AT_ONCE, max_body_size=MAX_BODY
        )
        self._session: str | None = None
        self._version: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.heard: Callable[[Message], None] = lambda message: None
        self.lost: Callable[[str], None] = lambda reason: None

    async def open(self) -> None:
        """Nothing is connected before the first message."""

    def agreed(self, version: str) -> None:
        """Both sides have settled on a protocol version: it stands in every request from now on."""
        self._version = version

    def send(self, message: Message) -> None:
        task = asyncio.ensure_future(self._post(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._client.close()

    async def _post(self, message: Message) -> None:
        events = Events(self._take)
        plain: list[bytes] = []
        kind = ""

        def header(line: str) -> None:
            nonlocal kind
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-type":
                kind = value.strip().lower()
            elif name.strip().lower() == "mcp-session-id":
                self._session = value.strip()

        def chunk(data: bytes) -> None:
            if kind.startswith("text/event-stream"):
                events.feed(data)
            else:
                plain.append(data)

        request = HTTPRequest(
            self._url,
            method="POST",
            headers=self._with_headers(),
            body=json.dumps(message).encode(),
            connect_timeout=CONNECT_SECONDS,
            request_timeout=CALL_SECONDS,
            follow_redirects=False,
            header_callback=header,
            streaming_callback=chunk,
        )
        try:
            response = await self._client.fetch(request, raise_error=False)
        except (OSError, HTTPClientError, ValueError) as error:
            self.lost(f"{self._shown}: {error}")
            return
        self._answered(message, response, b"".join(plain))

    def _with_headers(self) -> dict[str, str]:
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        if self._session is not None:
            headers["Mcp-Session-Id"] = self._session
        if self._version is not None:
            headers["MCP-Protocol-Version"] = self._version
        return headers

    def _answered(self, message: Message, response: HTTPResponse, body: bytes) -> None:
        """Take the answer; a session that the server has forgotten ends the link."""
        if response.code == 200:
            if body:
                self._take(body.decode(errors="replace"))
        elif response.code != 202:
            text = f"{self._shown}: HTTP {response.code}"
            if response.code >= 500 or response.code in (401, 403, 404, 599):
                self.lost(text)
            elif "id" in message:
                error = {"code": response.code, "message": text}
                self.heard({"jsonrpc": "2.0", "id": message["id"], "error": error})

    def _take(self, text: str) -> None:
        try:
            message: Any = json.loads(text)
        except (ValueError, RecursionError):
            log.warning("mcp_not_json url=%s text=%r", self._shown, text[:200])
            return
        for item in message if isinstance(message, list) else [message]:
            if isinstance(item, dict):
                self.heard(item)
