"""Clients that ask for as much as they can get, each in a way of its own, for ever.

They keep within the protocol: what is measured is how others fare, not how floods are refused.
"""

import contextlib
import itertools
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from families.httpcalls import raw_provider, request
from families.relay import Pair
from httpclient import HttpConnection, storm
from rawpeer import RawPeer, pack, service_record
from rawsocket import client_frame
from servers import Target

AT_ONCE = 32
ENDLESS = 1 << 60
SINK = 1 << 20


def _swallow(*sockets: socket.socket) -> None:
    """Read from all of them, and forget it."""
    buffer = bytearray(SINK)
    poll = select.poll()
    by_number = {sock.fileno(): sock for sock in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    while True:
        for number, _ in poll.poll():
            if not by_number[number].recv_into(buffer):
                poll.unregister(number)


def _aside(function: Callable[..., Any], *args: Any) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()


def _frames(target: Target, payload: int, at_a_time: int) -> None:
    pair = Pair(target)
    _aside(_swallow, pair.right.sock)
    data = pair.there(payload) * at_a_time
    while True:
        pair.left.sock.sendall(data)


def small_frames(target: Target) -> None:
    _frames(target, 16, 256)


def large_frames(target: Target) -> None:
    _frames(target, 1 << 20, 1)


def largest_frames(target: Target) -> None:
    _frames(target, 15 << 20, 1)


def http_calls(target: Target) -> None:
    with raw_provider(target) as (workspace, service_id):
        storm(target.port, request(target, workspace, service_id), ENDLESS, AT_ONCE)


def event_streams(target: Target) -> None:
    """Generators that never end, read as fast as they come."""
    peer = RawPeer(target)
    peer.join()
    service_id = peer.register("bench", "count").rpartition("/")[2]
    generator = {
        "_rtype": "generator",
        "_rtarget": peer.client_id,
        "_rmethod": "services.bench.step",
        "_rpromise": "*",
    }
    functions = {"count": lambda *_, **__: generator, "step": lambda *_, **__: 1}
    _aside(peer.serve, "bench", functions)
    path = f"/{peer.workspace}/services/{service_id}/count"
    ask = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()
    streams = [HttpConnection(target.port) for _ in range(AT_ONCE)]
    for stream in streams:
        stream.send(ask)
    _swallow(*(stream.sock for stream in streams))


def calls_of_the_server(target: Target) -> None:
    peer = RawPeer(target)
    _aside(_swallow, peer.socket.sock)
    head = peer.header(peer.manager, "services.default.echo", session="s")
    data = client_frame(head + pack({"args": [1], "promise": "*", "t": 15.0})) * 64
    while True:
        peer.socket.sock.sendall(data)


def registrations(target: Target) -> None:
    """The same services again and again, without waiting for the answers."""
    peer = RawPeer(target)
    _aside(_swallow, peer.socket.sock)
    bundle = b""
    for number in range(64):
        record = service_record(peer.address, peer.workspace, f"s{number}", ("f",))
        head = peer.header(peer.manager, "services.default.register_service", session="s")
        bundle += client_frame(head + pack({"args": [record], "promise": "*", "t": 15.0}))
    while True:
        peer.socket.sock.sendall(bundle)


def connections(target: Target) -> None:
    """Come, and go without a goodbye."""
    token = RawPeer(target).call("services.default.generate_token")
    for number in itertools.count():
        with contextlib.suppress(ConnectionError):
            RawPeer(target, token=token, client_id=f"c{number}").close()


def nothing(target: Target) -> None:
    """As busy as a flood, but not with the server: what the others are compared with."""
    while True:
        pack(list(range(1000)))


FLOODS: dict[str, Callable[[Target], None]] = {
    flood.__name__.replace("_", " "): flood
    for flood in (
        nothing,
        small_frames,
        large_frames,
        largest_frames,
        calls_of_the_server,
        registrations,
        http_calls,
        event_streams,
        connections,
    )
}


def run(name: str, target: Target, core: int) -> None:
    """The body of a process: it uses what its core has to spare, no more."""
    os.sched_setaffinity(0, {core})
    os.nice(10)
    FLOODS[name](target)
