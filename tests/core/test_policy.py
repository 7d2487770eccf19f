"""The whole of what is allowed, as tables: who may do what, where.

Three people meet in the workspace `lab-one`: `keeper` owns it by id, `mailer` by e-mail, and
`guest` not at all. Each comes first-hand or with a child token, with every level in its scope.
"""

import inspect
from itertools import product
from pathlib import Path

import pytest

from hyphad.core import policy
from hyphad.core.errors import Denied, RegisteredOnly
from hyphad.core.identity import Permission, Scope, User, anonymous_user, root_user
from hyphad.core.records import Caller, Service, Workspace

NONE, R, RW, A = Permission
LAB = Workspace("lab-one", "lab-one", owners=["keeper", "Team@Example.org"])
DENIED = "denied"


def person(name, level=NONE, child=False, wildcard=NONE, roles=("user",)):
    """A user called `name` with a level on the lab, in a child token or first-hand."""
    levels = {"lab-one": level, "*": wildcard}
    levels = {key: value for key, value in levels.items() if value}
    if not child:
        levels["ws-user-" + name] = A
    email = "team@example.ORG" if name == "mailer" else None
    own = "child-of-" + name if child else name
    return User(own, roles, Scope(levels), email, name if child else None)


def verdict(question, *args):
    """What a rule says: its value, or `denied`."""
    try:
        return question(*args)
    except Denied:
        return DENIED


# One row for each principal:
# its level inside, whether it may administer, overwrite, see secrets, and the most it grants.
ON_THE_LAB = {
    "owner without entry": (person("keeper"), A, True, True, True, A),
    "owner with read": (person("keeper", R), R, False, False, True, DENIED),
    "owner with read_write": (person("keeper", RW), RW, True, True, True, A),
    "owner with admin": (person("keeper", A), A, True, True, True, A),
    "owner with * read": (person("keeper", wildcard=R), R, False, False, True, DENIED),
    "owner with * read_write": (person("keeper", wildcard=RW), RW, True, True, True, A),
    "owner by e-mail": (person("mailer"), A, True, True, True, A),
    "owner by e-mail with read_write": (person("mailer", RW), RW, True, True, True, A),
    "child of owner, no entry": (
        person("keeper", NONE, True),
        NONE,
        False,
        False,
        False,
        DENIED,
    ),
    "child of owner with read": (person("keeper", R, True), R, False, False, False, DENIED),
    "child of owner with read_write": (person("keeper", RW, True), RW, False, False, True, RW),
    "child of owner with admin": (person("keeper", A, True), A, True, True, True, A),
    "child of owner, * read": (person("keeper", NONE, True, R), R, False, False, False, DENIED),
    "child of owner, * read_write": (
        person("keeper", NONE, True, RW),
        RW,
        False,
        False,
        True,
        RW,
    ),
    "child of owner by e-mail": (person("mailer", NONE, True), NONE, False, False, False, DENIED),
    "child of owner by e-mail, read": (person("mailer", R, True), R, False, False, False, DENIED),
    "guest without entry": (person("guest"), NONE, False, False, False, DENIED),
    "guest with read": (person("guest", R), R, False, False, False, DENIED),
    "guest with read_write": (person("guest", RW), RW, False, False, True, DENIED),
    "guest with admin": (person("guest", A), A, True, True, True, A),
    "child of guest with read": (person("guest", R, True), R, False, False, False, DENIED),
    "child of guest with read_write": (person("guest", RW, True), RW, False, False, True, DENIED),
    "child of guest with admin": (person("guest", A, True), A, True, True, True, A),
    "visitor": (anonymous_user("a-b-1", 0.0), NONE, False, False, False, DENIED),
    "root": (root_user(), A, True, True, True, A),
}


@pytest.mark.parametrize("who", ON_THE_LAB)
def test_what_each_principal_may_do_with_a_workspace(who):  # AUTH-21, 22, 29, 30, 125; WS-43, 45
    user, level, administer, overwrite, secrets, grants = ON_THE_LAB[who]
    caller = Caller(user, "lab-one", "c1")
    assert policy.entry_level(user, LAB) is level
    assert policy.may_administer(user, LAB) is policy.may_delete(user, LAB) is administer
    assert verdict(policy.may_overwrite, user, LAB) == (None if overwrite else DENIED)
    assert policy.may_see_secrets(caller, LAB) is secrets
    assert verdict(policy.grantable, user, LAB) == grants
    for wanted in (R, RW, A):
        allowed = grants != DENIED and wanted <= grants
        assert verdict(policy.check_grant, user, LAB, wanted) == (None if allowed else DENIED)


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        (person("host"), True),
        (person("keeper"), False),
        (
            User(
                "keeper", ("user",), Scope({"ws-user-host": A}, owned=frozenset(["ws-user-host"]))
            ),
            False,
        ),
        (User("child", ("user",), Scope({"ws-user-host": A}), parent="host"), True),
        (User("child", ("user",), Scope({"ws-user-host": RW}), parent="host"), False),
        (User("boss", ("admin", "user"), Scope({"*": A})), True),
        (root_user(), True),
    ],
)
def test_a_home_is_deleted_by_its_user_alone(user, allowed):  # WS-43
    home = Workspace("ws-user-host", "ws-user-host", owners=["host", "keeper"])
    assert policy.may_delete(user, home) is allowed


@pytest.mark.parametrize("who", ON_THE_LAB)
def test_entering_gives_the_level_and_the_place(who):  # AUTH-21
    user, level, *_ = ON_THE_LAB[who]
    if level is NONE:
        with pytest.raises(Denied, match=r"^Permission denied for workspace: lab-one$"):
            policy.enter(user, LAB, "c1")
        return
    inside = policy.enter(user, LAB, "c1")
    assert inside.scope.level("lab-one") is level
    assert (inside.scope.current_workspace, inside.scope.client_id) == ("lab-one", "c1")
    gained = set(inside.scope.workspaces) - set(user.scope.workspaces)
    assert gained <= {"lab-one"}
    assert inside.scope.owned == gained, "what rests on ownership is marked"
    assert inside.scope.level("elsewhere-1") is user.scope.level("elsewhere-1")
    assert user.scope.current_workspace in (None, "*")


@pytest.mark.parametrize(
    ("user", "workspace", "owned"),
    [
        (person("keeper"), LAB, True),
        (person("mailer"), LAB, True),
        (person("guest"), LAB, False),
        (person("keeper", child=True), LAB, True),
        (person("guest"), Workspace("ws-user-guest", ""), True),
        (person("guest", child=True), Workspace("ws-user-guest", ""), True),
        (person("guest"), Workspace("ws-user-guest2", ""), False),
        (person("guest"), Workspace("ws-user-gues", ""), False),
        (User("x", email=None), Workspace("a-b", "", owners=[""]), False),
        (User("x", email=""), Workspace("a-b", "", owners=[""]), False),
        (User("x"), Workspace("a-b", "", owners=[]), False),
        (User("Keeper"), LAB, False),
        (anonymous_user("a-b-1", 0.0), Workspace("ws-user-anonymouz-a-b-1", ""), True),
        (anonymous_user("a-b-2", 0.0), Workspace("ws-user-anonymouz-a-b-1", ""), False),
    ],
)
def test_ownership(user, workspace, owned):  # AUTH-22
    assert policy.owns(user, workspace) is owned


def test_refusals_to_mint_say_which_of_the_two_it_is():  # AUTH-28
    with pytest.raises(Denied, match=r"^You do not have any permission for workspace: lab-one$"):
        policy.grantable(person("guest"), LAB)
    with pytest.raises(Denied, match=r"^You do not have any permission for workspace: lab-one$"):
        policy.grantable(person("keeper", NONE, child=True), LAB)
    for user in (person("guest", R), person("guest", RW), person("keeper", R, child=True)):
        with pytest.raises(Denied, match=r"^Only admin can generate token\.$"):
            policy.grantable(user, LAB)
    with pytest.raises(Denied, match=r"^Cannot grant more than your own permission on workspace l"):
        policy.check_grant(person("keeper", RW, child=True), LAB, A)


def test_a_visitors_child_may_mint_again_for_the_visitors_workspace():  # AUTH-29
    visitor = anonymous_user("a-b-1", 0.0)
    home = Workspace(visitor.home, visitor.home, owners=[visitor.id])
    child = User("c", ("anonymous",), Scope({visitor.home: RW}), parent=visitor.id)
    assert policy.grantable(visitor, home) is A
    assert policy.grantable(child, home) is RW


@pytest.mark.parametrize(
    ("roles", "wanted", "expected"),
    [
        (("admin", "user"), A, ("admin", "user")),
        (("admin", "user"), RW, ("user",)),
        (("admin", "user"), R, ("user",)),
        (("anonymous",), A, ("anonymous",)),
        (("anonymous",), R, ("anonymous",)),
        ((), A, ()),
    ],
)
def test_roles_of_a_child(roles, wanted, expected):  # AUTH-30
    assert policy.child_roles(User("x", roles), wanted) == expected


@pytest.mark.parametrize(("held", "needed"), product((NONE, R, RW, A), (R, RW, A)))
def test_a_level_is_required_on_the_own_or_the_named_workspace(held, needed):  # WS-9, AUTH-20
    levels = {"lab-one": held} if held else {}
    here = Caller(User("x", scope=Scope(levels)), "lab-one", "c1")
    there = Caller(User("x", scope=Scope({**levels, "ws-user-x": A})), "ws-user-x", "c1")
    for caller, place in ((here, None), (here, "lab-one"), (there, "lab-one")):
        if held >= needed:
            policy.require(caller, needed, place)
        else:
            with pytest.raises(Denied, match=r"^Permission denied for workspace lab-one$"):
                policy.require(caller, needed, place)


def test_an_empty_workspace_name_is_not_the_own_one():
    caller = Caller(person("keeper", A), "lab-one", "c1")
    with pytest.raises(Denied):
        policy.require(caller, R, "")


# services: role and permission x visibility x operation

PLACES = {
    # name: (workspace of the caller, levels in its scope)
    "member with read": ("lab-one", {"lab-one": R}),
    "member with read_write": ("lab-one", {"lab-one": RW}),
    "member with admin": ("lab-one", {"lab-one": A}),
    "member by wildcard": ("lab-one", {"*": R}),
    "outsider": ("out-side", {"out-side": A}),
    "outsider with read on the service's workspace": ("out-side", {"out-side": A, "lab-one": R}),
    "invited workspace": ("invited-1", {"invited-1": A}),
    "invited read-only client": ("invited-1", {"invited-1": R}),
    "administrator elsewhere": ("out-side", {"*": A}),
    "without any permission": ("out-side", {}),
    "here without any permission": ("lab-one", {}),
    "reader of the lab, nothing at home": ("out-side", {"lab-one": R}),
}
MEMBERS = {
    "member with read",
    "member with read_write",
    "member with admin",
    "member by wildcard",
    "outsider with read on the service's workspace",
    "administrator elsewhere",
}
INVITED = {"invited workspace", "invited read-only client"}
IN_THE_LAB = {who for who, (place, _) in PLACES.items() if place == "lab-one"}


def service(visibility, authorized=None, workspace="lab-one", client_id="c1", name="svc"):
    config = {"visibility": visibility, "authorized_workspaces": authorized}
    record = {"config": config, "name": name, "type": "generic", "app_id": "*"}
    return Service(f"{workspace}/{client_id}:{name}", workspace, client_id, name, record)


@pytest.mark.parametrize("who", PLACES)
@pytest.mark.parametrize("visibility", ["public", "protected", "unlisted", "invited"])
def test_who_gets_and_who_lists_a_service(who, visibility):  # WS-25, WS-31, AUTH-122, AUTH-131
    place, levels = PLACES[who]
    caller = Caller(User("x", scope=Scope(levels)), place, "c9")
    if visibility == "invited":
        target = service("protected", ["other-1", "invited-1"])
    else:
        target = service(visibility)
    admitted = who in MEMBERS or (visibility == "invited" and who in INVITED)
    gets = visibility in ("public", "unlisted") or admitted

    assert policy.is_member(target, caller) is (who in MEMBERS)
    assert policy.is_visible(target, caller) is gets
    if visibility == "unlisted":
        assert policy.is_listed(target, caller, include_unlisted=False) is False
        assert policy.is_listed(target, caller, include_unlisted=True) is (who in IN_THE_LAB)
    else:
        assert policy.is_listed(target, caller, include_unlisted=False) is gets
        assert policy.is_listed(target, caller, include_unlisted=True) is gets


@pytest.mark.parametrize("level", [NONE, R, RW, A])
@pytest.mark.parametrize("admin_role", [False, True])
@pytest.mark.parametrize("workspace", ["lab-one", "out-side"])
@pytest.mark.parametrize("client_id", ["c1", "c2"])
def test_who_registers_which_service(level, admin_role, workspace, client_id):  # WS-14, AUTH-120
    user = person("guest", level, roles=("admin",) if admin_role else ("user",))
    caller = Caller(user, "lab-one", "c1")
    target = service("public", workspace=workspace, client_id=client_id)
    allowed = level >= RW and workspace == "lab-one" and (client_id == "c1" or admin_role)
    assert verdict(policy.may_register, caller, target) == (None if allowed else DENIED)


def test_refusals_to_register_have_the_texts_that_clients_know():  # WS-14, WS section 11
    caller = Caller(person("guest", RW), "lab-one", "c1")
    with pytest.raises(Denied) as caught:
        policy.may_register(caller, service("public", workspace="out-side"))
    assert caught.value.rpc_text == (
        "PermissionError: Service ID workspace prefix 'out-side' does not match the current "
        "workspace 'lab-one'. Cannot register services in other workspaces."
    )
    with pytest.raises(Denied) as caught:
        policy.may_register(caller, service("public", client_id="c2"))
    assert caught.value.message == "Cannot register services for another client: lab-one/c2:svc"


@pytest.mark.parametrize(
    ("workspace", "name", "allowed"),
    [
        ("public", "hypha-login", False),
        ("ws-user-root", "admin-utils", False),
        ("ws-user-root", "user-admin", False),
        ("public", "hypha-login2", True),
        ("lab-one", "hypha-login", True),
    ],
)
def test_nobody_imitates_the_servers_own_services(workspace, name, allowed):  # AUTH-75
    caller = Caller(root_user(), workspace, "c1")
    target = service("public", workspace=workspace, name=name)
    assert verdict(policy.may_register, caller, target) == (None if allowed else DENIED)


@pytest.mark.parametrize(
    ("workspace", "method", "allowed"),
    [
        ("*", "services.built-in.get_service", True),
        ("*", "services.default.get_service", True),
        ("*", "services.default.list_services", True),
        ("*", "services.default.register_service", False),
        ("*", "services.default.generate_token", False),
        ("*", "services.default", False),
        ("*", "services.default.get_service.x", False),
        ("*", "services.hypha-login.start", False),
        ("public", "services.hypha-login.start", True),
        ("public", "services.hypha-login", True),
        ("public", "services.queue.push", False),
        ("lab-one", "services.hypha-login.start", False),
        ("public", "services.", False),
        ("public", "services", False),
        ("*", "session.resolve", True),
    ],
)
def test_what_a_visitor_may_call_who_is_only_there_to_log_in(workspace, method, allowed):  # AUTH-10
    assert policy.may_log_in(workspace, method) is allowed


@pytest.mark.parametrize(
    ("user", "workspace", "wanted", "rests"),
    [
        (person("keeper"), LAB, R, True),
        (person("keeper", RW), LAB, RW, False),
        (person("keeper", RW), LAB, A, True),
        (person("keeper", A), LAB, A, False),
        (person("keeper", wildcard=RW), LAB, A, True),
        (person("keeper", wildcard=A), LAB, A, False),
        (person("guest", A), LAB, A, False),
        (policy.enter(person("keeper"), LAB, "c1"), LAB, A, True),
        (policy.enter(person("keeper"), LAB, "c1"), LAB, R, True),
        (person("keeper"), Workspace("ws-user-keeper", ""), A, False),
        (User("keeper"), Workspace("ws-user-keeper", ""), A, False),
        (person("keeper", child=True), Workspace("ws-user-keeper", ""), A, True),
    ],
)
def test_which_tokens_rest_on_ownership(user, workspace, wanted, rests):  # AUTH-112
    assert policy.rests_on_ownership(user, workspace, wanted) is rests


def test_ownership_that_has_ended():  # AUTH-112
    assert policy.still_owned(person("keeper"), LAB)
    assert policy.still_owned(person("keeper", child=True), LAB)
    assert not policy.still_owned(person("keeper"), Workspace("lab-one", "", owners=["guest"]))
    assert not policy.still_owned(person("keeper"), None)
    inside = policy.enter(person("keeper"), LAB, "c1")
    left = inside.scope.without(inside.scope.owned)
    assert left.level("lab-one") is NONE
    assert left.level("ws-user-keeper") is A
    assert left.owned == frozenset()


@pytest.mark.parametrize(("own", "there"), product((NONE, R, RW, A), (NONE, R, RW, A)))
def test_who_unregisters_a_service_of_another_workspace(own, there):  # WS-33
    levels = {name: level for name, level in (("out-side", own), ("lab-one", there)) if level}
    caller = Caller(User("x", scope=Scope(levels)), "out-side", "c1")
    allowed = own >= RW and there >= RW
    expected = None if allowed else DENIED
    assert verdict(policy.may_unregister, caller, service("public")) == expected
    own_service = service("public", workspace="out-side", client_id="c2")
    expected = None if own >= RW else DENIED
    assert verdict(policy.may_unregister, caller, own_service) == expected


@pytest.mark.parametrize(("level", "allowed"), [(NONE, False), (R, False), (RW, True), (A, True)])
def test_readers_do_not_broadcast(level, allowed):  # WIRE-51, AUTH-26
    assert policy.may_broadcast(Caller(person("guest", level), "lab-one", "c1")) is allowed


@pytest.mark.parametrize(
    ("user", "workspace", "error"),
    [
        (person("guest"), "my-space", None),
        (person("guest"), "ws-user-guest", None),
        (person("guest", child=True), "ws-user-guest", None),
        (person("guest"), "ws-user-keeper", Denied),
        (person("guest"), "ws-user-", Denied),
        (person("guest"), "ws-user-guest2", Denied),
        (person("guest"), "ws-anonymous", Denied),
        (person("guest"), "ws-anonymous-2", Denied),
        (person("guest"), "public", Denied),
        (person("guest"), "root", Denied),
        (person("guest"), "ws-user-root", Denied),
        (root_user(), "my-space", None),
        (root_user(), "ws-user-root", Denied),
        (root_user(), "ws-user-guest", Denied),
        (root_user(), "public", Denied),
        (anonymous_user("a-b-1", 0.0), "my-space", RegisteredOnly),
        (anonymous_user("a-b-1", 0.0), "ws-user-anonymouz-a-b-1", RegisteredOnly),
        (User("c", ("anonymous",), parent="anonymouz-a-b-1"), "my-space", RegisteredOnly),
    ],
)
def test_who_creates_which_workspace(user, workspace, error):  # WS-41, WS-42, AUTH-113
    if error is None:
        policy.may_create(user, workspace)
    else:
        with pytest.raises(error):
            policy.may_create(user, workspace)


@pytest.mark.parametrize(
    ("user", "workspace", "allowed"),
    [
        (root_user(), "ws-user-keeper", False),
        (root_user(), "ws-user-root", False),
        (root_user(), "public", False),
        (root_user(), "ws-anonymous", False),
        (root_user(), "lab-one", True),
        (person("guest"), "ws-user-guest", True),
        (person("guest", R, child=True), "ws-user-guest", False),
        (User("guest", scope=Scope({"ws-user-keeper": A})), "ws-user-keeper", False),
    ],
)
def test_a_personal_or_fixed_workspace_is_never_overwritten(user, workspace, allowed):  # D-21
    target = Workspace(workspace, workspace, owners=["root"])
    if allowed:
        policy.may_overwrite(user, target)
        return
    with pytest.raises(Denied) as caught:
        policy.may_overwrite(user, target)
    assert caught.value.message == (
        f"Permission denied: user {user.effective_id} cannot overwrite workspace {workspace}"
    )


@pytest.mark.parametrize(
    ("level", "roles", "owner", "workspace", "allowed"),
    [
        (A, (), "guest", "elsewhere-1", True),
        (A, (), "guest", None, True),
        (RW, (), "guest", "lab-one", False),
        (R, (), "guest", "lab-one", False),
        (A, (), "keeper", "lab-one", True),
        (A, (), "keeper", "elsewhere-1", False),
        (A, (), "keeper", None, False),
        (A, (), "keeper", "", False),
        (A, ("admin",), "keeper", "elsewhere-1", True),
        (A, ("admin",), "keeper", None, True),
        (NONE, ("admin",), "keeper", None, False),
    ],
)
def test_who_revokes_whose_token(level, roles, owner, workspace, allowed):  # AUTH-34
    caller = Caller(person("guest", level, roles=roles), "lab-one", "c1")
    expected = None if allowed else DENIED
    assert verdict(policy.may_revoke, caller, owner, workspace) == expected


def test_a_child_revokes_tokens_of_its_parent_only():  # AUTH-34, AUTH-2
    caller = Caller(person("keeper", A, child=True), "lab-one", "c1")
    policy.may_revoke(caller, "keeper", None)
    assert verdict(policy.may_revoke, caller, "child-of-keeper", None) == DENIED


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        (root_user(), True),
        (User("x", ("user", "admin")), True),
        (User("x", ("user",), Scope({"*": A, "ws-user-root": A})), False),
        (User("root", ()), False),
    ],
)
def test_server_administration_needs_the_role(user, allowed):  # AUTH-46
    caller = Caller(user, "ws-user-root", "c1")
    assert verdict(policy.require_admin, caller) == (None if allowed else DENIED)


def test_every_rule_stands_in_one_of_these_tables():
    rules = {
        name
        for name, rule in inspect.getmembers(policy, inspect.isfunction)
        if rule.__module__ == policy.__name__ and not name.startswith("_")
    }
    source = Path(__file__).read_text(encoding="utf-8")
    assert rules == {name for name in rules if f"policy.{name}" in source}
