"""Agent skills: texts that teach an agent this server, or one workspace of it (MCP-90 to MCP-92).

    skills.read("SKILL.md", Place("ws-lab", caller))

The words stand in `static/skills/`; what is true of this server and of the services a caller may
see is filled in here. Nothing that is switched off is spoken of.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from hyphad import __version__
from hyphad.core import policy
from hyphad.core.errors import NotFound
from hyphad.core.identity import Permission
from hyphad.core.parameters import input_schema
from hyphad.core.records import Caller, Service
from hyphad.core.registry import Registry
from hyphad.services.base import rpc
from hyphad.services.catalogue import Catalogue

HIDDEN = ("built-in", "agent-skills", "hypha-login")
MANAGER = "workspace-manager"
SHOWN = 20
SHOWN_IN_CONTEXT = 50
MAX_LINE = 300
_BLANK = re.compile(r"\{\{(\w+)\}\}")
_ABOUT = {
    None: "How to find, call and offer services on this Hypha server: RPC, HTTP, MCP and A2A.",
    "": "How to use the services of the workspace {} on this Hypha server.",
}


@dataclass(slots=True)
class Place:
    """Whose texts: those of a workspace as a caller sees it, or without either the server's.

    For one reading: `found` are the services, once they were looked for.
    """

    workspace: str | None = None
    caller: Caller | None = None
    found: dict[str, Service] | None = None


class NoSuchFile(NotFound):
    """No text of that name; the message says what there is instead."""

    @property
    def rpc_text(self) -> str:
        return self.message


class Skills:
    """The texts. `folder` has their templates, `offers` tells which ways for agents are on."""

    def __init__(
        self,
        registry: Registry,
        catalogue: Catalogue,
        base_url: str,
        folder: Path,
        offers: dict[str, bool],
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._base_url = base_url
        self._folder = folder
        self._offers = offers

    # over RPC and MCP

    @rpc()
    def list_files(
        self, caller: Caller, workspace: Annotated[str | None, "Nothing for the server's."] = None
    ) -> list[str]:
        """Names of the texts about this server, or about a workspace."""
        return self.names(self._place(caller, workspace))

    @rpc()
    def read_file(
        self,
        caller: Caller,
        path: Annotated[str, "A name from list_files, SKILL.md first."] = "SKILL.md",
        workspace: Annotated[str | None, "Nothing for the server's."] = None,
    ) -> str:
        """One of the texts, as Markdown."""
        return self.read(path, self._place(caller, workspace))

    @staticmethod
    def _place(caller: Caller, workspace: str | None) -> Place:
        if workspace is None:
            return Place()
        if workspace != "public":
            policy.require(caller, Permission.READ, workspace)
        return Place(workspace, caller)

    # texts

    def names(self, place: Place) -> list[str]:
        """Every text there is, SKILL.md first."""
        context = ["WORKSPACE_CONTEXT.md"] if place.workspace else []
        pages = [f"REFERENCE/{slug}.md" for slug in (MANAGER, *self.services(place))]
        guides = [f"GUIDE/{path.name}" for path in self._guides()]
        return ["SKILL.md", "REFERENCE.md", "EXAMPLES.md", *context, *pages, *guides]

    def read(self, path: str, place: Place) -> str:
        """The text of that name. Raises `NoSuchFile`."""
        makers: dict[str, Callable[[Place], str]] = {
            "SKILL.md": self._skill,
            "REFERENCE.md": self._reference,
            "EXAMPLES.md": lambda place: self._filled("examples.md", place),
        }
        if place.workspace:
            makers["WORKSPACE_CONTEXT.md"] = self._context
        if path in makers:
            return makers[path](place)
        folder, _, name = path.partition("/")
        if folder == "REFERENCE" and name.endswith(".md"):
            return self._page(name.removesuffix(".md"), place)
        if folder == "GUIDE":
            if any(guide.name == name for guide in self._guides()):
                return self._filled(f"guide/{name}", place)
            raise NoSuchFile(f"Guide not found: {name[:100]}")
        raise NoSuchFile(f"File not found: {path[:200]}")

    def index(self, place: Place) -> dict[str, Any]:
        """What there is, for programs (MCP-91)."""
        names = self.names(place)
        pages = [name for name in names if name.startswith("REFERENCE/")]
        if not place.workspace:
            return {
                "name": "hypha",
                "version": __version__,
                "description": "Hypha platform guide for AI agents - global entry point",
                "type": "global",
                "files": names,
                "reference_files": pages,
                "workspace_skills_pattern": self._base_url + "/{workspace}/agent-skills/",
                "enabled_services": [MANAGER],
            }
        return {
            "name": "hypha",
            "version": __version__,
            "description": "Hypha workspace management skill for AI agents",
            "type": "workspace",
            "workspace": place.workspace,
            "files": names,
            "reference_files": pages,
            "download": {
                "zip": "create-zip-file",
                "description": "Download all skills documentation as a zip file",
            },
            "source_endpoints": [],
            "enabled_services": [MANAGER],
            "dynamic_services": list(self.services(place)),
        }

    def services(self, place: Place) -> dict[str, Service]:
        """Services worth a page, by slug: the workspace's, then the public ones (MCP-92)."""
        if place.found is None:
            place.found = self._services(place)
        return place.found

    def _services(self, place: Place) -> dict[str, Service]:
        if place.workspace is None or place.caller is None:
            return {}
        found: dict[str, Service] = {}
        for workspace in dict.fromkeys((place.workspace, "public")):
            for service in self._registry.of_workspace(workspace):
                slug = service.name
                seen = policy.is_listed(service, place.caller, include_unlisted=False)
                if seen and slug not in HIDDEN and slug != MANAGER and _is_telling(service):
                    found.setdefault(slug, service)
        return found

    # the parts of the texts

    def _skill(self, place: Place) -> str:
        where = {"workspace": place.workspace} if place.workspace else {}
        about = _ABOUT["" if place.workspace else None].format(place.workspace)
        head = {
            "name": "hypha",
            "description": about,
            "license": "MIT",
            "metadata": {"version": __version__, **where, "server_url": self._base_url},
        }
        name = "workspace.md" if place.workspace else "global.md"
        return f"{_frontmatter(head)}\n{self._filled(name, place)}"

    def _reference(self, place: Place) -> str:
        return self._filled("reference.md", place)

    def _filled(self, name: str, place: Place) -> str:
        """A template with what is true here."""
        text = (self._folder / name).read_text(encoding="utf-8")
        found = self.services(place)
        own = {slug: item for slug, item in found.items() if item.workspace == place.workspace}
        public = {slug: item for slug, item in found.items() if slug not in own}
        guides = "\n".join(f"- [GUIDE/{path.name}](GUIDE/{path.name})" for path in self._guides())
        where = f"workspace `{place.workspace}`" if place.workspace else "built-in services"
        values = {
            "base": self._base_url,
            "version": __version__,
            "workspace": place.workspace or "{workspace}",
            "where": f"Server `{self._base_url}`, {where}.",
            "agents": self._agents(place),
            "services": self._list(own),
            "public": self._list(public),
            "table": self._table(found),
            "guides": guides,
        }
        return _BLANK.sub(lambda blank: values[blank[1]], text)

    def _guides(self) -> list[Path]:
        """Guides to what is switched on."""
        found = sorted((self._folder / "guide").glob("*.md"))
        return [path for path in found if self._offers.get(path.stem, True)]

    def _agents(self, place: Place) -> str:
        base, where = self._base_url, place.workspace or "{workspace}"
        lines = []
        if self._offers.get("mcp"):
            lines += [
                f"- One service as an MCP server: `{base}/{where}/mcp/{{service}}/mcp`",
                f"- All services of the workspace: `{base}/{where}/mcp`, tools named "
                "`service.tool`",
            ]
        if self._offers.get("a2a"):
            lines.append(
                f"- Services of type `a2a` as A2A agents: card at "
                f"`{base}/{where}/a2a/{{service}}/.well-known/agent-card.json`"
            )
        return "\n".join(lines) or "Not on this server."

    def _list(self, services: dict[str, Service]) -> str:
        lines = [self._line(slug, item) for slug, item in list(services.items())[:SHOWN]]
        if len(services) > SHOWN:
            lines.append(f"- and {len(services) - SHOWN} more: see REFERENCE.md")
        return "\n".join(lines) or "None at the moment."

    def _line(self, slug: str, service: Service) -> str:
        address = f"{service.workspace}/{service.client_id}:{service.name}"
        ways = [f"HTTP `{self._base_url}/{service.workspace}/services/{slug}`"]
        if self._offers.get("mcp"):
            ways.append(f"MCP `{self._base_url}/{service.workspace}/mcp/{slug}/mcp`")
        if self._offers.get("a2a") and service.type == "a2a":
            ways.append(f"A2A `{self._base_url}/{service.workspace}/a2a/{slug}`")
        about = one_line(service.record["description"] or service.record["name"])
        return (
            f"- **{slug}**: {about} ([page](REFERENCE/{slug}.md))\n"
            f"  - id `{address}`\n  - {', '.join(ways)}"
        )

    def _table(self, services: dict[str, Service]) -> str:
        rows = ["| service | about | page |", "|---|---|---|"]
        known = [(MANAGER, "Services, clients, tokens and events of the workspace")]
        for slug, service in services.items():
            known.append((slug, one_line(service.record["description"] or "")))
        for slug, about in known:
            cell = about.replace("|", "\\|")
            rows.append(f"| `{slug}` | {cell} | [REFERENCE/{slug}.md](REFERENCE/{slug}.md) |")
        return "\n".join(rows)

    def _context(self, place: Place) -> str:
        services = list(self.services(place).items())[:SHOWN_IN_CONTEXT]
        lines = [
            "# Workspace context",
            "",
            f"- Workspace: `{place.workspace}`",
            f"- Server: `{self._base_url}`",
            f"- Services: `{self._base_url}/{place.workspace}/services`",
        ]
        if place.caller is not None:
            level = place.caller.user.scope.level(str(place.workspace)).name.lower()
            lines.append(f"- Your permission: {level}")
        lines += ["", "## Services", ""]
        lines += [self._line(slug, service) for slug, service in services] or ["None."]
        return "\n".join(lines) + "\n"

    def _page(self, slug: str, place: Place) -> str:
        """The reference of one service (MCP-92)."""
        if slug == MANAGER:
            record = self._catalogue.manager_info()
            return _page(MANAGER, record, record["service_schema"])
        found = self.services(place)
        if slug not in found:
            known = ", ".join([MANAGER, *found])
            raise NoSuchFile(
                f"Service not found or not enabled: {slug[:100]}. Available services: {known}"
            )
        record = found[slug].record
        return _page(slug, record, record["service_schema"])


def _is_telling(service: Service) -> bool:
    """Whether a function on top has a description or takes something."""
    for member in (service.record["service_schema"] or {}).values():
        function = member.get("function") if isinstance(member, dict) else None
        if not isinstance(function, dict):
            continue
        if function.get("description") or input_schema(function)["properties"]:
            return True
    return False


def functions_of(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """The functions of a service by dotted path."""
    items = schema.items() if isinstance(schema, dict) else ()
    for key, member in items:
        if not isinstance(member, dict):
            continue
        if member.get("type") == "function" and isinstance(member.get("function"), dict):
            yield ".".join((*path, key)), member["function"]
        elif "type" not in member or isinstance(member["type"], dict):
            yield from functions_of(member, (*path, key))


def _page(slug: str, record: dict[str, Any], schema: Any) -> str:
    parts = [f"# {one_line(record['name'] or slug)}", "", f"Service id: `{record['id']}`"]
    for text in (record["description"], record["docs"]):
        if isinstance(text, str) and text.strip():
            parts += ["", text.strip()]
    parts += ["", "## Functions"]
    for path, function in functions_of(schema):
        parts += ["", *_function(path, function)]
    return "\n".join(parts) + "\n"


def _function(path: str, function: dict[str, Any]) -> list[str]:
    text = function.get("description")
    lines = [f"### {path}", ""]
    lines.append(text.strip() if isinstance(text, str) and text.strip() else "No description.")
    shape = input_schema(function)
    if not shape["properties"]:
        return lines
    required = shape.get("required", [])
    lines += ["", "**Parameters:**", ""]
    for name, item in shape["properties"].items():
        lines.append(_parameter(name, item if isinstance(item, dict) else {}, name in required))
    return lines


def _parameter(name: str, schema: dict[str, Any], required: bool) -> str:
    mark = " *(required)*" if required else ""
    about = one_line(schema.get("description") or "")
    default = ""
    if "default" in schema:
        default = f" Default: `{json.dumps(schema['default'], default=str)[:100]}`"
    return f"- `{name}` ({_type(schema)}){mark}: {about}{default}".rstrip()


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            return " or ".join(_type(item) for item in schema[key] if isinstance(item, dict))
    if isinstance(schema.get("enum"), list):
        return "one of " + ", ".join(json.dumps(item, default=str) for item in schema["enum"][:20])
    return "object" if "$ref" in schema else "any"


def one_line(text: Any) -> str:
    """A stranger's text where one line is expected: no line breaks, no end of a cell or a list."""
    line = " ".join(str(text).split())
    line = "".join(char if char.isprintable() else " " for char in line)
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…"


def _frontmatter(fields: dict[str, Any], indent: str = "") -> str:
    """YAML as the Agent Skills specification wants it; JSON strings are YAML strings."""
    lines = []
    for key, value in fields.items():
        if isinstance(value, dict):
            inner = [f"  {name}: {json.dumps(item)}" for name, item in value.items()]
            lines += [f"{key}:", *inner]
        else:
            lines.append(f"{key}: {value if key == 'name' else json.dumps(value)}")
    return "\n".join(["---", *lines, "---", ""])
