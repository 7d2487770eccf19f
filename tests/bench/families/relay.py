"""Frames between two clients of one workspace, by raw sockets."""

import time

from measure import Effort, Family, Measure, Round
from rawpeer import RawPeer, pack
from rawsocket import RawSocket, client_frame, pump
from servers import FLOOR, Target

US = 1e6
# name: (bytes of payload, frames of a round, frames under way)
SIZES = {
    "128 B": (128, 20_000, 256),
    "10 KiB": (10 << 10, 10_000, 64),
    "256 KiB": (256 << 10, 1000, 8),
}
TURNS = 1000


def call_frame(payload: int, sender: str, receiver: str) -> bytes:
    """A call as hypha-rpc sends it, with an argument of `payload` bytes."""
    header = {
        "type": "method",
        "from": sender,
        "to": receiver,
        "method": "services.bench.echo",
        "session": "abcdefghijklmnopqrstuv",
    }
    extra = {"args": [bytes(payload)], "promise": "*", "t": 15.0}
    return pack(header) + pack(extra)


class Pair:
    """Two clients; the bare relay takes the same frames, from clients without a name."""

    def __init__(self, target: Target) -> None:
        if target.kind == FLOOR:
            self.left, self.right = RawSocket(target.port), RawSocket(target.port)
            names = ("ws-user-anonymouz-plain-relay-12345678/0123456789abcdef012345", "l", "r")
            self.addresses = names[0] + names[1], names[0] + names[2]
        else:
            first = RawPeer(target)
            second = first.companion()
            self.left, self.right = first.socket, second.socket
            self.addresses = first.address, second.address

    def there(self, payload: int) -> bytes:
        return client_frame(call_frame(payload, *self.addresses))

    def back(self, payload: int) -> bytes:
        return client_frame(call_frame(payload, *reversed(self.addresses)))

    def turns(self, payload: int, count: int) -> float:
        """Seconds of one way there and back, one frame under way."""
        there, back = self.there(payload), self.back(payload)
        start = time.perf_counter()
        for _ in range(count):
            self.left.sock.sendall(there)
            self.right.receive()
            self.right.sock.sendall(back)
            self.left.receive()
        return (time.perf_counter() - start) / count

    def close(self) -> None:
        self.left.close()
        self.right.close()


def run(target: Target, effort: Effort) -> Round:
    pair = Pair(target)
    values: Round = {}
    for name, (payload, frames, window) in SIZES.items():
        frame = pair.there(payload)
        pump(pair.left, pair.right, frame, window * 2, window)
        count = max(window * 2, effort.times(frames))
        with target.spent() as spent:
            pump(pair.left, pair.right, frame, count, window)
        values[f"cpu {name}"] = spent.cpu / count
        values[f"rate {name}"] = count / spent.wall
        turns = effort.times(TURNS // (4 if payload > 100_000 else 1))
        pair.turns(payload, 20)
        with target.spent() as spent:
            values[f"turn {name}"] = pair.turns(payload, turns)
        values[f"turn cpu {name}"] = spent.cpu / turns / 2
    pair.close()
    return values


def _measures() -> list[Measure]:
    result = []
    for name in SIZES:
        small, big = name == "128 B", name == "256 KiB"
        result += [
            Measure(
                f"cpu {name}",
                f"relay of {name}, pipelined: CPU per frame",
                "us",
                US,
                target=0.6 if small else None,
                goal=0.12 if small else 0.6 if big else None,
                floor_goal=1.5 if small else None,
            ),
            Measure(
                f"rate {name}", f"relay of {name}, pipelined: frames", "1/s", more_is_better=True
            ),
            Measure(
                f"turn {name}",
                f"relay of {name}, there and back at window 1",
                "us",
                US,
                goal=0.35 if small else None,
            ),
            Measure(f"turn cpu {name}", f"relay of {name}, window 1: CPU per frame", "us", US),
        ]
    return result


FAMILY = Family("relay", tuple(_measures()), run, floor=True)
