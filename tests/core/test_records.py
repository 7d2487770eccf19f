"""Records are checked when they come in; what is stored is complete, plain and bounded."""

import json

import msgpack
import pytest

from hyphad.core import records
from hyphad.core.errors import Fault, Invalid
from hyphad.core.identity import Permission, Scope, User
from hyphad.core.records import Caller, Workspace, check_service_type, service_from_wire

USER = User("keeper", ("user",), Scope({"ws-a": Permission.ADMIN}), "k@example.org")
CALLER = Caller(USER, "ws-a", "c1")
FUNCTION = {"type": "function", "function": {"name": "hi", "description": ""}}


def register(**info):
    return service_from_wire({"id": "ws-a/c1:hello", **info}, CALLER)


def refusal(info, caller=CALLER):
    with pytest.raises(Fault) as caught:
        service_from_wire(info, caller)
    return caught.value.rpc_text


def test_the_stored_record_in_full():  # WS-12
    service = register(
        name="Hello2",
        config={"visibility": "public", "require_context": True, "foo": {"bar": 1}},
        service_schema={"hi": FUNCTION, "nested": {"in_ner": FUNCTION}},
        unknown="dropped",
    )
    assert service.record == {
        "config": {
            "visibility": "public",
            "require_context": True,
            "workspace": "ws-a",
            "flags": [],
            "singleton": False,
            "created_by": {"id": "keeper"},
            "service_embedding": None,
            "authorized_workspaces": None,
            "foo": {"bar": 1},
        },
        "id": "ws-a/c1:hello",
        "name": "Hello2",
        "type": "generic",
        "description": None,
        "docs": None,
        "app_id": "*",
        "service_schema": {"hi": FUNCTION, "nested": {"in_ner": FUNCTION}},
    }
    assert register(description="d" * 1024).record["description"] == "d" * 1024
    assert (service.id, service.client, service.name) == ("ws-a/c1:hello", "ws-a/c1", "hello")
    assert service.size == len(json.dumps(service.record))


def test_the_smallest_registration():  # WS-11, WS-19
    service = service_from_wire({"id": "c1:hello", "config": None}, CALLER)
    assert service.id == "ws-a/c1:hello"
    assert service.record["name"] == "hello"
    assert service.visibility == "protected"
    assert service.type == "generic"
    assert service.app_id == "*"
    assert not service.singleton
    assert service.authorized_workspaces == []
    assert not service.is_presence


def test_fields_from_javascript():  # WS-12
    service = register(
        name="",
        description="",
        type=None,
        app_id=None,
        service_schema={"hello": {"type": "function", "function": {"name": "hello"}}},
    )
    assert service.record["name"] == "hello"
    assert service.record["description"] == ""
    assert service.record["type"] is None
    assert service.type == "generic"
    assert service.app_id == "*"


def test_who_created_it_is_not_for_the_client_to_say():  # WS-12, AUTH-5
    forged = {
        "created_by": {"id": "root", "roles": ["admin"]},
        "workspace": "public",
        "service_embedding": [1.0],
    }
    config = register(config=forged).record["config"]
    assert config["created_by"] == {"id": "keeper"}
    assert config["workspace"] == "ws-a"
    assert config["service_embedding"] is None


def test_the_presence_record_carries_the_whole_user_for_members_only():  # WS-12, WS section 11
    service = service_from_wire({"id": "c1:built-in"}, CALLER)
    assert service.is_presence
    assert service.record["config"]["created_by"] == USER.to_dict()
    assert service.for_outsiders()["config"]["created_by"] == {"id": "keeper"}


def test_outsiders_do_not_see_whom_else_a_service_admits():  # AUTH-122
    service = register(config={"authorized_workspaces": ["ws-b"], "x": 1})
    shown = service.for_outsiders()
    assert "authorized_workspaces" not in shown["config"]
    assert shown["config"]["x"] == 1
    assert service.authorized_workspaces == ["ws-b"], "the record itself is as it was"


def test_the_app_of_a_service_comes_from_the_field_or_the_id():  # WS-11
    assert register(app_id="app-1").app_id == "app-1"
    assert service_from_wire({"id": "c1:hello@app-2"}, CALLER).app_id == "app-2"
    assert service_from_wire({"id": "c1:hello@app-2"}, CALLER).id == "ws-a/c1:hello"


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (None, "ValueError: Invalid service info: a map is expected"),
        ([], "ValueError: Invalid service info: a map is expected"),
        ({}, "ValueError: Invalid service info: id: a string is required"),
        ({"id": "hello"}, "AssertionError: Service id info must contain ':'"),
        ({"id": "c1:a*"}, "ValueError: Invalid characters in service id: c1:a*"),
        ({"app_id": "a/b"}, "AssertionError: App id info must not contain '/'"),
        ({"name": 5}, "ValueError: Invalid service info: name: a string is expected"),
        ({"type": ["x"]}, "ValueError: Invalid service info: type: a string is expected"),
        ({"docs": {}}, "ValueError: Invalid service info: docs: a string is expected"),
        ({"app_id": 1}, "ValueError: Invalid service info: app_id: a string is expected"),
        (
            {"description": b"x"},
            "ValueError: Invalid service info: description: a string is expected",
        ),
        (
            {"description": "d" * 1025},
            "ValueError: Invalid service info: description: over 1024 characters",
        ),
        ({"config": []}, "ValueError: Invalid service info: config: a map is expected"),
        ({"config": "x"}, "ValueError: Invalid service info: config: a map is expected"),
        (
            {"config": {"visibility": "private"}},
            "ValueError: Invalid service info: config.visibility: must be one of public, "
            "protected, unlisted",
        ),
        (
            {"config": {"visibility": ["public"]}},
            "ValueError: Invalid service info: config.visibility: must be one of public, "
            "protected, unlisted",
        ),
        (
            {"config": {"authorized_workspaces": "ws-b"}},
            "ValueError: Invalid service info: config.authorized_workspaces: a list of strings",
        ),
        (
            {"config": {"authorized_workspaces": [1]}},
            "ValueError: Invalid service info: config.authorized_workspaces: a list of strings",
        ),
        (
            {"config": {"visibility": "public", "authorized_workspaces": ["ws-b"]}},
            "ValueError: authorized_workspaces can only be set when visibility is 'protected', got "
            "visibility='public'",
        ),
        (
            {"service_schema": []},
            "ValueError: Invalid service info: service_schema: a map is expected",
        ),
    ],
)
def test_refusals_name_the_field(info, text):  # WS-11, WS-14, WS-19
    if isinstance(info, dict) and info and "id" not in info:
        info = {"id": "c1:hello", **info}
    assert refusal(info) == text


@pytest.mark.parametrize(
    "poison",
    [
        float("nan"),
        float("inf"),
        {1: 2},
        b"bytes",
        "\udcff",
        msgpack.Timestamp(0),
        msgpack.ExtType(5, b"x"),
        1 << 65,
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", ["config", "service_schema"])
def test_a_record_that_others_cannot_read_is_refused(poison, place):  # WS-12, WS-55
    text = refusal({"id": "c1:hello", place: {"x": [poison]}})
    assert text.startswith("ValueError: Invalid service info: not plain JSON values (")


def test_a_record_that_is_nested_too_deeply_is_refused():  # D-20
    deep = {}
    for _ in range(600):
        deep = {"x": deep}
    assert "nested more than 64 deep" in refusal({"id": "c1:hello", "config": deep})
    for _ in range(5000):
        deep = {"x": deep}
    assert "nested more than 64 deep" in refusal({"id": "c1:hello", "service_schema": deep})


def test_the_longest_record():  # D-20
    size = register(docs="").size
    room = records.MAX_RECORD - size
    assert register(docs="d" * room).size == records.MAX_RECORD
    text = refusal({"id": "c1:hello", "docs": "d" * (room + 1)})
    assert text == "ValueError: Invalid service info: over 1048576 bytes"
    assert register(docs="é" * (room // 2)).size <= records.MAX_RECORD
    assert "over 1048576 bytes" in refusal({"id": "c1:hello", "docs": "é" * (room // 2 + 1)})


def test_the_most_functions():  # D-20
    schema = {f"f{i}": {"type": "function"} for i in range(records.MAX_FUNCTIONS)}
    register(service_schema=schema)
    text = refusal({"id": "c1:hello", "service_schema": {**schema, "one": {"type": "function"}}})
    assert text == "ValueError: Invalid service info: over 5000 functions"


def test_what_remains_of_a_long_record_in_an_event():  # D-20
    service = register(name="Hello", type="t", docs="d" * 100, config={"visibility": "public"})
    assert service.summary() == {
        "id": "ws-a/c1:hello",
        "name": "Hello",
        "type": "t",
        "config": {"visibility": "public", "workspace": "ws-a"},
    }


def test_the_caller_and_its_level():
    assert CALLER.address == "ws-a/c1"
    assert CALLER.level is Permission.ADMIN
    assert Caller(USER, "ws-b", "c1").level is Permission.NONE


# workspaces


def test_a_workspace_from_its_id_alone():  # WS-38, WS-42
    assert Workspace.from_dict({"id": "my-ws"}).to_dict() == {
        "type": "workspace",
        "id": "my-ws",
        "name": "my-ws",
        "description": None,
        "persistent": False,
        "owners": [],
        "read_only": False,
        "icon": None,
        "covers": None,
        "docs": None,
        "service_types": {},
        "config": {},
        "status": {"ready": True, "errors": None},
    }


def test_a_workspace_named_but_without_id():  # WS-42
    assert Workspace.from_dict({"name": "my-ws"}).id == "my-ws"
    workspace = Workspace.from_dict({"id": "my-ws", "name": "Mine"})
    assert (workspace.id, workspace.name) == ("my-ws", "Mine")
    assert Workspace.from_dict({"id": "my-ws", "name": ""}).name == "my-ws"


def test_a_workspace_reads_back_from_its_record():
    data = {
        "id": "my-ws",
        "name": "Mine",
        "description": "d",
        "persistent": True,
        "owners": ["a", "b@example.org"],
        "read_only": True,
        "icon": "i",
        "covers": ["c"],
        "docs": "x",
        "service_types": {"t": check_service_type({"id": "t", "name": "T", "definition": {}})},
        "config": {"environs": {"K": "V"}},
        "created": 1234.5,
    }
    workspace = Workspace.from_dict(data)
    assert workspace.created == 1234.5
    again = Workspace.from_dict({**workspace.to_dict(), "created": workspace.created})
    assert again == workspace


def test_two_workspaces_share_nothing():
    first, second = Workspace.from_dict({"id": "a-1"}), Workspace.from_dict({"id": "b-1"})
    first.config["environs"] = {"KEY": "secret"}
    first.service_types["t"] = {}
    first.owners.append("keeper")
    assert second.config == {}
    assert second.service_types == {}
    assert second.owners == []
    assert Workspace.from_dict({"id": "c-1"}).config == {}


def test_owners_are_stripped_and_blank_ones_dropped():  # WS-42
    assert Workspace.from_dict({"id": "a-1", "owners": [" a ", "", "  "]}).owners == ["a"]


def test_null_means_the_default():  # WS-42
    keys = ("description", "persistent", "owners", "read_only", "service_types", "config")
    workspace = Workspace.from_dict({"id": "a-1", **dict.fromkeys(keys)})
    assert workspace == Workspace("a-1", "a-1", created=workspace.created)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "a map is expected"),
        ("my-ws", "a map is expected"),
        ({}, "id: a string is required"),
        ({"id": 5}, "id: a string is required"),
        ({"id": "a-1", "name": 5}, "name: str is expected"),
        ({"id": "a-1", "persistent": "yes"}, "persistent: bool is expected"),
        ({"id": "a-1", "persistent": 1}, "persistent: bool is expected"),
        ({"id": "a-1", "owners": "me"}, "owners: list is expected"),
        ({"id": "a-1", "owners": [1]}, "owners: a list of strings is expected"),
        ({"id": "a-1", "config": []}, "config: dict is expected"),
        ({"id": "a-1", "covers": "x"}, "covers: list is expected"),
        ({"id": "a-1", "service_types": ["x"]}, "service_types: dict is expected"),
        (
            {"id": "a-1", "config": {"x": float("nan")}},
            "only plain JSON values are kept (Out of range float values are not JSON compliant: "
            "nan)",
        ),
        ({"id": "a-1", "config": {1: 1}}, "only plain JSON values are kept (keys must be strings"),
        ({"id": "a-1", "docs": "\udcff"}, "only plain JSON values are kept (text that is not"),
        ({"id": "a-1", "owners": ["\ud800"]}, "only plain JSON values are kept (text that is not"),
        ({"id": "a-\ud800"}, "only plain JSON values are kept (text that is not"),
        ({"id": "a-1", "covers": [b""]}, "only plain JSON values are kept (no bytes in JSON)"),
    ],
)
def test_bad_workspaces_are_refused(data, text):  # WS-42
    with pytest.raises(Invalid) as caught:
        Workspace.from_dict(data)
    shortened = caught.value.message[: len("Invalid workspace config: " + text)]
    if "Out of range" in text:
        assert "Out of range float values are not JSON compliant" in caught.value.message
    else:
        assert shortened == "Invalid workspace config: " + text


@pytest.mark.parametrize(
    "created", [float("nan"), float("inf"), -1, 0, 10**400, "x", None, [1], 10**12]
)
def test_an_impossible_time_of_creation_is_ignored(created):
    workspace = Workspace.from_dict({"id": "a-1", "created": created})
    assert 1e9 < workspace.created < 1e11


def test_secrets_and_private_types_are_left_out():  # WS-45, WS-53
    types = {
        name: {"id": name, "name": name, "definition": {}, "config": {"visibility": visibility}}
        for name, visibility in (("open", "public"), ("closed", "protected"))
    }
    data = {
        "id": "a-1",
        "owners": ["keeper"],
        "config": {"environs": {"K": "secret"}, "bookmarks": []},
        "service_types": types,
    }
    workspace = Workspace.from_dict(data)
    assert workspace.without_secrets()["config"] == {"bookmarks": []}
    assert set(workspace.without_secrets()["service_types"]) == {"open", "closed"}
    assert workspace.for_strangers()["config"] == {}
    assert set(workspace.for_strangers()["service_types"]) == {"open"}
    assert workspace.for_strangers()["owners"] == ["keeper"]
    assert workspace.config["environs"] == {"K": "secret"}


# service types


def test_a_service_type_is_completed():  # WS-55
    assert check_service_type({"id": "t", "name": "T", "definition": {"a": 1}, "extra": 1}) == {
        "id": "t",
        "name": "T",
        "definition": {"a": 1},
        "description": None,
        "config": {},
        "docs": None,
    }


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"id": "mt3", "name": "MT"}, "Invalid service type: definition is required"),
        ({"id": "t", "name": "T", "definition": None}, "Invalid service type: definition is "),
        ({"id": "t", "name": "T", "definition": []}, "Invalid service type: definition is "),
        ({"name": "T", "definition": {}}, "Invalid service type: id is required"),
        ({"id": "", "name": "T", "definition": {}}, "Invalid service type: id is required"),
        ({"id": "t", "definition": {}}, "Invalid service type: name is required"),
        (None, "Invalid service type: a map is expected"),
        ("t", "Invalid service type: a map is expected"),
        (
            {"id": "t", "name": "T", "definition": {}, "config": "x"},
            "Invalid service type: config: a map is expected",
        ),
        (
            {"id": "t", "name": "T", "definition": {}, "docs": 5},
            "Invalid service type: docs: a string is expected",
        ),
        (
            {"id": "t", "name": "T", "definition": {"f": b"x"}},
            "Invalid service type: only plain JSON values are kept (no bytes in JSON)",
        ),
        (
            {"id": "t", "name": "T", "definition": {"f": float("nan")}},
            "Invalid service type: only plain JSON values are kept (",
        ),
    ],
)
def test_a_poisonous_service_type_never_gets_in(info, text):  # WS-55
    with pytest.raises(Invalid) as caught:
        check_service_type(info)
    assert caught.value.message.startswith(text)
    with pytest.raises(Invalid):
        Workspace.from_dict({"id": "a-1", "service_types": {"t": info}})


def test_types_within_a_workspace_are_checked_and_completed():  # WS-55
    info = {"id": "t", "name": "T", "definition": {}}
    workspace = Workspace.from_dict({"id": "a-1", "service_types": {"t": {**info, "extra": 1}}})
    assert workspace.service_types == {"t": check_service_type(info)}
    with pytest.raises(Invalid, match="id t does not match u"):
        Workspace.from_dict({"id": "a-1", "service_types": {"u": info}})


def test_a_workspace_cannot_grow_without_end():
    with pytest.raises(Invalid, match="over 1048576 bytes"):
        Workspace.from_dict({"id": "ws-a", "config": {"environs": {"k": "x" * (1 << 20)}}})
