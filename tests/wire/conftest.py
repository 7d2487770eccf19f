"""Fixtures of the wire: coroutines as tests on a clock of their own, and links to fake transports.

Tests never wait: their event loop moves its clock to the next timer as soon as nothing else is to
be done, so that `await asyncio.sleep(30)` means "30 seconds later" and takes no time.
"""

import asyncio
import inspect

import pytest
from hypothesis import settings

from hyphad.core.identity import Permission, Scope, User
from hyphad.core.records import Caller
from hyphad.wire.link import FlowLimits, Link

settings.register_profile("hyphad", database=None, deadline=None)
settings.load_profile("hyphad")

LEVELS = {"r": Permission.READ, "rw": Permission.READ_WRITE, "a": Permission.ADMIN}


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while it would sleep."""

    def __init__(self):
        super().__init__()
        self._virtual = 1000.0
        select = self._selector.select

        def at_once(timeout=None):
            events = select(0)
            if not events and timeout is None:
                raise RuntimeError("the test waits for something that will never happen")
            if not events:
                self._virtual += timeout
            return events

        self._selector.select = at_once

    def time(self):
        return self._virtual


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine tests on a loop of their own; nothing may be left running or unhandled."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    unhandled = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(lambda _, context: unhandled.append(context))
        runner.run(pyfuncitem.obj(**arguments))
    assert not unhandled
    return True


class FakeTransport:
    """Keeps what it is given; `stuck` keeps it queued, as a client that does not read."""

    def __init__(self):
        self.frames = []
        self.texts = []
        self.closed = []
        self.queued = 0
        self.stuck = False

    def send_bytes(self, *parts):
        data = b"".join(parts)
        self.frames.append(data)
        if self.stuck:
            self.queued += len(data)

    def send_text(self, text):
        self.texts.append(text)

    def close(self, code, reason):
        self.closed.append((code, reason))


def make_caller(address, level="a", user_id="someone"):
    """The caller at `workspace/client`, with that level on its workspace."""
    workspace, client_id = address.split("/")
    scope = Scope({workspace: LEVELS[level]}, workspace, client_id)
    return Caller(User(user_id, ("user",), scope), workspace, client_id)


@pytest.fixture
def connect():
    """Make a link to a fake transport; its client has spoken already unless `fresh`."""

    def make(address, level="a", *, fresh=False, resumed=False, limits=None, on_slow=None):
        transport = FakeTransport()
        caller = make_caller(address, level)
        link = Link(caller, transport, limits or FlowLimits(), on_slow, resumed)
        if not fresh:
            link.touch()
        return link

    return make


@pytest.fixture
def caller():
    return make_caller
