"""Scopes read back as they print, of duplicates the weakest counts, nothing can be smuggled in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.errors import Invalid
from hyphad.core.identity import (
    Permission,
    Scope,
    User,
    anonymous_user,
    check_extra_scopes,
    root_user,
)

R, RW, A = Permission.READ, Permission.READ_WRITE, Permission.ADMIN

words = st.text(min_size=1, max_size=10).filter(lambda text: not any(c.isspace() for c in text))
plain = words.filter(lambda text: all(ord(c) > 31 and ord(c) != 127 for c in text))
extras = plain.filter(lambda text: not text.startswith(("ws:", "cid:", "wid:")))
scopes = st.builds(
    Scope,
    st.dictionaries(plain | st.just("*"), st.sampled_from([R, RW, A]), max_size=4),
    st.none() | plain,
    st.none() | plain,
    st.lists(extras, max_size=3).map(tuple),
)


@given(scopes)
def test_a_printed_scope_reads_back_as_itself(scope):  # AUTH-13
    assert Scope.parse(scope.format()) == scope


@given(
    st.builds(
        Scope,
        st.dictionaries(st.text(max_size=8), st.sampled_from(list(Permission)), max_size=3),
        st.none() | st.text(max_size=8),
        st.none() | st.text(max_size=8),
        st.lists(st.text(max_size=8), max_size=3).map(tuple),
    )
)
def test_a_scope_prints_as_itself_or_not_at_all(scope):  # AUTH-31: no part becomes another entry
    try:
        text = scope.format()
    except Invalid:
        return
    assert Scope.parse(text) == scope


def test_the_order_in_which_a_scope_is_printed():  # AUTH-13
    scope = Scope({"ws-a": RW, "*": R}, "ws-a", "c1", ("openid", "file:get"))
    assert scope.format() == "ws:ws-a#rw ws:*#r cid:c1 wid:ws-a openid file:get"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Scope()),
        ("   ", Scope()),
        ("openid profile email", Scope(extra=("openid", "profile", "email"))),
        ("wid:ws-a  ws:ws-a#a", Scope({"ws-a": A}, "ws-a")),
        ("ws:ws-user-auth0|1#r", Scope({"ws-user-auth0|1": R})),
        ("ws:*#rw cid:c1", Scope({"*": RW}, client_id="c1")),
        ("ws:a#b#r", Scope({"a#b": R})),
        ("WS:*#a", Scope(extra=("WS:*#a",))),
    ],
)
def test_scopes_that_can_be_read(text, expected):  # AUTH-13
    assert Scope.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["ws:", "ws:a", "ws:#a", "ws:a#", "ws:a#x", "ws:a#A", "ws:a#admin", "ws:a#r ws:a#x"]
)
def test_a_malformed_entry_makes_the_whole_scope_invalid(text):  # AUTH-13
    with pytest.raises(Invalid, match=r"^Invalid token scope$"):
        Scope.parse(text)


@given(st.lists(st.sampled_from([R, RW, A]), min_size=1, max_size=5))
def test_of_duplicate_entries_the_weakest_counts(levels):  # AUTH-13
    text = " ".join(f"ws:ws-a#{level.letter}" for level in levels)
    assert Scope.parse(text).level("ws-a") is min(levels)


@pytest.mark.parametrize(
    ("levels", "workspace", "expected"),
    [
        ({}, "ws-a", Permission.NONE),
        ({"ws-a": R}, "ws-a", R),
        ({"ws-a": R}, "ws-b", Permission.NONE),
        ({"*": RW, "ws-me": A}, "ws-me", A),
        ({"*": RW, "ws-me": A}, "ws-b", RW),
        ({"*": A, "ws-foo": R}, "ws-foo", A),
        ({"*": R, "ws-foo": RW}, "ws-foo", RW),
        ({"ws-a": A}, "", Permission.NONE),
        ({"ws-a": A}, "*", Permission.NONE),
    ],
)
def test_the_stronger_of_wildcard_and_entry_counts(levels, workspace, expected):  # AUTH-20
    assert Scope(levels).level(workspace) is expected


def test_permissions_are_ordered_and_have_letters_and_names():  # AUTH-19
    assert Permission.NONE < R < RW < A
    assert [Permission.from_letter(x) for x in ("r", "rw", "a")] == [R, RW, A]
    assert [Permission.from_name(x) for x in ("read", "read_write", "admin")] == [R, RW, A]
    for bad in ("", "w", "admin", "R"):
        with pytest.raises(Invalid):
            Permission.from_letter(bad)
    for bad in ("a", "rw", "", None, 3, ["read"]):
        with pytest.raises(
            Invalid, match=r"should match pattern '\^\(read\|read_write\|admin\)\$'"
        ):
            Permission.from_name(bad)


@pytest.mark.parametrize(
    "scope",
    [
        Scope({"ws-a ws:*": A}),
        Scope({"": R}),
        Scope({"ws-a": Permission.NONE}),
        Scope({"ws-a\n": R}),
        Scope(client_id="x ws:*#a"),
        Scope(client_id="x\u2003ws:*#a"),
        Scope(client_id="x\x1fws:*#a"),
        Scope(current_workspace="public ws:public#a"),
        Scope(extra=("ws:*#a",)),
        Scope(extra=("cid:other",)),
        Scope(extra=("wid:public",)),
        Scope(extra=("a b",)),
        Scope(extra=("",)),
        Scope(extra=("a\x00",)),
        Scope(extra=("a\x7f",)),
        Scope(extra=("a\u00a0ws:*#a",)),
    ],
)
def test_no_part_of_a_scope_can_carry_another_entry(scope):  # AUTH-31, AUTH-143
    with pytest.raises(Invalid):
        scope.format()


@pytest.mark.parametrize(
    "items", ["ws:a#a", {"a": 1}, None, 3, [1], ["ok", "wid:x"], [["a"]], ["a b"], [""], ["\x07"]]
)
def test_bad_extra_scopes_are_refused(items):  # AUTH-31
    with pytest.raises(Invalid):
        check_extra_scopes(items)


def test_extra_scopes_with_a_colon_make_a_token_specialised():  # AUTH-37
    assert check_extra_scopes(["openid", "get_file:a:b"]) == ("openid", "get_file:a:b")
    assert Scope(extra=("openid", "get_file:a")).specialised == ["get_file:a"]
    assert Scope(extra=("openid", "profile")).specialised == []


def test_the_eight_public_fields_of_a_user():  # WIRE-10, AUTH-1
    scope = Scope({"ws-a": RW}, "ws-a", "c1", ("openid",))
    user = User("u1", ("user",), scope, "u1@example.org", "p1", 12.5, "ws-a")
    assert user.to_dict() == {
        "id": "u1",
        "roles": ["user"],
        "is_anonymous": False,
        "scope": {
            "current_workspace": "ws-a",
            "workspaces": {"ws-a": "rw"},
            "client_id": "c1",
            "extra_scopes": ["openid"],
        },
        "email": "u1@example.org",
        "parent": "p1",
        "expires_at": 12.5,
        "current_workspace": "ws-a",
    }


def test_the_effective_user_of_a_child_is_its_parent():  # AUTH-2
    child = User("c", parent="p")
    assert (child.effective_id, child.home) == ("p", "ws-user-p")
    assert (User("p").effective_id, User("p").home) == ("p", "ws-user-p")


def test_roles():  # AUTH-1
    assert User("x", ("anonymous",)).is_anonymous
    assert not User("x", ("user",)).is_anonymous
    assert User("x", ("admin",)).is_admin
    assert not User("admin").is_admin


def test_an_anonymous_visitor_rules_its_own_workspace_only():  # AUTH-6
    user = anonymous_user("amber-lagoon-00000001", 99.0)
    assert user.id == "anonymouz-amber-lagoon-00000001"
    assert user.is_anonymous
    assert user.expires_at == 99.0
    assert user.scope.workspaces == {"ws-user-anonymouz-amber-lagoon-00000001": A}


def test_a_visitor_who_is_only_there_to_log_in():  # AUTH-10
    user = anonymous_user("a-b-1", 99.0, only_logs_in=True)
    assert user.is_anonymous
    assert user.only_logs_in
    assert not anonymous_user("a-b-1", 99.0).only_logs_in
    assert user.scope.workspaces == {user.home: R}


def test_the_root_user_as_frames_of_the_server_carry_it():  # WIRE-45
    assert root_user().to_dict() == {
        "id": "root",
        "roles": ["admin"],
        "is_anonymous": False,
        "scope": {
            "current_workspace": "*",
            "workspaces": {"*": "a"},
            "client_id": None,
            "extra_scopes": None,
        },
        "email": None,
        "parent": None,
        "expires_at": None,
        "current_workspace": None,
    }
