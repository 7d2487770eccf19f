"""Real Python clients of several users, and what goes wrong for them, in few words."""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from hypha_rpc import connect_to_server
from running import Hyphad
from tickets import ticket


@contextlib.asynccontextmanager
async def as_user(hub: Hyphad, user: str | None = None, **options: Any) -> AsyncIterator[Any]:
    """A connected client of that user, or of a new visitor."""
    if user is not None:
        options.setdefault("token", ticket(user))
    async with connect_to_server({"server_url": hub.url, **options}) as server:
        yield server


async def error_of(call: Awaitable[Any]) -> str:
    """What a call is rejected with, as the server put it."""
    try:
        value = await call
    except Exception as error:
        return str(error).strip().removeprefix("RemoteError:")
    raise AssertionError(f"it was answered with {value!r}")
