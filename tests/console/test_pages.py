"""The web console in a real browser: landing page, workspaces, people and tokens, settings."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import revisit
from nodes import node_modules
from providers import Provider
from running import Hyphad
from tickets import ticket

ALICE = ticket("alice")
HOME = "/ws-user-alice/"
MANY = 300
FOCUSED = "(e => e.getAttribute('aria-label') || e.textContent)(document.activeElement)"


@pytest.fixture
def page(browser: Any, hub: Hyphad, lab: Provider) -> Iterator[Any]:
    """Alice's browser."""
    with revisit(browser, hub, ALICE) as opened:
        yield opened


def panel(page: Any, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True).and_(page.locator("section"))


def has(locator: Any, text: str) -> None:
    locator.filter(has_text=text).first.wait_for()


def test_landing_tells_that_it_runs_and_who_i_am(page: Any, hub: Hyphad) -> None:
    page.goto("/")
    page.get_by_role("heading", name="hyphad is running").wait_for()
    facts = page.locator(".facts").inner_text()
    assert hub.url in facts and "alice" in facts and re.search(r"\d+\.\d+", facts)
    assert page.get_by_role("link", name="My workspace").get_attribute("href") == HOME
    assert page.get_by_role("link", name="Log out").is_visible()


def test_visitors_are_offered_to_log_in(browser: Any, hub: Hyphad) -> None:
    with revisit(browser, hub) as page:
        page.goto("/ws-user-alice/#/access")
        page.get_by_text("You see what is public here.").wait_for()
        page.get_by_role("banner").get_by_role("link", name="Log in").click()
        page.wait_for_url("**/hypha-login/**")
        assert "redirect=%2Fws-user-alice%2F%23%2Faccess" in page.url


def test_the_first_service_shows_up_by_itself(page: Any, hub: Hyphad) -> None:
    """The code on the page is run as it stands, and so is the curl line it turns into."""
    page.goto("/")
    page.get_by_role("button", name="Put a fresh token in").click()
    page.get_by_text("for one day").wait_for()
    code = page.get_by_role("region", name="Python code").inner_text()
    assert '"token": "' in code
    program = subprocess.Popen([sys.executable, "-c", code])
    try:
        page.get_by_text("is here. Open it").wait_for()
        has(panel(page, "Public services"), "Hello World")
        page.get_by_role("tab", name="curl").click()
        line = page.get_by_role("region", name="curl code").inner_text()
        assert "/ws-user-alice/services/" in line
        answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert answer.stdout == '"Hello World!"'
    finally:
        program.kill()
        program.wait()
    panel(page, "Public services").get_by_text("Hello World").wait_for(state="detached")


def test_the_first_service_in_javascript(page: Any, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules())
    page.goto("/")
    page.get_by_role("button", name="Put a fresh token in").click()
    page.get_by_text("for one day").wait_for()
    page.get_by_role("tab", name="JavaScript").click()
    code = page.get_by_role("region", name="JavaScript code").inner_text()
    (tmp_path / "hello.mjs").write_text(code)
    program = subprocess.Popen(["node", "hello.mjs"], cwd=tmp_path)
    try:
        page.get_by_text("is here. Open it").wait_for()
    finally:
        program.kill()
        program.wait()
    panel(page, "Public services").get_by_text("Hello World").wait_for(state="detached")


def test_no_token_stands_in_an_address(page: Any) -> None:
    page.goto("/")
    page.get_by_role("button", name="Put a fresh token in").click()
    page.get_by_text("for one day").wait_for()
    page.goto(HOME)
    page.get_by_text("Camera").first.wait_for()
    assert not [url for url in page.troubles.urls if "eyJ" in url]


def test_workspaces_are_created(page: Any) -> None:
    page.goto("/")
    page.get_by_text("New workspace").click()
    page.get_by_label("Name").fill("bench-7")
    page.get_by_role("button", name="Create workspace").click()
    page.get_by_role("link", name="bench-7").click()
    page.get_by_role("heading", name="bench-7").wait_for()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Delete workspace").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete workspace").click()
    page.get_by_role("heading", name="hyphad is running").wait_for()
    assert page.get_by_role("link", name="bench-7").count() == 0


def test_services_and_clients_come_and_go_without_reload(page: Any, hub: Hyphad) -> None:
    page.goto(HOME)
    services, clients = panel(page, "Services"), panel(page, "Clients")
    services.get_by_role("link", name="Camera").wait_for()
    page.get_by_text("live", exact=True).wait_for()
    page.evaluate("window.stays = true")
    extra = Provider(hub.url, token=ALICE, client_id="passing-by")
    row = clients.locator("li", has_text="passing-by")
    row.wait_for()
    assert "alice" in row.inner_text() and re.search(r"\d+ s", row.inner_text())
    extra.register({"id": "short", "name": "Short-lived", "f": lambda: 1})
    services.get_by_role("link", name="Short-lived").wait_for()
    extra.stop()
    services.get_by_role("link", name="Short-lived").wait_for(state="detached")
    row.wait_for(state="detached")
    events = panel(page, "Events").inner_text()
    for what in ("client connected", "service added", "client disconnected"):
        assert what in events
    assert page.evaluate("window.stays")


def test_visitors_see_public_services_come_and_go(browser: Any, hub: Hyphad, lab: Provider) -> None:
    with revisit(browser, hub) as page:
        page.goto(HOME)
        page.get_by_role("link", name="Camera").wait_for()
        assert page.get_by_role("link", name="Stage").count() == 0
        page.get_by_text("live", exact=True).wait_for()
        lab.register({"id": "open", "name": "Open to all", "f": lambda: 1})
        page.get_by_role("link", name="Open to all").wait_for()
        lab.run(lambda: lab.server.unregister_service("open"))
        page.get_by_role("link", name="Open to all").wait_for(state="detached")


def test_names_are_text_and_never_markup(page: Any) -> None:
    page.goto(HOME)
    page.get_by_role("link", name="<script>alert(1)</script>").click()
    heading = page.get_by_role("heading", level=1)
    has(heading, "<script>alert(1)</script>")
    page.get_by_text("<img src=x onerror=alert(2)>").wait_for()
    page.goto("/")
    page.get_by_role("link", name="<script>alert(1)</script>").wait_for()


def test_a_filter_finds_one_of_hundreds(page: Any, hub: Hyphad) -> None:
    many = Provider(hub.url, token=ALICE, client_id="rig")
    try:
        for number in range(MANY):
            many.register({"id": f"probe-{number:03d}", "name": f"Probe {number}", "read": abs})
        page.goto(HOME)
        services = panel(page, "Services")
        services.get_by_role("link", name="Probe 299", exact=True).wait_for()
        page.get_by_label("Filter services").fill("probe-17 READ")
        has(services, "10 of ")
        assert services.get_by_role("link").count() == 10
        page.get_by_label("Filter services").fill("no such thing")
        services.get_by_text("Nothing fits this filter.").wait_for()
        page.goto("/")
        public = panel(page, "Public services")
        public.get_by_role("button", name="Show 88 more").click()
        public.get_by_text(re.compile(r"and \d{3} older ones")).wait_for()
        assert public.get_by_role("link").count() == 100
    finally:
        many.stop()


def test_tokens_are_made_listed_and_ended(page: Any, hub: Hyphad) -> None:
    page.goto(HOME + "#/access")
    page.get_by_label("What for").fill("Bench 3")
    page.get_by_label("It may").select_option("read")
    page.get_by_role("button", name="Create token").click()
    token = page.get_by_role("region", name="The new token").inner_text()
    held = {"Authorization": f"Bearer {token}"}
    stage = "/ws-user-alice/services/microscope:stage/go?x=1&y=2"
    assert hub.get(stage, **held) == (200, "at 1, 2")
    listed = panel(page, "Tokens in use").locator("tbody tr", has_text="Bench 3")
    assert "read" in listed.inner_text() and token not in listed.inner_text()
    listed.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    listed.wait_for(state="detached")
    assert hub.get(stage, **held)[0] == 401


def test_a_token_that_is_not_listed_is_revoked(page: Any, hub: Hyphad, lab: Provider) -> None:
    token = lab.token(expires_in=600)
    page.goto(HOME + "#/access")
    page.get_by_text("Revoke a token that is not listed").click()
    page.get_by_label("Token", exact=True).fill(token)
    page.get_by_role("button", name="Revoke").click()
    page.get_by_text("It is refused from now on.").wait_for()
    answer = hub.get("/ws-user-alice/services", Authorization=f"Bearer {token}")
    assert answer[0] == 401


def test_people_with_what_they_may(page: Any, hub: Hyphad) -> None:
    reader = ticket("bob", "ws:ws-user-alice#r wid:ws-user-alice")
    guest = Provider(hub.url, token=reader, client_id="guest")
    try:
        page.goto(HOME + "#/access")
        rows = panel(page, "People").locator("li")
        owner, other = rows.filter(has_text="alice"), rows.filter(has_text="bob")
        assert owner.inner_text().split() == ["alice", "1", "client", "owner"]
        assert other.inner_text().split() == ["bob", "1", "client", "read"]
    finally:
        guest.stop()
    other.wait_for(state="detached")


def test_owners_are_added_and_removed(page: Any, hub: Hyphad) -> None:
    """Bob has the workspace from when his name stands there until it is gone."""
    alice = {"Authorization": f"Bearer {ALICE}"}
    bob = {"Authorization": f"Bearer {ticket('bob', email='bob@lab.example')}"}
    shared = {"config": {"id": "shared-bench", "persistent": True}}
    assert hub.post("/ws-user-alice/services/ws/create_workspace", shared, **alice)[0] == 200
    page.goto("/shared-bench/#/access")
    people = panel(page, "People")
    people.get_by_label("New owner").fill("bob@lab.example")
    people.get_by_role("button", name="Add owner").click()
    people.get_by_role("button", name="Remove bob@lab.example").wait_for()
    assert hub.get("/shared-bench/info", **bob)[0] == 200
    people.get_by_role("button", name="Remove bob@lab.example").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    people.get_by_text("bob@lab.example", exact=True).wait_for(state="detached")
    assert hub.get("/shared-bench/info", **bob)[0] == 403
    assert people.get_by_role("button", name="Remove alice").count() == 0


def test_storage_and_limits(page: Any, lab: Provider) -> None:
    lab.run(lambda: lab.server.log_event("calibrated", {"laser": 488}))
    page.goto(HOME + "#/settings")
    rows = panel(page, "Storage and limits").locator("tbody tr")
    rows.first.wait_for()
    told = {row.split("\t")[0]: row.split("\t")[1:] for row in rows.all_inner_texts()}
    assert told["Services of the busiest client"][:2] == ["3", "1,000"]
    assert told["Logged events"] == ["1", "100,000", "13 B"]
    assert told["Waiting tasks"][0] == "0"


def test_readers_see_the_limits_and_no_variables(browser: Any, hub: Hyphad, lab: Provider) -> None:
    reader = ticket("bob", "ws:ws-user-alice#r wid:ws-user-alice")
    with revisit(browser, hub, reader) as page:
        page.goto(HOME)
        page.get_by_role("link", name="Settings").click()
        panel(page, "Storage and limits").wait_for()
        assert page.locator("main section").count() == 1


def test_environment_variables_are_set_shown_and_removed(page: Any, lab: Provider) -> None:
    page.goto(HOME + "#/settings")
    page.get_by_label("Name").fill("CAMERA_KEY")
    page.get_by_label("Value").fill("s3cret")
    page.get_by_role("button", name="Set variable").click()
    variables = panel(page, "Environment variables")
    variables.get_by_role("button", name="Show CAMERA_KEY").wait_for()
    assert "s3cret" not in variables.inner_text()
    assert lab.run(lambda: lab.server.get_env("CAMERA_KEY")) == "s3cret"
    variables.get_by_role("button", name="Show CAMERA_KEY").click()
    has(variables, "s3cret")
    variables.get_by_role("button", name="Remove CAMERA_KEY").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    variables.get_by_text("None yet.").wait_for()


def test_colours_follow_the_system_and_the_choice(browser: Any, hub: Hyphad) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with revisit(browser, hub, ALICE, color_scheme="light") as page:
        page.goto("/")
        light = page.evaluate(paper)
        page.get_by_role("button", name="Switch to dark colours").click()
        dark = page.evaluate(paper)
        assert dark != light
        page.goto(HOME)
        assert page.evaluate(paper) == dark
    with revisit(browser, hub, ALICE, color_scheme="dark") as page:
        page.goto("/")
        assert page.evaluate(paper) == dark


def test_all_of_it_by_keyboard(page: Any) -> None:
    """From the address bar to the answer of a call, without a mouse."""
    page.goto(HOME)
    page.get_by_role("link", name="Camera").wait_for()
    keys = page.keyboard
    focused = (
        "document.activeElement.textContent || document.activeElement.getAttribute('aria-label')"
    )
    keys.press("Tab")
    assert page.evaluate(focused) == "Skip to content"
    keys.press("Enter")
    tab_to(page, "Filter services")
    keys.type("camera")
    tab_to(page, "Camera")
    keys.press("Enter")
    page.get_by_role("heading", name="Camera").wait_for()
    tab_to(page, "tree")
    keys.press("Enter")
    page.get_by_role("heading", name="tree()").wait_for()
    tab_to(page, "Call")
    keys.press("Enter")
    page.get_by_text("A-1042").wait_for()
    tab_to(page, "Tree")
    keys.press("ArrowRight")
    page.get_by_role("region", name="Result as JSON").wait_for()


def tab_to(page: Any, text: str) -> None:
    """Press Tab until the focus is on what is called so."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == text:
            return
    raise AssertionError(f"the focus never came to {text!r}")
