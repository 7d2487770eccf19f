"""What real clients say of their functions, and what is kept and given back of it (section 1)."""

from collections.abc import Iterator

import pytest
from hypha_rpc.utils.schema import schema_function
from mcp_http import Mcp
from nodes import node
from providers import Provider
from running import Hyphad


@schema_function
def add(a: int, b: int = 2, context=None) -> int:
    """Add two numbers."""
    return a + b


def plain(text, context=None):
    """Say it."""
    return text


@pytest.fixture(scope="module")
def lab(hub: Hyphad) -> Iterator[Provider]:
    client = Provider(hub.url, client_id="maker")
    client.register(
        {
            "id": "made",
            "name": "Made",
            "docs": "# Made",
            "config": {"require_context": True},
            "math": {"add": add, "deep": {"plain": plain}},
            "fns": [add, plain],
            "meta": {"version": "1", "list": ["x"], "n": 1, "none": None},
        }
    )
    yield client
    client.stop()


def test_the_record_mirrors_the_tree_of_the_service(hub, lab):  # MCP-4, MCP-6
    status, record = hub.get(f"/{lab.workspace}/services/made")
    assert status == 200
    assert record["docs"] == "# Made"
    schema = record["service_schema"]
    assert set(schema) == {"math", "fns", "meta"}
    function = schema["math"]["add"]["function"]
    assert (schema["math"]["add"]["type"], function["name"]) == ("function", "add")
    assert function["description"] == "Add two numbers."
    assert schema["math"]["deep"]["plain"]["function"]["name"] == "plain"
    assert [one["type"] for one in schema["fns"]] == ["function", "function"]
    assert schema["meta"] == {
        "version": {"type": "string"},
        "list": [{"type": "string"}],
        "n": {"type": "number"},
        "none": {"type": "null"},
    }
    config = record["config"]
    assert (config["require_context"], config["flags"], config["singleton"]) == (True, [], False)
    same = lab.run(lambda: lab.server.get_service_info("made"))
    assert same["service_schema"] == schema


def test_the_context_is_in_no_schema(hub, lab):  # MCP-5
    schema = hub.get(f"/{lab.workspace}/services/made")[1]["service_schema"]
    for described in (schema["math"]["add"], schema["math"]["deep"]["plain"]):
        assert "context" not in described["function"]["parameters"]["properties"]
        assert "context" not in described["function"]["parameters"].get("required", [])


def test_the_service_itself_tells_which_functions_are_described(hub, lab):  # MCP-7, MCP-8
    mcp = Mcp(hub, lab.workspace)
    listed = [tool["name"] for tool in mcp("tools/list", service="made")["tools"]]
    assert listed == ["math_add", "fns_0"]
    assert mcp.text("math_add", "made", a=1) == "3"
    found = lab.run(lambda: lab.server.get_service("made"))
    assert found["math"]["add"].__schema__["name"] == "add"
    assert found["meta"]["version"] == "1"
    assert "service_schema" not in found


async def test_javascript_says_it_in_its_own_way(hub):  # MCP-1, MCP-4
    async with node("tools.mjs", hub.url) as script:
        workspace = (await script.line())["workspace"]
        record = hub.get(f"/{workspace}/services/js-tools")[1]
        assert (record["description"], record["docs"]) == ("", "# JavaScript")
        function = record["service_schema"]["nested"]["shout"]["function"]
        assert (function["name"], function["description"]) == ("shout", "Shout.")
        assert function["parameters"]["required"] == ["text"]
        await script.end()


def test_answers_for_people_are_indented(hub, lab):  # MCP-14
    paths = ("/mcp/made", "/mcp/nosuch", "/mcp/", "/a2a-info/nosuch")
    for path in paths:
        _, body, headers = hub.request(f"/{lab.workspace}{path}")
        assert headers["content-type"] == "application/json"
        assert body.startswith(b'{\n  "')
