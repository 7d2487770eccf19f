"""Settings: defaults < file < credentials < environment < flags, one schema for all, then frozen.

    settings = load({"port": "0"}, os.environ)
    settings.port, settings.sources["port"]     # 0, 'flag --port'

An error names where the value came from, the key, the value (unless it is a secret) and what is
allowed. Credentials are the files that systemd hands to a service (`LoadCredential=`).
"""

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hyphad.options import IGNORED, OPTIONS, Option, ignored, schema

SYSTEM_FILE = Path("/etc/hyphad/hyphad.toml")
_TRUE = ("true", "1", "yes", "y", "on")
_FALSE = ("false", "0", "no", "n", "off")
# Names of levels that other programs use for ours.
_LEVELS = {"warn": "warning", "critical": "error", "fatal": "error"}
_WEAK_WORDS = "test root admin password token secret 123 abc hypha default".split()
_SHOWN = 100
_KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "string": (str,),
}
_KEYWORDS = set("type minimum maximum minLength enum pattern items description".split())


class ConfigError(Exception):
    """A setting that cannot be used; the text says which, where, and what is allowed."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; see `options` for what each means. Times in seconds."""

    data_dir: Path
    host: str
    port: int
    public_base_url: str | None
    base_path: str
    trusted_proxies: list[str]
    allow_origins: list[str]
    allowed_hosts: list[str]
    fast_websocket: bool
    tls_cert: str | None
    tls_key: str | None
    http_redirect_port: int
    server_id: str | None
    log_level: str
    log_format: str
    access_log: bool
    expose_detailed_errors: bool
    backup_hours: float
    backup_keep: int
    static_mounts: list[str]
    startup_functions: list[str]
    ignore_startup_errors: bool
    env_file: str | None
    fix_permissions: bool
    root_token: str | None = field(repr=False)
    root_token_file: str | None
    jwt_secret: str | None = field(repr=False)
    jwt_issuer: str
    jwt_audience: str
    jwt_namespace: str
    anonymous_access: str
    enable_local_auth: bool
    signup: str
    password_cost: str
    login_session_seconds: int
    login_token_lifetime: int
    max_token_lifetime: int
    reconnection_token_lifetime: int
    strict_token_expiry: bool
    enable_mcp: bool
    mcp_oauth: bool
    mcp_servers: list[dict[str, Any]] = field(repr=False)
    enable_a2a: bool
    enable_agent_skills: bool
    enable_openapi: bool
    mdns: bool
    metrics_per_workspace: bool
    backlog: int
    max_connections_per_user: int
    max_connections_per_address: int
    max_clients_per_workspace: int
    max_services_per_client: int
    max_subscriptions_per_client: int
    max_calls_per_user: int
    max_workspaces_per_user: int
    ws_idle_timeout: float
    ws_msg_rate_limit: float
    ws_msg_burst_limit: float
    max_frame_bytes: int
    max_memory_bytes: int
    max_queue_bytes: int
    slow_consumer_seconds: float
    max_unfinished_per_client: int
    max_unfinished_total: int
    workspace_grace: float
    reconnect_grace: float
    http_rate_limit: float
    http_burst_limit: float
    http_authenticated_rate_limit: float
    http_authenticated_burst_limit: float
    max_body_bytes: int
    max_call_body_bytes: int
    sources: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says: values, where each stands, and what is of no use."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    def put(self, key: str, value: Any, place: str) -> None:
        self.values[key] = value
        self.places[key] = place


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    config_file: Path | None = None,
    unused: Iterable[str] = (),
) -> Settings:
    """Settings from all sources; `unused` are log lines to keep with them. Raises `ConfigError`.

    A flag that is None was not given; texts are read as the type of their option.
    """
    file, given = _from_file(config_file), _from_flags(flags)
    lines = list(unused)
    values: dict[str, Any] = {key: option.default for key, option in OPTIONS.items()}
    sources = dict.fromkeys(OPTIONS, "default")
    environment = _from_environment(environ, _env_file(file, environ, given))
    for layer in (file, _from_credentials(environ), environment, given):
        _check(layer)
        values.update(layer.values)
        sources.update(layer.places)
        lines += layer.ignored
    _agree(values, sources)
    values |= {key: list(value) for key, value in values.items() if isinstance(value, list)}
    values["data_dir"] = Path(values["data_dir"] or _default_data_dir(environ)).expanduser()
    values["base_path"] = "".join(f"/{part}" for part in values["base_path"].split("/") if part)
    if values["public_base_url"]:
        values["public_base_url"] = values["public_base_url"].rstrip("/")
    values["root_token"] = _root_token(values)
    if values["root_token_file"]:
        sources["root_token"] = sources["root_token_file"]
    return Settings(**values, sources=MappingProxyType(sources), ignored=tuple(lines))


# the sources


def _from_file(path: Path | None) -> Layer:
    layer = Layer()
    file = path or SYSTEM_FILE
    if path is None and _is_missing(file):
        return layer
    try:
        found = tomllib.loads(_text_of(file, "configuration file"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    for key, value in found.items():
        if key in OPTIONS:
            # Empty stands for "not set", so that every line of the sample file can be uncommented.
            if value != "" or OPTIONS[key].default is not None:
                layer.put(key, value, str(file))
        elif key.replace("_", "-") in IGNORED:
            layer.ignored.append(ignored(key.replace("_", "-"), f"{file}: {key}"))
        elif isinstance(value, dict):
            raise ConfigError(f"{file}: [{key}]: keys stand at the top of the file, in no [table]")
        else:
            raise ConfigError(f"{file}: unknown key {key!r}{nearest(key, OPTIONS)}")
    return layer


def _from_credentials(environ: Mapping[str, str]) -> Layer:
    """Secrets in files named after their keys, in the directory that systemd made for them."""
    layer = Layer()
    folder = environ.get("CREDENTIALS_DIRECTORY")
    for key, option in OPTIONS.items():
        if folder and option.secret and (file := Path(folder) / key).exists():
            text, place = _text_of(file, "credential").strip(), f"credential {file}"
            layer.put(key, _read(option, text, place), place)
    return layer


def _env_file(file: Layer, environ: Mapping[str, str], given: Layer) -> Path | None:
    """Where `env_file` points; it is wanted before the environment can be read."""
    named = [environ.get(name) for name in OPTIONS["env_file"].variables]
    places = [given.values.get("env_file"), *named, file.values.get("env_file")]
    found = next((place for place in places if isinstance(place, str) and place), None)
    return Path(found).expanduser() if found else None


def _from_environment(environ: Mapping[str, str], env_file: Path | None) -> Layer:
    layer = Layer()
    for key, option in OPTIONS.items():
        name = next((name for name in option.variables if environ.get(name)), None)
        if name is not None:
            place = f"environment variable {name}"
            layer.put(key, _read(option, environ[name], place), place)
    for key, (name, text) in _lines_of(env_file).items():
        if key not in layer.values:
            place = f"{env_file}: {name}"
            layer.put(key, _read(OPTIONS[key], text, place), place)
    layer.ignored.extend(_useless(environ))
    return layer


def _lines_of(env_file: Path | None) -> dict[str, tuple[str, str]]:
    """Variable and text by key, from lines as `export NAME="value"`; never overriding (D-27)."""
    if env_file is None:
        return {}
    found: dict[str, str] = {}
    for line in _text_of(env_file, "env_file").splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line)
        if match and match[2].strip("'\""):
            found[match[1]] = match[2].strip("'\"")
    known = {key: [n for n in option.variables if n in found] for key, option in OPTIONS.items()}
    return {key: (names[0], found[names[0]]) for key, names in known.items() if names}


def _useless(environ: Mapping[str, str]) -> Iterable[str]:
    """Lines about variables that mean something elsewhere, or are misspelt."""
    known = {name for option in OPTIONS.values() for name in option.variables}
    for name in sorted(set(environ) - known):
        prefix, _, rest = name.partition("_")
        option = rest.lower().replace("_", "-")
        if prefix == "HYPHAD" and rest:
            hint = nearest(name, [name for name in known if name.startswith("HYPHAD_")])
            yield f"environment variable {name}: unknown{hint}"
        elif prefix == "HYPHA" and option in IGNORED and environ[name].lower() not in _FALSE:
            yield ignored(option, f"environment variable {name}")


def _from_flags(flags: Mapping[str, Any]) -> Layer:
    layer = Layer()
    for key, value in flags.items():
        if value is None:
            continue
        option = OPTIONS[key]
        place = f"flag {option.flag}"
        if isinstance(value, list) and not option.paths:
            items = [item for text in value for item in _read(option, text, place)]
            layer.put(key, items, place)
        else:
            read = _read(option, value, place) if isinstance(value, str) else value
            layer.put(key, read, place)
    return layer


def _is_missing(file: Path) -> bool:
    """False also for what this user may not look at: that must be said, not passed over."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _text_of(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{what} {file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{what} {file}: cannot be read: not UTF-8 text") from None


# values


def _read(option: Option, text: str, place: str) -> Any:
    """A text value as the option's type. Raises `ConfigError`."""
    kind = option.schema["type"]
    if kind == "array" and option.schema["items"]["type"] == "object":
        return _read_tables(option, text, place)
    if kind == "array":
        return text.split() if option.paths else [x for x in re.split(r"[,\s]+", text) if x]
    word = text.strip().lower()
    try:
        if kind == "boolean" and word in _TRUE + _FALSE:
            return word in _TRUE
        if kind == "integer":
            return int(word)
        if kind == "number":
            return int(word) if word.lstrip("+-").isdigit() else float(word)
    except ValueError:
        pass
    if kind == "string":
        return text
    raise ConfigError(_complaint(option, text, place))


def _read_tables(option: Option, text: str, place: str) -> list[Any]:
    """Tables as JSON, one or a list of them."""
    try:
        found = json.loads(text)
    except ValueError:
        raise ConfigError(_complaint(option, text, place)) from None
    return found if isinstance(found, list) else [found]


def _tidy(option: Option, value: Any) -> Any:
    """The one form of values that may be written in several ways."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str) or option.secret:
        return value
    value = value.strip()
    if option.key == "log_level":
        return _LEVELS.get(value.lower(), value.lower())
    return value


def _check(layer: Layer) -> None:
    for key, value in layer.values.items():
        layer.values[key] = _tidy(OPTIONS[key], value)
        if isinstance(value, float) and not math.isfinite(value):  # JSON knows no such number
            raise ConfigError(_complaint(OPTIONS[key], value, layer.places[key]))
    if all(is_plainly_right(value, OPTIONS[key].schema) for key, value in layer.values.items()):
        return
    from jsonschema import Draft202012Validator  # takes 5 MiB and a fifth of the time of a start

    for error in Draft202012Validator(schema()).iter_errors(layer.values):
        key = str(error.path[0])
        raise ConfigError(_complaint(OPTIONS[key], layer.values[key], layer.places[key]))


def is_plainly_right(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value keeps a schema of few keywords; where it is false, `jsonschema` decides."""
    kind = _KINDS.get(schema.get("type", ""))
    if kind is None or not schema.keys() <= _KEYWORDS or type(value) not in kind:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        long_enough = len(value) >= schema.get("minLength", 0)
        return long_enough and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return all(is_plainly_right(item, schema.get("items", {})) for item in value)
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _agree(values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """What a schema cannot say: addresses, what goes together, what excludes each other.

    Raises `ConfigError`.
    """
    proxies = values["trusted_proxies"]
    if not all(_is_network(name) for name in proxies):
        place = sources["trusted_proxies"]
        raise ConfigError(_complaint(OPTIONS["trusted_proxies"], proxies, place))
    for key, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if values[key] and not values[other]:
            raise ConfigError(f"{sources[key]}: {key} is set; https needs {other} as well")
    if values["http_redirect_port"] and not values["tls_cert"]:
        place = sources["http_redirect_port"]
        raise ConfigError(f"{place}: http_redirect_port leads to https, which needs tls_cert")
    if values["root_token"] and values["root_token_file"]:
        raise ConfigError(
            f"{sources['root_token_file']}: root_token_file is set, but so is root_token "
            f"({sources['root_token']}); keep one of them"
        )


def _is_network(name: str) -> bool:
    from ipaddress import ip_network  # of use to few

    try:
        ip_network(name, strict=False)
    except ValueError:
        return False
    return True


def _complaint(option: Option, value: Any, place: str) -> str:
    shown = "(hidden)" if option.secret else repr(value)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    return f"{place}: {option.key} = {shown}: must be {allowed(option.schema)}"


def allowed(schema: Mapping[str, Any]) -> str:
    """What a setting may be, in words.

    >>> allowed({"type": "integer", "minimum": 0, "maximum": 65535})
    'a whole number from 0 to 65535'
    """
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if "description" in schema:
        return str(schema["description"])
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list of texts that are not empty",
        "string": "a text that is not empty",
    }
    words = kinds[schema["type"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        return f"{words} from {low} to {high}"
    return f"{words} of at least {low}" if low is not None else words


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing if nothing is near."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _default_data_dir(environ: Mapping[str, str]) -> str:
    if environ.get("STATE_DIRECTORY"):
        return environ["STATE_DIRECTORY"].split(":")[0]
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or "~") / ".local/share")
    return str(Path(home) / "hyphad")


def _root_token(values: Mapping[str, Any]) -> str | None:
    """The root token if there is one, and only if it is hard to guess (AUTH-54)."""
    token: str | None = values["root_token"]
    if values["root_token_file"]:
        file = Path(values["root_token_file"]).expanduser()
        token = _text_of(file, "root_token_file")
    if token is None:
        return None
    token = token.strip()
    if len(token) < 32:
        raise ConfigError(
            "Root token must be at least 32 characters long for security. Use a strong, randomly "
            "generated token like: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            exit_code=3,
        )
    weak = next((word for word in _WEAK_WORDS if word in token.lower()), None)
    if weak and len(token) < 64:
        raise ConfigError(
            f"Root token appears to be too simple (contains '{weak}'). Use a randomly generated "
            "one, or one of at least 64 characters.",
            exit_code=3,
        )
    return token
