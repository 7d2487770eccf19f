"""Every setting in one table: the flags, the environment names, the schema and the sample file.

`conf/hyphad.toml` is printed from it; nothing else lists settings.
"""

from dataclasses import dataclass
from typing import Any

_INT = {"type": "integer", "minimum": 0}
_NUM = {"type": "number", "minimum": 0}
_STR = {"type": "string", "minLength": 1}
_BOOL = {"type": "boolean"}
_LIST = {"type": "array", "items": {"type": "string", "minLength": 1}}
_BYTES = {"type": "integer", "minimum": 1024}
MiB = 1 << 20


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `aliases` are environment names that the reference server knows."""

    key: str
    schema: dict[str, Any]
    default: Any
    help: str
    aliases: tuple[str, ...] = ()
    secret: bool = False

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
                {"type": "string", "pattern": "^https?://[^/\\s]+"},
                None,
                "URL under which clients reach this server, if not http://127.0.0.1:PORT.",
            ),
            Option(
                "base_path", {"type": "string", "pattern": "^/"}, "/", "Path before every route."
            ),
            Option(
                "trusted_proxies",
                _LIST,
                [],
                "Addresses of reverse proxies whose X-Forwarded-For is believed.",
            ),
            Option(
                "allow_origins",
                _LIST,
                ["*"],
                "Web origins; one that is named may also send credentials.",
            ),
            Option(
                "allowed_hosts", _LIST, [], "Host names under which this server may be addressed."
            ),
            Option("fast_websocket", _BOOL, True, "Parse WebSocket frames in C where possible."),
            Option("tls_cert", _STR, None, "Certificate file (PEM) for https."),
            Option("tls_key", _STR, None, "Key file (PEM) of the certificate."),
        ],
    ),
    (
        "What it keeps and tells",
        [
            Option("data_dir", _STR, None, "Directory of everything that is kept."),
            Option(
                "server_id",
                {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
                None,
                "Name of this server; a new random one at each start if missing.",
            ),
            Option(
                "log_level",
                _choice("debug", "info", "warning", "error"),
                "info",
                "What is logged.",
                ("HYPHA_LOGLEVEL",),
            ),
            Option("log_format", _choice("text", "json"), "text", "Form of a log line."),
            Option("access_log", _BOOL, False, "Log every HTTP request."),
            Option(
                "expose_detailed_errors", _BOOL, False, "Send tracebacks of services to callers."
            ),
            Option("static_mounts", _LIST, [], "Folders to serve, as /name:folder."),
            Option("startup_functions", _LIST, [], "FILE.py:FUNCTION or MODULE:FUNCTION to run."),
            Option("ignore_startup_errors", _BOOL, False, "Start even if such a function fails."),
            Option("env_file", _STR, None, "File with NAME=value lines, read before the rest."),
            Option("fix_permissions", _BOOL, False, "Make the key files private at start."),
        ],
    ),
    (
        "Who may come in",
        [
            Option("root_token", _STR, None, "Token with all rights.", secret=True),
            Option("root_token_file", _STR, None, "File that holds it."),
            Option(
                "jwt_secret",
                _STR,
                None,
                "Signing secret, instead of the key file.",
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
                "What visitors without a token may use.",
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
                "Time to complete a login.",
                ("MAXIMUM_LOGIN_TIME",),
            ),
            Option("login_token_lifetime", _INT, 86_400, "Seconds that a login lasts."),
            Option("max_token_lifetime", _INT, 315_360_000, "Longest life of any token, seconds."),
            Option(
                "reconnection_token_lifetime",
                _INT,
                172_800,
                "Seconds within which a client may come back.",
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
            Option("enable_a2a", _BOOL, True, "Services as A2A agents."),
            Option("enable_openapi", _BOOL, True, "OpenAPI documents of services."),
            Option("metrics_per_workspace", _BOOL, False, "Name workspaces in /metrics."),
        ],
    ),
    (
        "Limits",
        [
            Option("max_connections_per_user", _INT, 200, "Connections of one user."),
            Option("max_clients_per_workspace", _INT, 1000, "Clients in one workspace."),
            Option("max_services_per_client", _INT, 1000, "Services of one client."),
            Option("max_workspaces_per_user", _INT, 100, "Workspaces that one user owns."),
            Option(
                "ws_idle_timeout", _NUM, 600, "Seconds of silence that end a connection; 0: never."
            ),
            Option(
                "ws_msg_rate_limit", _NUM, 5000, "Messages a second and connection; 0: no limit."
            ),
            Option("ws_msg_burst_limit", _NUM, 10_000, "Messages at once."),
            Option("max_frame_bytes", _BYTES, 16 * MiB, "Longest single frame."),
            Option("max_queue_bytes", _BYTES, 64 * MiB, "What may wait for a slow client."),
            Option("slow_consumer_seconds", _NUM, 30, "Seconds that a client may be slow."),
            Option(
                "max_unfinished_per_client",
                _BYTES,
                64 * MiB,
                "Unfinished messages in chunks, of one client.",
            ),
            Option("max_unfinished_total", _BYTES, 256 * MiB, "The same, of all clients."),
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
            Option("http_burst_limit", _NUM, 500, "HTTP requests at once."),
            Option("http_authenticated_rate_limit", _NUM, 1000, "The same for known users."),
            Option(
                "http_authenticated_burst_limit",
                _NUM,
                5000,
                "Requests at once of known users.",
            ),
            Option("max_body_bytes", _BYTES, 1024 * MiB, "Longest streamed request body."),
            Option("max_call_body_bytes", _BYTES, 512 * MiB, "Longest body of a function call."),
        ],
    ),
]

OPTIONS: dict[str, Option] = {option.key: option for _, options in SECTIONS for option in options}

# Settings of the reference server that have no meaning here: accepted, named once in the log.
IGNORED_VALUES = frozenset(
    "redis-uri database-uri cache-dir workspace-bucket endpoint-url endpoint-url-public "
    "region-name access-key-id secret-access-key s3-admin-type s3-cleanup-period minio-workdir "
    "minio-port minio-console-port minio-root-user minio-root-password minio-version mc-version "
    "executable-path triton-servers ollama-host openai-base-url openai-api-key "
    "migrate-database".split()
)
IGNORED_SWITCHES = frozenset(
    "from-env reset-redis enable-s3 enable-s3-for-anonymous-users enable-s3-proxy "
    "enable-server-apps disable-agent-skills enable-service-search enable-terminal-worker "
    "enable-admin-terminal interactive enable-server disable-ssl start-minio-server "
    "minio-file-system-mode enable-k8s-worker in-docker".split()
)


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
        "# hyphad. Every line shows a default; remove the # to change it.",
        "# Each key is also a flag (--log-level) and an environment variable (HYPHAD_LOG_LEVEL).",
        "# Order: flag, environment, this file, default. `hyphad check` tests the whole.",
    ]
    for title, options in SECTIONS:
        lines += ["", f"# {title}", "#"]
        for option in options:
            lines += [f"# {option.help}", f"#{option.key} = {_toml(option)}", ""]
        lines.pop()
    return "\n".join(lines) + "\n"


def _toml(option: Option) -> str:
    value = option.default
    if value is None:
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
