"""What `list_services` may be asked, line by line of WS-31, with the texts that clients know."""

import pytest

from hyphad.core.errors import Denied, Fault, Misuse
from hyphad.core.query import Query, check_reach, parse_query
from hyphad.core.records import Service

OWN = "ws-user-own"


def read(query):
    found = parse_query(query, OWN)
    return (found.workspace, found.client_id, found.service_id, found.visibility)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, (OWN, "*", "*", "*")),
        ("ws-b", ("ws-b", "*", "*", "*")),
        ("own-c1", ("own-c1", "*", "*", "*")),
        ("*", ("*", "*", "*", "*")),
        ("c1:svc", (OWN, "c1", "svc", "*")),
        ("ws-b/svc", ("ws-b", "*", "svc", "*")),
        ("ws-b/c1:svc", ("ws-b", "c1", "svc", "*")),
        ("ws-b/c1:*", ("ws-b", "c1", "*", "*")),
        ("*/svc", (OWN, "*", "svc", "public")),
        ("*/c1:svc", (OWN, "c1", "svc", "public")),
        ("ws-b/my.svc", ("ws-b", "*", "my.svc", "*")),
        ("c1:a b", (OWN, "c1", "a b", "*")),
        ("c1:built*", (OWN, "c1", "built*", "*")),
    ],
)
def test_string_queries(query, expected):  # WS-31
    assert read(query) == expected


def test_a_string_query_may_name_an_app():  # WS-31
    assert parse_query("c1:svc@app", OWN) == Query(OWN, "c1", "svc", app_id="app")
    assert parse_query("ws-b/svc@", OWN) == Query("ws-b", service_id="svc")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Query(OWN)),
        ({"workspace": "*"}, Query("*")),
        ({"workspace": None, "type": None}, Query(OWN)),
        ({"type": "server-app-worker"}, Query(OWN, type="server-app-worker")),
        ({"type": "a$?!"}, Query(OWN, type="a$?!")),
        ({"id": "he*"}, Query(OWN, service_id="he*")),
        ({"service_id": "svc"}, Query(OWN, service_id="svc")),
        ({"service_id": "c1:svc"}, Query(OWN, "c1", "svc")),
        ({"service_id": "ws-b/c1:svc"}, Query("ws-b", "c1", "svc")),
        ({"service_id": "svc@app"}, Query(OWN, service_id="svc", app_id="app")),
        (
            {"service_id": "svc@app", "app_id": "app"},
            Query(OWN, service_id="svc", app_id="app"),
        ),
        ({"service_id": "svc@*", "app_id": "app"}, Query(OWN, service_id="svc", app_id="app")),
        ({"visibility": "public", "client_id": "c*"}, Query(OWN, "c*", visibility="public")),
    ],
)
def test_map_queries(query, expected):  # WS-31
    given = dict(query)
    assert parse_query(query, OWN) == expected
    assert query == given, "the caller's map is not changed"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"bad": "x"}, "ValueError: Invalid query keys: {'bad'}"),
        (
            {"id": "a", "service_id": "a"},
            "AssertionError: Cannot specify both 'id' and 'service_id' in the query.",
        ),
        ({"service_id": "he$llo"}, "ValueError: Invalid characters in query part: he$llo"),
        ({"visibility": "p?"}, "ValueError: Invalid characters in query part: p?"),
        ({"workspace": "a@b"}, "ValueError: Invalid characters in query part: a@b"),
        ({"client_id": "a\nb"}, "ValueError: Invalid characters in query part: a\nb"),
        ({"app_id": "[a]"}, "ValueError: Invalid characters in query part: [a]"),
        ({"service_id": "svc@x", "app_id": "y"}, "ValueError: App id mismatch: x != y"),
        ("he$llo", "ValueError: Invalid characters in query part: he$llo"),
        ("hello@app", "ValueError: Invalid characters in query part: hello@app"),
        (5, "TypeError: query must be a string, a map or null"),
        ([], "TypeError: query must be a string, a map or null"),
        (b"x", "TypeError: query must be a string, a map or null"),
        ({"type": 5}, "TypeError: query: type must be a string"),
        ({"workspace": ["a"]}, "TypeError: query: workspace must be a string"),
        ({"service_id": b"x"}, "TypeError: query: service_id must be a string"),
        ({"type": "t" * 257}, "ValueError: Query pattern is longer than 256 characters"),
        ("c:" + "n" * 257, "ValueError: Query pattern is longer than 256 characters"),
        ("w" * 257, "ValueError: Query pattern is longer than 256 characters"),
    ],
)
def test_errors(query, text):  # WS-31, D-20
    with pytest.raises(Fault) as caught:
        parse_query(query, OWN)
    assert caught.value.rpc_text == text
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("query", "include_unlisted", "error", "text"),
    [
        ({"workspace": "*"}, False, None, ""),
        ({"workspace": "*", "visibility": "public"}, False, None, ""),
        ({"visibility": "protected"}, False, None, ""),
        ({"visibility": "unlisted"}, True, None, ""),
        (None, True, None, ""),
        ("*/svc", True, None, ""),
        *[
            (
                {"workspace": "*", "visibility": visibility},
                False,
                Misuse,
                "Cannot list protected or unlisted services in all workspaces.",
            )
            for visibility in ("protected", "unlisted")
        ],
        ("*", True, Denied, "Cannot include unlisted services when searching all workspaces."),
        (
            {"service_id": "*/x"},
            True,
            Denied,
            "Cannot include unlisted services when searching all workspaces.",
        ),
        (
            "ws-b/x",
            True,
            Denied,
            "Cannot include unlisted services from workspace ws-b. Only services from your current "
            "workspace (ws-user-own) can include unlisted services.",
        ),
        (
            {"service_id": "ws-b/x"},
            True,
            Denied,
            "Cannot include unlisted services from workspace ws-b. Only services from your current "
            "workspace (ws-user-own) can include unlisted services.",
        ),
        (
            {"workspace": "ws-user-ow*"},
            True,
            Denied,
            "Cannot include unlisted services from workspace ws-user-ow*. Only services from your "
            "current workspace (ws-user-own) can include unlisted services.",
        ),
    ],
)
def test_how_far_a_query_reaches(query, include_unlisted, error, text):  # WS-31, AUTH-131
    wanted = parse_query(query, OWN)
    if error is None:
        check_reach(wanted, OWN, include_unlisted)
        return
    with pytest.raises(error) as caught:
        check_reach(wanted, OWN, include_unlisted)
    assert caught.value.message == text


SERVICE = Service(
    "ws-b/c1:hello",
    "ws-b",
    "c1",
    "hello",
    {
        "config": {"visibility": "public"},
        "name": "Shown",
        "type": None,
        "app_id": "app-1",
    },
)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({}, True),
        ({"service_id": "hel*"}, True),
        ({"service_id": "Shown"}, False),
        ({"client_id": "c*"}, True),
        ({"client_id": "c2"}, False),
        ({"type": "generic"}, True),
        ({"type": "gen*"}, True),
        ({"type": "functions"}, False),
        ({"visibility": "public"}, True),
        ({"visibility": "p*"}, True),
        ({"visibility": "protected"}, False),
        ({"app_id": "app-1"}, True),
        ({"app_id": "app-*"}, True),
        ({"app_id": "app"}, False),
        ({"service_id": "hello@app-1"}, True),
        ({"service_id": "hello@app-2"}, False),
        ({"workspace": "another"}, True),
    ],
)
def test_matching_looks_at_all_parts_but_the_workspace(query, matches):  # WS-31
    assert parse_query(query, OWN).matches(SERVICE) is matches
