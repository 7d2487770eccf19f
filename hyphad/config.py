"""Settings: defaults < file < environment < flags, checked by one JSON schema, then frozen.

An error names where the value came from, the key, the value and what is allowed.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyphad.options import OPTIONS, Option, schema

SYSTEM_FILE = Path("/etc/hyphad/hyphad.toml")
_TRUE = ("true", "1", "yes", "y", "on")
_FALSE = ("false", "0", "no", "n", "off", "")
_WEAK_WORDS = (
    "test",
    "root",
    "admin",
    "password",
    "token",
    "secret",
    "123",
    "abc",
    "hypha",
    "default",
)


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
    server_id: str | None
    log_level: str
    log_format: str
    access_log: bool
    expose_detailed_errors: bool
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
    enable_a2a: bool
    enable_openapi: bool
    metrics_per_workspace: bool
    max_connections_per_user: int
    max_clients_per_workspace: int
    max_services_per_client: int
    max_workspaces_per_user: int
    ws_idle_timeout: float
    ws_msg_rate_limit: float
    ws_msg_burst_limit: float
    max_frame_bytes: int
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


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    config_file: Path | None = None,
    ignored: tuple[str, ...] = (),
) -> Settings:
    """Settings from all sources. Raises `ConfigError`."""
    values: dict[str, Any] = {key: option.default for key, option in OPTIONS.items()}
    sources = dict.fromkeys(OPTIONS, "default")
    environ = _with_env_file(flags, environ)
    layers = [_from_file(config_file), _from_environment(environ), _from_flags(flags)]
    for found, named in layers:
        _check(found, named)
        values.update(found)
        sources.update(named)
    if not values["data_dir"]:
        values["data_dir"] = _default_data_dir(environ)
    values["data_dir"] = Path(values["data_dir"]).expanduser()
    values["base_path"] = _base_path(values["base_path"])
    if values["public_base_url"]:
        values["public_base_url"] = values["public_base_url"].rstrip("/")
    values["root_token"] = _root_token(values)
    return Settings(**values, sources=sources, ignored=ignored)


Layer = tuple[dict[str, Any], dict[str, str]]


def _from_file(path: Path | None) -> Layer:
    file = path or SYSTEM_FILE
    if path is None and not file.exists():
        return {}, {}
    try:
        found = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}") from None
    for key in found:
        if key not in OPTIONS:
            raise ConfigError(f"{file}: unknown key {key!r}{nearest(key, OPTIONS)}")
    given = {key: value for key, value in found.items() if not _is_unset(OPTIONS[key], value)}
    return given, dict.fromkeys(given, str(file))


def _is_unset(option: Option, value: Any) -> bool:
    return value == "" and option.default is None


def _from_environment(environ: Mapping[str, str]) -> Layer:
    found, named = {}, {}
    for key, option in OPTIONS.items():
        for name in option.variables:
            text = environ.get(name)
            if text:
                found[key] = _read(option, text, f"environment variable {name}")
                named[key] = f"environment variable {name}"
                break
    return found, named


def _from_flags(flags: Mapping[str, Any]) -> Layer:
    found, named = {}, {}
    for key, value in flags.items():
        if value is None:
            continue
        option = OPTIONS[key]
        given = " ".join(value) if isinstance(value, list) else value
        found[key] = (
            _read(option, given, f"flag {option.flag}") if isinstance(given, str) else given
        )
        named[key] = f"flag {option.flag}"
    return found, named


def _with_env_file(flags: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment plus the lines of `env_file`, which never override what is set (D-27)."""
    name = flags.get("env_file") or environ.get("HYPHAD_ENV_FILE")
    merged = dict(environ)
    if not name:
        return merged
    try:
        text = Path(name).read_text()
    except OSError as error:
        raise ConfigError(f"env file {name}: cannot be read: {error.strerror}") from None
    for line in text.splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line)
        if match:
            merged.setdefault(match[1], match[2].strip("'\""))
    return merged


def _read(option: Option, text: str, source: str) -> Any:
    """A text value as the option's type. Raises `ConfigError`."""
    kind = option.schema["type"]
    word = text.strip().lower()
    try:
        if kind == "boolean":
            if word not in _TRUE + _FALSE:
                raise ValueError
            return word in _TRUE
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text) if "." in text else int(text)
    except ValueError:
        raise ConfigError(_complaint(option, text, source)) from None
    if kind == "array":
        return [item for item in re.split(r"[,\s]+", text) if item]
    return word if option.key == "log_level" else text


def _check(found: dict[str, Any], named: dict[str, str]) -> None:
    if not found:
        return
    from jsonschema import Draft202012Validator  # only when there is something to check

    for error in Draft202012Validator(schema()).iter_errors(found):
        key = str(error.path[0])
        raise ConfigError(_complaint(OPTIONS[key], found[key], named[key]))


def _complaint(option: Option, value: Any, source: str) -> str:
    shown = "(hidden)" if option.secret else repr(value)
    return f"{source}: {option.key} = {shown}: {allowed(option)}"


def allowed(option: Option) -> str:
    """What a setting may be, in words."""
    schema = option.schema
    if "enum" in schema:
        return "must be one of " + ", ".join(schema["enum"])
    if option.key == "public_base_url":
        return "must be an http:// or https:// URL"
    if option.key == "base_path":
        return "must start with /"
    if "pattern" in schema:
        return "must be 1 to 64 letters, digits, - or _"
    kinds = {
        "integer": "must be a whole number",
        "number": "must be a number",
        "boolean": "must be true or false",
        "array": "must be a list of texts",
        "string": "must be a text",
    }
    words = kinds[schema["type"]]
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        return f"{words} from {low} to {high}"
    return f"{words} of at least {low}" if low is not None else words


def nearest(word: str, known: Any) -> str:
    """`; did you mean 'x'?`, or nothing if nothing is near."""
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _default_data_dir(environ: Mapping[str, str]) -> str:
    if environ.get("STATE_DIRECTORY"):
        return environ["STATE_DIRECTORY"].split(":")[0]
    home = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or "~") / ".local/share")
    return str(Path(home) / "hyphad")


def _base_path(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    return "".join("/" + part for part in parts)


def _root_token(values: dict[str, Any]) -> str | None:
    token = values["root_token"]
    if values["root_token_file"]:
        try:
            token = Path(values["root_token_file"]).read_text()
        except OSError as error:
            raise ConfigError(
                f"root_token_file {values['root_token_file']}: cannot be read: {error.strerror}"
            ) from None
    if token is None:
        return None
    token = str(token).strip()
    if len(token) < 32:
        raise ConfigError(
            "Root token must be at least 32 characters long for security. Use a strong, randomly "
            "generated token like: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            3,
        )
    weak = next((word for word in _WEAK_WORDS if word in token.lower()), None)
    if weak and len(token) < 64:
        raise ConfigError(
            f"Root token appears to be too simple (contains '{weak}'). Use a randomly generated "
            "one, or one of at least 64 characters.",
            3,
        )
    return token


def current_environment() -> dict[str, str]:
    return dict(os.environ)
