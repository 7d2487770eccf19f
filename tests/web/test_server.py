"""Clients that do not get on with their requests, and requests that are too long."""

import asyncio
import gzip
import http.client
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from coroutines import until
from running import Hyphad
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler, stream_request_body

from hyphad.web import heads, server
from hyphad.web.server import Server

LIMIT = 1 << 20


class Echo(RequestHandler):
    def get(self) -> None:
        self.write({"remote": self.request.remote_ip, "scheme": self.request.protocol})

    def post(self) -> None:
        self.write(str(len(self.request.body)))


@stream_request_body
class Hasty(RequestHandler):
    """Answers before the body is there."""

    async def prepare(self) -> None:
        self.write("early")
        await self.flush()

    def data_received(self, chunk: bytes) -> None:
        pass

    def post(self) -> None:
        self.finish()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(server, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.02)


class Line:
    """A raw connection to a server that runs in this process."""

    def __init__(self, trusted: list[str] | None = None) -> None:
        sock, self.port = bind_unused_port()
        self.server = Server(
            Application([("/", Echo), ("/hasty", Hasty)]), trusted_proxies=trusted or []
        )
        self.server.add_socket(sock)

    async def __aenter__(self) -> "Line":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        self.server.stop()
        await self.server.close_all_connections()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(size)


async def test_headers_that_drip_are_cut_off(quick: None) -> None:  # D-19
    async with Line() as line:
        line.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        status, body = await line.answer()
        assert (status, json.loads(body)["success"]) == (408, False)
        assert await line.reader.read() == b""


async def test_silence_is_cut_off_silently(quick: None) -> None:  # D-19
    async with Line() as line:
        assert await line.reader.read() == b""


async def test_a_second_request_that_drips_is_cut_off_too(quick: None) -> None:  # D-19
    async with Line() as line:
        line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[0] == 200
        line.send(b"GET /")
        assert (await line.answer())[0] == 408


async def test_an_idle_connection_is_kept(quick: None) -> None:  # HTTP-1
    async with Line() as line:
        for _ in range(2):
            line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await line.answer())[0] == 200
            idle = asyncio.get_running_loop().time()
            await until(lambda idle=idle: asyncio.get_running_loop().time() > idle + 0.5)


async def test_a_body_without_progress_is_cut_off(quick: None) -> None:  # D-19
    async with Line() as line:
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert (await line.answer())[0] == 408


async def test_a_slow_body_with_progress_is_taken(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:  # D-19
    monkeypatch.setattr(server, "BODY_SECONDS", 1.0)
    async with Line() as line:
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            line.send(b"x")
            now = asyncio.get_running_loop().time()
            await until(lambda now=now: asyncio.get_running_loop().time() > now + 0.3)
        assert await line.answer() == (200, b"4")


async def test_a_slow_body_does_not_break_into_an_answer(quick: None) -> None:  # D-19
    async with Line() as line:
        line.send(b"POST /hasty HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        whole = await line.reader.read()
        assert whole.startswith(b"HTTP/1.1 200 ")
        assert whole.endswith(b"\r\n\r\n5\r\nearly\r\n")


async def test_an_idle_connection_is_closed_in_the_end(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:  # HTTP-1
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.1)
    async with Line() as line:
        line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[0] == 200
        assert await line.reader.read() == b""


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"X-Long: " + bytes(8 << 20).replace(b"\0", b"y") + b"\r\n", id="bytes"),
        pytest.param(b"a:\r\n" * heads.MAX_LINES, id="lines"),
    ],
)
async def test_long_headers_are_431(fields: bytes) -> None:  # HTTP-3, D-19
    async with Line() as line:
        line.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
        status, body = await line.answer()
        assert (status, json.loads(body)["success"]) == (431, False)
        await line.writer.drain()
        assert await line.reader.read() == b""
    async with Line() as line:  # a long head in many pieces, and the body behind it
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-Long: ")
        for _ in range(100):
            line.send(b"y" * 1000)
            await line.writer.drain()
        line.send(b"\r\n\r\nabc")
        assert await line.answer() == (200, b"3")


async def test_a_bad_chunk_is_no_long_header() -> None:
    async with Line() as line:
        line.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 999)
        assert b" 431 " not in await line.reader.read()


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
async def test_requests_in_one_packet_are_answered_in_turn(end: bytes) -> None:  # HTTP-1
    async with Line() as line:
        get = end.join((b"GET / HTTP/1.1", b"Host: x", b"", b""))
        post = end.join((b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 4", b"", b"abcd"))
        line.send(get + post + get)
        answers = [await line.answer() for _ in range(3)]
        assert [status for status, _ in answers] == [200, 200, 200]
        assert answers[1][1] == b"4"


async def test_a_whole_url_may_be_asked_for() -> None:
    async with Line() as line:
        line.send(b"GET http://x:80/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[0] == 200
        line.send(b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[0] == 404


async def test_too_many_query_fields_are_told() -> None:
    async with Line() as line:
        line.send(b"GET /?" + b"a&" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        status, body = await line.answer()
        assert (status, json.loads(body)["success"]) == (400, False)


@pytest.mark.parametrize(
    ("trusted", "headers", "remote", "scheme"),
    [
        ([], "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n", "127.0.0.1", "http"),
        (["10.0.0.0/8"], "X-Forwarded-For: 10.0.0.1\r\n", "127.0.0.1", "http"),
        (["127.0.0.1"], "", "127.0.0.1", "http"),
        (
            ["127.0.0.1"],
            "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n",
            "10.0.0.1",
            "https",
        ),
        (["127.0.0.1"], "X-Forwarded-Proto: gopher\r\n", "127.0.0.1", "http"),
    ],
)
async def test_forwarded_headers_count_from_proxies_only(
    trusted: list[str], headers: str, remote: str, scheme: str
) -> None:  # AUTH-107
    async with Line(trusted) as line:
        for shown in (headers, ""):
            line.send(f"GET / HTTP/1.1\r\nHost: x\r\n{shown}\r\n".encode())
            answer = json.loads((await line.answer())[1])
            expected = (remote, scheme) if shown else ("127.0.0.1", "http")
            assert (answer["remote"], answer["scheme"]) == expected


# bodies that are too long


@pytest.fixture
def small(make_hyphad: Callable[..., Hyphad]) -> Hyphad:
    return make_hyphad("--max-call-body-bytes", str(LIMIT), "--max-body-bytes", str(LIMIT)).start()


def ask(small: Hyphad, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", small.port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    chunked = not isinstance(body, bytes)
    connection.request("POST", path, body, named, encode_chunked=chunked)
    answer = connection.getresponse()
    data = answer.read()
    kind = answer.getheader("Content-Type", "")
    return answer.status, json.loads(data) if "json" in kind else data.decode()


def test_long_bodies_are_413(small: Hyphad) -> None:  # HTTP-3
    path = "/public/services/ws/echo"
    status, answer = ask(small, path, bytes(LIMIT + 1), Content_Type="application/json")
    assert status == 413
    assert answer["success"] is False
    assert str(LIMIT) in answer["detail"]
    chunks = (bytes(10_000) for _ in range(200))
    assert ask(small, path, chunks, Content_Type="application/json")[0] == 413
    bomb = gzip.compress(bytes(8 * LIMIT))
    headers = {"Content_Type": "application/json", "Content_Encoding": "gzip"}
    assert ask(small, path, bomb, **headers)[0] == 413
    assert ask(small, path, b" " * LIMIT, Content_Type="application/json")[0] == 400
    assert small.get("/health")[0] == 200


def test_a_refused_upload_still_gets_its_answer(small: Hyphad) -> None:
    status, text = ask(small, "/ws-nope/apps/web/", os.urandom(LIMIT))
    assert (status, text) == (404, "Workspace ws-nope does not exist or is not accessible")
    status, _ = ask(small, "/ws-nope/apps/web/", bytes(4 * LIMIT))
    assert status == 413


def test_expecting_clients_do_not_send_in_vain(small: Hyphad) -> None:  # HTTP-1
    start = b"POST /public/services/ws/echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as sock:
        sock.sendall(start + f"Content-Length: {LIMIT + 1}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b" 100 " not in answer
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as sock:
        sock.sendall(start + b"Content-Length: 2\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"{}")
        assert sock.recv(1000).startswith(b"HTTP/1.1 403 ")


def test_long_request_lines_are_accepted(small: Hyphad) -> None:  # HTTP-3
    assert small.get("/health?x=" + "y" * 90_000)[0] == 200


@pytest.mark.parametrize(
    "request_", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"]
)
def test_garbage_ends_the_connection_only(small: Hyphad, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as sock:
        sock.sendall(request_)
        while sock.recv(1000):
            pass
    assert small.get("/health")[0] == 200
    assert "Traceback" not in small.log
