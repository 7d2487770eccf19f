"""The house stands on its floors: a module imports only from below its own, and never in a circle.

The picture is that of the architecture page. Imports inside of functions and under `TYPE_CHECKING`
count like any other.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import hyphad

PACKAGE = Path(hyphad.__file__).parent
FLOORS = {
    "hyphad": 0,
    "core": 1,
    "config": 1,
    "options": 1,
    "jsclient": 1,
    "memory": 1,
    "systemd": 1,
    "logs": 1,
    "wire": 2,
    "store": 2,
    "auth": 3,
    "web": 4,
    "services": 4,
    "checks": 5,
    "daemon": 5,
    "commands": 6,
    "cli": 6,
    "__main__": 7,
}
# Neighbours on one floor that lean on the other, never the other way round.
NEIGHBOURS = {("config", "options"), ("web", "services"), ("cli", "commands")}
# What a room does not know of, whatever its floor.
FOREIGN = {
    "core": {"tornado", "sqlite3", "sqlite_utils", "msgpack", "asyncio", "socket", "os", "pathlib"},
    "wire": {"tornado", "sqlite3", "sqlite_utils", "jwt", "socket", "os", "pathlib"},
    "store": {"tornado", "jwt"},
    "auth": {"tornado", "sqlite3", "sqlite_utils"},
    "services": {"tornado", "sqlite3", "sqlite_utils"},
}
Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("hyphad", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(source: str, module: str, known: Iterable[str]) -> Iterator[str]:
    """The dotted names that a source imports; a name of a package is the module it means."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")[: -node.level]
                base = ".".join([*parent, base] if base else parent)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in known else base


def graph() -> Graph:
    """Which modules of the package each of them imports."""
    known = modules()
    return {
        name: {
            target
            for target in imports(path.read_text(encoding="utf-8"), name, known)
            if target.split(".")[0] == "hyphad"
        }
        for name, path in known.items()
    }


def room(module: str) -> str:
    """`core` for `hyphad.core.address`; `hyphad` for the package itself."""
    return module.split(".")[1] if "." in module else module


def trespasses(imported: Graph) -> list[str]:
    """Imports from a floor above, or from another room of the same floor."""
    wrong = []
    for module, targets in imported.items():
        for target in targets:
            here, there = FLOORS[room(module)], FLOORS[room(target)]
            beside = here == there and room(module) != room(target)
            if there > here or (beside and (room(module), room(target)) not in NEIGHBOURS):
                wrong.append(f"{module} -> {target}")
    return sorted(wrong)


def circles(imported: Graph) -> list[tuple[str, ...]]:
    """Groups of modules that import each other, directly or around corners."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = list(imported[start])
        while ahead:
            module = ahead.pop()
            if module not in seen:
                seen.add(module)
                ahead.extend(imported.get(module, ()))
        return seen

    reached = {module: reach(module) for module in imported}
    return sorted(
        {
            tuple(sorted(other for other in reached[module] if module in reached.get(other, ())))
            for module in imported
            if module in reached[module]
        }
    )


def test_every_room_has_a_floor():
    rooms = {room(module) for module in modules()}
    assert rooms - set(FLOORS) == set(), "give it a floor here and in the architecture page"


def test_no_import_runs_up():
    assert trespasses(graph()) == []


def test_no_imports_run_in_a_circle():
    assert circles(graph()) == []


def test_the_directory_of_workspaces_rests_on_the_domain_alone():
    targets = graph()["hyphad.store.directory"]
    assert {room(target) for target in targets} == {"core"}


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_no_room_knows_what_is_not_its_business(name):
    wrong = []
    for module, path in modules().items():
        if room(module) == name:
            for target in imports(path.read_text(encoding="utf-8"), module, ()):
                if target.split(".")[0] in FOREIGN[name]:
                    wrong.append(f"{module} -> {target}")
    assert wrong == []


# the walker itself


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import hyphad.wire.link", {"hyphad.wire.link"}),
        ("import os, hyphad.cli as x", {"os", "hyphad.cli"}),
        ("from hyphad.wire import link, nothing", {"hyphad.wire.link", "hyphad.wire"}),
        ("from hyphad.wire.link import Link", {"hyphad.wire.link"}),
        ("from hyphad import __version__", {"hyphad"}),
        ("from . import errors", {"hyphad.core.errors"}),
        ("from .errors import Fault", {"hyphad.core.errors"}),
        ("from ..wire import link", {"hyphad.wire.link"}),
        ("def f():\n    from hyphad.wire import link", {"hyphad.wire.link"}),
        ("if TYPE_CHECKING:\n    import hyphad.wire.link", {"hyphad.wire.link"}),
    ],
)
def test_every_way_of_importing_is_seen(source, found):
    known = {"hyphad.wire.link", "hyphad.core.errors"}
    assert set(imports(source, "hyphad.core.address", known)) == found


def test_arrows_up_and_sideways_are_found():
    wrong = {
        "hyphad.core.x": {"hyphad.wire.link", "hyphad.config", "hyphad.core.y"},
        "hyphad.wire.x": {"hyphad.store.y", "hyphad.core.y"},
        "hyphad.config": {"hyphad.options", "hyphad"},
        "hyphad.services.x": {"hyphad.web.y", "hyphad.services.y"},
        "hyphad.web.x": {"hyphad.services.y"},
        "hyphad.cli": {"hyphad.daemon", "hyphad.__main__"},
    }
    assert trespasses(wrong) == [
        "hyphad.cli -> hyphad.__main__",
        "hyphad.core.x -> hyphad.config",
        "hyphad.core.x -> hyphad.wire.link",
        "hyphad.services.x -> hyphad.web.y",
        "hyphad.wire.x -> hyphad.store.y",
    ]


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e"}}) == [
        ("a", "b", "c"),
        ("e",),
    ]
