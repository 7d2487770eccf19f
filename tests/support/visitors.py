"""People with accounts: made on the command line, and browsers without scripts.

add_user(hyphad, "ann@lab.org", admin=True)
ann = Visitor(hyphad)
ann.log_in("ann@lab.org")
"""

import contextlib
import io
import re
import time
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from unittest import mock
from urllib.parse import urlencode, urljoin, urlsplit

from running import Hyphad

from hyphad import cli, logs

PASSWORD = "seven blue benches"
NEWS = "reloaded what='accounts and revocations'"
HOME = "/public/apps/hypha-login/"


def command(hyphad: Hyphad, *words: str, given: str = "") -> tuple[int, str, str]:
    """Run `hyphad WORDS` on the data directory of a daemon: exit code, output, errors.

    In a thread of this process, for a new one would spend its time importing.
    """
    secret = [
        item
        for flag, value in zip(hyphad.flags, hyphad.flags[1:], strict=False)
        if flag == "--jwt-secret"
        for item in (flag, value)
    ]
    words = (*words, "--data-dir", str(hyphad.data), *secret)
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch("sys.stdin", io.StringIO(given)),
        mock.patch.object(logs, "setup"),
        ThreadPoolExecutor(1) as thread,
    ):
        code = thread.submit(cli.main, list(words)).result(60)
    return code, out.getvalue(), errors.getvalue()


def add_user(hyphad: Hyphad, email: str, *, admin: bool = False, password: str = PASSWORD) -> str:
    """An account made on the command line; its id. A running daemon knows it by then."""
    known = hyphad.log.count(NEWS)
    words = ["user", "add", email, "--password-stdin", *(["--admin"] if admin else [])]
    code, out, errors = command(hyphad, *words, given=f"{password}\n")
    assert code == 0, errors
    found = re.search(r"\(([\w-]+)\)", out)
    assert found is not None, out
    end = time.monotonic() + 20
    while hyphad.process is not None and hyphad.log.count(NEWS) <= known:
        assert time.monotonic() < end, "the daemon does not notice the new account"
        time.sleep(0.2)
    return found[1]


def log_in(hyphad: Hyphad, email: str, **more: Any) -> dict[str, Any]:
    """`hypha-login.login` over HTTP; its answer."""
    fields = {"email": email, "password": PASSWORD, **more}
    status, value = hyphad.post("/public/services/hypha-login/login", fields)
    assert status == 200, value
    assert isinstance(value, dict)
    return value


def token_of(hyphad: Hyphad, email: str, **more: Any) -> str:
    """A login token."""
    answer = log_in(hyphad, email, **more)
    assert answer["success"], answer
    return str(answer["token"])


class Page:
    """What a request was answered with."""

    def __init__(self, status: int, url: str, text: str, headers: dict[str, str]) -> None:
        self.status = status
        self.url = url
        self.text = text
        self.headers = headers

    @property
    def notice(self) -> str:
        """The messages of the page, one a line."""
        found = re.findall(r'<p class="notice[^>]*>(.*?)</p>', self.text, re.DOTALL)
        return "\n".join(unescape(re.sub(r"<[^>]+>", "", text)) for text in found)

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.text, re.DOTALL)
        return unescape(found[1]) if found else ""

    def value(self, name: str) -> str:
        """The value of a hidden field, or the text of a `textarea` of that id."""
        for pattern in (
            rf'name="{name}" value="([^"]*)"',
            rf'<textarea id="{name}"[^>]*>(.*?)</textarea>',
        ):
            found = re.search(pattern, self.text, re.DOTALL)
            if found:
                return unescape(found[1])
        raise AssertionError(f"no {name} in {self.text}")


class Visitor:
    """A browser that keeps cookies and follows redirects; `headers` go with every request."""

    def __init__(self, hyphad: Hyphad, **headers: str) -> None:
        self.hyphad = hyphad
        self.headers = headers
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Page:
        return self._ask(path, None, headers)

    def submit(self, page: Page, action: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form of a page, with its hidden proof."""
        return self.post(action, {"csrf": page.value("csrf"), **fields}, **headers)

    def post(self, action: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form as it is."""
        return self._ask(HOME + action, urlencode(fields).encode(), headers)

    def log_in(self, email: str, password: str = PASSWORD) -> Page:
        return self.submit(self.get(HOME), "login", {"email": email, "password": password})

    def _ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> Page:
        url = urljoin(self.hyphad.url, path)
        for _ in range(5):
            given = {**self.headers, **headers}
            if self.cookies:
                given["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
            if body is not None:
                given["Content-Type"] = "application/x-www-form-urlencoded"
            status, content, answered = self.hyphad.request(url, body, given)
            self._keep(answered)
            if status not in (302, 303, 307):
                return Page(status, url, content.decode(), answered)
            url, body = urljoin(url, answered["location"]), None if status != 307 else body
            if urlsplit(url).netloc != urlsplit(self.hyphad.url).netloc:
                return Page(status, url, "", answered)
        raise AssertionError(f"too many redirects to {url}")

    def _keep(self, headers: dict[str, str]) -> None:
        for line in headers.get("set-cookie", "").split("\n"):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
