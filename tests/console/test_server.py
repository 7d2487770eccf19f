"""The server's page for administrators, and the methods it is made of."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from browsers import revisit
from hubs import ROOT_TOKEN
from providers import Provider
from running import Hyphad
from tickets import JWT_SECRET, ticket

ADMIN = "/ws-user-root/services/admin-utils/"
TOKENS = "/public/services/tokens/"
ROOT = {"Authorization": f"Bearer {ROOT_TOKEN}"}
ALICE = {"Authorization": f"Bearer {ticket('alice')}"}
BOB = {"Authorization": f"Bearer {ticket('bob')}"}


@pytest.fixture
def page(browser: Any, hub: Hyphad) -> Iterator[Any]:
    with revisit(browser, hub, ROOT_TOKEN) as opened:
        yield opened


def admin(hub: Hyphad, method: str, value: Any = None) -> Any:
    status, found = hub.post(ADMIN + method, value or {}, **ROOT)
    assert status == 200, found
    return found


def test_it_is_for_administrators(browser: Any, hub: Hyphad) -> None:
    with revisit(browser, hub, ticket("alice")) as page:
        page.goto("/server")
        page.get_by_text("This page is for administrators of the server.").wait_for()
        assert page.get_by_role("link", name="Users").count() == 0


@pytest.mark.parametrize(
    "method",
    "list_connections get_configuration get_log set_log_level list_backups backup_now".split(),
)
def test_the_methods_are_for_administrators(hub: Hyphad, method: str) -> None:
    value = {"level": "debug"} if method == "set_log_level" else {}
    assert hub.post(ADMIN + method, value, **ALICE)[0] == 403
    assert hub.post(ADMIN + method, value)[0] == 403


def test_load_is_shown_as_it_goes(page: Any, hub: Hyphad) -> None:
    page.goto("/server")
    named = page.get_by_text("Clients", exact=True)
    clients = page.locator(".gauge", has=named).locator(".figure")
    before = len(admin(hub, "list_connections"))
    clients.filter(has_text=str(before)).wait_for()
    guest = Provider(hub.url, token=ticket("alice"), client_id="guest")
    try:
        clients.filter(has_text=str(before + 1)).wait_for()
        page.locator(".gauge .line[d^=M]").first.wait_for(state="attached")
    finally:
        guest.stop()


def test_slow_clients_are_listed_and_disconnected(page: Any, hub: Hyphad) -> None:
    guest = Provider(hub.url, token=ticket("alice"), client_id="guest")
    found = {one["client"]: one for one in admin(hub, "list_connections")}["ws-user-alice/guest"]
    assert found["queued_bytes"] == 0 and found["frames_in"] > 0
    page.goto("/server")
    disconnect = page.get_by_role("button", name="Disconnect ws-user-alice/guest")
    disconnect.click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    disconnect.wait_for(state="detached")
    guest.drop()


def test_configuration_tells_where_it_comes_from_and_no_secrets(page: Any, hub: Hyphad) -> None:
    found = {one["key"]: one for one in admin(hub, "get_configuration")}
    assert found["port"]["value"] == hub.port and found["port"]["source"] == "flag --port"
    assert found["backup_keep"]["source"] == "default"
    assert found["jwt_secret"]["value"] == found["root_token"]["value"] == "(set, not shown)"
    assert found["server_id"]["value"] is None
    page.goto("/server#/configuration")
    page.get_by_label("Only what was changed").check()
    page.get_by_label("Filter settings").fill("port")
    rows = page.locator("tbody tr")
    assert rows.count() == 1 and str(hub.port) in rows.inner_text()
    page.get_by_label("Filter settings").fill("")
    text = page.locator("main").inner_text()
    assert ROOT_TOKEN not in text and JWT_SECRET not in text


def test_the_log_level_is_changed_and_warnings_are_shown(page: Any, hub: Hyphad) -> None:
    page.goto("/server")
    page.get_by_label("Log level").select_option("debug")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_text("In force until the next start or reload.").wait_for()
    assert admin(hub, "get_log")["level"] == "debug"
    log = page.get_by_role("region", name="Log", exact=True)
    log.get_by_text("log_level_changed level=debug by=root").wait_for()
    assert hub.post(ADMIN + "set_log_level", {"level": "loud"}, **ROOT)[0] == 400
    admin(hub, "set_log_level", {"level": "info"})


def test_a_backup_is_made_at_once(page: Any, hub: Hyphad) -> None:
    page.goto("/server")
    page.get_by_role("button", name="Back up now").click()
    page.get_by_text("kept as hyphad-").wait_for()
    made = admin(hub, "list_backups")
    assert made and (hub.data / "backups" / made[0]["file"]).stat().st_size == made[0]["bytes"]


def test_users_are_created_and_disabled(page: Any, hub: Hyphad) -> None:
    page.goto("/server#/users")
    page.get_by_label("E-mail", exact=True).fill("carol@lab.example")
    page.get_by_label("Name", exact=True).fill("Carol")
    page.get_by_role("button", name="Create user").click()
    link = page.get_by_role("region", name="Link to set a password").inner_text()
    assert link.startswith(hub.url) and "#" in link
    row = page.locator("tbody tr", has_text="Carol")
    row.get_by_role("button", name=re.compile("^Disable")).click()
    row.filter(has_text="disabled").wait_for()
    row.get_by_role("button", name=re.compile("^Delete")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    row.wait_for(state="detached")


def test_the_audit_log_tells_what_happened(page: Any, hub: Hyphad) -> None:
    hub.post(TOKENS + "create_token", {"workspace_id": "ws-user-root"}, **ROOT)
    users = "/ws-user-root/services/user-admin/"
    assert hub.post(users + "create_invite", {}, **ROOT)[0] == 200
    end = time.monotonic() + 30
    while hub.post(users + "list_audit", {}, **ROOT)[1][0]["event"] == "token_minted":
        assert time.monotonic() < end, "the invitation is not in the log"
        time.sleep(0.02)
    page.goto("/server#/audit")
    minted, invited = (page.locator("tbody tr", has_text=f"{t} m") for t in ("token", "invite"))
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", minted.first.inner_text())
    assert invited.first.is_visible()
    page.get_by_label("Which events").select_option("token_minted")
    invited.first.wait_for(state="detached")
    assert minted.first.is_visible()


# the service behind the list of tokens


def test_tokens_of_a_workspace_are_for_its_administrators(hub: Hyphad) -> None:
    mine = {"workspace_id": "ws-user-alice"}
    status, made = hub.post(TOKENS + "create_token", {**mine, "label": "bench"}, **ALICE)
    assert status == 200
    assert hub.post(TOKENS + "create_token", mine, **BOB)[0] == 403
    assert hub.post(TOKENS + "list_tokens", mine, **BOB)[0] == 403
    assert hub.post(TOKENS + "list_tokens", mine)[0] == 403
    assert hub.post(TOKENS + "end_token", {"token_id": made["id"]}, **BOB)[0] == 403
    listed = hub.post(TOKENS + "list_tokens", mine, **ALICE)[1]
    assert [one["label"] for one in listed if one["id"] == made["id"]] == ["bench"]
    assert made["token"] not in json.dumps(listed)


def test_what_is_handed_out_never_makes_or_ends_others(hub: Hyphad) -> None:
    """A token below admin has no say over tokens, whoever made it."""
    mine = {"workspace_id": "ws-user-alice"}
    asked = {**mine, "permission": "read_write"}
    weak = hub.post(TOKENS + "create_token", asked, **ALICE)[1]
    held = {"Authorization": f"Bearer {weak['token']}"}
    assert hub.get("/ws-user-alice/services", **held)[0] == 200
    for method, value in (
        ("create_token", mine),
        ("list_tokens", mine),
        ("end_token", {"token_id": weak["id"]}),
    ):
        assert hub.post(TOKENS + method, value, **held)[0] == 403


def test_an_ended_token_is_refused_and_its_connections_closed(hub: Hyphad) -> None:
    mine = {"workspace_id": "ws-user-alice"}
    made = hub.post(TOKENS + "create_token", mine, **ALICE)[1]
    guest = Provider(hub.url, token=made["token"], client_id="ended")
    assert hub.post(TOKENS + "end_token", {"token_id": made["id"]}, **ALICE)[0] == 200
    assert hub.get("/ws-user-alice/services", Authorization=f"Bearer {made['token']}")[0] == 401
    hub.wait_for_log("disconnected client=ws-user-alice/ended")
    assert hub.post(TOKENS + "end_token", {"token_id": made["id"]}, **ALICE)[0] == 400
    guest.drop()
