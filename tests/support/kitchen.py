"""Services as users write them, for tests of MCP and A2A."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import numpy as np
from hypha_rpc.utils.schema import schema_function
from pydantic import Field

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
PICTURE = {"type": "image", "data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}


@schema_function
def hello(
    name: str = Field(description="The name of the person to greet"),
    greeting: str = Field(default="Hello", description="The greeting word to use"),
) -> str:
    """Generate a personalized greeting message.

    Second paragraph."""
    return f"{greeting} {name}!"


@schema_function
def process_data(text: str, max_items: int | None = None) -> dict[str, Any]:
    """Process a text."""
    return {"processed": text, "max_items": max_items}


@schema_function
def add(a: float, b: float = 1) -> float:
    """Add."""
    return a + b


@schema_function
def value(kind: str) -> Any:
    """One of many values."""
    return VALUES[kind]


@schema_function
def fail(x: int = 0) -> None:
    """Fail."""
    raise ValueError(f"bad x {x}")


@schema_function
async def count(n: int) -> AsyncIterator[str]:
    """Count."""
    for i in range(n):
        yield f"item {i}, "
        await asyncio.sleep(0.01)


@schema_function
def numbers(n: int) -> Iterator[dict[str, int]]:
    """Numbers one by one."""
    for i in range(n):
        yield {"i": i}


@schema_function
async def report() -> AsyncIterator[Any]:
    """Report progress, log, and end with a text."""
    yield {"progress": 1, "total": 2, "message": "half"}
    yield {"level": "warning", "data": "careful", "logger": "oven"}
    yield {"progress": 2, "total": 2}
    yield "done"


@schema_function
async def slow(seconds: float) -> str:
    """Take a while."""
    await asyncio.sleep(seconds)
    return "finally"


@schema_function
def choose(colour: Literal["red", "green", "grey"], title: str) -> str:
    """A prompt with choices."""
    return f"{colour} {title}"


@schema_function
def maybe(items: list[int] | None = None) -> str:
    """An argument that may be left out."""
    return repr(items)


@schema_function(schema_type="native")
def native_types(a: int, b: str = "x", c: list = None, d: dict = None, e: float = 1.0) -> str:  # noqa: RUF013
    """Described in Python's words."""
    return f"{a}{b}"


def plain(x: Any) -> Any:
    """Not decorated."""
    return x


@schema_function
def whoami(context: dict[str, Any] | None = None) -> dict[str, Any]:
    """Who calls."""
    assert context is not None
    return {"user": context["user"]["id"], "ws": context["ws"]}


VALUES: dict[str, Any] = {
    "text": "Grüße",
    "int": 3,
    "float": 3.5,
    "true": True,
    "none": None,
    "nan": float("nan"),
    "dict": {"a": [1, {"b": None}]},
    "list": [1, "two", {"three": 3}],
    "texts": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
    "picture": PICTURE,
    "mixed": [{"type": "text", "text": "see"}, PICTURE],
    "png": PNG,
    "bytes": b"\x00\x01abc",
    "link": {"type": "resource_link", "uri": "https://lab.example/x", "name": "x"},
    "audio": {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
    "resource": {"type": "resource", "resource": {"uri": "a://b", "text": "inside"}},
    "result": {
        "content": [{"type": "text", "text": "given"}],
        "structuredContent": {"n": 1},
        "_meta": {"k": "v"},
    },
    "error": {"content": [{"type": "text", "text": "no"}], "isError": True},
    "array": np.arange(6, dtype="float32").reshape(2, 3),
    "set": {1},
    "function": lambda: 1,
}


def kitchen() -> dict[str, Any]:
    return {
        "id": "kitchen",
        "name": "Kitchen",
        "description": "All kinds of tools.",
        "docs": "# Docs\nhi",
        "hello": hello,
        "process_data": process_data,
        "value": value,
        "fail": fail,
        "count": count,
        "numbers": numbers,
        "report": report,
        "slow": slow,
        "maybe": maybe,
        "native_types": native_types,
        "plain": plain,
        "math": {"add": add, "deep": {"hello": hello}},
        "fns": [add, plain],
        "meta": {"version": "1.0", "list": ["a", "b"], "n": 5},
    }


def configured() -> dict[str, Any]:
    """Titles, hints and results that are described, without touching the functions (MCP-9)."""
    tools = {
        "add": {"title": "Sum", "annotations": {"readOnlyHint": True, "odd": 1}},
        "process_data": {
            "outputSchema": {
                "type": "object",
                "properties": {"processed": {"type": "string"}},
                "required": ["processed"],
            }
        },
        "count": {"outputSchema": {"type": "array", "items": {"type": "string"}}},
        "value": {"outputSchema": {"type": "integer"}},
        "nothing": "of the kind",
    }
    return {
        "id": "configured",
        "config": {"mcp": {"instructions": "Use with care.", "expose_all": True, "tools": tools}},
        "add": add,
        "process_data": process_data,
        "count": count,
        "value": value,
        "plain": plain,
    }


@schema_function
def topic(topic: str, tone: Literal["warm", "cold", "cool"] = "warm") -> str:
    """Ask about something."""
    return f"Speak of {topic}, {tone}"


def inline() -> dict[str, Any]:
    """An MCP service with dictionaries, as decorated and as documented upstream."""

    @schema_function
    def read_note() -> str:
        """A note."""
        return "the note"

    @schema_function
    def chat() -> dict[str, Any]:
        """Messages."""
        content = {"type": "text", "text": "hey"}
        return {"description": "d", "messages": [{"role": "assistant", "content": content}]}

    shape = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    return {
        "id": "inline",
        "type": "mcp",
        "tools": {
            "add": add,
            "twice": {"description": "Twice.", "inputSchema": shape, "handler": lambda a: 2 * a},
        },
        "resources": {
            "note": {
                "uri": "note://1",
                "name": "Note",
                "description": "n",
                "mime_type": "text/x-note",
                "read": read_note,
            },
            "bare": {"read": lambda: {"k": 1}},
            "picture": {"uri": "pic://1", "mimeType": "image/png", "read": lambda: PNG},
        },
        "prompts": {
            "p1": {"name": "topic_help", "description": "About.", "read": topic},
            "p2": {"read": chat},
        },
    }


def native() -> dict[str, Any]:
    """An MCP service that answers for itself."""

    def list_tools() -> list[dict[str, Any]]:
        return [
            {
                "name": "echo",
                "description": None,
                "inputSchema": {"type": "object", "properties": {"x": {}}, "required": ["x"]},
                "annotations": {"readOnlyHint": True, "title": None},
            },
            {"name": "strange name!", "inputSchema": {"type": "object"}},
            {"no": "tool"},
        ]

    def call_tool(name: str, arguments: dict[str, Any]) -> Any:
        return {"type": "text", "text": f"{name} {arguments.get('x')}", "annotations": None}

    def list_resources() -> list[dict[str, Any]]:
        return [{"uri": "n://1", "name": "one", "description": None}]

    def list_resource_templates() -> list[dict[str, Any]]:
        return [{"uriTemplate": "n://{id}", "name": "any"}]

    def read_resource(uri: str) -> dict[str, Any]:
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": f"I am {uri}"}]}

    def list_prompts() -> list[dict[str, Any]]:
        return [{"name": "p", "arguments": [{"name": "a", "required": True}]}]

    def get_prompt(name: str, arguments: dict[str, Any]) -> str:
        return f"{name} {arguments}"

    functions = [
        list_tools, call_tool, list_resources, list_resource_templates, read_resource,
        list_prompts, get_prompt,
    ]  # fmt: skip
    return {"id": "native", "type": "mcp", **{one.__name__: one for one in functions}}


def private() -> dict[str, Any]:
    @schema_function
    def hello(name: str) -> str:  # of its own: clients keep permissions by function
        """Greet in private."""
        return f"Hello {name}!"

    return {"id": "private", "config": {"visibility": "protected"}, "hello": hello}


def services() -> list[dict[str, Any]]:
    return [
        kitchen(),
        configured(),
        inline(),
        native(),
        {"id": "wrong", "type": "mcp", "hello": hello},
        {"id": "wrong-tool", "type": "mcp", "tools": {"plain": plain}},
        {"id": "who", "config": {"require_context": True}, "whoami": whoami},
        private(),
    ]
