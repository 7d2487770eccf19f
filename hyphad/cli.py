"""The command line: `hyphad [serve] [--port ...]`, `hyphad check`, `hyphad version`."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hyphad import HYPHA_VERSION, __version__, logs
from hyphad.config import ConfigError, Settings, load, nearest
from hyphad.options import IGNORED, IGNORED_SWITCHES, OPTIONS, SECTIONS, Option, ignored

EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand, named by one word or by two (`user add`).

    `arguments` adds flags of its own to those of the settings; `run` gives the exit code.
    """

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


def _in(module: str, function: str) -> Callable[[Settings, argparse.Namespace], int]:
    """A command of `hyphad.commands`, imported when it is called."""

    def run(settings: Settings, args: argparse.Namespace) -> int:
        found = importlib.import_module(f"hyphad.commands.{module}")
        code: int = getattr(found, function)(settings, args)
        return code

    return run


def _takes(name: str, optional: bool = False, many: bool = False) -> Callable[[Any], None]:
    """Adds one positional argument."""

    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(name, nargs="*" if many else "?" if optional else None)

    return add


def _arguments_of(
    module: str, function: str = "arguments"
) -> Callable[[argparse.ArgumentParser], None]:
    """The flags that a function of a module of `hyphad.commands` adds."""

    def add(parser: argparse.ArgumentParser) -> None:
        getattr(importlib.import_module(f"hyphad.commands.{module}"), function)(parser)

    return add


def _about(module: str, name: str, text: str, function: str, flags: str | None = None) -> Command:
    """A command of `hyphad.commands.{module}`, with the function that adds its flags."""
    run = _in(module, function)
    return (
        Command(name, text, run, _arguments_of(module, flags))
        if flags
        else Command(name, text, run)
    )


COMMANDS = [
    Command("serve", "run the daemon (the default)", _serve),
    Command("server", "the same, by the name the reference server uses", _serve),
    Command("check", "test configuration and data directory without starting", _check),
    Command(
        "status",
        "what the running daemon says of itself",
        _in("status", "status"),
        _arguments_of("status"),
    ),
    Command("doctor", "look for what is wrong, here and around", _in("doctor", "doctor")),
    Command(
        "backup",
        "write all that is kept to one file",
        _in("backup", "backup"),
        _takes("file", True),
    ),
    Command(
        "assets install",
        "the JavaScript client, from npm or from a file",
        _in("assets", "install"),
        _takes("file", True),
    ),
    Command(
        "cert", "make a certificate for this host", _in("cert", "make"), _takes("names", many=True)
    ),
    Command(
        "install-service",
        "run at boot, under systemd",
        _in("install", "install"),
        _arguments_of("install"),
    ),
    Command("restore", "put a backup in place", _in("backup", "restore"), _takes("file")),
    _about("users", "setup-code", "print the code for the first administrator", "setup_code"),
    _about("users", "user add", "create an account", "add", "add_arguments"),
    _about("users", "user list", "list the accounts", "list_users", "list_arguments"),
    _about("users", "user passwd", "set a password", "passwd", "passwd_arguments"),
    _about("users", "user disable", "refuse a user", "disable", "who_arguments"),
    _about("users", "user enable", "admit a user (again)", "enable", "who_arguments"),
    _about("users", "user verify", "vouch for an e-mail", "verify", "who_arguments"),
    _about("users", "user remove", "remove an account", "remove", "who_arguments"),
    _about("users", "user role", "make a user an admin, or not", "role", "role_arguments"),
    _about("tokens", "token create", "print a token of a user", "create", "create_arguments"),
    _about("tokens", "token list", "list logins and tokens", "list_tokens", "list_arguments"),
    _about("tokens", "token revoke", "refuse a token", "revoke", "revoke_arguments"),
    _about(
        "tokens", "generate-token", "print a token for anybody", "generate", "generate_arguments"
    ),
    _about("keys", "key rotate", "sign with a new key", "rotate_keys", "arguments"),
    _about("audit", "audit", "print security events", "audit", "arguments"),
]
# Answered whatever the settings are.
_PLAIN = {"version": "print the version", "help": "print this"}


def main(argv: list[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 2 wrong usage or settings, 3 could not start."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0].startswith("-"):
        words.insert(0, "serve")
    if words[0] == "version" or "--version" in words:
        print(f"hyphad {__version__} (speaks hypha {HYPHA_VERSION})")
        return 0
    if words[0] == "help":
        words = [*(words[1:] or ["serve"]), "--help"]
    try:
        command, rest = _command(words)
        args = _parser(command).parse_args(rest)
        settings = _settings(args)
    except ConfigError as error:
        print(f"hyphad: {error}", file=sys.stderr)
        return error.exit_code
    except SystemExit as end:  # how argparse ends after --help
        return int(end.code or 0)
    logs.setup(settings.log_level, settings.log_format)
    return command.run(settings, args)


def _command(words: list[str]) -> tuple[Command, list[str]]:
    """The command that the first words name, and the words after it. Raises `ConfigError`."""
    for count in (2, 1):
        for command in COMMANDS:
            if command.name.split() == words[:count]:
                return command, words[count:]
    group = [name for name in _names() if name.startswith(f"{words[0]} ")]
    if group:
        raise ConfigError(f"{words[0]} is a group of commands: " + ", ".join(group))
    hint = nearest(words[0], _names()) or "."
    raise ConfigError(f"unknown command {words[0]!r}{hint} See `hyphad --help`.")


def _names() -> list[str]:
    return [*(command.name for command in COMMANDS), *_PLAIN]


class _Parser(argparse.ArgumentParser):
    """Complains in one line, and names the nearest flag when one is unknown."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            if word in _names():
                self.error(f"the command comes first: hyphad {word} --flag.")
            flags = [flag for action in self._actions for flag in action.option_strings]
            self.error(f"unknown argument {word!r}{nearest(word, flags) or '.'}")
        return parsed

    def error(self, message: str) -> NoReturn:
        end = "" if message.endswith((".", "?")) else "."
        raise ConfigError(f"{message}{end} See `{self.prog} --help`.", EXIT_USAGE)


def _parser(command: Command) -> _Parser:
    listed = [(command.name, command.help) for command in COMMANDS] + list(_PLAIN.items())
    parser = _Parser(
        prog=f"hyphad {command.name}",
        usage=f"hyphad {'[serve]' if command.name == 'serve' else command.name} [--flag ...]",
        description=command.help,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:<22}{text}" for name, text in listed),
    )
    command.arguments(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (TOML)")
    for title, options in SECTIONS:
        group = parser.add_argument_group(title)
        for option in options:
            _add_flag(group, option)
    for name in IGNORED:
        shape: dict[str, Any] = {"nargs": "?"}  # its value is of no interest, even if it is missing
        if name in IGNORED_SWITCHES:
            shape = {"action": "store_const"}
        parser.add_argument(
            f"--{name}", dest=f"ignored {name}", const=True, help=argparse.SUPPRESS, **shape
        )
    return parser


def _add_flag(group: "argparse._ArgumentGroup", option: Option) -> None:
    kind = option.schema["type"]
    shape: dict[str, Any] = {"metavar": {"integer": "N", "number": "N"}.get(kind, "TEXT")}
    if "enum" in option.schema:
        shape["metavar"] = "|".join(option.schema["enum"])
    elif kind == "boolean":
        shape = {"action": argparse.BooleanOptionalAction}
    elif kind == "array":
        shape |= {"nargs": "*", "action": "extend"}
    text = option.help
    if option.default not in (None, [], False):
        default = option.default
        text += f" [{' '.join(default) if isinstance(default, list) else default}]"
    group.add_argument(option.flag, dest=option.key, help=text.replace("%", "%%"), **shape)
    if option.key.startswith("enable_"):
        off = option.flag.replace("--enable-", "--disable-")
        group.add_argument(
            off, dest=option.key, action="store_const", const=False, help=argparse.SUPPRESS
        )


def _settings(args: argparse.Namespace) -> Settings:
    """What the flags say, together with file and environment as they are now."""
    given = vars(args)
    flags = {key: given[key] for key in OPTIONS}
    unused = [name for name in sorted(IGNORED) if given[f"ignored {name}"] is not None]
    lines = [ignored(name, f"flag --{name}") for name in unused]
    return load(flags, os.environ, args.config, lines)
