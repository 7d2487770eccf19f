"""Agents over A2A: by hand, and by the official SDK in both versions of the protocol."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import Message, Part, Role, SendMessageRequest
from event_streams import EventStream
from kitchen import PNG
from mcp_http import bearer, events
from providers import Provider
from running import Hyphad

from hyphad.web.a2a import endpoint
from hyphad.web.a2a.tasks import MAX_OWN, Task, Tasks

CARD = {
    "protocol_version": "0.3.0",
    "name": "Echo",
    "description": "echo agent",
    "version": "1.2.3",
    "url": "http://x/y",
    "default_input_modes": ["text/plain"],
    "default_output_modes": ["text/plain"],
    "capabilities": {"push_notifications": False, "streaming": True},
    "skills": [
        {"id": "echo", "name": "Echo", "description": "echoes", "tags": ["e"], "examples": ["hi"]}
    ],
}


def first_text(message):
    return message["parts"][0]["text"]


async def echo(message, context=None):
    assert context is None
    return "You said: " + first_text(message)


async def counting(message):
    for i in range(3):
        yield f"part {i} "
        await asyncio.sleep(0.01)


def shown(message):
    return message


def with_two(message, extra):
    return f"extra is {extra}"


def whoami(message, context=None):
    return context["user"]["id"]


def fail(message):
    raise ValueError("boo\nmore")


def valued(message):
    return {
        "text": "text", "dict": {"a": 1}, "list": [1, 2], "int": 3, "bytes": PNG,
        "parts": {"parts": [{"kind": "text", "text": "p"}, {"kind": "data", "data": {"k": 1}}]},
    }[first_text(message)]  # fmt: skip


@pytest.fixture(scope="module")
def agents(hub: Hyphad) -> Iterator[Provider]:
    client = Provider(hub.url, client_id="desk")
    context = {"config": {"require_context": True}}
    for service in (
        {"id": "echo", "name": "Echo service", "run": echo, "agent_card": CARD},
        {"id": "bare", "run": counting, "description": "Counts."},
        {"id": "shown", "run": shown, "agent_card": lambda: {"name": "Called"}},
        {"id": "two", "run": with_two},
        {"id": "who", "run": whoami, **context},
        {"id": "fail", "run": fail},
        {"id": "valued", "run": valued},
        {"id": "norun"},
        {"id": "private", "run": lambda message: "secret", "config": {"visibility": "protected"}},
    ):
        client.register({"type": "a2a", **service})
    client.register({"id": "kitchen", "run": shown})
    yield client
    client.stop()


@pytest.fixture
def ws(agents: Provider) -> str:
    return agents.workspace


def message(text="hi", **more):
    parts = [{"kind": "text", "text": text}]
    return {"kind": "message", "role": "user", "messageId": "m1", "parts": parts, **more}


def request(method="message/send", params=None, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def send(hub, ws, service, **more):
    given = {"message": message(**more)}
    status, answer = hub.post(f"/{ws}/a2a/{service}", request(params=given))
    assert status == 200
    return answer["result"]


# cards


def test_the_card_is_completed_and_its_address_is_ours(hub, ws):  # MCP-72
    status, card = hub.get(f"/{ws}/a2a/echo/.well-known/agent-card.json")
    assert status == 200
    url = f"{hub.url}/{ws}/a2a/echo"
    assert card == {
        "name": "Echo",
        "description": "echo agent",
        "version": "1.2.3",
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "capabilities": {
            "streaming": True,
            "pushNotifications": False,
            "stateTransitionHistory": False,
        },
        "skills": CARD["skills"],
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
            for version in ("1.0", "0.3")
        ],
    }
    assert hub.get(f"/{ws}/a2a/echo/.well-known/agent.json")[1] == card


def test_an_agent_without_a_card_gets_one(hub, ws):  # MCP-72
    card = hub.get(f"/{ws}/a2a/bare/.well-known/agent-card.json")[1]
    assert card["name"] == f"{ws}/desk:bare"
    assert card["description"] == "Counts."
    assert (card["version"], card["protocolVersion"]) == ("1.0.0", "0.3.0")
    assert [skill["id"] for skill in card["skills"]] == ["chat"]
    called = hub.get(f"/{ws}/a2a/desk:shown/.well-known/agent-card.json")[1]
    assert called["name"] == "Called"
    assert called["url"] == f"{hub.url}/{ws}/a2a/desk:shown"


@pytest.mark.parametrize(
    "card",
    [
        {"name": 5, "skills": "none", "capabilities": []},
        {"skills": [{"name": None}, "x"], "metadata": {"a_b": 1}},
        {"additional_interfaces": [{"url": "http://evil", "transport": "JSONRPC"}]},
        [1],
        "text",
    ],
)
async def test_any_card_can_be_read_by_the_sdk(hub, card):  # MCP-71
    client = Provider(hub.url)
    await asyncio.to_thread(
        client.register, {"id": "odd", "type": "a2a", "run": shown, "agent_card": card}
    )
    async with httpx.AsyncClient() as http:
        base = f"{hub.url}/{client.workspace}/a2a/odd"
        found = await A2ACardResolver(http, base).get_agent_card()
        assert {interface.url for interface in found.supported_interfaces} == {base}
        assert found.skills
    await asyncio.to_thread(client.stop)


# messages


def test_a_message_is_answered(hub, ws):  # MCP-73
    result = send(hub, ws, "echo", text="hi there", contextId="c1")
    assert result.pop("messageId")
    assert result == {
        "kind": "message",
        "role": "agent",
        "parts": [{"kind": "text", "text": "You said: hi there"}],
        "contextId": "c1",
    }
    assert send(hub, ws, "echo")["contextId"]


def test_what_run_gets(hub, ws, agents):  # MCP-70
    parts = [
        {"kind": "text", "text": "hi"},
        {"kind": "data", "data": {"k": 1}},
        {"kind": "file", "file": {"uri": "https://x/y", "mimeType": "text/plain", "name": "y"}},
    ]
    more = {"contextId": "c", "taskId": "t", "metadata": {"m": 1}, "extra": 1}
    given = {**message(**more), "parts": parts}
    status, answer = hub.post(f"/{ws}/a2a/shown", request(params={"message": given}))
    assert (status, answer["result"]["parts"]) == (200, parts)
    agents.register({"id": "keys", "type": "a2a", "run": lambda message: " ".join(sorted(message))})
    heard = "contextId messageId metadata parts role taskId"
    assert first_text(send(hub, ws, "keys", **more)) == heard


def test_one_parameter_or_two_or_the_context(hub, ws):  # MCP-71
    assert first_text(send(hub, ws, "two")) == "extra is None"
    assert first_text(send(hub, ws, "who")) == "anonymouz-http"


def test_a_generator_is_one_text(hub, ws):  # MCP-74
    assert send(hub, ws, "bare")["parts"] == [{"kind": "text", "text": "part 0 part 1 part 2 "}]


def test_failures_are_said_in_one_line(hub, ws):  # MCP-73, MCP-83
    assert first_text(send(hub, ws, "fail")) == "Error: ValueError: boo"


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("text", [{"kind": "text", "text": "text"}]),
        ("int", [{"kind": "text", "text": "3"}]),
        (
            "dict",
            [{"kind": "data", "data": {"a": 1}}, {"kind": "text", "text": '{"a": 1}'}],
        ),
        (
            "list",
            [{"kind": "data", "data": {"result": [1, 2]}}, {"kind": "text", "text": "[1, 2]"}],
        ),
        ("parts", [{"kind": "text", "text": "p"}, {"kind": "data", "data": {"k": 1}}]),
    ],
)
def test_what_run_returns_becomes_parts(hub, ws, kind, parts):  # MCP-73
    assert send(hub, ws, "valued", text=kind)["parts"] == parts


def test_bytes_are_a_file(hub, ws):
    (part,) = send(hub, ws, "valued", text="bytes")["parts"]
    assert part["file"]["mimeType"] == "image/png"


# streams and tasks


def stream(hub, ws, service, method="message/stream", params=None, **headers):
    path = f"/{ws}/a2a/{service}"
    body = request(method, params or {"message": message()}, "s")
    given = {"Content-Type": "application/json", **headers}
    status, data, answered = hub.request(path, json.dumps(body).encode(), given)
    assert status == 200
    assert answered["content-type"] == "text/event-stream"
    found = events(data)
    assert all(frame["id"] == "s" for frame in found)
    return [frame["result"] for frame in found]


def test_a_plain_answer_is_one_frame(hub, ws):  # MCP-74
    (only,) = stream(hub, ws, "echo")
    assert only["kind"] == "message"
    (only,) = stream(hub, ws, "fail")
    assert first_text(only) == "Error: ValueError: boo"


def test_an_agent_that_yields_is_a_task(hub, ws):  # MCP-74
    task, *updates, last = stream(hub, ws, "bare")
    assert (task["kind"], task["status"]["state"]) == ("task", "working")
    assert [update["kind"] for update in updates] == ["artifact-update"] * 3
    assert [update["append"] for update in updates] == [False, True, True]
    assert len({update["artifact"]["artifactId"] for update in updates}) == 1
    assert last["kind"] == "status-update"
    assert (last["status"]["state"], last["final"]) == ("completed", True)
    for frame in (*updates, last):
        assert (frame["taskId"], frame["contextId"]) == (task["id"], task["contextId"])


def test_a_task_can_be_asked_for_later(hub, ws):  # MCP-75
    task = stream(hub, ws, "bare")[0]
    path = f"/{ws}/a2a/bare"
    found = hub.post(path, request("tasks/get", {"id": task["id"]}))[1]["result"]
    assert found["status"]["state"] == "completed"
    texts = [part["text"] for part in found["artifacts"][0]["parts"]]
    assert texts == ["part 0 ", "part 1 ", "part 2 "]
    again = stream(hub, ws, "bare", "tasks/resubscribe", {"id": task["id"]})
    assert [frame["kind"] for frame in again] == ["task", "status-update"]
    error = hub.post(path, request("tasks/cancel", {"id": task["id"]}))[1]["error"]
    assert error["code"] == -32002


def test_tasks_are_nobody_elses(hub, ws, agents):  # MCP-75
    task = stream(hub, ws, "bare")[0]
    path, wanted = f"/{ws}/a2a/bare", request("tasks/get", {"id": task["id"]})
    owner = bearer(agents.token())
    assert hub.post(path, wanted, **owner)[1]["error"] == {
        "code": -32001,
        "message": "Task not found",
    }
    assert hub.post(f"/{ws}/a2a/echo", wanted)[1]["error"]["code"] == -32001
    for wrong in ({"id": "nosuch"}, {"id": 5}, {}):
        assert hub.post(path, request("tasks/get", wrong))[1]["error"]["code"] == -32001


def test_visitors_see_no_list_of_each_others_tasks(hub, ws, agents):  # MCP-75
    path, new = f"/{ws}/a2a/bare", {"A2A-Version": "1.0"}
    task = stream(hub, ws, "bare")[0]
    listed = hub.post(path, request("ListTasks", {}), **new)[1]["result"]
    assert (listed["tasks"], listed["totalSize"]) == ([], 0)
    assert hub.post(path, request("GetTask", {"id": task["id"]}), **new)[1]["result"]
    owner = bearer(agents.token())
    opened = EventStream(hub.url + path, request("message/stream", {"message": message()}), owner)
    own = opened.message()["result"]["id"]
    listed = hub.post(path, request("ListTasks", {}), **owner, **new)[1]["result"]
    assert [shown["id"] for shown in listed["tasks"]] == [own]
    opened.close()


async def test_one_caller_drives_out_nobody_elses_tasks():  # MCP-75
    async def forever():
        await asyncio.Event().wait()
        yield

    tasks = Tasks()
    first = tasks.start(Task(("ada", "s"), {}, "c"), forever())
    flood = [tasks.start(Task(("eve", "s"), {}, "c"), forever()) for _ in range(MAX_OWN + 5)]
    assert tasks.find(first.id, ("ada", "s")) is first
    assert len(tasks) == MAX_OWN + 1
    assert tasks.find(flood[4].id, ("eve", "s")) is None
    assert tasks.find(flood[5].id, ("eve", "s")) is flood[5]
    for task in (first, *flood):
        task.work.cancel()
    await asyncio.gather(*(task.work for task in (first, *flood)), return_exceptions=True)


async def test_an_answer_of_many_pieces_has_an_end(monkeypatch):  # MCP-74
    class Endless:
        async def items(self, generator):
            while True:
                yield {"text": ["x" * 1000]}

    monkeypatch.setattr(endpoint, "MAX_BYTES", 10_000)
    items = await endpoint._drained(Endless(), None)
    assert len(items) < 15
    assert items[-1].endswith("items: the answer is too long.")


def test_a_task_can_be_cancelled_and_read_along(hub, agents, ws):  # MCP-75
    closed = threading.Event()

    async def forever(message):
        try:
            while True:
                yield "more"
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    agents.register({"id": "forever", "type": "a2a", "run": forever})
    path = f"/{ws}/a2a/forever"
    body = request("message/stream", {"message": message()})
    reader = EventStream(hub.url + path, body)
    task = reader.message()["result"]
    assert reader.message()["result"]["kind"] == "artifact-update"
    second = EventStream(hub.url + path, request("tasks/resubscribe", {"id": task["id"]}))
    assert second.message()["result"]["id"] == task["id"]
    _, answer = hub.post(path, request("tasks/cancel", {"id": task["id"]}))
    assert answer["result"]["status"]["state"] == "canceled"
    for opened in (reader, second):
        last = None
        while (event := opened.events.get(timeout=10)) is not None:
            last = json.loads(event[1])["result"]
        assert last["status"]["state"] == "canceled"
    assert closed.wait(15)


def test_a_reader_that_leaves_can_come_back(hub, agents, ws):  # MCP-75
    go_on = threading.Event()

    async def patient(message):
        yield "first "
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        yield "second"

    agents.register({"id": "patient", "type": "a2a", "run": patient})
    path = f"/{ws}/a2a/patient"
    reader = EventStream(hub.url + path, request("message/stream", {"message": message()}))
    task = reader.message()["result"]
    reader.close()
    go_on.set()
    end = time.monotonic() + 15
    while True:
        found = hub.post(path, request("tasks/get", {"id": task["id"]}))[1]["result"]
        if found["status"]["state"] == "completed":
            break
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [part["text"] for part in found["artifacts"][0]["parts"]] == ["first ", "second"]


def test_a_provider_that_dies_fails_its_task(hub):
    client = Provider(hub.url)
    started = threading.Event()

    async def dying(message):
        yield "first"
        started.set()
        await asyncio.sleep(60)

    client.register({"id": "dying", "type": "a2a", "run": dying})
    body = request("message/stream", {"message": message()})
    reader = EventStream(f"{hub.url}/{client.workspace}/a2a/dying", body)
    assert started.wait(15)
    client.drop()
    last = None
    while (event := reader.events.get(timeout=30)) is not None:
        last = json.loads(event[1])["result"]
    assert last["status"]["state"] == "failed"
    assert "disconnected" in first_text(last["status"]["message"])


# errors


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'{"id":1,"method":"message/send"}', -32600),
        (b'{"jsonrpc":"2.0","id":[1],"method":"message/send"}', -32600),
        (json.dumps(request("nope")).encode(), -32601),
        (json.dumps(request("SendMessage")).encode(), -32601),
        (json.dumps(request()).encode(), -32602),
        (json.dumps(request(params={"message": {"role": "user"}})).encode(), -32602),
        (json.dumps(request(params={"message": {**message(), "role": "x"}})).encode(), -32602),
        (json.dumps(request(params={"message": {**message(), "parts": []}})).encode(), -32602),
        (json.dumps(request(params={"message": {**message(), "parts": [5]}})).encode(), -32602),
        (json.dumps(request("tasks/pushNotificationConfig/set")).encode(), -32003),
        (json.dumps(request("agent/getAuthenticatedExtendedCard")).encode(), -32007),
    ],
)
def test_errors_are_short_and_have_their_codes(hub, ws, body, code):  # MCP-75
    status, data, _ = hub.request(f"/{ws}/a2a/echo", body, {"Content-Type": "application/json"})
    answer = json.loads(data)
    assert (status, answer["error"]["code"]) == (200, code)
    assert len(data) < 1000


def test_an_unknown_version_is_refused(hub, ws):  # MCP-76
    headers = {"A2A-Version": "7.0"}
    status, answer = hub.post(f"/{ws}/a2a/echo", request(), **headers)
    assert (status, answer["error"]["code"]) == (200, -32009)


def test_what_is_no_agent(hub, ws):  # section 8.2
    body = request(params={"message": message()})
    assert hub.post(f"/{ws}/a2a/kitchen", body) == (
        400,
        {"error": "Service kitchen is not an A2A service"},
    )
    status, answer = hub.post(f"/{ws}/a2a/nosuch", body)
    assert (status, answer["error"]) == (404, "Service nosuch not found or not accessible")
    status, answer = hub.post(f"/{ws}/a2a/norun", body)
    assert status == 500
    assert answer["error"] == "Internal server error: Service does not have a 'run' function"
    status, body, headers = hub.request(f"/{ws}/a2a/echo")
    assert (status, body, headers["allow"]) == (405, b"Method Not Allowed", "POST")


def test_private_agents_need_a_token_every_time(hub, ws, agents):  # MCP-80
    path, body = f"/{ws}/a2a/private", request(params={"message": message()})
    card = f"{path}/.well-known/agent-card.json"
    owner = bearer(agents.token())
    for _ in range(2):
        assert hub.post(path, body)[0] == 404
        assert hub.get(card)[0] == 404
        assert first_text(hub.post(path, body, **owner)[1]["result"]) == "secret"
        found = hub.get(card, **owner)[1]
        assert found["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    assert hub.post(path, body, Authorization="Bearer nonsense")[0] == 401
    assert hub.post(f"{path}?token={agents.token()}", body)[0] == 404


def test_pages_of_other_sites_may_not_call(hub, ws):  # MCP-36
    body = request(params={"message": message()})
    assert hub.post(f"/{ws}/a2a/echo", body, Origin="https://evil.example")[0] == 403
    assert hub.post(f"/{ws}/a2a/echo", body, Origin="http://localhost:3000")[0] == 200


def test_about_an_agent(hub, ws):  # MCP-75
    status, info = hub.get(f"/{ws}/a2a-info/echo")
    assert status == 200
    assert info["service"]["type"] == "a2a"
    assert info["endpoints"] == {"a2a": f"/{ws}/a2a/echo", "info": f"/{ws}/a2a-info/echo"}
    assert info["agent_card"] == CARD
    assert info["service_functions"] == ["run", "agent_card"]
    assert hub.get(f"/{ws}/a2a-info/kitchen")[0] == 400
    status, answer = hub.get(f"/{ws}/a2a-info/private")
    assert (status, answer["error"]) == (404, "Service not found or not accessible")


def test_a2a_can_be_switched_off(make_hyphad):
    hub = make_hyphad("--disable-a2a").start()
    assert hub.get("/public/a2a/x/.well-known/agent-card.json")[0] == 404


# the official SDK


@pytest.mark.parametrize("version", ["1.0", "0.3"])
@pytest.mark.parametrize("streaming", [True, False])
async def test_official_client(hub, ws, version, streaming):  # section 12, 10
    async with httpx.AsyncClient() as http:
        card = await A2ACardResolver(http, f"{hub.url}/{ws}/a2a/bare").get_agent_card()
        for interface in list(card.supported_interfaces):
            if interface.protocol_version != version:
                card.supported_interfaces.remove(interface)
        config = ClientConfig(httpx_client=http, streaming=streaming)
        client = ClientFactory(config).create(card)
        said = Message(role=Role.ROLE_USER, message_id="m1", parts=[Part(text="hi")])
        found = [event async for event in client.send_message(SendMessageRequest(message=said))]
        if not streaming:
            (only,) = found
            assert only.message.parts[0].text == "part 0 part 1 part 2 "
            return
        assert found[0].HasField("task")
        texts = [
            event.artifact_update.artifact.parts[0].text
            for event in found
            if event.HasField("artifact_update")
        ]
        assert texts == ["part 0 ", "part 1 ", "part 2 "]
        assert found[-1].status_update.status.state == 3  # completed


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_official_client_gets_files_and_data(hub, ws, version):
    async with httpx.AsyncClient() as http:
        card = await A2ACardResolver(http, f"{hub.url}/{ws}/a2a/valued").get_agent_card()
        for interface in list(card.supported_interfaces):
            if interface.protocol_version != version:
                card.supported_interfaces.remove(interface)
        client = ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card)
        for kind, check in (
            ("bytes", lambda part: part.raw == PNG and part.media_type == "image/png"),
            ("dict", lambda part: dict(part.data.struct_value) == {"a": 1}),
        ):
            said = Message(role=Role.ROLE_USER, message_id="m1", parts=[Part(text=kind)])
            sent = client.send_message(SendMessageRequest(message=said))
            (only,) = [event async for event in sent]
            assert check(only.message.parts[0]), only
