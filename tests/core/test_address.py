"""Addresses are split in one place; nothing that is read can mean another place when printed."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core import address
from hyphad.core.address import ANY, ServiceAddress, parse_registration, parse_service
from hyphad.core.errors import Fault, Invalid, Misuse

OWN = "ws-user-own"

workspaces = st.text("abc09-|", min_size=1, max_size=12)
client_ids = st.text(string.ascii_letters + string.digits + "_.-#~+=", min_size=1, max_size=12)
names = st.text(min_size=1, max_size=12).filter(address.valid_service_name)
app_ids = st.just(ANY) | names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", f"{OWN}/*:hello@*"),
        ("c1:hello", f"{OWN}/c1:hello@*"),
        ("ws-b/hello", "ws-b/*:hello@*"),
        ("ws-b/c1:hello", "ws-b/c1:hello@*"),
        ("*:hello", f"{OWN}/*:hello@*"),
        ("ws-b/*:hello", "ws-b/*:hello@*"),
        ("hello@app", f"{OWN}/*:hello@app"),
        ("ws-b/c1:hello@app", "ws-b/c1:hello@app"),
        ("ws-b/c1:hello@*", "ws-b/c1:hello@*"),
        ("hello@", f"{OWN}/*:hello@*"),
        ("default", f"{OWN}/*:default@*"),
        ("*/c1:hello", "*/c1:hello@*"),
        ("a b.c", f"{OWN}/*:a b.c@*"),
    ],
)
def test_missing_parts_of_a_service_id_are_filled_in(text, expected):  # WS-23
    assert str(parse_service(text, OWN)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "AssertionError: Service ID must be a string."),
        (7, "AssertionError: Service ID must be a string."),
        (b"hello", "AssertionError: Service ID must be a string."),
        ("*", "AssertionError: Invalid service id: *, it cannot be a wildcard."),
        ("a/b/c", "AssertionError: Service id must contain at most one '/'"),
        ("a:b:c", "AssertionError: Service id must contain at most one ':'"),
        ("a@b@c", "AssertionError: Service id must contain at most one '@'"),
    ],
)
def test_bad_service_ids_have_the_texts_that_clients_know(text, message):  # WS-23
    with pytest.raises(Misuse) as caught:
        parse_service(text, OWN)
    assert caught.value.rpc_text == message


@given(workspaces, client_ids, names, app_ids)
def test_a_printed_service_address_reads_back_as_itself(workspace, client_id, name, app_id):
    place = ServiceAddress(workspace, client_id, name, app_id)
    assert parse_service(str(place), OWN) == place
    assert parse_registration(str(place), OWN) == place
    assert parse_service(place.service_id, OWN) == ServiceAddress(workspace, client_id, name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ws-b/c1:hello", "ws-b/c1:hello@*"),
        ("c1:hello", f"{OWN}/c1:hello@*"),
        ("c1:hello@app", f"{OWN}/c1:hello@app"),
        ("c1:we ird", f"{OWN}/c1:we ird@*"),
        ("c1:my.svc", f"{OWN}/c1:my.svc@*"),
        ("c1:" + "n" * 256, f"{OWN}/c1:{'n' * 256}@*"),
        ("c" * 128 + ":n", f"{OWN}/{'c' * 128}:n@*"),
    ],
)
def test_ids_that_may_be_registered(text, expected):  # WS-11
    assert str(parse_registration(text, OWN)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "c1:",
        ":n",
        "c1:a:b",
        "c1:a*",
        "*:a",
        "c 1:a",
        "c1:a/b",
        "ws-b/x/c1:a",
        "c1:a\nb",
        "c1:a\x00",
        "c1:a\x7f",
        "c1:a\x85",
        "c1:a\udcff",
        "c1:" + "n" * 257,
        "c" * 129 + ":n",
        "c1:n@a:b",
        "c1:n@a@b",
        "c1:n@a*",
    ],
)
def test_ids_with_separators_wildcards_or_control_characters_are_refused(text):  # WS-11, D-14
    with pytest.raises(Invalid, match="Invalid characters in "):
        parse_registration(text, OWN)


def test_registration_without_colon_or_with_a_slash_in_the_app_is_an_assertion():  # WS-11
    with pytest.raises(Misuse, match=r"^Service id info must contain ':'$"):
        parse_registration("hello", OWN)
    with pytest.raises(Misuse, match=r"^App id info must not contain '/'$"):
        parse_registration("c1:n@ws/app", OWN)


@pytest.mark.parametrize("value", [None, "", 3, b"c1:a", ["c1:a"]])
def test_a_registration_needs_an_id(value):  # WS-19
    with pytest.raises(Invalid, match=r"^Invalid service info: id: "):
        parse_registration(value, OWN)


@given(st.text(string.ascii_lowercase + "/:@*|-. \n\x00\udc80", max_size=20))
def test_whatever_is_registered_has_parts_that_cannot_be_read_differently(text):  # AUTH-120
    try:
        place = parse_registration(text, OWN)
    except Fault:
        return
    assert not set("/:@*") & set(place.client_id + place.name)
    assert place.workspace == OWN or text.startswith(place.workspace + "/")
    assert parse_service(str(place), "another") == place


@pytest.mark.parametrize(
    ("client_id", "valid"),
    [
        ("a", True),
        ("A.b_c-d#e~f+g=h", True),
        ("worker__rlb", True),
        ("c" * 128, True),
        ("c" * 129, False),
        ("", False),
        ("a/b", False),
        ("a:b", False),
        ("a@b", False),
        ("a*", False),
        ("a|b", False),
        ("a b", False),
        ("a\n", False),
        ("a\x00", False),
        ("é", False),
        (None, False),
        (b"a", False),
    ],
)
def test_client_ids(client_id, valid):  # WIRE-14, D-14
    assert address.valid_client_id(client_id) is valid


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ws-a/c1", ("ws-a", "c1")), ("c1", ("", "c1")), ("*/manager-x", ("*", "manager-x"))],
)
def test_peers(text, expected):  # WIRE-44
    assert address.split_peer(text) == expected
    if expected[0]:
        assert address.peer(*expected) == text


@pytest.mark.parametrize(
    "name", ["my-ws", "a-", "-a", "a--b", "ws-user-github|478667", "0-0", "a" * 127 + "-"]
)
def test_workspace_names(name):  # WS-41
    assert address.check_workspace_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Workspace name must not be empty."),
        ("  ", "Workspace name must not be empty."),
        (None, "Workspace name must not be empty."),
        (5, "Workspace name must not be empty."),
        ("lab", "Workspace name must contain at least one hyphen (e.g. my-workspace)."),
        *[
            (
                name,
                f"Invalid workspace name: {name}, only lowercase letters, numbers and hyphens are "
                "allowed.",
            )
            for name in (
                "My-Ws",
                "my_ws-",
                "my ws-",
                "my.ws-",
                "../x-",
                "a-b\n",
                "a-*",
                "a-b/c",
                "a-\u00e9",
                "ws-x#a",
                "a" * 128 + "-",
            )
        ],
    ],
)
def test_bad_workspace_names_say_why(name, message):  # WS-41, AUTH-126
    with pytest.raises(Invalid) as caught:
        address.check_workspace_name(name)
    assert caught.value.message == message


def test_root_may_name_a_workspace_without_a_hyphen():  # WS-41
    assert address.check_workspace_name("lab", need_hyphen=False) == "lab"
