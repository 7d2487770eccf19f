"""A real browser on a page of another origin: `fetch`, `EventSource`, and whose cookie counts."""

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from browsers import browser, visit
from nodes import node_modules
from providers import Provider
from running import Hyphad
from tickets import ticket

__all__ = ["browser"]

EVENTS = """
url => new Promise((resolve) => {
  const got = [], source = new EventSource(url);
  source.onmessage = (event) => {
    got.push(event.data);
    if (event.data === "[DONE]") { source.close(); resolve(got); }
  };
  source.onerror = () => { source.close(); resolve([...got, "error"]); };
})
"""
FETCH = """
async ([url, options]) => {
  const answer = await fetch(url, options);
  return [answer.status, await answer.json(), answer.headers.get("retry-after")];
}
"""


CLIENT = """
async ([url, service]) => {
  const { connectToServer } = await import(url + "/assets/hypha-rpc-websocket.mjs");
  const server = await connectToServer({ server_url: url });
  const answer = await (await server.getService(service)).hello("Browser");
  await server.disconnect();
  return answer;
}
"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """A page of another origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def page(browser: Any, elsewhere: str, hub: Hyphad) -> Iterator[Any]:
    """That page, in a browser that is signed in at the daemon."""
    context = browser.new_context()
    cookie = {"name": "access_token", "value": ticket("alice"), "url": hub.url}
    context.add_cookies([cookie])
    page = context.new_page()
    page.goto(elsewhere)
    yield page
    context.close()


def test_pages_call_services(page: Any, hub: Hyphad, ws: str) -> None:  # HTTP-65
    url = f"{hub.url}{ws}/services/t/hello"
    assert page.evaluate(FETCH, [f"{url}?name=Page", {}])[:2] == [200, "Hello Page!"]
    post = {
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": '{"name":"JSON"}',
    }
    assert page.evaluate(FETCH, [url, post])[:2] == [200, "Hello JSON!"]


def test_pages_read_errors(page: Any, hub: Hyphad, ws: str) -> None:
    status, answer, _ = page.evaluate(FETCH, [f"{hub.url}{ws}/services/t/nofn", {}])
    assert (status, answer["detail"]) == (404, "nofn not found.")


def test_pages_with_a_token_are_its_user(
    page: Any, hub: Hyphad, ws: str, provider: Provider
) -> None:
    options = {"headers": {"Authorization": f"Bearer {provider.token()}"}}
    answer = page.evaluate(FETCH, [f"{hub.url}{ws}/services/prot/hello", options])
    assert answer[:2] == [200, "Hello World!"]


def test_pages_read_streams(page: Any, hub: Hyphad, ws: str) -> None:  # HTTP-55
    got = page.evaluate(EVENTS, f"{hub.url}{ws}/services/t/count?n=3")
    assert got == ['{"i": 0}', '{"i": 1}', '{"i": 2}', "[DONE]"]


def test_the_cookie_is_of_no_use_to_other_pages(page: Any, hub: Hyphad) -> None:  # AUTH-87
    url = f"{hub.url}/assets/config.json"
    assert page.evaluate(FETCH, [url, {}])[1]["user"]["id"] == "anonymouz-http"
    with pytest.raises(Exception, match="Failed to fetch"):
        page.evaluate(FETCH, [url, {"credentials": "include"}])
    minted = f"{hub.url}/ws-user-alice/services/ws/generate_token"
    with page.expect_response(minted) as blind:
        page.evaluate("url => fetch(url, {mode: 'no-cors', credentials: 'include'})", minted)
    assert blind.value.status == 403
    with page.expect_navigation() as followed:
        page.evaluate("url => { location.href = url; }", minted)
    assert followed.value.status == 403


def test_pages_load_the_client_from_the_server(page: Any, hub: Hyphad, ws: str) -> None:  # HTTP-20
    shutil.copytree(node_modules() / "hypha-rpc" / "dist", hub.data / "assets")
    assert page.evaluate(CLIENT, [hub.url, f"{ws[1:]}/prov:t"]) == "Hello Browser!"


def test_own_pages_use_the_cookie(browser: Any, hub: Hyphad) -> None:
    with visit(browser, hub, ticket("alice")) as page:
        page.goto("/")
        answer = page.evaluate(FETCH, ["/assets/config.json", {}])
        assert answer[1]["user"]["id"] == "alice"


def test_the_page_of_a_service(browser: Any, hub: Hyphad, ws: str) -> None:  # MCP-96, HTTP-89
    with visit(browser, hub) as page:
        page.goto(f"{ws}/services/t/docs")
        page.get_by_text("/hello", exact=True).click()
        page.get_by_label("Arguments (JSON)").locator("visible=true").fill('{"name":"Docs"}')
        page.get_by_role("button", name="Call").locator("visible=true").click()
        answer = page.locator("pre.answer:visible")
        page.wait_for_function("() => document.body.textContent.includes('Hello Docs!')")
        assert answer.text_content() == '200 OK\n"Hello Docs!"'


def test_the_page_of_a_service_that_one_may_not_see(browser: Any, hub: Hyphad, ws: str) -> None:
    with visit(browser, hub) as page:
        answer = page.goto(f"{ws}/services/prot/docs")
        assert answer.status == 403
