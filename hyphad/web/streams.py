"""Generators over HTTP: Server-Sent Events, or MessagePack items one after the other (HTTP-55).

Each item is written when it is produced, and the next is fetched when it has been written. The
generator is closed at its provider as soon as the reader has gone. Readers that wait long get a
comment now and then, so that proxies keep the connection.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from tornado.iostream import StreamClosedError

from hyphad.core.errors import Fault
from hyphad.web.base import BaseHandler
from hyphad.web.failures import failure_of
from hyphad.web.results import MSGPACK, Format, encode_json

KEEP_ALIVE_SECONDS = 15.0
COMMENT = b": keep-alive\n\n"
END = b"data: [DONE]\n\n"


async def send_stream(
    handler: BaseHandler,
    items: AsyncGenerator[Any, None],
    form: Format,
    gone: asyncio.Event,
    check: Callable[[], None],
) -> None:
    """Answer with the items of a generator; returns when it has ended or the reader has `gone`.

    Before each of them `check` raises a `Fault` if the reader may have no more.
    """
    events = form is not MSGPACK
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("X-Accel-Buffering", "no")
    handler.set_header("Content-Type", stream_type(form))
    leaving = asyncio.ensure_future(gone.wait())
    try:
        await handler.flush()
        payer = handler.parts.identities.payer(handler.request)
        async for part in _parts(items, form, events, leaving):
            turn = handler.parts.turns.take(payer)
            if turn is not None:
                await turn
            try:
                check()
            except Fault as error:
                handler.write(_encoded(_told(error), form, events))
                break
            handler.write(part)
            await handler.flush()
        if not gone.is_set():
            handler.finish(END if events else None)
    except StreamClosedError:
        pass
    finally:
        leaving.cancel()
        await items.aclose()


def stream_type(form: Format) -> str:
    return form.content_type if form is MSGPACK else "text/event-stream; charset=utf-8"


async def _parts(
    items: AsyncGenerator[Any, None],
    form: Format,
    events: bool,
    leaving: "asyncio.Future[Any]",
) -> AsyncGenerator[bytes, None]:
    """The encoded items, with comments in between while none comes; ends when the reader leaves."""
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            if step is None:
                step = asyncio.ensure_future(anext(items))
            timeout = KEEP_ALIVE_SECONDS if events else None
            await asyncio.wait(
                {step, leaving}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if leaving.done():
                return
            if not step.done():
                yield COMMENT
                continue
            done, step = step, None
            try:
                yield _encoded(done.result(), form, events)
            except StopAsyncIteration:
                return
            except Exception as error:
                yield _encoded(_told(error), form, events)
                return
    finally:
        if step is not None:
            step.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await step


def _encoded(item: Any, form: Format, events: bool) -> bytes:
    if not events:
        return form.encode(item)
    return b"data: " + encode_json(item, (", ", ": ")) + b"\n\n"


def _told(error: Exception) -> dict[str, str]:
    """How a stream ends whose generator has failed: the status has long been sent."""
    text = failure_of(error).detail.removeprefix("RemoteException: ")
    message = text.partition(": ")[2] or text
    return {"error": message, "traceback": text}
