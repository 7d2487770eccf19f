"""Programs and web servers that should speak MCP: what reaches them, what is left of them.

The programs are lines of shell, so that they start at once.
"""

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest

from hyphad.core.errors import PeerGone, TimedOut
from hyphad.services import mcp_client, mcp_links
from hyphad.services.mcp_client import McpClient
from hyphad.services.mcp_links import LinkFailed, ProgramLink
from hyphad.web.mcp.link import HttpLink

WAIT = 20.0


@contextlib.asynccontextmanager
async def program(script, **env):
    """A link to a shell script, and the queue of what it says; its end comes as a string."""
    link = ProgramLink("/bin/sh", ["-c", script], env)
    heard = asyncio.Queue()
    link.heard = link.lost = heard.put_nowait
    await link.open()
    try:
        yield link, heard
    finally:
        await link.close()


async def soon(heard):
    async with asyncio.timeout(WAIT):
        return await heard.get()


async def test_what_is_no_message_is_passed_over():  # MCP-61
    deep = 'awk \'BEGIN { for (i = 0; i < 200000; i++) printf "["; print "" }\''
    script = f"echo hello; {deep}; echo '[1]'; echo '{{\"id\": 1}}'"
    async with program(script) as (_, heard):
        assert await soon(heard) == {"id": 1}
        assert await soon(heard) == "the program has ended"


async def test_a_message_without_an_end_is_the_end(monkeypatch):
    monkeypatch.setattr(mcp_links, "MAX_LINE", 10_000)
    async with program("tr '\\0' x < /dev/zero & read line; kill $!") as (_, heard):
        assert await soon(heard) == "a message of over 10000 bytes"


async def test_talk_on_its_standard_error_does_not_stop_a_program():
    script = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo '{\"id\": 1}'; cat"
    async with program(script) as (_, heard):
        assert await soon(heard) == {"id": 1}


async def test_a_program_that_does_not_read_is_lost(monkeypatch):
    monkeypatch.setattr(mcp_links, "MAX_LINE", 100_000)
    async with program("sleep 60") as (link, heard):
        for _ in range(5):
            link.send({"text": "x" * 100_000})
        assert await soon(heard) == "the program does not read what it is sent"


async def test_what_a_program_has_started_ends_with_it(monkeypatch):
    monkeypatch.setattr(mcp_links, "GOODBYE_SECONDS", 0.05)
    script = "trap '' TERM; sleep 60 & echo '{\"child\": '$!'}'; wait; wait; sleep 60"
    async with program(script) as (_, heard):
        child = (await soon(heard))["child"]
    async with asyncio.timeout(WAIT):
        while is_running(child):
            await asyncio.sleep(0.01)


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_programs_get_what_they_are_given_alone(monkeypatch):  # MCP-61
    monkeypatch.setitem(os.environ, "HYPHAD_ROOT_TOKEN", "secret")
    script = 'echo "{\\"given\\": \\"$GIVEN\\", \\"ours\\": \\"$HYPHAD_ROOT_TOKEN\\"}"'
    async with program(script, GIVEN="1") as (_, heard):
        assert await soon(heard) == {"given": "1", "ours": ""}


async def test_a_program_that_is_not_there_is_told():
    link = ProgramLink("/nonexistent/program", [], {"KEY": "secret"})
    with pytest.raises(LinkFailed, match=r"^/nonexistent/program: No such file or directory$"):
        await link.open()
    await link.close()


async def test_a_program_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(mcp_client, "HELLO_SECONDS", 0.05)
    client = McpClient(ProgramLink("/bin/sh", ["-c", "sleep 60"], {}), lambda: None)
    with pytest.raises(TimedOut, match="no answer to initialize within"):
        await client.open()
    await client.close()


async def test_calls_end_with_their_program():
    hello = json.dumps({"id": 1, "result": {"capabilities": {"tools": {}}}})
    script = f"read line; echo '{hello}'; read line; read line; exit 3"
    client = McpClient(ProgramLink("/bin/sh", ["-c", script], {}), lambda: None)
    await client.open()
    assert client.capabilities == {"tools": {}}
    with pytest.raises(PeerGone, match="MCP server disconnected: the program has ended"):
        await client.request("tools/call", {"name": "x"}, WAIT)
    with pytest.raises(PeerGone):
        await client.request("tools/list")
    await client.close()


# over HTTP


@contextlib.asynccontextmanager
async def web_server(answer):
    """The URL of a server that says `answer` to each request, and hangs up."""

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://user:secret@127.0.0.1:{port}/mcp?key=secret"
    finally:
        server.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "Stream closed|closed"),
        (HEAD + b"Content-Length: 100\r\n\r\n{", "closed"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "HTTP 401"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "HTTP 500"),
        (HEAD + b"Content-Length: 99999999999\r\n\r\n{", "too long|closed|large"),
    ],
)
async def test_a_web_server_that_fails_is_told_without_its_secrets(answer, reason):
    async with web_server(answer) as url:
        client = McpClient(HttpLink(url, {"Authorization": "Bearer secret"}), lambda: None)
        with pytest.raises(PeerGone, match=reason) as failed:
            async with asyncio.timeout(WAIT):
                await client.open()
        await client.close()
    assert "secret" not in str(failed.value)


async def test_a_web_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(mcp_client, "HELLO_SECONDS", 0.05)
    body = b": ping\n\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\n"
    hang = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await hang.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = McpClient(HttpLink(f"http://127.0.0.1:{port}/mcp", {}), lambda: None)
    with pytest.raises(TimedOut, match="no answer to initialize within"):
        await client.open()
    await client.close()
    hang.set()
    server.close()
