"""From what clients say about a function to a JSON Schema that all consumers read (MCP-1 to MCP-3).

    input_schema({"parameters": {"properties": {"n": {"type": "int"}}}})
    # {"type": "object", "properties": {"n": {"type": "integer"}}}

Clients describe functions in several dialects; the record keeps what they said. MCP and OpenAPI
show what this module makes of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

MAX_DEPTH = 64
_TYPES = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "dict": "object",
    "NoneType": "null",
    "None": "null",
    **{name: name for name in "integer number string boolean array object null".split()},
}
ONE = frozenset(
    "items contains additionalProperties propertyNames not if then else unevaluatedItems "
    "unevaluatedProperties contentSchema".split()
)
MANY = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
NAMED = frozenset(
    ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
)  # fmt: skip
MIRRORED = "x-mcp-header"  # asks clients to repeat an argument in a header; nobody here reads it
Schema = dict[str, Any]


def input_schema(function: Mapping[str, Any] | None) -> Schema:
    """The arguments of a function as the schema of an object, without the injected `context`."""
    given = (function or {}).get("parameters")
    shape = normalised(_wrapped(given)) if isinstance(given, dict) else {}
    shape = {**shape, "type": "object"}
    properties = shape.get("properties")
    properties = dict(properties) if isinstance(properties, dict) else {}
    properties.pop("context", None)
    shape["properties"] = properties
    required = [name for name in shape.get("required") or [] if name != "context"]
    if required:
        shape["required"] = required
    else:
        shape.pop("required", None)
    return shape


def _wrapped(given: Schema) -> Schema:
    """Parameters that are a bare map of properties become the schema of an object."""
    bare = given and all(
        isinstance(value, dict) and not name.startswith("$") for name, value in given.items()
    )
    return {"properties": given} if bare and "properties" not in given else given


def normalised(schema: Any, depth: int = 0) -> Any:
    """A schema with the types of JSON Schema in place of Python's, at every depth.

    A name that is required but not described is described as anything (MCP-2).
    """
    if not isinstance(schema, dict):
        return schema if isinstance(schema, bool) else {}
    if depth > MAX_DEPTH:
        return {}
    made = mapped(schema, lambda inner: normalised(inner, depth + 1))
    if "type" in made:
        kind = _kind(made["type"])
        if kind is None:
            del made["type"]
        else:
            made["type"] = kind
    if not isinstance(made.get("enum", []), list):
        del made["enum"]
    if "required" in made:
        _complete(made)
    made.pop(MIRRORED, None)
    for note in ("title", "description"):
        if note in made and not isinstance(made[note], str):
            del made[note]
    return made


def mapped(schema: Schema, change: Callable[[Any], Any]) -> Schema:
    """A copy of a schema with each schema directly inside of it changed; data is left alone."""
    made: Schema = {}
    for key, value in schema.items():
        if key in ONE:
            made[key] = change(value)
        elif key in MANY and isinstance(value, list):
            made[key] = [change(item) for item in value]
        elif key in NAMED and isinstance(value, dict):
            made[key] = {name: change(item) for name, item in value.items()}
        else:
            made[key] = value
    return made


def _kind(given: Any) -> str | list[str] | None:
    if isinstance(given, str):
        return _TYPES.get(given)
    if isinstance(given, list):
        known = [_TYPES[name] for name in given if isinstance(name, str) and name in _TYPES]
        return known or None
    return None


def _complete(schema: Schema) -> None:
    given = schema["required"]
    required = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    if not required:
        del schema["required"]
        return
    schema["required"] = list(dict.fromkeys(required))
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    schema["properties"] = {**known, **{name: {} for name in required if name not in known}}
