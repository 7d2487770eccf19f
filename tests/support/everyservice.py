"""Services of every kind, for a real client to offer and tests to call."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np


class Remembered:
    """What services of the tests have seen."""

    def __init__(self) -> None:
        self.produced: list[int] = []
        self.closed = 0


def services(seen: Remembered) -> list[dict[str, Any]]:
    def hello(name: str = "World") -> str:
        """Say hello.

        Args:
            name: Whom to greet.
        """
        return f"Hello {name}!"

    def protected_hello(name: str = "World") -> str:
        return f"Hello {name}!"

    def add(a: int, b: int = 2) -> int:
        return a + b

    def echo(*args: Any, **kwargs: Any) -> dict[str, Any]:
        return {"args": list(args), "kwargs": kwargs}

    def fail(kind: str = "ValueError", message: str = "bad thing") -> None:
        raise {e.__name__: e for e in ERRORS}[kind](message)

    async def fail_later(kind: str = "ValueError", message: str = "bad thing") -> None:
        await asyncio.sleep(0)
        fail(kind, message)

    async def count(n: int = 3) -> AsyncIterator[dict[str, int]]:
        try:
            for i in range(n):
                seen.produced.append(i)
                yield {"i": i}
        finally:
            seen.closed += 1

    def count_plainly(n: int = 3) -> Iterator[int]:
        yield from range(n)

    async def broken(n: int = 1) -> AsyncIterator[int]:
        for i in range(n):
            yield i
        raise ValueError("half way")

    async def raw_bytes() -> AsyncIterator[bytes]:
        yield b"\x00"

    async def slow(seconds: float = 1.0) -> str:
        await asyncio.sleep(seconds)
        return "done"

    def value(name: str) -> Any:
        return VALUES[name]

    tree = {"a": {"f": lambda a=1, b=2: a + b, "k": 5}, "s": "text"}
    return [
        {
            "id": "t", "name": "T", "type": "mytype", "description": "test",
            "hello": hello, "add": add, "echo": echo, "fail": fail, "fail_later": fail_later,
            "count": count, "count_plainly": count_plainly, "broken": broken,
            "raw_bytes": raw_bytes, "slow": slow, "value": value, "nest": tree,
            "const": 42, "zero": 0,
        },
        {
            "id": "c", "config": {"require_context": True},
            "ctx": lambda context=None: context,
        },
        {"id": "prot", "config": {"visibility": "protected"}, "hello": protected_hello},
    ]  # fmt: skip


ERRORS = (ValueError, KeyError, PermissionError, RuntimeError, TypeError, Exception)
VALUES: dict[str, Any] = {
    "none": None,
    "text": "Grüße",
    "long": "x" * 5000,
    "tuple": (1, 2, 3),
    "set": {1, 2},
    "bytes": b"\x00\x01\xff",
    "no_number": float("nan"),
    "array": np.arange(6, dtype="float32").reshape(2, 3),
    "number": np.float32(1.5),
    "integer": np.int64(-7),
    "function": lambda: 1,
    "object": object(),
    "nested": {"f": lambda: 1, "list": [1, {"g": lambda: 2}]},
}
