"""The manager as an RPC peer: arguments, answers, heartbeats, errors."""

import collections
import math

import msgpack
import pytest
from coroutines import until
from rawclient import RawClient
from tickets import ticket

METHODS = set(
    "bookmark check_status cleanup create_workspace delete_workspace echo generate_token get_env "
    "get_event_stats get_events get_service get_service_info get_service_type get_summary "
    "get_workspace_info list_clients list_service_types list_services list_workspaces log "
    "log_event parse_token ping register_service register_service_type revoke_token "
    "search_services set_env subscribe unbookmark unregister_service unsubscribe".split()
)
ECHO = "services.default.echo"


async def test_the_manager_service(hub):  # WIRE-80, WIRE-74, WS-1, WS-2, WS-3, WS-5
    async with RawClient.connect(hub.ws_url) as raw:
        api = await raw.call("services.built-in.get_service", "default")
        assert api["id"] == "default"
        assert api["name"] == "Default workspace management service"
        assert api["description"] == "Services for managing workspace."
        assert api["type"] == "generic"
        assert set(api) >= METHODS
        assert not {"unload", "delete_client", "set_workspace", "list_servers"} & set(api)
        config = api["config"]
        assert config["require_context"] is True and config["visibility"] == "public"
        assert config["public_base_url"] == hub.url
        assert config["login_service_url"] == f"{hub.url}/public/services/hypha-login"
        for name in METHODS:
            method = api[name]
            assert method["_rtype"] == "method"
            assert method["_rserver"] == hub.url
            assert method["_rtarget"] == raw.manager
            assert method["_rmethod"] == f"services.default.{name}"
            assert method["_rpromise"] == "*"
            schema = method["_rschema"]
            assert schema["name"] == name and schema["description"]
            parameters = schema["parameters"]
            assert parameters["type"] == "object"
            assert "context" not in parameters["properties"]
            assert set(parameters.get("required", [])) <= set(parameters["properties"])


PARAMETERS = {
    "bookmark": (["item"], ["item"]),
    "check_status": ([], []),
    "cleanup": (["workspace", "timeout"], []),
    "create_workspace": (["config", "overwrite"], ["config"]),
    "delete_workspace": (["workspace"], ["workspace"]),
    "echo": (["data"], ["data"]),
    "generate_token": (["config"], []),
    "get_env": (["key"], []),
    "get_event_stats": (["event_type", "start_time", "end_time"], []),
    "get_events": (["event_type", "start_time", "end_time"], []),
    "get_service": (["service_id", "config"], ["service_id"]),
    "get_service_info": (["service_id", "config"], ["service_id"]),
    "get_service_type": (["type_id"], ["type_id"]),
    "get_summary": ([], []),
    "get_workspace_info": (["workspace"], []),
    "list_clients": (["workspace"], []),
    "list_service_types": (["workspace"], []),
    "list_services": (
        ["query", "include_unlisted", "include_app_services", "prioritize_running_services"],
        [],
    ),
    "list_workspaces": (["match", "offset", "limit"], []),
    "log": (["msg"], ["msg"]),
    "log_event": (["event_type", "data"], ["event_type"]),
    "parse_token": (["token"], ["token"]),
    "ping": (["client_id", "timeout"], ["client_id"]),
    "register_service": (["service", "config"], ["service"]),
    "register_service_type": (["type_info"], ["type_info"]),
    "revoke_token": (["token"], ["token"]),
    "search_services": (
        [
            "query", "filters", "limit", "offset", "return_fields", "order_by", "pagination",
            "include_unlisted",
        ],
        [],
    ),
    "set_env": (["key", "value"], ["key", "value"]),
    "subscribe": (["event_type"], ["event_type"]),
    "unbookmark": (["item"], ["item"]),
    "unregister_service": (["service_id"], ["service_id"]),
    "unsubscribe": (["event_type"], ["event_type"]),
}  # fmt: skip


async def test_the_parameters_of_every_method(hub):  # WS-69
    async with RawClient.connect(hub.ws_url) as raw:
        api = await raw.call("services.built-in.get_service", "default")
        for name, (order, required) in PARAMETERS.items():
            parameters = api[name]["_rschema"]["parameters"]
            assert list(parameters["properties"]) == order, name
            assert parameters.get("required", []) == required, name
            for key, value in parameters["properties"].items():
                assert "$ref" not in str(value) or "$defs" in parameters, (name, key)


async def test_both_forms_of_a_promise(hub):  # WIRE-58, WIRE-59, D-10
    async with RawClient.connect(hub.ws_url) as raw, RawClient.connect(hub.ws_url) as other:
        promise = {"interval": 15.0}
        for name in ("heartbeat", "resolve", "reject"):
            promise[name] = {
                "_rtype": "method",
                "_rtarget": other.address,
                "_rmethod": f"stolen.{name}",
                "_rpromise": False,
            }
        assert await raw.call(ECHO, 5, extra={"promise": promise}) == 5
        text = await raw.rejection("services.default.nope", extra={"promise": promise})
        assert "Method expired or not found" in text
        await other.settle()
        assert other.frames == []


async def test_no_promise_no_answer(hub):  # WIRE-61
    async with RawClient.connect(hub.ws_url) as raw:
        head = {"type": "method", "to": raw.manager, "method": ECHO, "session": "s"}
        await raw.send(head, {"args": [1]})
        await raw.send({**head, "method": "services.default.list_services"}, {"args": []})
        await raw.settle()
        assert raw.frames == []


async def test_null_is_an_answer(hub):  # WIRE-59
    async with RawClient.connect(hub.ws_url) as raw:
        session = await raw.begin(ECHO, None)
        _, extra = await raw.taken(f"{session}.resolve")
        assert extra == {"args": [None]}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([{"a": 1}], None),
        ([], {"data": {"a": 1}}),
        ([{"a": 1}], {"context": {"user": {"id": "root"}}}),
    ],
)
async def test_arguments_by_position_and_by_name(hub, args, kwargs):  # WIRE-62, WS-4
    async with RawClient.connect(hub.ws_url) as raw:
        assert await raw.call(ECHO, *args, kwargs=kwargs) == {"a": 1}


BAD_CALLS = [
    (ECHO, [], None, "TypeError: Missing required argument: 'data'"),
    (ECHO, [1], {"foo": 1}, "TypeError: got an unexpected keyword argument 'foo'"),
    (ECHO, [1], {"data": 2}, "TypeError"),
    (ECHO, [1, 2, 3], None, "TypeError"),
    ("services.default.get_service", [], None, "TypeError: Missing required argument"),
    ("services.default.subscribe", [5], None, "TypeError"),
    ("services.default.ping", [7], None, "TypeError"),
    ("services.default.list_services", [None, "yes"], None, "TypeError"),
    ("services.default.get_service_info", ["a", "b"], None, "TypeError"),
]


@pytest.mark.parametrize(("method", "args", "kwargs", "text"), BAD_CALLS)
async def test_arguments_that_do_not_fit(hub, method, args, kwargs, text):  # WS-4
    async with RawClient.connect(hub.ws_url) as raw:
        said = await raw.rejection(method, *args, kwargs=kwargs)
        assert said.startswith(text)
        assert "\n" not in said and "Traceback" not in said and ".py" not in said


@pytest.mark.parametrize("args", ["text", 5, {"a": 1}, [[]], True])
async def test_a_payload_of_another_shape(hub, args):  # WIRE-37
    async with RawClient.connect(hub.ws_url) as raw:
        said = await raw.rejection("services.default.get_service", extra={"args": args})
        assert "TypeError" in said or "AssertionError" in said


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("services.default.nope", "Method expired or not found: {me}:services.default.nope"),
        ("services.nope.f", "Method expired or not found: {me}:services.nope.f"),
        ("services", "Method expired or not found: {me}:services"),
        ("nope.resolve", "Session not found: {me}:nope.resolve"),
        ("x", "Session not found: {me}:x"),
        ("services.default.echo.x", "Method expired or not found: {me}:services.default.echo.x"),
        ("services.default.__init__", "Method expired or not found"),
        ("services.default.config", "Method expired or not found"),
    ],
)
async def test_paths_that_lead_nowhere(hub, method, text):  # WIRE-65
    async with RawClient.connect(hub.ws_url) as raw:
        said = await raw.rejection(method)
        assert said.startswith("Exception: " + text.format(me=raw.address))


async def test_an_unknown_service_of_the_manager(hub):  # WIRE-79
    async with RawClient.connect(hub.ws_url) as raw:
        said = await raw.rejection("services.built-in.get_service", "zzz")
        assert said == "KeyError: 'Service not found: zzz'"


async def test_heartbeats_while_a_call_runs(hub):  # WIRE-60, WS section 10
    async with RawClient.connect(hub.ws_url) as raw:
        server = raw.info["manager_id"].removeprefix("manager-")
        session = await raw.begin(
            "services.queue.pop", "q", kwargs={"timeout": 1}, to=f"public/{server}",
            extra={"t": 0.2},
        )  # fmt: skip
        assert await raw.answer(session) is None
        beats = [h for h, _ in raw.frames if h["method"] == f"{session}.heartbeat"]
        assert len(beats) >= 3
        assert all(header["from"] == f"public/{server}" for header in beats)


async def test_calls_run_side_by_side(hub):  # WIRE-39, WS-28
    async with RawClient.connect(hub.ws_url) as raw:
        server = raw.info["manager_id"].removeprefix("manager-")
        slow = await raw.begin(
            "services.queue.pop", "q", kwargs={"timeout": 60}, to=f"public/{server}"
        )
        assert await raw.call(ECHO, 1) == 1
        await raw.call("services.queue.push", "q", {"n": 1}, to=f"public/{server}")
        assert await raw.answer(slow) == {"n": 1}


async def test_heartbeats_of_many_calls(hub):  # WIRE-60
    """A thousand a second are enough for one client, however often it wants them."""
    async with RawClient.connect(hub.ws_url) as raw:
        server = f"public/{raw.info['manager_id'].removeprefix('manager-')}"
        for _ in range(1500):
            await raw.begin("services.queue.pop", "many", 3, to=server, extra={"t": 0.05})
        verbs = collections.Counter()

        def all_answered():
            verbs.update(header["method"].rpartition(".")[2] for header, _ in raw.frames)
            raw.frames.clear()
            return verbs["resolve"] == 1500

        await until(all_answered, 30)
        assert verbs["heartbeat"] < 8_000


SPECIAL = [
    {"_rtype": "ndarray", "_rvalue": b"\x01\x02", "_rshape": [2], "_rdtype": "uint8"},
    {"_rtype": "ndarray", "_rvalue": [b"\x01", b"\x02"], "_rshape": [], "_rdtype": "uint8"},
    {"_rtype": "typedarray", "_rvalue": b"\x01", "_rdtype": "int8"},
    {"_rtype": "memoryview", "_rvalue": b"\x01"},
    {"_rtype": "set", "_rvalue": [1, 2]},
    {"_rtype": "orderedmap", "_rvalue": [["k", 1], ["j", 2]]},
    {"_rtype": "error", "_rvalue": "E", "_rtrace": "T"},
    {"_rtype": "stop_iteration"},
    {"_rtype": "pydantic_model", "_rvalue": {"a": 1}, "_rschema": {}},
    {"_rtype": "of-my-own", "x": [1, {"_rtype": "other"}]},
    msgpack.ExtType(5, b"abc"),
    msgpack.Timestamp(1_700_000_000, 5),
    {"deep": [{"er": {"_rtype": "set", "_rvalue": []}}]},
    "ü€𝄞" * 100,
    b"\x00\xff",
    [1, -1, 2**63 - 1, -(2**63), 2**64 - 1, 1.5, math.inf, True, False, None],
    {"": "", "_rkwargs": True},
]


@pytest.mark.parametrize("value", SPECIAL, ids=lambda value: str(value)[:40])
async def test_echo_returns_what_was_sent(hub, value):  # WIRE-71, WIRE-125
    async with RawClient.connect(hub.ws_url) as raw:
        assert await raw.call(ECHO, value) == value


async def test_relative_addresses_become_absolute(hub):  # WIRE-72
    method = {
        "_rtype": "method",
        "_rtarget": "cli",
        "_rmethod": "s.f",
        "_rdoc": None,
        "_renc_pub": b"k",
    }
    async with RawClient.connect(hub.ws_url, "cli") as raw:
        value = await raw.call(ECHO, [{"deep": method}, {"_rtarget": "cli"}])
        assert value == [{"deep": {**method, "_rtarget": raw.address}}, {"_rtarget": "cli"}]


async def test_an_earlier_manager_id_is_still_answered(make_hyphad):  # D-5, WIRE-108, WS-7
    daemon = make_hyphad().start()
    async with RawClient.connect(daemon.ws_url) as raw:
        old = raw.manager
    daemon.restart()
    async with RawClient.connect(daemon.ws_url) as raw:
        assert raw.manager != old
        session = await raw.begin(ECHO, 4, to=old)
        header, extra = await raw.taken(f"{session}.resolve")
        assert header["from"] == old
        assert extra["args"] == [4]
        api = await raw.call("services.built-in.get_service", "default", to=old)
        assert api["echo"]["_rtarget"] == raw.manager


async def test_results_have_no_paths_and_no_tracebacks(hub):  # WIRE-64, WIRE-121, WS-10
    """Every method with every kind of argument: never a bug of the server's, never a path."""
    values = [None, True, -1, 1e308, "x", "*", "a/b:c@d/e", "", b"b", [], ["a"], {}, {"id": 5},
              {"_rtype": "method", "_rtarget": "x", "_rmethod": "y"}]  # fmt: skip
    async with RawClient.connect(hub.ws_url, token=ticket("fuzz")) as raw:
        sessions = []
        for name in sorted(METHODS - {"delete_workspace", "cleanup", "revoke_token"}):
            for first in values:
                for second in (None, "x", {"a": 1}, 3):
                    args = [first] if second is None else [first, second]
                    sessions.append(await raw.begin(f"services.default.{name}", *args))
        for session in sessions:
            header, extra = await raw.take(
                lambda h, e, s=session: h["method"] in (f"{s}.resolve", f"{s}.reject")
            )
            if header["method"].endswith(".reject"):
                text = extra["args"][0]["_rvalue"]
                assert "InternalError" not in text and "Traceback" not in text, text
                assert ".py" not in text and "\n" not in text, text
                assert extra["args"][0]["_rtrace"] == ""
