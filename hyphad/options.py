"""Every setting in one table: the flags, the environment names, the schema and the sample file.

`conf/hyphad.toml` is the text of `sample_file()`; only the fields of `config.Settings` repeat the
keys, for the sake of types. A `description` in a schema says in words what a pattern allows.
"""

from dataclasses import dataclass
from textwrap import wrap
from typing import Any

_INT = {"type": "integer", "minimum": 0}
_NUM = {"type": "number", "minimum": 0}
_STR = {"type": "string", "minLength": 1}
_BOOL = {"type": "boolean"}
_LIST = {"type": "array", "items": _STR}
_BYTES = {"type": "integer", "minimum": 1024}
MiB = 1 << 20


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `aliases` are environment names that the reference server knows.

    The items of a list stand between commas or spaces in flags and in the environment; where they
    are `paths`, one argument is one item, and only spaces part them in the environment (HTTP-95).
    """

    key: str
    schema: dict[str, Any]
    default: Any
    help: str
    aliases: tuple[str, ...] = ()
    secret: bool = False
    paths: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment names, the one that wins first."""
        name = self.key.upper()
        return (f"HYPHAD_{name}", f"HYPHA_{name}", *self.aliases)


def _choice(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _like(pattern: str, description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "description": description}


def _each(pattern: str, description: str) -> dict[str, Any]:
    items = {"type": "string", "pattern": pattern}
    return {"type": "array", "items": items, "description": description}


_NAMED_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
# One entry of `mcp_servers`.
MCP_SERVER = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "command": _STR,
        "args": {"type": "array", "items": {"type": "string"}},
        "env": _NAMED_TEXTS,
        "url": {"type": "string", "pattern": "^https?://"},
        "headers": _NAMED_TEXTS,
        "workspace": _STR,
        "visibility": {"enum": ["public", "unlisted", "protected"]},
        "description": {"type": "string"},
    },
    "required": ["name"],
    "oneOf": [{"required": ["command"]}, {"required": ["url"]}],
    "additionalProperties": False,
}

SECTIONS: list[tuple[str, list[Option]]] = [
    (
        "Where it listens",
        [
            Option("host", _STR, "127.0.0.1", "Address to listen on; 0.0.0.0 for every network."),
            Option(
                "port",
                {"type": "integer", "minimum": 0, "maximum": 65535},
                9527,
                "Port to listen on; 0 takes any free one.",
            ),
            Option(
                "public_base_url",
                _like(r"^https?://[^/\s]+\S*$", "an http:// or https:// URL"),
                None,
                "URL under which clients reach this server, if not http://127.0.0.1:PORT.",
            ),
            Option(
                "base_path",
                _like(r"^(/+[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/*$", "a path such as / or /hub"),
                "/",
                "Path before every route.",
            ),
            Option(
                "trusted_proxies",
                {**_LIST, "description": "a list of IP addresses or networks like 10.0.0.0/8"},
                [],
                "Addresses or networks of reverse proxies whose X-Forwarded-For is believed.",
            ),
            Option(
                "allow_origins",
                _LIST,
                ["*"],
                "Origins of web pages that may call; one that is named may send credentials too.",
            ),
            Option(
                "allowed_hosts", _LIST, [], "Host names under which this server may be addressed."
            ),
            Option("fast_websocket", _BOOL, True, "Parse WebSocket frames in C where possible."),
            Option("tls_cert", _STR, None, "Certificate file (PEM) for https."),
            Option("tls_key", _STR, None, "Key file (PEM) of the certificate."),
            Option(
                "http_redirect_port",
                {"type": "integer", "minimum": 0, "maximum": 65535},
                0,
                "Port whose plain HTTP requests are sent on to https; 0: none.",
            ),
        ],
    ),
    (
        "What it keeps and tells",
        [
            Option(
                "data_dir",
                _STR,
                None,
                "Directory of everything that is kept. Without it: what systemd gives the service "
                "(/var/lib/hyphad), else ~/.local/share/hyphad.",
            ),
            Option(
                "server_id",
                _like("^[A-Za-z0-9_-]{1,64}$", "1 to 64 letters, digits, - or _"),
                None,
                "Name of this server; a new random one at each start if missing.",
            ),
            Option(
                "log_level",
                _choice("debug", "info", "warning", "error"),
                "info",
                "The least important lines that are logged; SIGHUP takes over a change.",
                ("HYPHA_LOGLEVEL",),
            ),
            Option("log_format", _choice("text", "json"), "text", "Form of the log lines."),
            Option("access_log", _BOOL, False, "Log every HTTP request."),
            Option(
                "expose_detailed_errors", _BOOL, False, "Send tracebacks of services to callers."
            ),
            Option(
                "backup_hours", _NUM, 24, "Hours between backups into DATA_DIR/backups; 0: none."
            ),
            Option("backup_keep", _INT, 7, "How many of these are kept."),
            Option(
                "static_mounts",
                _each("^/[^:]+:.+", "a list of /name:folder"),
                [],
                "Folders to serve as they are, each as /name:folder.",
                paths=True,
            ),
            Option(
                "startup_functions",
                _each("^.+:[^:]+$", "a list of FILE.py:FUNCTION or MODULE:FUNCTION"),
                [],
                "Functions to run before the server is ready, each as FILE.py:FUNCTION or "
                "MODULE:FUNCTION.",
                paths=True,
            ),
            Option(
                "ignore_startup_errors", _BOOL, False, "Start even if a startup function fails."
            ),
            Option(
                "env_file",
                _STR,
                None,
                "File of NAME=value lines; they count as environment variables that are not set.",
            ),
            Option(
                "fix_permissions",
                _BOOL,
                False,
                "Make key files private at start instead of refusing those that others can read.",
            ),
        ],
    ),
    (
        "Who may come in",
        [
            Option(
                "root_token",
                _STR,
                None,
                "Token with all rights, of at least 32 random characters; better kept in a file.",
                secret=True,
            ),
            Option("root_token_file", _STR, None, "File that holds the root token."),
            Option(
                "jwt_secret",
                _STR,
                None,
                "Secret that signs tokens, instead of the keys in the data directory.",
                ("JWT_SECRET",),
                secret=True,
            ),
            Option(
                "jwt_issuer", _STR, "https://amun.ai/", "Issuer named in tokens.", ("AUTH0_ISSUER",)
            ),
            Option(
                "jwt_audience",
                _STR,
                "https://amun-ai.eu.auth0.com/api/v2/",
                "Audience named in tokens.",
                ("AUTH0_AUDIENCE",),
            ),
            Option(
                "jwt_namespace",
                _STR,
                "https://amun.ai/",
                "Prefix of claims in tokens.",
                ("AUTH0_NAMESPACE",),
            ),
            Option(
                "anonymous_access",
                _choice("full", "http-only", "off"),
                "full",
                "What visitors without a token may use: all that is public, only HTTP, or nothing.",
            ),
            Option("enable_local_auth", _BOOL, True, "Accounts with passwords on this server."),
            Option(
                "signup",
                _choice("closed", "invite", "approve", "open"),
                "closed",
                "Who may create an account.",
            ),
            Option(
                "password_cost", _choice("normal", "high"), "normal", "Cost of a password hash."
            ),
            Option(
                "login_session_seconds",
                _INT,
                180,
                "Seconds to complete a login.",
                ("MAXIMUM_LOGIN_TIME",),
            ),
            Option("login_token_lifetime", _INT, 86_400, "Seconds that a login lasts."),
            Option(
                "max_token_lifetime", _INT, 315_360_000, "Seconds that any token lasts at most."
            ),
            Option(
                "reconnection_token_lifetime",
                _INT,
                172_800,
                "Seconds within which a client may come back without its token.",
                ("RECONNECTION_TOKEN_LIFE_TIME",),
            ),
            Option(
                "strict_token_expiry", _BOOL, False, "Close connections when their token expires."
            ),
        ],
    ),
    (
        "Features",
        [
            Option("enable_mcp", _BOOL, True, "Services as MCP tools."),
            Option(
                "mcp_oauth",
                _BOOL,
                False,
                "Ask MCP clients for a token (401) where they may not use a service, instead of "
                "answering that there is none.",
            ),
            Option(
                "mcp_servers",
                {
                    "type": "array",
                    "items": MCP_SERVER,
                    "description": "a list of tables, each with a name, the workspace or the "
                    "visibility, and command (args, env) or url (headers)",
                },
                [],
                "Other MCP servers to offer as services: [[mcp_servers]] tables at the end of the "
                "file, each with a name, workspace, and command, args, env or url, headers. As a "
                "flag or in the environment: a JSON list.",
                secret=True,
            ),
            Option("enable_a2a", _BOOL, True, "Services as A2A agents."),
            Option(
                "enable_agent_skills", _BOOL, True, "Texts that teach agents to use this server."
            ),
            Option("enable_openapi", _BOOL, True, "OpenAPI documents of services."),
            Option(
                "mdns",
                _BOOL,
                False,
                "Announce the server on the local network by multicast DNS (_hypha._tcp); needs "
                "pip install 'hyphad[mdns]'.",
            ),
            Option("metrics_per_workspace", _BOOL, False, "Name workspaces in /metrics."),
        ],
    ),
    (
        "Limits",
        [
            Option("backlog", _INT, 1024, "Most connections that wait to be accepted."),
            Option("max_connections_per_user", _INT, 200, "Most connections of one user."),
            Option(
                "max_connections_per_address",
                _INT,
                1000,
                "Most connections, of any kind, from one address (an IPv6 /64 is one; from this "
                "machine a hundred times as many); 0: no limit.",
            ),
            Option("max_clients_per_workspace", _INT, 1000, "Most clients in one workspace."),
            Option("max_services_per_client", _INT, 1000, "Most services of one client."),
            Option("max_subscriptions_per_client", _INT, 1000, "Most event types of one client."),
            Option(
                "max_calls_per_user",
                _INT,
                10_000,
                "Calls of one user, or of visitors from one address, that the server runs at the "
                "same time; 0: no limit.",
            ),
            Option("max_workspaces_per_user", _INT, 100, "Most workspaces that one user owns."),
            Option(
                "ws_idle_timeout", _NUM, 600, "Seconds of silence that end a connection; 0: never."
            ),
            Option(
                "ws_msg_rate_limit", _NUM, 5000, "Messages a second and connection; 0: no limit."
            ),
            Option("ws_msg_burst_limit", _NUM, 10_000, "Messages of one connection at once."),
            Option("max_frame_bytes", _BYTES, 16 * MiB, "Bytes of the longest single frame."),
            Option(
                "max_memory_bytes",
                _INT,
                0,
                "Bytes of memory above which newcomers are turned away, and clients that take "
                "nothing are closed; 0: three quarters of what the service or the machine has.",
            ),
            Option("max_queue_bytes", _BYTES, 64 * MiB, "Bytes that may wait for a slow client."),
            Option(
                "slow_consumer_seconds",
                _NUM,
                30,
                "Seconds that a client with a full queue is waited for.",
            ),
            Option(
                "max_unfinished_per_client",
                _BYTES,
                64 * MiB,
                "Bytes of unfinished messages to the server that one client may have.",
            ),
            Option(
                "max_unfinished_total",
                _BYTES,
                256 * MiB,
                "Bytes of unfinished messages to the server in all.",
            ),
            Option(
                "workspace_grace",
                _NUM,
                10,
                "Seconds that an empty temporary workspace stays.",
                ("HYPHA_WORKSPACE_UNLOAD_GRACE_PERIOD",),
            ),
            Option("reconnect_grace", _NUM, 10, "Seconds that a lost client is waited for."),
            Option(
                "http_rate_limit", _NUM, 100, "HTTP requests a second and address; 0: no limit."
            ),
            Option("http_burst_limit", _NUM, 500, "HTTP requests of one address at once."),
            Option(
                "http_authenticated_rate_limit",
                _NUM,
                1000,
                "HTTP requests a second of one known user; 0: no limit.",
            ),
            Option(
                "http_authenticated_burst_limit",
                _NUM,
                5000,
                "HTTP requests of one known user at once.",
            ),
            Option("max_body_bytes", _BYTES, 1024 * MiB, "Bytes of the longest request body."),
            Option(
                "max_call_body_bytes",
                _BYTES,
                512 * MiB,
                "Bytes of the longest body that calls a function.",
            ),
        ],
    ),
]

OPTIONS: dict[str, Option] = {option.key: option for _, options in SECTIONS for option in options}

# Options of the reference server that hyphad has no use for: accepted, and named in the log once
# at start, with what to do instead where there is something to do (HTTP-94, D-7).
IGNORED_VALUES = frozenset(
    "redis-uri database-uri cache-dir workspace-bucket endpoint-url endpoint-url-public "
    "region-name access-key-id secret-access-key s3-admin-type s3-cleanup-period minio-workdir "
    "minio-port minio-console-port minio-root-user minio-root-password minio-version mc-version "
    "executable-path triton-servers ollama-host openai-base-url openai-api-key "
    "migrate-database".split()
)
IGNORED_SWITCHES = frozenset(
    "from-env reset-redis enable-s3 enable-s3-for-anonymous-users enable-s3-proxy "
    "enable-server-apps enable-service-search enable-terminal-worker "
    "enable-admin-terminal interactive enable-server disable-ssl start-minio-server "
    "minio-file-system-mode enable-k8s-worker in-docker".split()
)
IGNORED = IGNORED_VALUES | IGNORED_SWITCHES
_INSTEAD = {
    "from-env": "the environment always counts",
    "redis-uri": "one process needs no Redis",
    "reset-redis": "to start empty, name another directory with --data-dir",
    "database-uri": "the database lies in --data-dir",
    "cache-dir": "everything lies in --data-dir",
    "minio-workdir": "everything lies in --data-dir",
    "migrate-database": "the database is brought up to date at every start",
    "interactive": "there is no shell inside the server",
    "enable-admin-terminal": "there is no shell inside the server",
}


def ignored(name: str, source: str) -> str:
    """The log line for an option of the reference server, `name` as in its flag."""
    return f"{source}: ignored, {_INSTEAD.get(name, 'hyphad has no use for it')}"


def schema() -> dict[str, Any]:
    """The one JSON Schema that every source of settings is checked by."""
    return {
        "type": "object",
        "properties": {option.key: option.schema for option in OPTIONS.values()},
        "additionalProperties": False,
    }


def sample_file() -> str:
    """The text of `conf/hyphad.toml`: every key with its default, commented out."""
    lines = [
        "# hyphad. Every key stands here with its default; remove the # to change it.",
        "# Each key is also a flag (--log-level) and an environment variable (HYPHAD_LOG_LEVEL).",
        "# A flag wins over the environment, that over this file. `hyphad check` tests them all.",
        '# Where a default is "", the key is not set.',
    ]
    for title, options in SECTIONS:
        lines += ["", f"# {title}", "#"]
        for option in options:
            lines += [f"# {line}" for line in wrap(_comment(option), 98)]
            lines += [f"#{option.key} = {_toml(option)}", ""]
        lines.pop()
    return "\n".join(lines) + "\n"


def _comment(option: Option) -> str:
    choices = option.schema.get("enum")
    return f"{option.help} One of {', '.join(choices)}." if choices else option.help


def _toml(option: Option) -> str:
    value = option.default
    if value is None:
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
