"""What holds for every page: policy, origin, size, stillness, width, and no obstacle to anybody."""

import os
from pathlib import Path
from typing import Any

import pytest
from browsers import revisit, visit
from hubs import ROOT_TOKEN
from providers import Provider
from running import Hyphad
from tickets import ticket

HOME = "/ws-user-root/"
CAMERA = f"{HOME}#/services/microscope%3Acamera/"
PAGES = {
    "landing": "/",
    "overview": HOME,
    "access": f"{HOME}#/access",
    "settings": f"{HOME}#/settings",
    "service": f"{CAMERA}every",
    "server": "/server",
    "users": "/server#/users",
    "audit": "/server#/audit",
    "configuration": "/server#/configuration",
    "mcp": "/ws-user-root/mcp/microscope:camera",
    "documentation": "/ws-user-root/services/microscope:camera/docs",
}
FIRST_VIEW = 100 << 10
STILL = 0.02
PHONE = {"width": 375, "height": 812}
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HIDDEN = """
[...document.querySelectorAll("table.cards td")]
  .filter((cell) => cell.getBoundingClientRect().right > innerWidth).map((cell) => cell.innerText)
"""
AXE = "axe-core/axe.min.js"


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core; empty where nobody fetched it."""
    here = Path(__file__).parents[1] / "node" / "node_modules"
    file = Path(os.environ.get("HYPHAD_TEST_NODE_MODULES") or here) / AXE
    return file.read_text() if file.exists() else ""


def opened(page: Any, path: str) -> None:
    """Go there; a page is complete when its heading and what it lists are there."""
    page.goto("about:blank")
    page.goto(path)
    page.locator("main h1").wait_for()
    page.wait_for_function("document.querySelectorAll('main section, main dl').length > 0")


# All rules once; then those whose answer may be another one in other colours and sizes.
OF_LOOKS = "color-contrast link-in-text-block target-size scrollable-region-focusable".split()
LOOKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "light": ({}, {"color_scheme": "light"}),
    "dark, on a phone": (
        {"runOnly": OF_LOOKS},
        {"color_scheme": "dark", "viewport": PHONE, "has_touch": True},
    ),
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_keeps_to_the_policy_stays_still_and_puts_no_obstacles(
    browser: Any, hub: Hyphad, root_lab: Provider, axe: str, look: str
) -> None:
    """Nothing is refused or moves, no page scrolls sideways, and axe finds nothing serious."""
    found = []
    rules, options = LOOKS[look]
    with revisit(browser, hub, ROOT_TOKEN, **options) as page:
        for name, path in PAGES.items():
            opened(page, path)
            assert page.evaluate("refused") == [], name
            assert page.evaluate("moved") < STILL, name
            if name == "service":
                page.goto(f"{CAMERA}table")
                page.get_by_role("button", name="Call", exact=True).click()
                page.get_by_text("home").wait_for()
            if name == "configuration":  # its rows are all alike
                page.get_by_label("Filter settings").fill("jwt")
            if page.evaluate(WIDER) > 0:
                found.append(f"{name} scrolls sideways")
            found += [f"{name} hides {text}" for text in page.evaluate(HIDDEN)]
            found += [f"{name}: {text}" for text in obstacles(page, axe, rules)]
    assert found == []
    if not axe:
        pytest.skip("axe-core is missing: run `npm ci --prefix tests/node`")


def obstacles(page: Any, axe: str, rules: dict[str, Any]) -> list[str]:
    """What axe calls serious or critical."""
    if not axe:
        return []
    page.evaluate(axe)
    report = page.evaluate("rules => axe.run({...rules, resultTypes: []})", rules)
    assert report["passes"]
    return [
        f"{one['id']} {node['target']}"
        for one in report["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", ["landing", "overview", "service"])
def test_the_first_view_is_small(browser: Any, hub: Hyphad, root_lab: Provider, name: str) -> None:
    with visit(browser, hub, ROOT_TOKEN) as page:
        opened(page, PAGES[name])
        assert 0 < page.troubles.received < FIRST_VIEW


def test_nothing_of_the_first_view_is_large_even_unpacked(browser: Any, hub: Hyphad) -> None:
    with revisit(browser, hub) as page:
        opened(page, "/")
        sizes = page.evaluate(
            "performance.getEntriesByType('resource').reduce((n, e) => n + e.decodedBodySize, 0)"
        )
    assert 0 < sizes < FIRST_VIEW


def test_the_policy_of_pages(hub: Hyphad) -> None:
    _, _, headers = hub.request("/")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_page_says_what_to_do_while_the_server_is_away(
    browser: Any, hub: Hyphad, root_lab: Provider
) -> None:
    with revisit(browser, hub, ROOT_TOKEN) as page:
        page.goto(f"{CAMERA}nothing")
        page.route("**/nothing", lambda route: route.abort())
        page.get_by_role("button", name="Call", exact=True).click()
        page.get_by_text("The server does not answer.").wait_for()


def test_where_visitors_are_refused_the_page_asks_to_log_in(browser: Any, tmp_path: Path) -> None:
    closed = Hyphad(tmp_path, "--anonymous-access", "off").start()
    try:
        with visit(browser, closed) as page:
            page.goto("/")
            page.get_by_role("heading", name="Log in to go on").wait_for()
    finally:
        closed.stop()


def test_pages_work_below_a_base_path(browser: Any, tmp_path: Path) -> None:  # HTTP-92
    token = ticket("alice")
    below = Hyphad(tmp_path, "--base-path", "/hub", "--root-token", ROOT_TOKEN)
    below.spawn()
    try:
        below.wait_for_log("listening on")
        with visit(browser, below, ROOT_TOKEN) as page:
            page.goto("/hub/")
            page.get_by_role("link", name="My workspace").click()
            page.get_by_role("link", name="Administration").click()
            page.get_by_role("heading", name="Administration").wait_for()
            assert page.url.startswith(f"{below.url}/hub/ws-user-root/")
            assert token not in page.url
    finally:
        below.stop()
