"""Fixtures of the store: coroutines as tests on a real loop, databases that are closed again."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from hyphad.store.database import Database

settings.register_profile("hyphad", database=None, deadline=None)
settings.load_profile("hyphad")

TEST_SECONDS = 60.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine tests on a loop of their own; nothing may be left unhandled."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    unhandled = []
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        runner.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    assert not unhandled
    return True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hyphad.db"


@pytest.fixture
def opened(file):
    """`async with opened() as db`: the database of this test, closed at the end of the block."""

    @asynccontextmanager
    async def open_and_close() -> AsyncIterator[Database]:
        database = Database.open(file)
        try:
            yield database
        finally:
            await database.close()

    return open_and_close


@pytest.fixture
def refuse_writes():
    """`refuse = await refuse_writes(db)`: changes fail after `refuse(True)`, as on a full disk."""

    async def switch(database: Database) -> Callable[[bool], None]:
        connection = await database.write(lambda connection: connection)
        return lambda on: connection.execute(f"PRAGMA query_only={int(on)}") and None

    return switch


@pytest.fixture
def until() -> Callable:
    """Wait until a condition holds; how long is no assertion, only that it will."""

    async def wait(condition: Callable) -> None:
        while not await condition():
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def execute():
    """Write something to a database past its tables."""

    async def run(database: Database, sql: str, *params: object) -> None:
        await database.write(lambda connection: connection.execute(sql, params))

    return run


@pytest.fixture
def bad_rows(caplog):
    """The log lines about damaged rows, so far."""
    return lambda: [line for line in caplog.messages if line.startswith("bad_row ")]


@pytest.fixture
def hold():
    """`release = hold(db)`: the writer does not go on before `release.set()`."""

    def stop(database):
        going, release = threading.Event(), threading.Event()

        def wait(_):
            going.set()
            release.wait()

        database.write_behind(wait)
        going.wait()
        return release

    return stop
