"""A real Chromium for tests of pages, and everything it may complain about.

with visit(browser, hub, token) as page:
    page.goto("/")
"""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from running import Hyphad

CHROMIUM = "/usr/bin/chromium"
PATIENCE = 30_000

# Noted from the first moment of every page: what the policy refused, and how much moved.
WATCH = """
window.refused = []; window.moved = 0;
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.blockedURI + " " + event.violatedDirective));
new PerformanceObserver((list) => { for (const one of list.getEntries()) moved += one.value; })
  .observe({ type: "layout-shift", buffered: true });
"""  # noqa: E501


def chromium() -> Iterator[Any]:
    """Chromium without a window; tests are skipped where it is missing.

    Its driver keeps an event loop running, which tests of other modules could not do with.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"there is no {CHROMIUM}: install the package chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        running.pages = {}
        yield running
        running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for the tests of one module."""
    yield from chromium()


class Troubles:
    """What a page must not do."""

    def __init__(self, hub: Hyphad) -> None:
        self.own = urlsplit(hub.url).netloc
        self.found: list[str] = []
        self.urls: list[str] = []
        self.received = 0

    def watch(self, page: Any) -> None:
        for event, listener in self._listeners():
            page.on(event, listener)

    def leave(self, page: Any) -> None:
        for event, listener in self._listeners():
            page.remove_listener(event, listener)

    def _listeners(self) -> list[tuple[str, Any]]:
        return [
            ("pageerror", self._error),
            ("dialog", self._dialog),
            ("request", self._request),
            ("response", self._response),
        ]

    def _error(self, error: Any) -> None:
        self.found.append(f"script error: {error}")

    def _dialog(self, dialog: Any) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        self.urls.append(request.url)
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.own:
            self.found.append(f"request to {request.url}")

    def _response(self, response: Any) -> None:
        length = response.headers.get("content-length", "0")
        self.received += int(length)


@contextlib.contextmanager
def visit(browser: Any, hub: Hyphad, token: str | None = None, **options: Any) -> Iterator[Any]:
    """A page of a browser that is signed in with that token; `page.troubles` has what was wrong."""
    page = _opened(browser, hub, token, options)
    try:
        with _watched(page, hub):
            yield page
    finally:
        page.context.close()


@contextlib.contextmanager
def revisit(browser: Any, hub: Hyphad, token: str | None = None, **options: Any) -> Iterator[Any]:
    """As `visit`, by a page that earlier tests have left: to open windows is what costs most.

    What they made the browser keep is still there.
    """
    key = (hub.url, token, repr(sorted(options.items())))
    page = browser.pages.pop(key, None) or _opened(browser, hub, token, options)
    with _watched(page, hub):
        yield page
    page.troubles.leave(page)
    page.unroute_all()
    page.goto("about:blank")
    browser.pages[key] = page


def _opened(browser: Any, hub: Hyphad, token: str | None, options: dict[str, Any]) -> Any:
    context = browser.new_context(
        **{"base_url": hub.url, "viewport": {"width": 1280, "height": 860}, **options}
    )
    context.set_default_timeout(PATIENCE)
    context.add_init_script(WATCH)
    if token:
        cookie = {"name": "access_token", "value": token, "url": hub.url, "httpOnly": True}
        context.add_cookies([cookie])
    return context.new_page()


@contextlib.contextmanager
def _watched(page: Any, hub: Hyphad) -> Iterator[None]:
    page.troubles = Troubles(hub)
    page.troubles.watch(page)
    yield
    assert page.troubles.found == []
    assert page.evaluate("window.refused") == []
