"""Where plain HTTP is sent on to, whatever the request says of its host."""

import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPServerRequest

from hyphad.web.redirect import secure_url


def request(host: str | None, uri: str = "/a?b=c") -> HTTPServerRequest:
    headers = HTTPHeaders({"Host": host} if host is not None else {})
    found = HTTPServerRequest("GET", uri, headers=headers, connection=HTTPConnection())
    if host is None:
        found.host = ""
    return found


@pytest.mark.parametrize(
    ("host", "port", "public", "target"),
    [
        ("lab.example:8080", 9527, None, "https://lab.example:9527/a?b=c"),
        ("lab.example", 443, None, "https://lab.example/a?b=c"),
        ("[::1]:80", 9527, None, "https://[::1]:9527/a?b=c"),
        ("elsewhere", 9527, "https://hub.example/hub", "https://hub.example/a?b=c"),
        (None, 9527, None, None),
        ("[broken", 9527, None, None),
    ],
)
def test_the_same_url_encrypted(
    host: str | None, port: int, public: str | None, target: str | None
) -> None:
    assert secure_url(request(host), port, public) == target


def test_no_path_leads_to_another_host() -> None:
    assert secure_url(request("lab", "//evil.example/"), 443, None) == "https://lab//evil.example/"
    assert secure_url(request("lab", "http://evil.example/"), 443, None) == "https://lab/"
