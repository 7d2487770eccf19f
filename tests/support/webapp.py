"""A FastAPI application as people write them, for the tests of `asgi` services."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

SHOWN = ("type", "method", "path", "scheme", "root_path", "http_version", "workspace", "service_id")


class Seen:
    """What the application has noticed."""

    def __init__(self) -> None:
        self.closed = 0
        self.chunks = 0


def application(seen: Seen) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def home() -> dict[str, bool]:
        return {"home": True}

    @app.api_route("/dump/{rest:path}", methods=["GET", "POST", "PUT", "OPTIONS", "HEAD"])
    async def dump(request: Request) -> dict[str, Any]:
        scope = request.scope
        return {
            **{key: scope[key] for key in SHOWN},
            "query": scope["query_string"].decode(),
            "raw_path": scope["raw_path"].decode(),
            "client": scope["client"],
            "server": scope["server"],
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "body": (await request.body()).decode(),
        }

    @app.get("/download")
    async def download(size: int) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            piece, left = bytes(250_000), size
            while left > 0:
                yield piece[:left]
                left -= len(piece)

        return StreamingResponse(parts(), media_type="application/octet-stream")

    @app.post("/upload")
    async def upload(request: Request) -> dict[str, Any]:
        size, digest = 0, hashlib.sha256()
        seen.chunks = 0
        async for piece in request.stream():
            seen.chunks += 1
            size += len(piece)
            digest.update(piece)
        return {"size": size, "digest": digest.hexdigest()}

    @app.post("/file")
    async def file(file: UploadFile, note: str = Form("")) -> dict[str, Any]:
        return {"name": file.filename, "size": len(await file.read()), "note": note}

    @app.get("/away")
    async def away() -> RedirectResponse:
        return RedirectResponse("/elsewhere", 302)

    @app.get("/cookies")
    async def cookies() -> HTMLResponse:
        answer = HTMLResponse("ok")
        answer.set_cookie("a", "1")
        answer.set_cookie("b", "2")
        answer.set_cookie("access_token", "planted")
        return answer

    @app.get("/steps")
    async def steps() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for number in range(3):
                yield f"c{number}\n"
                await asyncio.sleep(0.2)

        return StreamingResponse(parts())

    @app.get("/forever")
    async def forever() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            try:
                while True:
                    yield "tick\n"
                    await asyncio.sleep(0.02)
            finally:
                seen.closed += 1

        return StreamingResponse(parts())

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("asgi boom")

    return app


async def by_hand(args: dict[str, Any]) -> None:
    """An application that breaks the rules of ASGI, each path in its way."""
    send, path = args["send"], args["scope"]["path"]
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [[b"x-a", b"1"], ["x-a", "2"]],
    }
    if path == "/silent":
        return
    if path == "/raise":
        raise RuntimeError("asgi boom")
    if path == "/denied":
        raise PermissionError("not you")
    if path == "/body-first":
        await send({"type": "http.response.body", "body": b"x"})
    if path == "/twice":
        await send(start)
    if path == "/bad-header":
        start["headers"] = [[b"x-a", b"1\r\nx-evil: 1"]]
    if path == "/bad-status":
        start["status"] = 99
    if path == "/short":
        start["headers"] = [[b"content-length", b"100"]]
    await send(start)
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    if path == "/late":
        raise RuntimeError("late")
    if path == "/half":
        return
    if path == "/wait":
        await asyncio.sleep(60)
    await send({"type": "http.response.body", "body": b"end"})
