"""`list_services` line by line: string queries, dict queries, errors."""

import pytest
from people import as_user, error_of


@pytest.fixture
def shop(hub):
    """A workspace with two clients and a few services, and a visitor."""

    class Shop:
        async def __aenter__(self):
            self.entered = [
                as_user(hub, "lou", client_id="c1"),
                as_user(hub, "lou", client_id="c2"),
                as_user(hub, "oz", client_id="o"),
            ]
            one, two, other = [await who.__aenter__() for who in self.entered]
            public = {"visibility": "public"}
            await one.register_service({"id": "hello", "config": public, "type": "kind-a"})
            await one.register_service({"id": "help", "type": "kind-b"})
            await one.register_service({"id": "hidden", "config": {"visibility": "unlisted"}})
            await two.register_service({"id": "hello", "type": "kind-a"})
            await two.register_service({"id": "my.svc x", "config": public})
            return one, other

        async def __aexit__(self, *error):
            for who in self.entered:
                await who.__aexit__(*error)

    return Shop()


async def _names(server, query, **options):
    found = (
        await server.list_services(query, **options)
        if query != "none"
        else (await server.list_services(**options))
    )
    own = [service["id"] for service in found if not service["id"].startswith("public/")]
    return [name.removeprefix("ws-user-lou/") for name in own]


EVERYTHING = ["c1:built-in", "c2:built-in", "c1:hello", "c1:help", "c2:hello", "c2:my.svc x"]
PUBLIC = ["c1:built-in", "c2:built-in", "c1:hello", "c2:my.svc x"]

# Query, what a member finds, what somebody else finds (oldest first).
STRINGS = [
    ("none", EVERYTHING, ["ws-user-oz/o:built-in"]),
    ("ws-user-lou", EVERYTHING, PUBLIC),
    ("c1", [], []),
    ("ws-nowhere", [], []),
    ("c1:hello", ["c1:hello"], []),
    ("ws-user-lou/hello", ["c1:hello", "c2:hello"], ["c1:hello"]),
    ("ws-user-lou/c1:hello", ["c1:hello"], ["c1:hello"]),
    ("ws-user-lou/c1:*", ["c1:built-in", "c1:hello", "c1:help"], ["c1:built-in", "c1:hello"]),
    ("*/hello", ["c1:hello"], []),
    ("*/c2:hello", [], []),
    ("ws-user-lou/he*", ["c1:hello", "c1:help", "c2:hello"], ["c1:hello"]),
]


@pytest.mark.parametrize(("query", "member", "stranger"), STRINGS)
async def test_string_queries(shop, query, member, stranger):  # 02 section 13 number 10, WS-31
    async with shop as (one, other):
        assert sorted(await _names(one, query)) == sorted(member)
        assert sorted(await _names(other, query)) == sorted(stranger)


async def test_everything_everywhere(shop):  # WS-31
    async with shop as (one, other):
        assert set(await _names(one, "*")) >= {*EVERYTHING, "ws-user-oz/o:built-in"}
        found = set(await _names(other, "*"))
        assert found >= {*PUBLIC, "ws-user-oz/o:built-in"}
        assert not found & {"c1:help", "c2:hello", "c1:hidden"}


DICTS = [
    ({}, EVERYTHING),
    ({"id": "hello"}, ["c1:hello", "c2:hello"]),
    ({"service_id": "hello"}, ["c1:hello", "c2:hello"]),
    ({"service_id": "hello", "client_id": "c2"}, ["c2:hello"]),
    ({"service_id": "he*"}, ["c1:hello", "c1:help", "c2:hello"]),
    ({"service_id": "built*"}, ["c1:built-in", "c2:built-in"]),
    ({"service_id": "my.svc x"}, ["c2:my.svc x"]),
    ({"service_id": "hello@*"}, ["c1:hello", "c2:hello"]),
    ({"service_id": "hello@app"}, []),
    ({"type": "kind-a"}, ["c1:hello", "c2:hello"]),
    ({"type": "kind-*"}, ["c1:hello", "c1:help", "c2:hello"]),
    ({"type": "kind-a", "visibility": "public"}, ["c1:hello"]),
    ({"visibility": "protected"}, ["c1:help", "c2:hello"]),
    ({"visibility": "unlisted"}, []),
    ({"client_id": "c2", "type": "built-in"}, ["c2:built-in"]),
    ({"app_id": "nope"}, []),
    ({"workspace": "ws-user-oz"}, ["ws-user-oz/o:built-in"]),
]


@pytest.mark.parametrize(("query", "found"), DICTS, ids=str)
async def test_dict_queries(shop, query, found):  # WS-31
    async with shop as (one, _):
        assert sorted(await _names(one, query)) == sorted(found)


async def test_with_unlisted_ones(shop):  # WS-31
    async with shop as (one, _):
        found = await _names(one, {"service_id": "h*"}, include_unlisted=True)
        assert sorted(found) == ["c1:hello", "c1:help", "c1:hidden", "c2:hello"]


WRONG = [
    ({"bad": 1}, {}, "ValueError: Invalid query keys: {'bad'}"),
    (
        {"id": "a", "service_id": "b"},
        {},
        "AssertionError: Cannot specify both 'id' and 'service_id' in the query.",
    ),
    (
        {"workspace": "*", "visibility": "protected"},
        {},
        "AssertionError: Cannot list protected or unlisted services in all workspaces.",
    ),
    (
        {"workspace": "*", "visibility": "unlisted"},
        {},
        "AssertionError: Cannot list protected or unlisted services in all workspaces.",
    ),
    (
        "*",
        {"include_unlisted": True},
        "PermissionError: Cannot include unlisted services when searching all workspaces.",
    ),
    ({"service_id": "he$llo"}, {}, "ValueError: Invalid characters in query part: he$llo"),
    ({"workspace": "a?b"}, {}, "ValueError: Invalid characters in query part: a?b"),
    ({"service_id": "a@x", "app_id": "y"}, {}, "ValueError: App id mismatch: x != y"),
    (5, {}, "TypeError"),
    (["a"], {}, "TypeError"),
    ({"service_id": 5}, {}, ""),
    ({"type": 5}, {}, ""),
]


@pytest.mark.parametrize(("query", "options", "text"), WRONG, ids=str)
async def test_queries_that_are_none(shop, query, options, text):  # WS-31
    async with shop as (one, _):
        said = await error_of(one.list_services(query, **options))
        assert said.startswith(text)
        assert "InternalError" not in said


async def test_searching_is_off(hub):  # WS-32
    async with as_user(hub) as visitor:
        assert await error_of(visitor.search_services("x")) == (
            "RuntimeError: Service search is not enabled."
        )
