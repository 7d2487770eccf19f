"""A function as an MCP tool: its name, its line in the list, what it takes and gives (MCP-28)."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyphad.core.parameters import Schema, input_schema, normalised
from hyphad.web.gateway import Function
from hyphad.web.validation import Checker, Flaw

MAX_NAME = 128
_HASH = 8
_BAD_NAME = re.compile(r"[^A-Za-z0-9._-]")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
NO_ARGUMENTS: Schema = {"type": "object", "properties": {}, "required": []}


@dataclass(slots=True)
class Tool:
    """One tool. `entry` is its line in `tools/list`; `function` is None where the service itself
    is asked by name (MCP-47)."""

    name: str
    entry: dict[str, Any]
    function: Function | None = None
    output: Schema | None = None
    _checkers: dict[str, Checker] = field(default_factory=dict)

    def flaw(self, arguments: dict[str, Any]) -> Flaw | None:
        """What is wrong with the arguments."""
        return self._check("input", self.entry["inputSchema"], arguments)

    def output_flaw(self, value: Any) -> Flaw | None:
        """What is wrong with a result, where the tool says what it returns."""
        return self._check("output", self.output, value) if self.output is not None else None

    def _check(self, kind: str, schema: Schema, value: Any) -> Flaw | None:
        checker = self._checkers.get(kind)
        if checker is None:
            checker = self._checkers[kind] = Checker(schema)
        return checker.flaw(value)

    def cleaned(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Without nulls for what has null as its default and takes no null otherwise (MCP-30)."""
        properties = self.entry["inputSchema"].get("properties", {})
        return {
            name: value
            for name, value in arguments.items()
            if name != "context"
            and not (value is None and self._null_is_default(name, properties.get(name)))
        }

    def _null_is_default(self, name: str, schema: Any) -> bool:
        if not isinstance(schema, dict) or schema.get("default", "") is not None:
            return False
        return self._check(f"null {name}", schema, None) is not None


def tool_of(name: str, function: Function, more: Any = None) -> Tool:
    """The tool of a function; `more` is what the service's configuration adds (MCP-9)."""
    schema = function.schema or {}
    text = schema.get("description")
    if not isinstance(text, str) or not text.strip():
        text = function.local.doc if function.local is not None and function.local.doc else ""
    entry: dict[str, Any] = {"name": name}
    entry["description"] = clean_text(text) or f"Function {name}"
    has_parameters = isinstance(schema.get("parameters"), dict)
    entry["inputSchema"] = input_schema(schema) if has_parameters else dict(NO_ARGUMENTS)
    extras = {**schema, **more} if isinstance(more, dict) else schema
    entry.update(_extras(extras))
    output = entry.get("outputSchema")
    if output is not None:
        entry["outputSchema"] = object_schema(output)
    return Tool(name, entry, function, output)


def native_tool(entry: Any) -> Tool | None:
    """A tool as the service itself lists it, forwarded with what MCP knows of (MCP-47)."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return None
    given = entry.get("inputSchema") or entry.get("input_schema")
    shown: dict[str, Any] = {"name": clean_name(entry["name"])}
    text = entry.get("description")
    shown["description"] = (
        clean_text(text) if isinstance(text, str) else f"Function {shown['name']}"
    )
    shown["inputSchema"] = (
        input_schema({"parameters": given}) if isinstance(given, dict) else (dict(NO_ARGUMENTS))
    )
    shown.update(_extras(entry))
    output = shown.get("outputSchema")
    if output is not None:
        shown["outputSchema"] = object_schema(output)
    return Tool(entry["name"], shown, None, output)


def _extras(given: Mapping[str, Any]) -> dict[str, Any]:
    """Optional fields that are of the right shape; anything else is passed over (MCP-9)."""
    extras: dict[str, Any] = {}
    if isinstance(given.get("title"), str):
        extras["title"] = clean_text(given["title"])
    annotations = _annotations(given.get("annotations"))
    if annotations:
        extras["annotations"] = annotations
    for key in ("outputSchema", "output_schema", "returns"):
        if isinstance(given.get(key), dict):
            extras["outputSchema"] = normalised(given[key])
            break
    icons = given.get("icons")
    if isinstance(icons, list):
        good = [icon for icon in icons if isinstance(icon, dict) and _is_text(icon.get("src"))]
        if good:
            extras["icons"] = [{"src": icon["src"], **_icon(icon)} for icon in good]
    if isinstance(given.get("_meta"), dict):
        extras["_meta"] = given["_meta"]
    return extras


def _annotations(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {}
    kept = {name: given[name] for name in _HINTS if isinstance(given.get(name), bool)}
    if isinstance(given.get("title"), str):
        kept["title"] = clean_text(given["title"])
    return kept


def _icon(given: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if _is_text(given.get("mimeType")):
        kept["mimeType"] = given["mimeType"]
    sizes = given.get("sizes")
    if isinstance(sizes, list) and all(isinstance(size, str) for size in sizes):
        kept["sizes"] = sizes
    return kept


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not _CONTROL.search(value)


def object_schema(schema: Schema) -> Schema:
    """The schema of `structuredContent`, which is an object: other values are its `result`."""
    if is_object(schema):
        return schema
    return {"type": "object", "properties": {"result": schema}, "required": ["result"]}


def is_object(schema: Schema) -> bool:
    return schema.get("type") == "object"


def clean_name(text: str) -> str:
    """A name that every client takes: `[A-Za-z0-9._-]`, at most 128 characters (MCP-42)."""
    name = _BAD_NAME.sub("_", text) or "_"
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:_HASH]
    return f"{name[: MAX_NAME - _HASH - 1]}_{digest}"


def name_of(path: Iterable[str]) -> str:
    """`math.deep.hello` as `math_deep_hello` (MCP-41)."""
    return clean_name("_".join(path))


def clean_text(text: str) -> str:
    """Without control characters and marks that turn writing around: agents read these texts."""
    return _CONTROL.sub(" ", text)
