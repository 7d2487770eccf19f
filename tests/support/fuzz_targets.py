"""What is fuzzed: parsers, valid samples for each, and how each may refuse (`faults/fuzz.py`)."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

import msgpack
from tornado.httputil import HTTPServerRequest

from hyphad import config
from hyphad.auth.keys import ring_from_secret
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.core import address, query
from hyphad.core.errors import Fault
from hyphad.core.events import Events
from hyphad.core.identity import Scope, User, root_user
from hyphad.core.records import Caller, service_from_wire
from hyphad.web import arguments
from hyphad.web.failures import Refusal
from hyphad.wire import frame, values
from hyphad.wire.link import FlowLimits, Link
from hyphad.wire.router import Router, event_frame

SAMPLE_CONFIG = Path(__file__).parents[2] / "conf" / "hyphad.toml"
HEADER = {
    "type": "method",
    "from": "ws-a/one",
    "to": "ws-a/two",
    "method": "services.x.echo",
    "session": "s" * 22,
}
METHOD = {"_rtype": "method", "_rtarget": "two", "_rmethod": "a.b", "_rpromise": True}
EXTRA = {"args": [1, "two", {"k": [None, 0.5]}, METHOD], "promise": "*", "t": 15.0}
SERVICE = {
    "id": "one:hello",
    "name": "Hello",
    "type": "generic",
    "config": {"visibility": "public", "require_context": True, "flags": ["a"]},
    "service_schema": {"f": {"type": "function", "function": {"name": "f", "parameters": {}}}},
}
SECRET = "x" * 64
USER = User("me", email="me@lab.org", scope=Scope.parse("ws:ws-a#rw wid:ws-a cid:one extra"))


@dataclass(frozen=True, slots=True)
class Target:
    """`run` returns, or raises what is a finding."""

    samples: list[bytes]
    run: Callable[[bytes], None]


def targets(folder: Path) -> dict[str, Callable[[], Target]]:
    """Made when wanted, in a running loop."""
    return {
        "frames": frames,
        "values": packed_values,
        "tokens": tokens,
        "addresses": addresses,
        "records": records,
        "queries": queries,
        "bodies": bodies,
        "config": lambda: configuration(folder),
    }


class Receiver:
    """Looks at each frame whether its sender could lie (WIRE-42); the server's own are rejections.

    Client one sends all frames.
    """

    queued = 0

    def __init__(self, client: str) -> None:
        self._client = client

    def send_bytes(self, *parts: bytes | memoryview) -> None:
        unpacker = msgpack.Unpacker(strict_map_key=False, unicode_errors="surrogateescape")
        unpacker.feed(b"".join(parts))
        header = unpacker.unpack()
        assert header["ws"] == "ws-a" and "ctx" not in header, header
        if header["user"]["id"] == "root":
            assert self._client == "one" and header["method"].endswith(".reject"), header
        else:
            assert header["user"]["id"] == "me" and header["from"] == "ws-a/one", header

    def send_text(self, text: str) -> None:
        raise AssertionError(text)

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(reason)

    def abort(self) -> None:
        raise AssertionError("aborted")


def frames() -> Target:
    router = Router("*/manager", "server", Events(event_frame), 60.0)
    links = []
    for client in ("one", "two"):
        limits = FlowLimits(0.0, 0.0, 1 << 40)
        link = Link(Caller(USER, "ws-a", client), Receiver(client), limits)
        router.attach(link)
        link.release()
        links.append(link)

    def run(data: bytes) -> None:
        router.route(links[0], data)

    packed = frame.pack(HEADER)
    event = frame.pack({"type": "moved", "from": "ws-a/one", "to": "ws-a/*", "data": {"x": 1}})
    long = {"args": [b"x" * 5000], "promise": "*", "with_kwargs": True}
    samples = [packed, packed + frame.pack(EXTRA), packed + frame.pack(long), event]
    return Target(samples, run)


def packed_values() -> Target:
    def run(data: bytes) -> None:
        try:
            values.encode(values.decode(data, "ws-a"))
        except frame.BadFrame:
            return
        except (ValueError, TypeError, OverflowError):  # what cannot be sent again is refused
            return

    array = {"_rtype": "ndarray", "_rvalue": bytes(16), "_rshape": [4], "_rdtype": "float32"}
    times = {"a": msgpack.Timestamp(1, 2), "b": msgpack.ExtType(7, b"x")}
    return Target([frame.pack(value) for value in (EXTRA, array, times, [METHOD] * 3)], run)


def tokens() -> Target:
    signer = Tokens(ring_from_secret(SECRET), Dialect("https://issuer/", "aud", "https://ns/"))
    made = [signer.mint(USER, 1000), signer.mint(root_user("ws-a"), 1000, resumed=True)]
    known = [signer.verify(token) for token in made]

    def run(data: bytes) -> None:
        text = data.decode("latin-1")
        with contextlib.suppress(Fault):
            assert signer.verify(text) in known
        with contextlib.suppress(Fault):
            Scope.parse(text)

    scope = USER.scope.format().encode()
    return Target([*(token.encode() for token in made), b"Bearer " + made[0].encode(), scope], run)


def addresses() -> Target:
    own = "ws-a"
    parsers: list[Callable[[str], object]] = [
        lambda text: address.parse_service(text, own),
        lambda text: address.parse_registration(text, own),
        address.split_peer,
        address.check_workspace_name,
        address.check_app_id,
        lambda text: query.parse_query(text, own),
    ]

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        for parse in parsers:
            with contextlib.suppress(Fault):
                str(parse(text))

    samples = [b"ws-a/one:hello@app", b"hello", b"one:hello", b"*/x", b"ws-a/*:a|b*@*", b"~"]
    return Target(samples, run)


def records() -> Target:
    caller = Caller(USER, "ws-a", "one")

    def run(data: bytes) -> None:
        try:
            info = values.decode(data, "ws-a")
        except frame.BadFrame:
            return
        try:
            service = service_from_wire(info, caller)
        except Fault:
            return
        assert service.record["config"]["created_by"] == {"id": "me"} or service.name == "built-in"
        json.dumps(service.record).encode()

    return Target([frame.pack(SERVICE), frame.pack({**SERVICE, "id": "ws-a/one:built-in"})], run)


def queries() -> Target:
    def run(data: bytes) -> None:
        uri = "/ws-a/services/x/f?" + quote_from_bytes(data, safe='&=+%;[]{}":,.-/')
        for text in (uri, "/?" + data.decode("latin-1")):
            with contextlib.suppress(Refusal):
                arguments.from_query(HTTPServerRequest("GET", text))

    samples = [b"a=1&b=2.5&c=text", b'o={"a":[1,{"b":null}]}&o=x', b"workspace=x&_mode=y", b"a=%ff"]
    return Target(samples, run)


def bodies() -> Target:
    kinds = [
        "application/json",
        "application/msgpack",
        "application/x-www-form-urlencoded",
        "text/plain; charset=utf-16",
    ]

    def run(data: bytes) -> None:
        for kind in kinds:
            for encoding in ("identity", "gzip"):
                headers = {"Content-Type": kind, "Content-Encoding": encoding}
                request = HTTPServerRequest("POST", "/", headers=headers, body=data)  # type: ignore[arg-type]
                work = arguments.from_body(request, 1 << 20)
                try:
                    work.send(None)
                except (Refusal, StopIteration):
                    pass
                finally:
                    work.close()

    import gzip

    text = json.dumps({"a": [1, None, "x"], "b": {"_rtype": "ndarray"}}).encode()
    return Target([text, frame.pack(EXTRA), b"a=1&b=x", gzip.compress(text)], run)


def configuration(folder: Path) -> Target:
    file = folder / "fuzz.toml"

    def run(data: bytes) -> None:
        file.write_bytes(data)
        with contextlib.suppress(config.ConfigError):
            config.load({}, {}, file)

    lines = SAMPLE_CONFIG.read_text().splitlines()
    settings = [line[1:] for line in lines if line.startswith("#") and " = " in line]
    return Target([line.encode() for line in settings] + ["\n".join(settings).encode()], run)
