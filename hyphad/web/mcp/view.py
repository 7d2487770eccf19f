"""What of a service becomes a tool, a resource or a prompt (MCP-40 to MCP-47).

    view = view_of(service, tree)
    view.tools["math_add"].entry

A service is *native* where it has the functions of the protocol itself, *inline* where it has
dictionaries of tools, resources or prompts, and *wrapped* otherwise: every function with a schema
is a tool, every text a resource. The view holds nothing of any caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from hyphad.core.errors import Fault
from hyphad.core.parameters import input_schema
from hyphad.core.records import Service
from hyphad.web.gateway import Function
from hyphad.web.mcp.tools import Tool, clean_text, name_of, tool_of
from hyphad.web.members import Path, walk

NATIVE = (
    "list_tools",
    "call_tool",
    "list_prompts",
    "get_prompt",
    "list_resources",
    "list_resource_templates",
    "read_resource",
)
_INLINE = ("tools", "resources", "prompts")
_NOT_TEXTS = frozenset(("docs", "id", "name", "description", "type", "config"))
MAX_INSTRUCTIONS = 4096
NO_SCHEMA = (
    "No schema information available. Functions must be decorated with @schema_function or have "
    "schema in service_schema."
)
COLLISION = "Tool name collision"
_USE = (
    "Use the @schema_function decorator from hypha_rpc.utils.schema to define the function schema."
)
Kind = Literal["native", "inline", "wrapped"]


class WrongStructure(Fault):
    """A service of type `mcp` that is none; its text is the one that clients know (MCP-40)."""

    @property
    def rpc_text(self) -> str:
        return self.message


@dataclass(slots=True)
class Resource:
    """A text, or a function that gives the content when it is read."""

    entry: dict[str, Any]
    text: str | None = None
    function: Function | None = None

    @property
    def mime_type(self) -> str:
        return str(self.entry["mimeType"])


@dataclass(slots=True)
class Prompt:
    """A prompt; `key` is its name in the service, which need not be the one that is listed."""

    key: str
    entry: dict[str, Any]
    function: Function
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class View:
    """A service as MCP shows it. `native` are the functions that answer for themselves."""

    kind: Kind
    tools: dict[str, Tool] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    prompts: dict[str, Prompt] = field(default_factory=dict)
    native: dict[str, Function] = field(default_factory=dict)
    excluded: list[dict[str, str]] = field(default_factory=list)
    instructions: str | None = None

    @property
    def warnings(self) -> list[str]:
        """For the info page: what was left out, and what to do about it (MCP-15)."""
        without = sum(item["reason"] == NO_SCHEMA for item in self.excluded)
        if not without:
            return []
        return [
            f"Excluded {without} functions without proper schemas. Use @schema_function decorator "
            "to expose them via MCP."
        ]


def view_of(service: Service, tree: dict[str, Any]) -> View:
    """The view of a service whose members are `tree`. Raises `WrongStructure`."""
    view = _view(service, tree)
    view.instructions = _instructions(service, tree)
    return view


def _view(service: Service, tree: dict[str, Any]) -> View:
    native = {name: tree[name] for name in NATIVE if isinstance(tree.get(name), Function)}
    if native:
        return View("native", native=native)
    if any(isinstance(tree.get(key), dict) and tree[key] for key in _INLINE):
        try:
            return _inline(tree)
        except WrongStructure:
            if service.type == "mcp":
                raise
    elif service.type == "mcp":
        raise WrongStructure(
            f"Service '{service.id}' has type='mcp' but does not follow valid MCP structure. "
            "Services with type='mcp' must either:\n"
            "1. Have MCP protocol functions (list_tools, call_tool, etc.), OR\n"
            "2. Have inline configuration with 'tools', 'resources', or 'prompts' dictionaries.\n"
            "If your service has arbitrary nested functions, do not specify type='mcp'."
        )
    return _wrapped(service, tree)


def _instructions(service: Service, tree: dict[str, Any]) -> str | None:
    chosen = _settings(service).get("instructions")
    docs = tree.get("docs") or service.record["docs"]
    if isinstance(chosen, str) and chosen:
        return clean_text(chosen[:MAX_INSTRUCTIONS])
    if isinstance(docs, str) and docs and len(docs) <= MAX_INSTRUCTIONS:
        return clean_text(docs)
    text = service.record["description"]
    return clean_text(text) if isinstance(text, str) and text else None


def _settings(service: Service) -> dict[str, Any]:
    """`config.mcp` of a service (MCP-9)."""
    settings = service.record["config"].get("mcp")
    return settings if isinstance(settings, dict) else {}


# wrapped


def _wrapped(service: Service, tree: dict[str, Any]) -> View:
    view = View("wrapped")
    settings = _settings(service)
    more = settings.get("tools")
    more = more if isinstance(more, dict) else {}
    known = service.record["service_schema"] if settings.get("expose_all") is True else None
    candidates: list[tuple[Path, Function]] = []
    for path, member in walk(tree):
        if not isinstance(member, Function):
            continue
        function = member if member.schema is not None else _described(member, known, path)
        if function.schema is None:
            view.excluded.append({"name": "_".join(path), "reason": NO_SCHEMA})
        else:
            candidates.append((path, function))
    for path, function in _without_collisions(candidates, view.excluded):
        name = name_of(path)
        view.tools[name] = tool_of(name, function, more.get(name))
    view.resources = {item.entry["uri"]: item for item in _texts(service, tree)}
    return view


def _described(function: Function, known: Any, path: Path) -> Function:
    """The function with what the record tells about it, where the service wants that (MCP-43)."""
    for part in path:
        if isinstance(known, list) and part.isdigit() and int(part) < len(known):
            known = known[int(part)]
        else:
            known = known.get(part) if isinstance(known, dict) else None
    schema = known.get("function") if isinstance(known, dict) else None
    if not isinstance(schema, dict):
        return function
    return Function(function.path, function.method, schema, function.local)


def _without_collisions(
    candidates: list[tuple[Path, Function]], excluded: list[dict[str, str]]
) -> Iterator[tuple[Path, Function]]:
    """Of two functions with one name the shallower stays, then the earlier (MCP-42)."""
    best: dict[str, Path] = {}
    for path, _ in sorted(candidates, key=lambda item: len(item[0])):
        best.setdefault(name_of(path), path)
    for path, function in candidates:
        if best[name_of(path)] == path:
            yield path, function
        else:
            excluded.append({"name": ".".join(path), "reason": COLLISION})


def _texts(service: Service, tree: dict[str, Any]) -> Iterator[Resource]:
    """Every text of a service as a resource, its documentation last (MCP-44)."""
    title = service.record["name"]
    for path, member in walk(tree, _NOT_TEXTS):
        if isinstance(member, str):
            shown = " ".join(part.replace("_", " ").title() for part in path)
            where = "/".join(path)
            yield _text(
                where, shown, f"String resource at path '{where}' in service '{title}'", member
            )
    docs = tree.get("docs")
    if isinstance(docs, str):
        text = f"Service documentation content for '{title}'"
        yield _text("docs", f"Documentation for {title}", text, docs)


def _text(where: str, name: str, description: str, text: str) -> Resource:
    entry = {
        "name": clean_text(name),
        "uri": f"resource://{clean_text(where)}",
        "description": clean_text(description),
        "mimeType": "text/plain",
    }
    return Resource(entry, text=text)


# inline


def _inline(tree: dict[str, Any]) -> View:
    view = View("inline")
    for key, item in _items(tree, "tools"):
        tool = _inline_tool(key, item)
        view.tools[tool.entry["name"]] = tool
    for key, item in _items(tree, "resources"):
        resource = _inline_resource(key, item)
        view.resources[resource.entry["uri"]] = resource
    for key, item in _items(tree, "prompts"):
        prompt = _inline_prompt(key, item)
        view.prompts[prompt.entry["name"]] = prompt
    return view


def _items(tree: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    found = tree.get(key)
    return list(found.items()) if isinstance(found, dict) else []


def _inline_tool(key: str, item: Any) -> Tool:
    name = name_of((key,))
    if isinstance(item, dict) and isinstance(item.get("handler"), Function):
        handler: Function = item["handler"]
        given = item.get("inputSchema") or item.get("input_schema")
        described: dict[str, Any] = dict(handler.schema or {})
        if isinstance(given, dict):
            described["parameters"] = given
        if isinstance(item.get("description"), str):
            described["description"] = item["description"]
        function = Function(handler.path, handler.method, described, handler.local)
        return tool_of(name, function, item)
    if not isinstance(item, Function) or item.schema is None:
        raise WrongStructure(
            f"Tool function '{key}' must be a @schema_function decorated function. {_USE}"
        )
    return tool_of(name, item)


def _inline_resource(key: str, item: Any) -> Resource:
    read = _reader("Resource", key, item)
    mime = item.get("mime_type") or item.get("mimeType")
    entry = {
        "uri": _string(item.get("uri"), key),
        "name": _string(item.get("name"), key),
        "description": _string(item.get("description"), ""),
        "mimeType": _string(mime, "text/plain"),
    }
    return Resource(entry, function=read)


def _inline_prompt(key: str, item: Any) -> Prompt:
    read = _reader("Prompt", key, item)
    shape = input_schema(read.schema)
    required = shape.get("required", [])
    arguments = [
        {
            "name": name,
            "description": _string(
                schema.get("description") if isinstance(schema, dict) else "", ""
            ),
            "required": name in required,
        }
        for name, schema in shape["properties"].items()
    ]
    entry = {
        "name": _string(item.get("name"), key),
        "description": _string(item.get("description"), ""),
        "arguments": arguments,
    }
    return Prompt(key, entry, read, shape["properties"])


def _reader(kind: str, key: str, item: Any) -> Function:
    if not isinstance(item, dict):
        raise WrongStructure(f"{kind} '{key}' configuration must be a dictionary")
    if "read" not in item:
        raise WrongStructure(f"{kind} '{key}' must have a 'read' key with a callable function")
    if not isinstance(item["read"], Function):
        raise WrongStructure(f"{kind} '{key}' 'read' must be a callable function")
    read: Function = item["read"]
    return read


def _string(value: Any, otherwise: str) -> str:
    return clean_text(value if isinstance(value, str) and value else otherwise)


def find_resource(resources: dict[str, Resource], uri: str) -> Resource | None:
    """By its URI; for texts also without the scheme, and with `_` for `/` (MCP-44)."""
    found = resources.get(uri)
    if found is not None:
        return found
    for known, resource in resources.items():
        if resource.text is not None and _loose(known) == _loose(uri):
            return resource
    return None


def _loose(uri: str) -> str:
    return uri.removeprefix("resource://").replace("/", "_")
