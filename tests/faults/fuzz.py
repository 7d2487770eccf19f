"""Every parser against input that means harm, for as long as wanted. Run by hand:

    python tests/faults/fuzz.py --minutes 10 [--only frames]

Valid samples are changed at random; an input that reaches a line of hyphad that none before it has
reached becomes a sample itself. A parser may refuse, in the way it promises; any other exception,
or an input that takes a second, is a finding: it is printed, and the exit code is 1.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import fuzz_targets

import hyphad

PACKAGE = str(Path(hyphad.__file__).parent)
MAX_INPUT = 20_000
SLOW_SECONDS = 1.0
LONG = (b"\xff" * 300, b"0" * 400, b"[" * 3000, b"{" * 3000, b"\x91" * 3000, b"%00", b"\x00")


@dataclass(slots=True)
class Coverage:
    """Which lines of hyphad have been reached; `grew()` tells whether there was a new one."""

    lines: set[tuple[str, int]] = field(default_factory=set)
    before: int = 0

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE):
            return None
        if event == "line":
            self.lines.add((name, frame.f_lineno))
        return self.trace

    def grew(self) -> bool:
        before, self.before = self.before, len(self.lines)
        return self.before > before


def changed(data: bytes, samples: list[bytes], dice: random.Random) -> bytes:
    """The input with a few changes: bits, bytes, pieces of itself and of others."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 8))):
        at = dice.randrange(len(out) + 1)
        end = min(len(out), at + dice.randrange(1, 16))
        match dice.randrange(8):
            case 0 if out:
                out[at % len(out)] ^= 1 << dice.randrange(8)
            case 1 if out:
                out[at % len(out)] = dice.randrange(256)
            case 2:
                del out[at:end]
            case 3:
                out[at:at] = dice.randbytes(dice.randrange(1, 8))
            case 4:
                out[at:at] = out[at:end] * dice.randrange(1, 20)
            case 5:
                other = dice.choice(samples)
                start = dice.randrange(len(other) + 1)
                out[at:end] = other[start : start + dice.randrange(1, 64)]
            case 6:
                out[at:at] = dice.choice(LONG)
            case _:
                del out[at:]
    return bytes(out[:MAX_INPUT])


def fuzz(name: str, target: fuzz_targets.Target, seconds: float, seed: int) -> int:
    """How many findings there were."""
    dice, samples, coverage = random.Random(seed), list(target.samples), Coverage()
    for sample in samples:
        target.run(sample)
    tried = found = 0
    end = time.monotonic() + seconds
    sys.settrace(coverage.trace)
    try:
        while time.monotonic() < end and found < 10:
            data = changed(dice.choice(samples), samples, dice)
            tried += 1
            start = time.thread_time()
            try:
                target.run(data)
            except Exception:
                found += 1
                print(f"{name}: {data[:500]!r}\n{traceback.format_exc(limit=-4)}", flush=True)
            if time.thread_time() - start > SLOW_SECONDS:
                found += 1
                print(
                    f"{name}: takes {time.thread_time() - start:.1f} s: {data[:500]!r}", flush=True
                )
            if coverage.grew():
                samples.append(data)
    finally:
        sys.settrace(None)
    reached = len(coverage.lines)
    print(f"{name}: {tried} inputs, {reached} lines, {len(samples)} samples, {found} findings")
    return found


async def run(minutes: float, only: list[str], seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        targets: dict[str, Callable[[], fuzz_targets.Target]] = fuzz_targets.targets(Path(folder))
        names = only or list(targets)
        return sum(fuzz(name, targets[name](), 60 * minutes, seed) for name in names)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10, help="for each parser")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    return 1 if asyncio.run(run(arguments.minutes, arguments.only, seed)) else 0


if __name__ == "__main__":
    sys.exit(main())
