"""The login pages: in a real browser, with and without scripts, and against other sites' tricks."""

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browsers import browser, visit
from nodes import node_modules
from running import Hyphad, free_port
from visitors import HOME, PASSWORD, Visitor, add_user, command, token_of

__all__ = ["browser"]

SERVICE = "/public/services/hypha-login"
PHONE = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hyphad]:
    """A daemon with an administrator, ann, and a user, bob; people sign up and wait."""
    daemon = Hyphad(tmp_path_factory.mktemp("lab"), "--signup", "approve")
    add_user(daemon, "ann@lab.org", admin=True)
    add_user(daemon, "bob@lab.org")
    daemon.start()
    yield daemon
    daemon.stop()
    assert "Traceback" not in daemon.log


@pytest.fixture
def bob(lab: Hyphad) -> Visitor:
    """A browser without scripts in which bob is signed in."""
    visitor = Visitor(lab)
    assert visitor.log_in("bob@lab.org").title == "bob"
    return visitor


def start(lab: Hyphad, **arguments: Any) -> str:
    """A program asks for a token; its key."""
    return str(lab.post(f"{SERVICE}/start", arguments)[1]["key"])


def result(lab: Hyphad, key: str) -> Any:
    """What the program gets at this moment."""
    return lab.post(f"{SERVICE}/check", {"key": key, "timeout": 0, "profile": True})[1]


# in a real browser


def fill(page: Any, **fields: str) -> None:
    for label, text in fields.items():
        page.locator(f"#{label}").fill(text)


def sees(page: Any, heading: str) -> None:
    page.get_by_role("heading", name=heading, exact=True).wait_for()


def test_the_first_administrator_and_a_second_person(
    browser: Any, make_hyphad: Callable[..., Hyphad]
) -> None:  # AUTH-101, AUTH-81
    fresh = make_hyphad().start()
    code = (fresh.data / "setup-code").read_text().strip()
    key = start(fresh)
    with visit(browser, fresh) as page:
        page.goto(f"{HOME}?key={key}")
        sees(page, "Create the administrator")
        page.get_by_role("heading", name="A program asks for access to your account").wait_for()
        fill(page, code="AAAAA-AAAAA", email="ann@lab.org", name="Ann Lee")
        fill(page, password=PASSWORD, again=PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_role("alert").filter(has_text="setup code is wrong").wait_for()
        assert page.locator("#email").input_value() == "ann@lab.org"
        fill(page, code=code.lower(), password=PASSWORD, again=PASSWORD)
        page.keyboard.press("Enter")
        sees(page, "Allow access?")
        page.get_by_role("button", name="Allow").click()
        sees(page, "Login successful")
        assert result(fresh, key)["email"] == "ann@lab.org"
        page.goto(f"{HOME}people")
        fill(page, email="bob@lab.org", name="Bob")
        page.get_by_role("button", name="Add, and get a link").click()
        link = page.locator("#link").input_value()
        page.get_by_role("button", name="Copy").wait_for()
    with visit(browser, fresh, **PHONE) as page:
        page.goto(link)
        assert page.url == f"{fresh.url}{HOME}reset", "the code leaves the address bar"
        fill(page, password="other words here", again="other word here")
        page.get_by_role("button", name="Set password").click()
        assert page.locator("#again:invalid").count() == 1
        fill(page, password=PASSWORD, again=PASSWORD)
        page.get_by_role("button", name="Set password").click()
        page.get_by_role("status").filter(has_text="new password is set").wait_for()
        page.get_by_role("link", name="Log in").click()
        fill(page, email="bob@lab.org", password=PASSWORD)
        page.keyboard.press("Enter")
        sees(page, "Bob")
    assert code not in fresh.log.replace(f"setup code {code}", "", 1)


def test_a_program_gets_its_token_by_two_keystrokes(browser: Any, lab: Hyphad) -> None:  # AUTH-83
    key = start(lab)
    with visit(browser, lab) as page:
        page.goto(f"{HOME}?key={key}")
        assert page.evaluate("document.activeElement.id") == "email"
        page.keyboard.type("bob@lab.org")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        sees(page, "Login successful")
        token = result(lab, key)["token"]
        assert token.count(".") == 2
        assert token not in page.content()
        page.goto(f"{HOME}?key={start(lab)}")
        sees(page, "Allow access?")
    assert token not in lab.log and key not in lab.log


def test_a_token_for_a_script(browser: Any, lab: Hyphad) -> None:  # AUTH-82, HTTP-89
    with visit(browser, lab, token_of(lab, "bob@lab.org")) as page:
        page.goto(f"{HOME}profile")
        page.get_by_label("Permission").select_option("read")
        page.get_by_label("What for").fill("the balance")
        page.get_by_role("button", name="Get a token").click()
        token = page.locator("#token").input_value()
        bearer = {"Authorization": f"Bearer {token}"}
        user = lab.get("/assets/config.json", **bearer)[1]["user"]
        assert list(user["scope"]["workspaces"].values()) == ["r"]
        entry = page.get_by_role("listitem").filter(has_text="the balance")
        entry.get_by_role("button", name="End").click()
        page.get_by_role("listitem").filter(has_text="the balance").wait_for(state="detached")
        assert lab.get("/assets/config.json", **bearer) == (
            401,
            {"detail": "Token has been revoked"},
        )


PAGES = ["", "signup", "reset", "profile", "people", "?logout=true", "?key=unknown"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop light", "phone dark"])
def test_pages_fit_and_everybody_can_use_them(
    browser: Any, lab: Hyphad, path: str, options: dict[str, Any]
) -> None:  # AUTH-81
    axe = (node_modules() / "axe-core" / "axe.min.js").read_text()
    token = token_of(lab, "ann@lab.org") if path in ("profile", "people") else None
    with visit(browser, lab, token, **options) as page:
        page.goto(HOME + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        # By the protocol of the debugger: the page's own policy lets no such script in.
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe})
        found = page.evaluate("axe.run()")["violations"]
        assert [(item["id"], [node["html"] for node in item["nodes"]]) for item in found] == []


def test_it_works_without_scripts(browser: Any, lab: Hyphad) -> None:  # AUTH-81
    key = start(lab)
    context = browser.new_context(base_url=lab.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{HOME}?key={key}")
    fill(page, email="bob@lab.org", password=PASSWORD)
    page.click("button.main")
    assert "Login successful" in page.content()
    assert result(lab, key)["token"]
    page.goto(f"{HOME}profile")
    page.click("text=Log out >> nth=0")
    assert "You are logged out" in page.content()
    page.goto(f"{HOME}profile")
    assert page.locator("#password").count() == 1
    context.close()


# other sites


class Elsewhere:
    """A page of another origin."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(folder))

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, html: str, host: str = "localhost") -> str:
        file = self.folder / f"page{len(list(self.folder.iterdir()))}.html"
        file.write_text(f"<!doctype html><title>x</title>{html}")
        return f"http://{host}:{self.port}/{file.name}"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    site = Elsewhere(tmp_path)
    yield site
    site.server.shutdown()


# `localhost` is another site than 127.0.0.1; another port of 127.0.0.1 is the same site.
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_opening_a_link_gives_no_token_away(
    browser: Any, lab: Hyphad, elsewhere: Elsewhere, host: str
) -> None:  # AUTH-84, AUTH-143
    key = start(lab)
    context = browser.new_context()
    token = token_of(lab, "bob@lab.org")
    context.add_cookies([{"name": "access_token", "value": token, "url": lab.url}])
    page = context.new_page()
    page.goto(elsewhere.page(f'<a id="go" href="{lab.url}{HOME}?key={key}">look</a>', host))
    page.click("#go")
    sees(page, "Allow access?")
    assert result(lab, key) is None
    csrf = page.locator("input[name=csrf]").first.input_value()
    forged = elsewhere.page(
        f'<form method="post" action="{lab.url}{HOME}allow"><input name="key" value="{key}">'
        f'<input name="csrf" value="{csrf}"></form><script>document.forms[0].submit()</script>',
        host,
    )
    page.goto(forged)
    page.get_by_role("alert").first.wait_for()
    assert result(lab, key) is None
    context.close()


def test_no_page_of_others_frames_ours(
    browser: Any, lab: Hyphad, elsewhere: Elsewhere
) -> None:  # AUTH-84, AUTH-88
    context = browser.new_context()
    page = context.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(elsewhere.page(f'<iframe src="{lab.url}{HOME}?key={start(lab)}"></iframe>'))
    page.wait_for_timeout(0)
    frame = page.frames[1]
    assert "hypha-login" not in frame.url or not frame.locator("h1").count()
    assert any("frame-ancestors" in text or "X-Frame-Options" in text for text in refused)
    context.close()


# As newer clients do it: the login page in a frame, which says when it is done, and no more.
INLINE = """
  window.told = [];
  function login_callback(context) {
    window.addEventListener("message", (event) => {
      if (event.origin === lab) told.push({ ...event.data, key: event.data.key === context.key });
    });
    const frame = document.createElement("iframe");
    frame.src = context.login_url;
    document.body.append(frame);
  }
  window.done = hyphaWebsocketClient.login({ server_url: lab, profile: true, login_callback });
"""


def test_the_javascript_client_logs_in_inside_a_page(
    browser: Any, make_hyphad: Callable[..., Hyphad], tmp_path: Path
) -> None:  # AUTH-73
    site = Elsewhere(tmp_path)
    source = node_modules() / "hypha-rpc" / "dist" / "hypha-rpc-websocket.min.js"
    (tmp_path / "client.js").write_bytes(source.read_bytes())
    lab = make_hyphad("--allow-origins", f"http://localhost:{site.port}")
    add_user(lab, "bob@lab.org")
    lab.start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(
        site.page(
            f"<script src='client.js'></script><script>const lab = '{lab.url}';{INLINE}</script>"
        )
    )
    frame = page.frame_locator("iframe")
    frame.locator("#email").fill("bob@lab.org")
    frame.locator("#password").fill(PASSWORD)
    frame.locator("button.main").click()
    found = page.evaluate("window.done")
    page.wait_for_function("told.length > 0")
    assert page.evaluate("told") == [{"type": "hypha-login-complete", "key": True}]
    assert found["email"] == "bob@lab.org" and found["token"].count(".") == 2
    assert not context.cookies(lab.url) or all(
        cookie["name"] != "access_token" for cookie in context.cookies(lab.url)
    ), "nobody is signed in by a page of others"
    context.close()
    site.server.shutdown()


# by hand


def test_headers_of_every_page(lab: Hyphad) -> None:  # AUTH-88, D-4, D-19
    visitor = Visitor(lab)
    for path in ("", "signup", "reset", "setup", "profile", "nothing-here"):
        page = visitor.get(HOME + path)
        policy = page.headers.get("content-security-policy", "")
        if path != "nothing-here":
            assert "unsafe" not in policy and "default-src 'none'" in policy
            assert "frame-ancestors 'self'" in policy and "form-action 'self'" in policy
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["referrer-policy"] == "same-origin"
            assert "access-control-allow-origin" not in page.headers
            assert "style=" not in page.text and "onclick" not in page.text
            assert re.findall(r"<script(?! src=)", page.text) == []
            assert "http://" not in page.text.replace(lab.url, "")
        assert page.headers["x-content-type-options"] == "nosniff"


def test_where_the_pages_are(lab: Hyphad) -> None:  # AUTH-81
    for path, target in (
        ("/login", HOME),
        ("/login/", HOME),
        (HOME.rstrip("/"), HOME),
        (f"{HOME.rstrip('/')}?key=k", f"{HOME}?key=k"),
    ):
        status, _, headers = lab.request(path)
        assert (status, headers["location"]) == (307, target)


def test_the_cookie_is_for_the_server_alone(lab: Hyphad, bob: Visitor) -> None:  # AUTH-85
    visitor = Visitor(lab)
    page = visitor.get(HOME)
    fields = {"csrf": page.value("csrf"), "email": "bob@lab.org", "password": PASSWORD}
    data = "&".join(f"{name}={quote(value)}" for name, value in fields.items()).encode()
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    status, _, headers = lab.request(f"{HOME}login", data, form)
    assert status == 303
    for line in headers["set-cookie"].splitlines():
        assert "HttpOnly" in line and "SameSite=Lax" in line and "Path=/" in line
        assert "Secure" not in line


def test_the_cookie_is_secure_behind_https(make_hyphad: Callable[..., Hyphad]) -> None:
    lab = make_hyphad("--public-base-url", "https://lab.example")  # AUTH-110
    add_user(lab, "bob@lab.org")
    lab.start()
    _, _, headers = lab.request(HOME)
    assert "Secure" in headers["set-cookie"]
    assert headers["strict-transport-security"] == "max-age=31536000"


def test_a_bad_cookie_locks_nobody_out(lab: Hyphad) -> None:  # AUTH-45, AUTH-143
    for bad in ("garbage", "a.b.c", token_of(lab, "bob@lab.org")[:-3] + "abc"):
        status, body, headers = lab.request(HOME, headers={"Cookie": f"access_token={bad}"})
        assert status == 200 and b"Log in" in body
        assert 'access_token="";' in headers["set-cookie"]


@pytest.mark.parametrize(
    "proof",
    [None, "", "0" * 64, "of another browser", "of who is signed out"],
)
def test_a_form_needs_its_proof(lab: Hyphad, bob: Visitor, proof: str | None) -> None:  # AUTH-87
    fields = {"name": "Mallory"}
    if proof == "of another browser":
        other = Visitor(lab)
        other.log_in("bob@lab.org")
        fields["csrf"] = other.get(f"{HOME}profile").value("csrf")
    elif proof == "of who is signed out":
        fields["csrf"] = Visitor(lab).get(HOME).value("csrf")
    elif proof is not None:
        fields["csrf"] = proof
    page = bob.post("name", fields)
    assert page.status == 403 and "out of date" in page.notice
    assert bob.get(f"{HOME}profile").title == "bob"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_is_sent_by_our_page(
    lab: Hyphad, bob: Visitor, headers: dict[str, str]
) -> None:  # AUTH-87
    page = bob.get(f"{HOME}profile")
    sent = bob.submit(page, "name", {"name": "Mallory"}, **headers)
    assert sent.status == 403 or sent.title == "Log in"
    assert bob.get(f"{HOME}profile").title == "bob"


@pytest.mark.parametrize("origin", [None, "null", "own"])
def test_a_missing_origin_alone_is_no_refusal(
    lab: Hyphad, bob: Visitor, origin: str | None
) -> None:  # D-4
    headers = {} if origin is None else {"Origin": lab.url if origin == "own" else origin}
    page = bob.submit(bob.get(f"{HOME}profile"), "name", {"name": "bob"}, **headers)
    assert (page.status, page.title) == (200, "bob")


def test_inside_a_frame_nobody_is_signed_in(lab: Hyphad, bob: Visitor) -> None:  # AUTH-84
    framed = {"Sec-Fetch-Dest": "iframe"}
    key = start(lab)
    page = bob.get(f"{HOME}?key={key}", **framed)
    assert "Password" in page.text and "Allow access?" not in page.text
    whole = bob.get(f"{HOME}?key={key}")
    sent = bob.submit(whole, "allow", {"key": key}, **framed)
    assert sent.status == 403 and result(lab, key) is None
    fields = {"email": "bob@lab.org", "password": PASSWORD, "key": key}
    done = Visitor(lab)
    page = done.get(f"{HOME}?key={key}", **framed)
    done.submit(page, "login", fields, **framed)
    assert result(lab, key)["token"]
    assert "access_token" not in done.cookies


def test_a_program_elsewhere_takes_the_password_again(
    make_hyphad: Callable[..., Hyphad],
) -> None:  # AUTH-84
    lab = make_hyphad("--trusted-proxies", "127.0.0.1")
    add_user(lab, "bob@lab.org")
    lab.start()
    far = {"X-Forwarded-For": "10.9.9.9"}
    key = lab.post(f"{SERVICE}/start", {}, **far)[1]["key"]
    browser = Visitor(lab)
    browser.log_in("bob@lab.org")
    page = browser.get(f"{HOME}?key={key}")
    assert "another machine than your browser" in page.notice
    assert "10.9.9.9" in page.text
    for password in ("", "not the password"):
        sent = browser.submit(page, "allow", {"key": key, "password": password})
        assert "Invalid email or password" in sent.notice
    done = browser.submit(page, "allow", {"key": key, "password": PASSWORD})
    assert done.title == "Login successful"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "http:evil.example",
        "http://127.0.0.1@evil.example/",
        " //evil.example",
        "/ok\nSet-Cookie: x=y",
        "ws-user-bob/",
    ],
)
def test_redirects_stay_here(lab: Hyphad, target: str) -> None:  # AUTH-82, AUTH-143
    browser = Visitor(lab)
    page = browser.get(f"{HOME}?redirect={quote(target)}")
    fields = {"email": "bob@lab.org", "password": PASSWORD, "redirect": target}
    landed = browser.submit(page, "login", fields)
    assert landed.url == f"{lab.url}{HOME}profile"
    again = browser.get(f"{HOME}profile?redirect={quote(target)}")
    assert "Continue" not in again.text


@pytest.mark.parametrize(
    "target",
    [
        "/ws-user-root/services/user-admin/create_user?email=eve@lab.org",
        "/ws-user-root/%73ervices/user-admin/create_user",
        "/ws-user-root/services%2Fuser-admin/create_user",
        "{url}/ws-user-root/services/user-admin/create_user",
    ],
)
def test_a_login_does_not_lead_on_to_a_call(lab: Hyphad, target: str) -> None:  # AUTH-82, AUTH-87
    visitor = Visitor(lab)
    page = visitor.get(HOME)
    fields = {"email": "bob@lab.org", "password": PASSWORD, "redirect": target.format(url=lab.url)}
    assert visitor.submit(page, "login", fields).title == "bob"


def test_redirects_go_where_they_may(lab: Hyphad) -> None:  # AUTH-82, AUTH-86
    for target in ("/ws-user-bob/?a=1#/access", f"{lab.url}/ws-user-bob/?a=1#/access"):
        browser = Visitor(lab)
        fields = {"email": "bob@lab.org", "password": PASSWORD, "redirect": target}
        landed = browser.submit(browser.get(HOME), "login", fields)
        assert landed.url == f"{lab.url}/ws-user-bob/?a=1#/access"


def test_what_people_type_is_text(lab: Hyphad, bob: Visitor) -> None:
    name = '<script>alert(1)</script>"><img src=x>'
    page = bob.submit(bob.get(f"{HOME}profile"), "name", {"name": name})
    assert page.title == name and "<script>alert" not in page.text
    bob.submit(page, "name", {"name": "bob"})
    page = Visitor(lab).get(f"{HOME}?key={quote(name)}&redirect={quote(name)}")
    assert "<script>alert" not in page.text
    page = Visitor(lab).get(f"{HOME}?redirect={quote(name)}")
    assert "<script>alert" not in page.text


def test_logging_out_ends_the_session_itself(lab: Hyphad, bob: Visitor) -> None:  # AUTH-108
    token = bob.cookies["access_token"]
    page = bob.get(f"{HOME}?logout=true&close=true")
    assert page.title == "Logged out" and "access_token" not in bob.cookies
    assert lab.get("/assets/config.json", Authorization=f"Bearer {token}")[0] == 401


def test_another_page_cannot_log_anybody_out(lab: Hyphad, bob: Visitor) -> None:
    page = bob.get(
        f"{HOME}?logout=true", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    )
    assert page.title == "Log out?"
    assert bob.get(f"{HOME}profile").title == "bob"
    assert bob.submit(page, "logout", {}).title == "Logged out"


def test_a_new_password_ends_all_other_sessions(make_hyphad: Callable[..., Hyphad]) -> None:
    lab = make_hyphad()  # AUTH-108
    add_user(lab, "bob@lab.org")
    lab.start()
    here, there = Visitor(lab), Visitor(lab)
    here.log_in("bob@lab.org")
    there.log_in("bob@lab.org")
    fields = {"current": "wrong", "password": "eight green doors", "again": "eight green doors"}
    page = here.submit(here.get(f"{HOME}profile"), "password", fields)
    assert "Current password is incorrect" in page.notice
    page = here.submit(page, "password", {**fields, "current": PASSWORD})
    assert page.title == "bob"
    assert there.get(f"{HOME}profile").title == "Log in"
    assert Visitor(lab).log_in("bob@lab.org").notice == "Invalid email or password"
    assert Visitor(lab).log_in("bob@lab.org", "eight green doors").title == "bob"


def test_people_are_for_administrators(lab: Hyphad, bob: Visitor) -> None:  # AUTH-99
    page = bob.get(f"{HOME}people")
    assert page.status == 403 and "ann@lab.org" not in page.text
    mine = bob.get(f"{HOME}profile")
    for do in ("add", "link", "remove", "admin", "invite"):
        fields = {"do": do, "user": "ann@lab.org", "email": "eve@lab.org"}
        assert bob.submit(mine, "people", fields).status == 403
    assert "eve@lab.org" not in command(lab, "user", "list")[1]
    assert Visitor(lab).get(f"{HOME}people").title == "Log in"


def test_an_administrator_manages_people(lab: Hyphad) -> None:  # AUTH-98, AUTH-99
    eve = Visitor(lab)
    fields = {"name": "Eve", "email": "eve@lab.org", "password": PASSWORD, "again": PASSWORD}
    assert (
        "as soon as an administrator"
        in eve.submit(eve.get(f"{HOME}signup"), "signup", fields).notice
    )
    taken = eve.submit(eve.get(f"{HOME}signup"), "signup", {**fields, "email": "ann@lab.org"})
    assert "as soon as an administrator" in taken.notice, "no difference is seen"
    assert "waiting for approval" in eve.log_in("eve@lab.org").notice
    ann = Visitor(lab)
    ann.log_in("ann@lab.org")
    page = ann.get(f"{HOME}people")
    user = re.search(r'aria-label="Eve">.*?name="user" value="([^"]+)"', page.text, re.DOTALL)
    assert user is not None
    ann.submit(page, "people", {"do": "enable", "user": user[1]})
    assert eve.log_in("eve@lab.org").title == "Eve"
    ann.submit(page, "people", {"do": "remove", "user": user[1]})
    assert eve.get(f"{HOME}profile").title == "Log in"
    last = ann.submit(page, "people", {"do": "user", "user": "ann@lab.org"})
    assert "last enabled administrator" in last.notice
    page = ann.submit(page, "people", {"do": "invite"})
    code = page.value("link").partition("#")[2]
    fields = {**fields, "name": "Fay", "email": "fay@lab.org", "code": code}
    assert "sign in now" in eve.submit(eve.get(f"{HOME}signup"), "signup", fields).notice
    assert Visitor(lab).log_in("fay@lab.org").title == "Fay"


def test_a_short_token_for_our_own_pages(lab: Hyphad, bob: Visitor) -> None:  # AUTH-85
    cookie = {"Cookie": f"access_token={bob.cookies['access_token']}"}
    ours = {**cookie, "X-Requested-With": "hyphad"}
    status, body, headers = lab.request("/auth/token", b"", ours)
    assert status == 200 and "access-control-allow-origin" not in headers
    token = json.loads(body)["token"]
    assert json.loads(body)["expires_in"] == 900
    user = lab.get("/assets/config.json", Authorization=f"Bearer {token}")[1]["user"]
    assert user["email"] == "bob@lab.org"
    for wrong in (
        {},
        cookie,
        {**ours, "Origin": "http://evil.example"},
        {**ours, "Sec-Fetch-Site": "cross-site"},
        {"Authorization": f"Bearer {token}", "X-Requested-With": "hyphad"},
    ):
        assert lab.request("/auth/token", b"", wrong)[0] == 401
    bob.get(f"{HOME}?logout=true")
    assert lab.get("/assets/config.json", Authorization=f"Bearer {token}")[0] == 401


def test_a_friendly_origin_gets_no_such_token(make_hyphad: Callable[..., Hyphad]) -> None:
    friend, public = "http://friend.example", "https://lab.example"  # AUTH-85
    lab = make_hyphad("--allow-origins", friend, "--public-base-url", public)
    add_user(lab, "bob@lab.org")
    lab.start()
    cookie = f"access_token={token_of(lab, 'bob@lab.org')}"
    ours = {"Cookie": cookie, "X-Requested-With": "hyphad"}
    assert lab.request("/auth/token", b"", {**ours, "Origin": friend})[0] == 401
    assert lab.request("/auth/token", b"", {**ours, "Origin": public})[0] == 200


def test_guessing_on_the_page_is_slowed(make_hyphad: Callable[..., Hyphad]) -> None:  # AUTH-106
    lab = make_hyphad()
    add_user(lab, "bob@lab.org")
    lab.start()
    owner, guesser = Visitor(lab), Visitor(lab)
    owner.log_in("bob@lab.org")
    owner.get(f"{HOME}?logout=true")
    answers = _guesses(guesser)
    assert answers[:5] == [403] * 5
    page = guesser.log_in("bob@lab.org")
    assert page.status == 429 and page.notice.startswith("Too many attempts. Try again in")
    assert int(page.headers["retry-after"]) >= 1
    assert owner.log_in("bob@lab.org").title == "bob", "who is known here is not locked out"
    lab.restart()
    assert len(_guesses(guesser)) < 5, "a restart is no fresh start"


def _guesses(guesser: Visitor) -> list[int]:
    """What wrong passwords are answered with, until one has to wait: for ever longer times."""
    answers: list[int] = []
    while len(answers) < 10 and 429 not in answers:
        answers.append(guesser.log_in("bob@lab.org", "a wrong guess").status)
    return answers
