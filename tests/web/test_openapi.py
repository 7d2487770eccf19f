"""OpenAPI 3.1 of every service, valid whatever its provider says about its functions."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from providers import Provider
from rawclient import RawClient
from running import Hyphad

from hyphad.core.records import Service
from hyphad.web.openapi import describe

URL = "http://127.0.0.1:9527/ws-a/services/c:s"


def document(schema: dict[str, Any] | None, **record: Any) -> dict[str, Any]:
    """A valid document of a service with that schema."""
    config = {"visibility": "public", **record.pop("config", {})}
    shown = {"name": "S", "service_schema": schema, "config": config, **record}
    made = describe(Service("ws-a/c:s", "ws-a", "c", "s", shown), URL)
    OpenAPIV31SpecValidator(made).validate()
    json.dumps(made, allow_nan=False)
    return made


def function(**parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "description": "", **parameters}}


def test_a_service_over_http(hub: Hyphad, ws: str) -> None:  # MCP-95
    status, made = hub.get(f"{ws}/services/t/openapi.json")
    assert status == 200
    OpenAPIV31SpecValidator(made).validate()
    assert made["openapi"] == "3.1.0"
    assert made["info"] == {"title": "T", "version": "0.0.0", "description": "test"}
    assert made["servers"] == [{"url": f"{hub.url}{ws}/services/t"}]
    assert {"/hello", "/add", "/nest.a.f"} <= set(made["paths"])
    assert made["security"] == [{}, {"bearer": []}]
    hello = made["paths"]["/hello"]
    assert hello["post"]["summary"] == "Say hello."
    assert [parameter["name"] for parameter in hello["get"]["parameters"]] == ["name"]


def test_what_it_says_is_true(hub: Hyphad, ws: str) -> None:
    made = hub.get(f"{ws}/services/prov:t/openapi.json")[1]
    server, post = made["servers"][0]["url"], made["paths"]["/add"]["post"]
    reference = post["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = made["components"]["schemas"][reference.rpartition("/")[2]]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == {"a", "b"}
    assert hub.post(f"{server}/add", {"a": 3, "b": 4}) == (200, 7)


def test_who_may_see_it(hub: Hyphad, ws: str, provider: Provider) -> None:  # MCP-95
    assert hub.get(f"{ws}/services/prot/openapi.json")[0] == 403
    token = {"Authorization": f"Bearer {provider.token()}"}
    status, made = hub.get(f"{ws}/services/prot/openapi.json", **token)
    assert (status, made["security"]) == (200, [{"bearer": []}])
    assert hub.get(f"{ws}/services/nosvc/openapi.json")[0] == 404


def test_it_is_cached(hub: Hyphad, ws: str) -> None:  # MCP-95
    etag = hub.request(f"{ws}/services/t/openapi.json")[2]["etag"]
    headers = {"If-None-Match": etag}
    assert hub.request(f"{ws}/services/t/openapi.json", headers=headers)[0] == 304
    assert hub.request(f"{ws}/services/c/openapi.json", headers=headers)[0] == 200


async def test_a_frozen_provider_does_not_matter(hub: Hyphad) -> None:  # MCP-95
    async with RawClient.connect(hub.ws_url) as raw:
        await raw.register("frozen", config={"visibility": "public"}, service_schema={"f": {}})
        assert hub.get(f"/{raw.workspace}/services/frozen/openapi.json")[0] == 200


def test_functions_of_those_names_win(hub: Hyphad) -> None:  # MCP-95
    client = Provider(hub.url, client_id="named")
    client.register({"id": "n", "openapi": {"json": lambda: "mine"}})
    path = f"/{client.workspace}/services/n"
    assert hub.get(f"{path}/openapi.json") == (200, "mine")
    assert hub.post(f"{path}/openapi.json", {}) == (200, "mine")
    client.stop()


def test_services_of_the_server(hub: Hyphad) -> None:
    for path in ("/public/services/ws", "/public/services/queue"):
        made = hub.get(f"{path}/openapi.json")[1]
        OpenAPIV31SpecValidator(made).validate()
        assert len(made["paths"]) > 1


def test_the_server_itself(hub: Hyphad, ws: str) -> None:  # MCP-95
    made = hub.get("/openapi.json")[1]
    OpenAPIV31SpecValidator(made).validate()
    assert made["servers"] == [{"url": hub.url}]
    names = {"{workspace}": ws[1:], "{service}": "t", "{function}": "hello"}
    for path, item in made["paths"].items():
        for name, value in names.items():
            path = path.replace(name, value)
        if "{" not in path and "get" in item:
            assert hub.request(path)[0] in (200, 403)


def test_it_can_be_switched_off(make_hyphad: Any) -> None:
    daemon = make_hyphad("--no-enable-openapi").start()
    assert daemon.get("/public/services/queue/openapi.json")[0] == 404


def test_definitions_are_moved() -> None:
    model = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    parameters = {
        "type": "object",
        "properties": {
            "node": {"$ref": "#/$defs/Node"},
            "list": {"items": {"$ref": "#/$defs/A B"}},
        },
        "$defs": {"Node": model, "A B": {"type": "string"}},
    }
    made = document({"f": function(parameters=parameters), "g": function(parameters=parameters)})
    schemas = made["components"]["schemas"]
    assert set(schemas) == {
        "f_args", "f_args.Node", "f_args.A_B", "g_args", "g_args.Node", "g_args.A_B",
    }  # fmt: skip
    node = {"$ref": "#/components/schemas/f_args.Node"}
    assert schemas["f_args"]["properties"]["node"] == node
    assert schemas["f_args.Node"]["properties"]["next"] == node
    assert schemas["f_args"]["properties"]["list"]["items"]["$ref"].endswith("/f_args.A_B")


def test_only_scalars_make_a_get() -> None:
    def has_get(**properties: Any) -> bool:
        shape = {"type": "object", "properties": properties}
        return "get" in document({"f": function(parameters=shape)})["paths"]["/f"]

    assert has_get(a={"type": "int"}, b={"type": "str", "default": "x", "description": "b"})
    assert has_get()
    assert not has_get(a={"type": "array"})
    assert not has_get(a={})
    assert "get" not in document({"f": {"type": "function"}})["paths"]["/f"]


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"f": {"type": "function"}},
        {"f": {"type": "function", "function": None}},
        {"f": function()},
        {"f": function(parameters="no")},
        {"f": function(parameters={"properties": {"n": {"type": "int"}}, "required": ["title"]})},
        {"f": function(parameters={"a": {"type": "float", "description": 5}})},
        {"f": function(parameters={"properties": {"context": {}, "a": True}, "required": "a"})},
        {"f": function(parameters={"$ref": "#/$defs/none"})},
        {
            "const": {"type": "number"},
            "deep": {"a": {"f": function()}},
            "odd": 5,
            "l": [function()],
        },
        {"a/b c": function(), "ü": function(), "{x}": function()},
    ],
)
def test_odd_schemas_make_valid_documents(schema: Any) -> None:  # MCP-95
    document(schema, description=None, docs="more", config={"version": 3})


WORDS = st.sampled_from(["type", "properties", "items", "int", "object", "a", "$ref", "#/$defs/a"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)
keywords = st.sampled_from(
    ["type", "properties", "required", "items", "description", "default", "enum", "$defs", "anyOf"]
)


@settings(max_examples=25)
@given(st.dictionaries(keywords, json_values, max_size=4))
def test_any_parameters_make_a_valid_document(parameters: dict[str, Any]) -> None:
    document({"f": function(parameters=parameters)})


def test_the_page_needs_nothing_from_elsewhere(hub: Hyphad, ws: str) -> None:  # MCP-96, HTTP-89
    status, data, headers = hub.request(f"{ws}/services/t/docs")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in headers["content-security-policy"]
    page = data.decode()
    assert "http://" not in page
    assert "https://" not in page
    for name in ("openapi.js", "openapi.css"):
        assert f"../../../static/{name}" in page
        assert hub.request(f"/static/{name}")[0] == 200
