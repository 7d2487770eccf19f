"""A microscope as a service: what people look at in the console, in real functions."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any, Literal

import numpy as np
from hypha_rpc.utils.schema import schema_function
from pydantic import BaseModel, Field

ONE_TO_NINE = Field(..., description="Any number from 1 to 9", ge=1, le=9)
SOME_WORDS = Field(..., description="Some words")


class Box(BaseModel):
    """A part of a picture."""

    left: int = 0
    label: str


class Instrument:
    """What its services have been asked for, and how many of its streams were closed."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.closed = 0

    def services(self) -> list[dict[str, Any]]:
        return [
            {
                "id": "camera",
                "name": "Camera",
                "type": "instrument",
                "description": "Takes pictures.",
                "docs": "# Camera",
                **self.functions(),
            },
            {"id": "stage", "name": "Stage", "config": {"visibility": "protected"}, "go": go},
            {
                "id": "script",
                "name": "<script>alert(1)</script>",
                "description": "<img src=x onerror=alert(2)>",
                "plain": lambda *args, **kwargs: [list(args), kwargs],
            },
        ]

    def functions(self) -> dict[str, Any]:
        @schema_function
        def every(
            text: str,
            whole: int = ONE_TO_NINE,
            number: float = 1.5,
            yes: bool = False,
            choice: Literal["red", "green"] = "red",
            words: list[str] = SOME_WORDS,
            box: Box | None = None,
            anything: dict[str, Any] | None = None,
            note: str | None = None,
            count: int | None = None,
        ) -> dict[str, Any]:
            """Take a parameter of every kind.

            And give them back.
            """
            found = {**locals()}
            found.pop("self", None)
            if found["box"] is not None:
                found["box"] = dict(found["box"])
            self.asked.append(found)
            return found

        @schema_function
        def fail(reason: str = "the shutter is closed") -> None:
            """Fail."""
            raise ValueError(reason)

        async def count(n: int = 100_000) -> AsyncIterator[int]:
            """Count slowly."""
            try:
                for i in range(n):
                    yield i
                    await asyncio.sleep(0.02)
            finally:
                self.closed += 1

        def size(data: Any) -> int:
            self.asked.append({"data": data})
            return len(data)

        size.__schema__ = {  # type: ignore[attr-defined]
            "name": "size",
            "description": "How many bytes a file has.",
            "parameters": {
                "type": "object",
                "properties": {"data": {"type": "string", "format": "binary"}},
                "required": ["data"],
            },
        }
        return {
            "every": every, "fail": fail, "count": count, "size": size, "picture": picture,
            "png": png, "half": half, "table": table, "tree": tree, "nothing": nothing,
            "spectrum": spectrum,
        }  # fmt: skip


@schema_function
def go(x: float, y: float) -> str:
    """Move the stage."""
    return f"at {x}, {y}"


@schema_function
def picture() -> Any:
    """One picture."""
    return np.arange(64 * 48, dtype="uint16").reshape(48, 64)


@schema_function
def half() -> Any:
    """Numbers of two bytes each."""
    return np.array([0.5, -2, 65504, 6e-8, np.inf], dtype="float16")


@schema_function
def png() -> bytes:
    """The same as a file."""
    return png_file(8, 6)


@schema_function
def spectrum() -> Any:
    """Numbers in a row."""
    return np.sin(np.arange(100, dtype="float32"))


@schema_function
def table() -> list[dict[str, Any]]:
    """Positions."""
    return [{"name": "home", "x": 0}, {"name": "<b>slide</b>", "x": 12.5}]


@schema_function
def tree() -> dict[str, Any]:
    """What the microscope says of itself."""
    return {"laser": {"on": True, "powers": [1, 2]}, "serial": "A-1042"}


@schema_function
def nothing() -> None:
    """Nothing."""


def png_file(width: int, height: int) -> bytes:
    """The bytes of a grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\x00" + bytes(range(width)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
