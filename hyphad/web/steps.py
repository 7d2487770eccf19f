"""The items of a stream, with pauses marked: None each time nothing has come for a while."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, TypeVar

Item = TypeVar("Item")


async def steps(
    items: AsyncGenerator[Item, None], seconds: float, gone: asyncio.Event
) -> AsyncGenerator[Item | None, None]:
    """Ends with the items, or when the reader has `gone`; closes the stream either way."""
    leaving = asyncio.ensure_future(gone.wait())
    step: asyncio.Future[Item] | None = None
    try:
        while True:
            if step is None:
                step = asyncio.ensure_future(anext(items))
            both: set[asyncio.Future[Any]] = {step, leaving}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                return
            if not step.done():
                yield None
                continue
            done, step = step, None
            try:
                yield done.result()
            except StopAsyncIteration:
                return
    finally:
        leaving.cancel()
        if step is not None:
            step.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await step
        await items.aclose()
