"""Scripts of `tests/node` run under Node, and talked to in JSON lines.

async with node("provider.mjs", hyphad.url) as script:
    print(await script.line())
"""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[1] / "node"
LINE_SECONDS = 30.0


class Script:
    """A running script."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, seconds: float = LINE_SECONDS) -> Any:
        """The next value it tells."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the script has ended:\n{await self.errors()}")
        return json.loads(line)

    async def ask(self, value: Any) -> Any:
        """Send it a value, and take its next one."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")
        return await self.line()

    async def errors(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.read()).decode()

    async def end(self) -> int:
        """Tell it to leave; its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(LINE_SECONDS):
            return await self._process.wait()


def node_modules() -> Path:
    """Where the npm packages are; skips the test where there is no Node or nobody fetched them."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    given = os.environ.get("HYPHAD_TEST_NODE_MODULES")
    folder = Path(given or SCRIPTS / "node_modules")
    if (folder / "hypha-rpc").is_dir():
        return folder
    text = f"{folder} has no hypha-rpc: run `npm ci --prefix tests/node`"
    if given:
        raise AssertionError(text)
    pytest.skip(text)


@contextlib.asynccontextmanager
async def node(script: str, *arguments: Any) -> AsyncIterator[Script]:
    """A script at work; it is killed at the end if it has not left by then."""
    environment = {**os.environ, "HYPHAD_TEST_NODE_MODULES": str(node_modules())}
    words = [text if isinstance(text, str) else json.dumps(text) for text in arguments]
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPTS / script),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        limit=1 << 24,
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
