"""Word of changes: on a stream of its own, by subscription, and over the transport of 2024."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import pytest
from event_streams import EventStream
from kitchen import add, hello, private, slow
from mcp_http import META, VERSION, Mcp, bearer
from providers import Provider
from running import Hyphad

from hyphad.web.mcp.sse import Session

CHANGES = [f"notifications/{what}/list_changed" for what in ("tools", "resources", "prompts")]


@pytest.fixture
def lab(hub: Hyphad) -> Iterator[Provider]:
    client = Provider(hub.url)
    yield client
    client.stop()


def again(lab, **service):
    """Register a service of that id anew."""
    api = {"config": {"visibility": "public"}, **service}
    lab.run(lambda: lab.server.register_service(api, overwrite=True))


def stream(hub, path, **more):
    found = EventStream(hub.url + path, **more)
    assert found.status == 200, found.headers
    assert found.headers["content-type"] == "text/event-stream"
    return found


def next_methods(opened, count=3):
    return [opened.message()["method"] for _ in range(count)]


def test_changes_of_a_service_are_told_once(hub, lab):  # MCP-23, MCP-33
    lab.register({"id": "s", "hello": hello})
    opened = stream(hub, Mcp(hub, lab.workspace).path("s"))
    assert opened.headers["cache-control"] == "no-cache, no-transform"
    lab.register({"id": "other", "hello": hello})
    again(lab, id="s", add=add)
    assert next_methods(opened) == CHANGES
    lab.run(lambda: lab.server.unregister_service("s"))
    assert next_methods(opened) == CHANGES
    opened.close()


def test_changes_of_a_workspace_are_told(hub, lab):  # MCP-18, MCP-33
    lab.register({"id": "s", "hello": hello})
    opened = stream(hub, Mcp(hub, lab.workspace).path(None))
    lab.register({"id": "other", "hello": hello})
    assert next_methods(opened) == CHANGES
    other = Provider(hub.url, workspace=lab.workspace, token=lab.token())
    other.register({"id": "third", "hello": hello})
    assert next_methods(opened) == CHANGES
    other.stop()
    assert next_methods(opened) == CHANGES
    opened.close()


def test_nobody_hears_of_what_they_may_not_see(hub, lab):  # MCP-33
    lab.register({"id": "s", "hello": hello})
    mcp = Mcp(hub, lab.workspace)
    stranger = stream(hub, mcp.path(None))
    member = stream(hub, mcp.path(None), headers=bearer(lab.token()))
    lab.register(private())
    assert next_methods(member) == CHANGES
    lab.register({"id": "open", "hello": hello})
    assert next_methods(stranger) == CHANGES
    assert stranger.events.empty()
    for opened in (stranger, member):
        opened.close()


def test_a_stream_needs_the_right_accept_and_the_service(hub, ws, mcp):  # MCP-23
    status, answer = hub.get(mcp.path("kitchen"), Accept="application/json")
    assert status == 406
    assert answer["error"]["message"] == "Not Acceptable: Client must accept text/event-stream"
    assert hub.get(mcp.path("nosuch"), Accept="text/event-stream")[0] == 404
    assert hub.get(mcp.path("private"), Accept="text/event-stream")[0] == 404


def test_there_is_an_end_to_streams(hub, lab):  # MCP-23
    lab.register({"id": "s", "hello": hello})
    path = Mcp(hub, lab.workspace).path("s")
    opened = [stream(hub, path) for _ in range(8)]
    assert hub.get(path, Accept="text/event-stream")[0] == 405
    opened.pop().close()
    end = time.monotonic() + 10
    while True:
        again = EventStream(hub.url + path)
        if again.status == 200:
            break
        assert time.monotonic() < end, "the place of a stream that has ended stays taken"
        time.sleep(0.05)
    for one in (*opened, again):
        one.close()


# subscriptions


def listen(hub, path, wanted):
    meta = {META + "protocolVersion": VERSION, META + "clientCapabilities": {}}
    params = {"notifications": wanted, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": "sub", "method": "subscriptions/listen", "params": params}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": "subscriptions/listen",
    }
    return stream(hub, path, body=body, headers=headers)


def test_a_subscription_is_confirmed_and_kept_to(hub, lab):  # MCP-52
    lab.register({"id": "s", "hello": hello})
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["x"]}
    opened = listen(hub, Mcp(hub, lab.workspace).path("s"), wanted)
    meta = {"io.modelcontextprotocol/subscriptionId": "sub"}
    first = opened.message()
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"] == {"notifications": {"toolsListChanged": True}, "_meta": meta}
    for api in ({"add": add}, {"hello": hello}):
        again(lab, id="s", **api)
        message = opened.message()
        assert message["method"] == CHANGES[0]
        assert message["params"] == {"_meta": meta}
    opened.close()


def test_a_subscription_needs_events(mcp):  # MCP-52
    status, _ = mcp.modern("subscriptions/listen", {"notifications": {}}, Accept="application/json")
    assert status == 406


# the transport of 2024


def connect(hub, path, **more):
    opened = stream(hub, path, **more)
    name, place = opened.next()
    assert name == "endpoint"
    return opened, place


def test_messages_are_posted_and_answered_on_the_stream(hub, ws):  # MCP-55
    opened, place = connect(hub, f"/{ws}/mcp/kitchen/sse")
    assert place.startswith(f"/{ws}/mcp/kitchen/sse/messages/?session_id=")
    calls = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "hello", "arguments": {"name": "Ada"}},
        },
    ]
    for call in calls:
        assert hub.post(place, call) == (202, "Accepted")
    answers = {message["id"]: message["result"] for message in (opened.message(), opened.message())}
    assert answers[1] == {}
    assert answers[2]["content"][0]["text"] == "Hello Ada!"
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert hub.post(place, note)[0] == 202
    opened.close()


def test_only_who_opened_a_session_may_post_to_it(hub, lab):  # MCP-55
    lab.register({"id": "s", "hello": hello})
    path = f"/{lab.workspace}/mcp/s/sse"
    opened, place = connect(hub, path, headers=bearer(lab.token()))
    call = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    lost = {"error": "SSE session not found. Please reconnect."}
    assert hub.post(place, call) == (404, lost)
    assert hub.post(f"{path}/messages/?session_id=nosuch", call) == (404, lost)
    opened.close()


def test_the_session_ends_with_its_stream(hub, ws):  # MCP-55
    opened, place = connect(hub, f"/{ws}/mcp/kitchen/sse")
    opened.close()
    call = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    end = time.monotonic() + 10
    while hub.post(place, call)[0] != 404:
        assert time.monotonic() < end, "the session outlives its stream"
        time.sleep(0.05)


def test_changes_are_told_there_too(hub, lab):  # MCP-33
    lab.register({"id": "s", "hello": hello})
    opened, _ = connect(hub, f"/{lab.workspace}/mcp/s/sse")
    again(lab, id="s", add=add)
    assert next_methods(opened) == CHANGES
    opened.close()


def test_newer_clients_learn_that_this_is_the_old_transport(hub, ws):  # MCP-55
    status, answer = hub.post(f"/{ws}/mcp/kitchen/sse", {"jsonrpc": "2.0", "method": "x"})
    assert status == 405
    assert json.dumps(answer)


# hanging up


def test_who_hangs_up_ends_the_generator_at_its_provider(hub, lab):  # MCP-32
    seen = []

    async def forever():
        try:
            while True:
                yield "more"
        finally:
            seen.append("closed")

    forever.__schema__ = {"name": "forever", "description": "Without end."}
    lab.register({"id": "s", "forever": forever})
    params = {"name": "forever", "_meta": {"progressToken": 1}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    opened = EventStream(hub.url + Mcp(hub, lab.workspace).path("s"), body)
    assert opened.message()["method"] == "notifications/progress"
    opened.close()
    end = time.monotonic() + 15
    while not seen:
        assert time.monotonic() < end, "the generator goes on"
        time.sleep(0.05)


def test_a_call_is_taken_back_by_its_own_credential_alone(hub, lab):
    lab.register({"id": "s", "slow": slow})
    mcp, owner = Mcp(hub, lab.workspace), bearer(lab.token())
    call = {
        "jsonrpc": "2.0",
        "id": 41,
        "method": "tools/call",
        "params": {"name": "slow", "arguments": {"seconds": 30}, "_meta": {"progressToken": 1}},
    }
    answers = []
    caller = threading.Thread(target=lambda: answers.append(mcp.post(call, "s", **owner)))
    caller.start()
    cancel = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 41},
    }
    other = bearer(lab.token())
    assert mcp.post(cancel, "s")[0] == 202
    assert mcp.post(cancel, "s", **other)[0] == 202
    assert not answers
    end = time.monotonic() + 15
    while not answers:
        assert mcp.post(cancel, "s", **owner)[0] == 202
        assert time.monotonic() < end, "the call goes on"
        time.sleep(0.05)
    caller.join(5)
    assert answers[0][1]["error"] == {"code": -32603, "message": "Request cancelled"}


def test_a_tool_waits_for_a_client_that_does_not_read():  # MCP-55
    async def talk():
        session, said = Session(("owner",)), 0

        async def tool():
            nonlocal said
            while True:
                await session.put_when_read({"number": said})
                said += 1

        task = asyncio.ensure_future(tool())
        session.running.add(task)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert said == len(session.outbox) < 100
        assert session.take() == {"number": 0}
        before = said
        for _ in range(10):
            await asyncio.sleep(0)
        assert said == before + 1
        session.end()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(talk())
