"""What the stream writer does between items, with a handler of its own and no provider."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from hyphad.web import streams
from hyphad.web.results import JSON


async def test_readers_that_wait_get_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.05)
    closed = asyncio.Event()

    async def slow() -> AsyncGenerator[Any, None]:
        try:
            yield 1
            await asyncio.sleep(0.3)
            yield 2
        finally:
            closed.set()

    class Handler(RequestHandler):
        parts = SimpleNamespace(
            identities=SimpleNamespace(payer=lambda _: ""),
            turns=SimpleNamespace(take=lambda _: None),
        )

        async def get(self) -> None:
            await streams.send_stream(  # type: ignore[arg-type]
                self, slow(), JSON, asyncio.Event(), lambda: None
            )

    socket, port = bind_unused_port()
    server = HTTPServer(Application([("/", Handler)]))
    server.add_socket(socket)
    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/")
    server.stop()
    parts = answer.body.split(b"\n\n")
    first, second = parts.index(b"data: 1"), parts.index(b"data: 2")
    assert set(parts[first + 1 : second]) == {b": keep-alive"}
    told = [part for part in parts if part != b": keep-alive"]
    assert told == [b"data: 1", b"data: 2", b"data: [DONE]", b""]
    assert closed.is_set()
