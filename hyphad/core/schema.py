"""JSON schemas from signatures, and calls checked against them.

A method of a built-in service is an ordinary Python method. Its type hints and docstring become
the schema that clients, MCP and OpenAPI show (WS-3), and the same hints check the arguments of a
call (WS-4). Descriptions of parameters are written as `Annotated[str, "what it means"]`; a dict in
the annotation adds schema keywords. Dataclasses become definitions in `$defs`.
"""

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hyphad.core.errors import BadCall

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    dict: {"type": "object", "additionalProperties": True},
    list: {"type": "array"},
    Any: {},
}
_REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a method: its default (or `_REQUIRED`) and its hint."""

    name: str
    hint: Any
    default: Any


@dataclass(frozen=True, slots=True)
class Signature:
    """What a method accepts: parameters after `self` and `caller`, and the schema shown."""

    name: str
    parameters: tuple[Parameter, ...]
    schema: dict[str, Any]

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments by name with defaults filled in. Raises `BadCall` (WS-4)."""
        if len(args) > len(self.parameters):
            raise BadCall(f"{self.name}() takes at most {len(self.parameters)} arguments")
        bound = dict(zip((p.name for p in self.parameters), args, strict=False))
        for name, value in kwargs.items():
            if name in bound:
                raise BadCall(f"multiple values for argument {name!r}")
            bound[name] = value
        known = set()
        for parameter in self.parameters:
            known.add(parameter.name)
            if parameter.name not in bound:
                if parameter.default is _REQUIRED:
                    raise BadCall(f"Missing required argument: {parameter.name!r}")
                bound[parameter.name] = parameter.default
            else:
                _check(parameter, bound[parameter.name])
        for name in bound:
            if name not in known:
                raise BadCall(f"got an unexpected keyword argument {name!r}")
        return bound


def _check(parameter: Parameter, value: Any) -> None:
    if value is None and parameter.default is None:
        return
    if not accepts(parameter.hint, value):
        expected = _type_name(parameter.hint)
        raise BadCall(f"Argument {parameter.name!r} must be {expected}, not {_value_name(value)}")


def signature_of(method: Callable[..., Any], skip: int) -> Signature:
    """Read a function's signature; the first `skip` parameters are supplied by the server."""
    hints = typing.get_type_hints(method, include_extras=True)
    found = list(inspect.signature(method).parameters.values())[skip:]
    parameters = tuple(Parameter(p.name, hints.get(p.name, Any), p.default) for p in found)
    definitions: dict[str, Any] = {}
    properties = {}
    for parameter in parameters:
        schema = schema_of(parameter.hint, definitions)
        if parameter.default is not _REQUIRED:
            schema = {**schema, "default": parameter.default}
        properties[parameter.name] = schema
    shape: dict[str, Any] = {"type": "object", "properties": properties}
    required = [p.name for p in parameters if p.default is _REQUIRED]
    if required:
        shape["required"] = required
    if definitions:
        shape["$defs"] = definitions
    name = getattr(method, "__name__", "function")
    text = inspect.getdoc(method) or ""
    schema = {"name": name, "description": text.strip(), "parameters": shape}
    return Signature(name, parameters, schema)


def schema_of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a type hint; dataclasses are added to `definitions`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is None and hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if origin is Annotated:
        schema = schema_of(args[0], definitions)
        for note in args[1:]:
            schema.update({"description": note} if isinstance(note, str) else note)
        return schema
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(arg, definitions) for arg in args]}
    if origin is list:
        return {"type": "array", "items": schema_of(args[0], definitions)}
    if origin is dict:
        return dict(_SIMPLE[dict])
    if origin is Literal:
        return {"enum": list(args)}
    if dataclasses.is_dataclass(hint):
        return _reference(hint, definitions)
    return {}


def _reference(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    name = hint.__name__
    if name not in definitions:
        definitions[name] = {}
        hints = typing.get_type_hints(hint, include_extras=True)
        properties, required = {}, []
        for field in dataclasses.fields(hint):
            schema = schema_of(hints[field.name], definitions)
            if field.default is not dataclasses.MISSING:
                schema["default"] = field.default
            elif field.default_factory is not dataclasses.MISSING:
                schema["default"] = field.default_factory()
            else:
                required.append(field.name)
            properties[field.name] = schema
        shape: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            shape["required"] = required
        definitions[name] = shape
    return {"$ref": f"#/$defs/{name}"}


def accepts(hint: Any, value: Any) -> bool:
    """Whether a decoded wire value fits a hint.

    Dataclasses stand for maps, their fields unchecked. Numbers are finite: clocks take no others.
    """
    if hint is Any or hint is inspect.Parameter.empty:
        return True
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return accepts(args[0], value)
    if origin in (Union, types.UnionType):
        return any(accepts(arg, value) for arg in args)
    if origin is Literal:
        return value in args
    if origin is list:
        return isinstance(value, list) and all(accepts(args[0], item) for item in value)
    if origin is dict or dataclasses.is_dataclass(hint):
        return isinstance(value, dict)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _finite(value: float) -> bool:
    return -sys.float_info.max <= value <= sys.float_info.max


def _type_name(hint: Any) -> str:
    """What a caller is told to pass instead."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type_name(args[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type_name(arg) for arg in args)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if origin is list:
        return f"array of {_type_name(args[0])}"
    if hint is bytes:
        return "binary"
    return str(schema_of(hint, {}).get("type", "object"))


def _value_name(value: Any) -> str:
    if isinstance(value, float) and not _finite(value):
        return str(value)
    return str(_SIMPLE.get(type(value), {}).get("type", "binary"))
