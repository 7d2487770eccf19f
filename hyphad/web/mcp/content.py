"""What a function returned, as the content of an MCP result (MCP-31).

call_result({"n": 1}, "2025-06-18", tool)
# {"content": [{"type": "text", "text": '{"n": 1}'}], "structuredContent": {"n": 1}, ...}
"""

import base64
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hyphad.core.errors import RemoteError
from hyphad.web.mcp.tools import Tool, is_object

Block = dict[str, Any]
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_AUDIO = ((b"ID3", "audio/mpeg"), (b"OggS", "audio/ogg"), (b"fLaC", "audio/flac"))
TOO_DEEP = "ValueError: what came back is nested too deeply"
OCTETS = "application/octet-stream"
_NO_STRUCTURE = "Output validation error: outputSchema defined but no structured output returned"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a client of a protocol version understands; `named` where it has said its version."""

    version: str
    named: bool = True

    @property
    def audio(self) -> bool:
        return self.version >= "2025-03-26"

    @property
    def links(self) -> bool:
        return self.version >= "2025-06-18"

    @property
    def structure(self) -> bool:
        """`structuredContent`: older clients that do not say their version pass over it."""
        return self.links or not self.named


NEWEST = Dialect("2026-07-28")
MAX_BLOCKS = 1000  # of one list; a longer one is data, and stands in one block


def call_result(value: Any, dialect: Dialect, tool: Tool) -> dict[str, Any]:
    """The result of `tools/call` for what the tool's function returned."""
    if _is_result(value):
        return _given_result(value, dialect, tool)
    made = plain(value) if tool.output is not None else None
    flaw = tool.output_flaw(made)
    if flaw is not None:
        return error_result(f"Output validation error: {flaw.message}")
    result: dict[str, Any] = {"content": content_of(value, dialect), "isError": False}
    if dialect.structure:
        if tool.output is not None:
            result["structuredContent"] = made if is_object(tool.output) else {"result": made}
        elif _is_structure(value):
            result["structuredContent"] = plain(value)
    return result


def drained_result(items: list[Any], dialect: Dialect, tool: Tool) -> dict[str, Any]:
    """The result of a tool that yielded: texts are joined, other items are a block each.

    A tool that promises an object yields it last.
    """
    if tool.output is not None:
        whole = items[-1] if items and is_object(tool.output) else items
        result = call_result(whole, dialect, tool)
        if result["isError"] or len(items) < 2:
            return result
        return {**result, "content": [b for item in items for b in content_of(item, dialect)]}
    if items and all(isinstance(item, str) for item in items):
        return {"content": [text_block("".join(items))], "isError": False}
    if len(items) == 1 and _is_result(items[0]):
        return call_result(items[0], dialect, tool)
    return {"content": [b for item in items for b in content_of(item, dialect)], "isError": False}


def error_result(text: str, *hints: str) -> dict[str, Any]:
    """A failure that the agent is told of, and what it can do about it (MCP-30)."""
    blocks = [text_block(part) for part in (text, *hints) if part]
    return {"content": blocks, "isError": True}


def text_block(text: str) -> Block:
    return {"type": "text", "text": text}


def _is_result(value: Any) -> bool:
    """Whether a function returned a whole result rather than a value."""
    if not isinstance(value, dict) or not isinstance(value.get("content"), list):
        return False
    return bool(value["content"] or "structuredContent" in value) and all(
        block_of(item, NEWEST) is not None for item in value["content"]
    )


def _given_result(value: dict[str, Any], dialect: Dialect, tool: Tool) -> dict[str, Any]:
    blocks = [block_of(item, dialect) for item in value["content"]]
    result: dict[str, Any] = {
        "content": [block for block in blocks if block is not None],
        "isError": value.get("isError") is True,
    }
    if isinstance(value.get("_meta"), dict):
        result["_meta"] = plain(value["_meta"])
    structured = value.get("structuredContent")
    if structured is None and tool.output is not None and not result["isError"]:
        return error_result(_NO_STRUCTURE) if dialect.structure else result
    if structured is not None:
        made = plain(structured)
        made = made if isinstance(made, dict) else {"result": made}
        wrapped = tool.output is not None and not is_object(tool.output)
        flaw = tool.output_flaw(made.get("result") if wrapped else made)
        if flaw is not None and not result["isError"]:
            return error_result(f"Output validation error: {flaw.message}")
        if dialect.structure:
            result["structuredContent"] = made
    return result


def _is_structure(value: Any) -> bool:
    """A plain map, which clients may read as data (MCP-31)."""
    return isinstance(value, dict) and "_rtype" not in value and block_of(value, NEWEST) is None


# blocks


def content_of(value: Any, dialect: Dialect) -> list[Block]:
    """The blocks of a value."""
    if isinstance(value, list) and len(value) <= MAX_BLOCKS:
        blocks = [block_of(item, dialect) for item in value]
        if any(blocks):
            return [
                block if block is not None else _block(item)
                for block, item in zip(blocks, value, strict=True)
            ]
        return [_block(item) for item in value]
    block = block_of(value, dialect)
    if block is not None:
        return [block]
    if isinstance(value, dict) and "_rtype" in value:
        return _encoded_blocks(value)
    return [_block(value)]


def _block(value: Any) -> Block:
    if isinstance(value, str):
        return text_block(value)
    if isinstance(value, bytes):
        return _binary_block(value)
    return text_block(json_text(value))


def block_of(value: Any, dialect: Dialect) -> Block | None:
    """The value as a content block, if it is one that was meant for MCP."""
    if not isinstance(value, dict):
        return None
    block = {key: item for key, item in value.items() if not key.startswith("_r")}
    block = {key: plain(item) for key, item in block.items() if item is not None}
    kind = block.get("type")
    if kind == "text":
        return block if isinstance(block.get("text"), str) else None
    if kind in ("image", "audio"):
        good = isinstance(block.get("data"), str) and isinstance(block.get("mimeType"), str)
        if good and kind == "audio" and not dialect.audio:
            return text_block(f"[audio, {block['mimeType']}]")
        return block if good else None
    if kind == "resource":
        return block if _is_contents(block.get("resource")) else None
    if kind == "resource_link":
        if not isinstance(block.get("uri"), str) or not isinstance(block.get("name"), str):
            return None
        return block if dialect.links else text_block(f"{block['name']}: {block['uri']}")
    return None


def _is_contents(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("uri"), str):
        return False
    return isinstance(value.get("text"), str) or isinstance(value.get("blob"), str)


def _binary_block(data: bytes) -> Block:
    """Bytes as what they show themselves to be: an image, a sound, or some bytes."""
    text = base64.b64encode(data).decode()
    mime = media_type_of(data)
    if mime != OCTETS:
        return {"type": mime.partition("/")[0], "data": text, "mimeType": mime}
    return {
        "type": "resource",
        "resource": {"uri": "resource://result", "mimeType": mime, "blob": text},
    }


def media_type_of(data: bytes) -> str:
    """The media type by the first bytes."""
    for start, mime in _IMAGES + _AUDIO:
        if data.startswith(start):
            return mime
    if data[:4] == b"RIFF" and data[8:12] in (b"WEBP", b"WAVE"):
        return "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    return OCTETS


def _encoded_blocks(value: dict[str, Any]) -> list[Block]:
    """An array or another encoded object: what it is, and its bytes if it has any."""
    kind = str(value.get("_rtype"))
    data = value.get("_rvalue")
    if not isinstance(data, bytes):
        return [text_block(json_text(value))]
    parts = [kind]
    if value.get("_rdtype"):
        parts.append(str(value["_rdtype"]))
    if value.get("_rshape"):
        parts.append("x".join(map(str, value["_rshape"])))
    return [text_block(" ".join(parts)), _binary_block(data)]


# values


def json_text(value: Any) -> str:
    """A value as JSON for reading."""
    return json.dumps(plain(value), ensure_ascii=False)


def weight(value: Any) -> int:
    """About how long a value is, to see whether an answer grows too long."""
    total, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        total += len(item) if isinstance(item, str | bytes) else 16
        if isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return total


def plain(value: Any) -> Any:
    """The value in JSON's terms: bytes as base64, no NaN, no keys but strings.

    Raises `RemoteError` for one that is nested too deeply.
    """
    try:
        return _plain(value)
    except RecursionError:
        raise RemoteError(TOO_DEEP) from None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        if "_rtype" in value:
            return _plain_encoded(value)
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return str(value)


def _plain_encoded(value: dict[str, Any]) -> Any:
    """Objects that RPC encodes: sets as lists, functions by name, others without the marks."""
    kind, inner = value.get("_rtype"), value.get("_rvalue")
    if kind == "set":
        return _plain(inner)
    if kind in ("method", "generator"):
        return f"<{kind} {value.get('_rname') or value.get('_rmethod') or ''}>".replace(" >", ">")
    shown = {"type": kind, "dtype": value.get("_rdtype"), "shape": value.get("_rshape")}
    rest = {key: _plain(item) for key, item in value.items() if not key.startswith("_r")}
    made = {key: _plain(item) for key, item in shown.items() if item is not None}
    if inner is not None:
        made["value"] = _plain(inner)
    return rest or made


def without_nulls(value: Any) -> Any:
    """Models of the MCP SDK as they come over RPC, without marks and nulls (MCP-47).

    Raises `RemoteError` for one that is nested too deeply.
    """
    try:
        return _without_nulls(value)
    except RecursionError:
        raise RemoteError(TOO_DEEP) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_nulls(item)
            for key, item in value.items()
            if item is not None and not key.startswith("_r")
        }
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return _plain(value)


def contents_of(value: Any, uri: str, mime_type: str) -> list[dict[str, Any]]:
    """The contents of `resources/read` for what a read function returned."""
    value = without_nulls(value) if not isinstance(value, bytes) else value
    if isinstance(value, dict) and isinstance(value.get("contents"), list):
        value = value["contents"]
    items: Iterable[Any] = value if isinstance(value, list) else [value]
    made = [_contents(item, uri, mime_type) for item in items]
    return made or [{"uri": uri, "mimeType": mime_type, "text": ""}]


def _contents(value: Any, uri: str, mime_type: str) -> dict[str, Any]:
    if isinstance(value, dict) and ("text" in value or "blob" in value):
        made = {"uri": str(value.get("uri") or uri)}
        made["mimeType"] = str(value.get("mimeType") or value.get("mime_type") or mime_type)
        if isinstance(value.get("blob"), str):
            return {**made, "blob": value["blob"]}
        text = value.get("text")
        return {**made, "text": text if isinstance(text, str) else json_text(text)}
    if isinstance(value, bytes):
        found = media_type_of(value)
        mime = found if mime_type == "text/plain" else mime_type
        return {"uri": uri, "mimeType": mime, "blob": base64.b64encode(value).decode()}
    text = value if isinstance(value, str) else json_text(value)
    return {"uri": uri, "mimeType": mime_type, "text": text}


def prompt_of(value: Any, name: str) -> dict[str, Any]:
    """The result of `prompts/get` for what a prompt function returned (MCP-45)."""
    value = without_nulls(value)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        messages = [_message(item) for item in value["messages"]]
        description = value.get("description")
    else:
        messages = [_message(value)]
        description = None
    if not isinstance(description, str):
        description = f"Prompt for {name}"
    return {"description": description, "messages": messages}


def _message(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and "content" in value:
        role = value.get("role") if value.get("role") in ("user", "assistant") else "user"
        content = value["content"]
        block = block_of(content, NEWEST)
        if block is None:
            block = text_block(content if isinstance(content, str) else json_text(content))
        return {"role": role, "content": block}
    return {
        "role": "user",
        "content": text_block(value if isinstance(value, str) else json_text(value)),
    }
