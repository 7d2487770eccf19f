"""Every address that people and programs know from Hypha, and what answers there."""

import http.client
import json
from typing import Any

import pytest
from providers import Provider
from running import Hyphad

NOT_FOUND = "File not found: "


@pytest.mark.parametrize(
    ("path", "status", "answer"),
    [
        ("/", 200, "text/html; charset=utf-8"),  # HTTP-4
        ("/health/readiness", 200, "application/json"),  # HTTP-5
        ("/health/liveness", 200, "application/json"),  # HTTP-6
        ("/health", 200, "application/json"),  # HTTP-7
        ("/metrics", 200, "text/plain; charset=utf-8"),  # HTTP-8
        ("/login?x=1", 307, "/public/apps/hypha-login/"),  # HTTP-9
        ("{}/info", 403, "application/json"),  # HTTP-10
        ("{}/services", 200, "application/json"),  # HTTP-11, HTTP-33, D-1
        ("{}/services/", 200, "application/json"),  # HTTP-12
        ("{}/services/t", 200, "application/json"),  # HTTP-13
        ("{}/services/t/", 200, "application/json"),  # HTTP-33
        ("{}/services/t/hello", 200, "application/json"),  # HTTP-14
        ("{}/apps", 404, "Server Apps service is not enabled."),  # HTTP-15
        ("{}/apps/t", 307, "{}/apps/t/"),  # HTTP-16
        ("{}/apps/t/", 500, "text/plain; charset=utf-8"),  # HTTP-17, HTTP-74
        ("/assets/config.json", 200, "application/json"),  # HTTP-21
        ("/static/console.css", 200, "text/css; charset=utf-8"),  # HTTP-22
        ("{}/", 200, "text/html; charset=utf-8"),  # HTTP-24
        ("{}", 307, "{}/"),  # HTTP-24, HTTP-88
        ("{}/index.html", 307, "{}/"),  # HTTP-88
        ("/ws-nobody/", 200, "text/html; charset=utf-8"),  # HTTP-88
        ("/public/", 200, "text/html; charset=utf-8"),  # HTTP-88
        ("{}/nofile", 404, NOT_FOUND + "nofile"),  # HTTP-25, HTTP-88
        ("/nofile", 404, NOT_FOUND + "nofile"),  # HTTP-25
        ("/openapi.json", 200, "application/json"),  # HTTP-26
        ("/docs", 404, NOT_FOUND + "docs"),  # HTTP-26
        ("/oauth/authorize", 404, NOT_FOUND + "oauth/authorize"),  # HTTP-27
        ("/ws", 426, "This address speaks WebSocket. Connect with hypha-rpc."),  # HTTP-28
        ("/workspaces", 404, NOT_FOUND + "workspaces"),  # HTTP-31
        ("{}/clients", 404, NOT_FOUND + "clients"),  # HTTP-31
        ("/services/call", 404, NOT_FOUND + "services/call"),  # HTTP-31
        ("/favicon.ico", 404, NOT_FOUND + "favicon.ico"),  # HTTP-31
        ("{}/services/t/hello/", 404, NOT_FOUND + "services/t/hello/"),  # HTTP-33
        ("/apps", 404, NOT_FOUND + "apps"),  # HTTP-88
        ("/ws/", 404, NOT_FOUND + "ws/"),  # HTTP-88
        ("/hypha-core-app", 404, NOT_FOUND + "hypha-core-app"),  # HTTP-88
    ],
)
def test_addresses(hub: Hyphad, ws: str, path: str, status: int, answer: str) -> None:
    found = ask(hub, path.format(ws))
    assert found[0] == status
    assert answer.format(ws) in found[1:]


def ask(hub: Hyphad, path: str, method: str = "GET", **headers: str) -> tuple[Any, ...]:
    """(status, content type, location, detail) of an answer, as it comes."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    kind, data = answer.getheader("Content-Type", ""), answer.read()
    body = json.loads(data) if "json" in kind else None
    detail = body.get("detail") if isinstance(body, dict) else None
    connection.close()
    return answer.status, kind, answer.getheader("Location"), detail


@pytest.mark.parametrize(
    "service",
    ["t", "prov:t", "*:t", "t@*", "prov:t@*", "prov%3At", "t%40%2A"],
)
def test_ways_to_name_a_service(hub: Hyphad, ws: str, service: str) -> None:  # HTTP-34, HTTP-48
    assert hub.get(f"{ws}/services/{service}/hello") == (200, "Hello World!")


@pytest.mark.parametrize("service", ["other:t", "t@app", "prov:t@app", "prov:other"])
def test_names_of_nothing(hub: Hyphad, ws: str, service: str) -> None:  # HTTP-48
    assert hub.get(f"{ws}/services/{service}/hello")[0] == 404


@pytest.mark.parametrize("path", ["{}/services", "{}/services/t", "{}/services/t/hello", "/health"])
def test_answers_are_made_anew(hub: Hyphad, ws: str, path: str) -> None:  # HTTP-59
    headers = hub.request(path.format(ws))[2]
    assert "etag" not in headers
    assert hub.request(path.format(ws), headers={"If-None-Match": "*"})[0] == 200


def test_who_asks_without_a_credential(hub: Hyphad) -> None:  # HTTP-61
    user = hub.get("/assets/config.json")[1]["user"]
    assert user == {
        "id": "anonymouz-http",
        "is_anonymous": True,
        "roles": ["anonymous"],
        "email": None,
        "parent": None,
        "expires_at": None,
        "current_workspace": None,
        "scope": {
            "current_workspace": "ws-anonymous",
            "workspaces": {"ws-anonymous": "r"},
            "client_id": None,
            "extra_scopes": None,
        },
    }


def test_names_of_headers_come_in_any_case(
    hub: Hyphad, ws: str, provider: Provider
) -> None:  # HTTP-2
    token = provider.token()
    for name in ("authorization", "AUTHORIZATION"):
        assert ask(hub, f"{ws}/services/prot/hello", **{name: f"bEaReR {token}"})[0] == 200


def test_health_tells_what_is_read_of_it(hub: Hyphad) -> None:  # HTTP-82, HTTP-83, HTTP-84
    ready = {"store": "ready", "redis": "connected", "event_bus": "ready", "pubsub": "healthy"}
    assert hub.get("/health/readiness") == (200, {"status": "OK", "detail": ready})
    status, alive = hub.get("/health/liveness")
    assert (status, alive["status"], alive["detail"]["pubsub"]) == (200, "OK", "healthy")
    status, health = hub.get("/health")
    assert (status, health["status"], health["health_score"]) == (200, "HEALTHY", 100)
    assert set(health["memory"]) == {"rss_mb", "vms_mb", "percent"}
    assert set(health["system"]) == {"cpu_percent", "memory_percent", "disk_usage", "load_average"}
    assert health["memory"]["rss_mb"] > 10
    assert health["connections"]["active"] >= 0
    assert set(health["objects"]) == {"rpc_objects", "connection_objects"}
    assert {"max_failures", "last_successful_connection"} <= set(health["event_bus"])
    assert 0 < health["system"]["disk_usage"] <= 100
    assert health["uptime_seconds"] > 0
