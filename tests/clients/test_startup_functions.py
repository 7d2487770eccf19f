"""Services that the daemon itself offers from startup functions, used by real clients."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hubs import FLAGS, ROOT_TOKEN
from people import as_user, error_of
from running import Hyphad

EXAMPLE = Path(__file__).with_name("startup_example.py")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hyphad]:
    """A daemon with the services of the example."""
    daemon = Hyphad(
        tmp_path_factory.mktemp("started"),
        "--startup-functions", f"{EXAMPLE}:hypha_startup", f"{EXAMPLE}:plain",
        *FLAGS,
    ).start()  # fmt: skip
    yield daemon
    daemon.stop()


async def test_functions(started):  # HTTP-97, WS-64
    async with as_user(started) as visitor:
        api = await visitor.get_service("public/everything")
        assert api.name == "Everything" and api.type == "demo" and api.constant == 5
        assert await api.add(1) == 11
        assert await api.add(1, b=2) == 3
        assert await api.nested.deep.er() == "found"
        assert await api.sets() == {1, 2}
        assert await api.add.__call__(4) == 14
        record = await visitor.get_service_info("public/everything")
        parameters = record["service_schema"]["add"]["function"]["parameters"]
        assert parameters["required"] == ["a"]
        assert "context" not in str(record["service_schema"]["who"])


async def test_long_calls(started):  # WIRE-60
    async with as_user(started, method_timeout=0.4) as visitor:
        api = await visitor.get_service("public/everything")
        assert await api.slow() == "slept"


async def test_generators(started):  # WIRE-69
    async with as_user(started) as visitor:
        api = await visitor.get_service("public/everything")
        assert [number async for number in await api.count(4)] == [0, 1, 2, 3]
        assert [letter async for letter in await api.letters("abc")] == ["a", "b", "c"]
        first = []
        async for number in await api.count(10**9):
            first.append(number)
            if number == 2:
                break
        assert first == [0, 1, 2]


async def test_callbacks_and_functions_that_are_returned(started):  # WIRE-67
    async with as_user(started, "sta") as server:
        api = await server.get_service("public/everything")
        assert await api.call_back(3, lambda number: number * 10) == [0, 10, 20]
        clock = await api.make_clock()
        assert clock["who"] == "sta"
        assert await clock["now"]() == 42


async def test_values_arrive_as_python_knows_them(started):  # WIRE-70
    async with as_user(started) as visitor:
        api = await visitor.get_service("public/everything")
        kinds = await api.kinds({"set": {1}, "bytes": b"x", "list": [1], "text": "x"})
        assert kinds == {"set": "set", "bytes": "bytes", "list": "list", "text": "str"}


async def test_context(started):  # WS-20, HTTP-97
    async with as_user(started, "sta", client_id="c") as server:
        api = await server.get_service("public/everything")
        assert await api.who() == ["ws-user-sta", "ws-user-sta/c", "sta"]
        forged = await api.who(context={"user": {"id": "root"}})
        assert forged == ["ws-user-sta", "ws-user-sta/c", "sta"]


async def test_errors(started):  # WS-10, WIRE-64
    async with as_user(started) as visitor:
        api = await visitor.get_service("public/everything")
        assert await error_of(api.fail()) == "ValueError: broken by design"
        items = await api.fail_later(1)
        assert await anext(items) == 1
        assert await error_of(anext(items)) == "KeyError: 'later'"
        clock = await api.make_clock()
        assert await error_of(clock["broken"]()) == "ZeroDivisionError: division by zero"
        assert (await error_of(api.add())).startswith("TypeError")
        assert "startup_example" not in await error_of(api.add(1, 2, 3))


async def test_services_of_clients_from_inside(started):  # HTTP-97, D-10
    """A startup function uses clients' services as any user of `public` would."""

    async def count(end):
        for number in range(end):
            yield number

    async with as_user(started, "sta", client_id="p") as server, as_user(started) as visitor:
        for kind in ("public", "protected"):
            await server.register_service(
                {"id": kind, "config": {"visibility": kind}, "f": lambda n: n + 1, "count": count}
            )
            count = functools.partial(count)
        api = await visitor.get_service("public/everything")
        expected = [8, [0, 1, 2], "ws-user-sta/p:public"]
        assert await api.ask("ws-user-sta/p:public", 7) == expected
        said = await error_of(api.ask("ws-user-sta/p:nothing", 7))
        assert "Service not found" in said
        said = await error_of(api.ask("ws-user-sta/p:protected", 7))
        assert "Permission denied for invoking protected method" in said


async def test_functions_of_others_are_not_called_for_one(started):  # D-10
    """The server is nobody's deputy: a callback must be the caller's own."""
    async with as_user(started, "own") as owner, as_user(started) as visitor:
        await owner.register_service({"id": "s", "config": {"visibility": "public"}, "f": str})
        theirs = await visitor.get_service("ws-user-own/s")
        api = await visitor.get_service("public/everything")
        said = await error_of(api.call_back(1, theirs.f))
        assert said.startswith("PermissionError: ")


async def test_what_else_the_startup_function_did(started):  # HTTP-97
    async with as_user(started, token=None) as visitor:
        listed = [found["id"].partition(":")[2] for found in await visitor.list_services("public")]
        assert "everything" in listed
    async with as_user(started, token=ROOT_TOKEN) as root:
        assert (await root.get_workspace_info("made-at-start"))["persistent"] is True


def test_a_service_over_http(started):  # HTTP-97
    path = "/public/services/everything/add?a=1"
    assert started.get(path) == (200, 11)


# failures


FAILING = {
    "broken": (f"{EXAMPLE}:broken", "RuntimeError: the database is on holiday"),
    "no function": (f"{EXAMPLE}:nothing_here", "has no function 'nothing_here'"),
    "no file": ("/no/such/file.py:hypha_startup", "/no/such/file.py"),
    "no module": ("no_such_module_at_all:f", "no_such_module_at_all"),
    "half": (f"{EXAMPLE}:half_done", "Service not found: public/*:not-there@*"),
}


@pytest.mark.parametrize(("uri", "text"), FAILING.values(), ids=FAILING.keys())
def test_a_failure_ends_the_start(make_hyphad, uri, text):  # HTTP-99
    daemon: Hyphad = make_hyphad("--startup-functions", uri, *FLAGS)
    assert daemon.spawn().wait(15) == 3
    said = [line for line in daemon.log.splitlines() if "not_started" in line]
    assert len(said) == 1 and text in said[0] and uri in said[0]


def test_a_failure_may_be_ignored(make_hyphad):  # HTTP-99
    daemon: Hyphad = make_hyphad(
        "--startup-functions", FAILING["broken"][0], f"{EXAMPLE}:hypha_startup",
        "--ignore-startup-errors", *FLAGS,
    ).start()  # fmt: skip
    assert "the database is on holiday" in daemon.log
    assert daemon.get("/public/services/everything/add?a=1") == (200, 11)
