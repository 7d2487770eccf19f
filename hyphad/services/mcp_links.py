"""How messages get to an external MCP server and back: over the pipes of a program (MCP-61).

A link carries JSON-RPC messages and knows nothing of what they mean. The one over HTTP is in
`web.mcp.link`, where HTTP lives.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any, Protocol

log = logging.getLogger(__name__)

Message = dict[str, Any]
MAX_LINE = 64 << 20
GOODBYE_SECONDS = 2.0
# Of our own environment only what programs need to run; it may hold our secrets.
_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT")


class LinkFailed(Exception):
    """The server cannot be reached; the text says why."""


class Link(Protocol):
    """A way to one server. `heard` is called with each message, `lost` once when it breaks."""

    heard: Callable[[Message], None]
    lost: Callable[[str], None]

    async def open(self) -> None: ...

    def send(self, message: Message) -> None: ...

    async def close(self) -> None: ...


class ProgramLink:
    """A program that speaks MCP on its standard input and output, one message a line."""

    def __init__(self, command: str, arguments: list[str], env: Mapping[str, str]) -> None:
        self._command = [command, *arguments]
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._env = {**kept, **env}
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.heard: Callable[[Message], None] = lambda message: None
        self.lost: Callable[[str], None] = lambda reason: None

    async def open(self) -> None:
        """Start the program. Raises `LinkFailed`."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._env,
                limit=MAX_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise LinkFailed(f"{self._command[0]}: {error.strerror or error}") from None
        self._tasks = [
            asyncio.ensure_future(self._listen()),
            asyncio.ensure_future(self._note_errors()),
        ]

    def send(self, message: Message) -> None:
        assert self._process is not None and self._process.stdin is not None
        if self._process.stdin.transport.get_write_buffer_size() > MAX_LINE:
            self.lost("the program does not read what it is sent")
            return
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _listen(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        output = self._process.stdout
        reason = "the program has ended"
        try:
            while line := await output.readline():
                try:
                    message = json.loads(line)
                except (ValueError, RecursionError):
                    log.warning("mcp_not_json program=%s line=%r", self._command[0], line[:200])
                    continue
                if isinstance(message, dict):
                    self.heard(message)
        except ValueError:
            reason = f"a message of over {MAX_LINE} bytes"
        self.lost(reason)
        while await output.read(1 << 16):
            pass  # A pipe that is full would keep the program from ending.

    async def _note_errors(self) -> None:
        assert self._process is not None and self._process.stderr is not None
        errors = self._process.stderr
        while text := await errors.read(1 << 16):
            log.debug("mcp_stderr program=%s text=%r", self._command[0], text[:500])

    async def close(self) -> None:
        """Close its input, which tells it to end; then end it and what it has started."""
        process, self._process = self._process, None
        try:
            if process is not None and process.returncode is None:
                await _ended(process)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    for end in (None, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            if end is not None:
                os.killpg(process.pid, end)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await process.wait()
                return
