"""Tests may be coroutines: a `conftest.py` imports the hook from here, and each gets a loop."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

TEST_SECONDS = 60.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end, or fail it after a minute."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def bounded() -> None:
        async with asyncio.timeout(TEST_SECONDS):
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True


async def until(true: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
    """Wait until a condition holds; its value."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        value = true()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert loop.time() < end, f"never happened: {what or true}"
        await asyncio.sleep(0.02)
