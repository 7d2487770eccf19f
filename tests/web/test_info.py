"""What servers, workspaces and services tell about themselves over HTTP."""

from collections.abc import Callable

from hubs import ROOT_TOKEN
from providers import Provider
from running import Hyphad
from tickets import ticket

ALICE = {"Authorization": f"Bearer {ticket('alice')}"}


def test_listing(hub: Hyphad, ws: str, provider: Provider) -> None:  # HTTP-35, D-1
    plain, slash = hub.get(f"{ws}/services"), hub.get(f"{ws}/services/")
    assert plain == slash
    assert plain[0] == 200
    found = {service["id"]: service for service in plain[1]}
    assert {"prov:built-in", "prov:t", "prov:c"} == set(found)
    record = found["prov:t"]
    assert (record["name"], record["type"], record["description"]) == ("T", "mytype", "test")
    assert record["config"]["created_by"] == {"id": provider.server.config.user["id"]}
    assert record["service_schema"]["nest"]["a"]["f"]["type"] == "function"
    token = {"Authorization": f"Bearer {provider.token()}"}
    assert "prov:prot" in {service["id"] for service in hub.get(f"{ws}/services", **token)[1]}


def test_listing_what_is_not_there(hub: Hyphad) -> None:  # HTTP-35
    text = "Workspace ws-nope does not exist or is not accessible"
    answer = (404, {"success": False, "detail": text})
    assert hub.get("/ws-nope/services/") == answer
    assert hub.get("/ws-nope/services", **ALICE) == answer


def test_one_service(hub: Hyphad, ws: str) -> None:  # HTTP-36
    for path in ("t", "prov:t", "t?_mode=first", "t/"):
        status, record = hub.get(f"{ws}/services/{path}")
        assert (status, record["id"]) == (200, f"{ws[1:]}/prov:t")
    status, answer = hub.get(f"{ws}/services/prot")
    assert (status, answer["success"]) == (403, False)
    status, answer = hub.get(f"{ws}/services/t?_mode=bogus")
    assert status == 400
    status, record = hub.get(f"{ws}/services/ws")
    assert (status, record["id"]) == (200, "~")


def test_outsiders_do_not_see_who_is_authorized(hub: Hyphad) -> None:
    client = Provider(hub.url, client_id="o", token=ticket("carol"))
    config = {"visibility": "protected", "authorized_workspaces": ["ws-user-alice"]}
    client.register({"id": "s", "f": lambda: 1, "config": config})
    record = hub.get("/ws-user-carol/services/s", **ALICE)[1]
    assert "authorized_workspaces" not in record["config"]
    assert hub.get("/ws-user-carol/services/s/config.authorized_workspaces", **ALICE)[0] == 404
    client.stop()


def test_a_workspace(hub: Hyphad, ws: str, provider: Provider) -> None:  # HTTP-37
    denied = {"success": False, "detail": f"anonymouz-http has no permission to access {ws[1:]}"}
    assert hub.get(f"{ws}/info") == (403, denied)
    token = {"Authorization": f"Bearer {provider.token()}"}
    status, info = hub.get(f"{ws}/info", **token)
    assert (status, info["id"], info["type"]) == (200, ws[1:], "workspace")
    assert info["description"] == "Anonymous workspace"
    assert info["status"]["ready"] is True
    text = "anonymouz-http has no permission to access ws-nope"
    assert hub.get("/ws-nope/info") == (403, {"success": False, "detail": text})
    root = {"Authorization": f"Bearer {ROOT_TOKEN}"}
    answer = hub.get("/ws-nope/info", **root)
    assert answer == (404, {"success": False, "detail": "Workspace 'ws-nope' not found"})


def test_environment_values_are_for_writers(hub: Hyphad) -> None:  # D-15
    client = Provider(hub.url, client_id="e", token=ticket("erin"))
    client.run(lambda: client.server.set_env("KEY", "hidden"))
    mine = {"Authorization": f"Bearer {ticket('erin')}"}
    assert "hidden" in str(hub.get("/ws-user-erin/info", **mine))
    reader = {"Authorization": f"Bearer {ticket('bob', 'ws:ws-user-erin#r')}"}
    status, info = hub.get("/ws-user-erin/info", **reader)
    assert (status, "hidden" in str(info)) == (200, False)
    client.stop()


def test_installed_apps(hub: Hyphad, ws: str) -> None:  # HTTP-38
    text = "Server Apps service is not enabled."
    answer = (404, {"success": False, "detail": text})
    assert hub.get(f"{ws}/apps") == answer
    assert hub.get(f"{ws}/apps/") == answer


def test_the_server(hub: Hyphad) -> None:  # HTTP-39, AUTH-51
    status, config = hub.get("/assets/config.json")
    assert status == 200
    assert config["user"]["id"] == "anonymouz-http"
    assert config["user"]["scope"]["workspaces"] == {"ws-anonymous": "r"}
    assert {
        "server_id", "hypha_version", "public_base_url", "local_base_url", "auth0_client_id",
        "auth0_domain", "auth0_audience", "auth0_issuer", "login_service_url",
    } <= set(config)  # fmt: skip
    assert config["hypha_version"].startswith("0.21.")
    assert hub.get("/assets/config.json", **ALICE)[1]["user"]["id"] == "alice"


def test_a_base_path_stands_before_everything(
    make_hyphad: Callable[..., Hyphad],
) -> None:  # HTTP-92
    daemon = make_hyphad("--base-path", "/hy/")
    daemon.base = "/hy"
    daemon.spawn()
    base = f"{daemon.url}/hy"

    def ready() -> bool:
        try:
            return daemon.get(f"{base}/health/readiness")[0] == 200
        except OSError:
            return False

    import time

    end = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end, daemon.log
        time.sleep(0.05)
    client = Provider(base, client_id="b")
    client.register({"id": "t", "hello": lambda: "hi"})
    client.register({"id": "fn", "type": "functions", "index": lambda e: {"body": e["path"]}})
    path = f"{base}/{client.workspace}"
    assert daemon.get(f"{path}/services/t/hello") == (200, "hi")
    assert daemon.get(f"{path}/services/t/config.url")[1] == f"{path}/services/b:t"
    assert daemon.request(f"{path}/apps/fn/")[:2] == (200, b"/")
    assert daemon.request(f"{path}/apps/fn")[2]["location"] == f"/hy/{client.workspace}/apps/fn/"
    assert daemon.get(f"{path}/services/t/openapi.json")[1]["servers"] == [
        {"url": f"{path}/services/t"}
    ]
    assert daemon.get("/health")[0] == 404
    client.stop()
