"""The command line: `hyphad [serve] [--port ...]`, `hyphad check`, `hyphad version`."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyphad import HYPHA_VERSION, __version__, logs
from hyphad.config import ConfigError, Settings, load, nearest
from hyphad.options import IGNORED_SWITCHES, IGNORED_VALUES, OPTIONS


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand. `arguments` adds its own flags; `run` gets settings and parsed arguments."""

    name: str
    help: str
    run: Callable[[Settings, argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def _serve(settings: Settings, args: argparse.Namespace) -> int:
    from hyphad import daemon

    return daemon.run(settings, lambda: _settings(args))


def _check(settings: Settings, args: argparse.Namespace) -> int:
    from hyphad.checks import check

    return check(settings, print)


def _version(settings: Settings, args: argparse.Namespace) -> int:
    print(f"hyphad {__version__} (speaks hypha {HYPHA_VERSION})")
    return 0


COMMANDS = [
    Command("serve", "run the daemon (the default)", _serve),
    Command("server", "the same, by the name the reference server uses", _serve),
    Command("check", "test configuration and data directory without starting", _check),
    Command("version", "print the version", _version),
]


class _Parser(argparse.ArgumentParser):
    """Names the nearest flag when one is unknown."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            flags = [flag for action in self._actions for flag in action.option_strings]
            self.error(f"unknown argument {word!r}{nearest(word, [*flags, *_names()])}")
        return parsed


def _names() -> list[str]:
    return [command.name for command in COMMANDS]


def _parser(command: Command) -> _Parser:
    parser = _Parser(
        prog=f"hyphad {command.name}",
        description=command.help,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Commands: " + ", ".join(_names()) + ". See also `hyphad COMMAND --help`.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (TOML)")
    for option in OPTIONS.values():
        kind = option.schema["type"]
        shape: dict[str, Any] = {"metavar": kind.upper() if kind != "array" else "TEXT"}
        if kind == "boolean":
            shape = {"action": argparse.BooleanOptionalAction}
        elif kind == "array":
            shape["nargs"] = "+"
        text = (
            option.help
            if option.default in (None, [], False)
            else f"{option.help} [{option.default}]"
        )
        parser.add_argument(
            option.flag, dest=option.key, default=None, help=text.replace("%", "%%"), **shape
        )
    for name in sorted(IGNORED_VALUES):
        parser.add_argument(f"--{name}", dest=f"ignored_{name}", nargs="+", help=argparse.SUPPRESS)
    for name in sorted(IGNORED_SWITCHES):
        parser.add_argument(
            f"--{name}", dest=f"ignored_{name}", action="store_true", help=argparse.SUPPRESS
        )
    command.arguments(parser)
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    flags = {key: getattr(args, key) for key in OPTIONS}
    given = vars(args)
    ignored = tuple(
        f"--{key.removeprefix('ignored_')} has no meaning for hyphad"
        for key, value in sorted(given.items())
        if key.startswith("ignored_") and value
    )
    return load(flags, os.environ, args.config, ignored)


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 2 wrong usage or settings, 3 could not start."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words.pop(0) if words and not words[0].startswith("-") else "serve"
    if "--version" in words:
        name, words = "version", []
    command = next((command for command in COMMANDS if command.name == name), None)
    if command is None:
        print(f"hyphad: unknown command {name!r}{nearest(name, _names())}", file=sys.stderr)
        return 2
    try:
        args = _parser(command).parse_args(words)
        settings = _settings(args)
    except ConfigError as error:
        print(f"hyphad: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as end:
        return int(end.code or 0)
    logs.setup(settings.log_level, settings.log_format)
    return command.run(settings, args)
