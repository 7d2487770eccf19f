"""Token functions of the operator's own."""

import asyncio
import enum
from types import SimpleNamespace

import pytest

from hyphad.auth import hooks
from hyphad.auth.authenticate import REVOKED, Authenticator
from hyphad.auth.hooks import Hooks, user_from
from hyphad.auth.keys import Key, KeyRing
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.core.errors import Invalid, Unauthenticated
from hyphad.core.identity import Permission, Scope, User

ROOT = "r" * 40
ANN = {
    "id": "ann",
    "roles": ["user"],
    "scope": {"workspaces": {"ws-lab": "rw"}, "current_workspace": "ws-lab", "client_id": "c1"},
    "email": "ann@lab.org",
    "expires_at": 4e9,
}


class Level(enum.Enum):
    READ = "r"


@pytest.fixture
def authenticator():
    return Authenticator(Tokens(KeyRing([Key("k", b"s" * 32)]), Dialect()), set(), ROOT)


def refusal(authenticator, token):
    with pytest.raises(Unauthenticated) as caught:
        authenticator.credential(token)
    return caught.value.message


async def test_a_hook_reads_tokens_of_any_kind(authenticator):  # AUTH-18, AUTH-91
    async def parse(token):
        assert token == "CUSTOM:ann"
        return ANN

    authenticator.hooks.parse = parse
    await authenticator.prepare("CUSTOM:ann")
    found = authenticator.credential("CUSTOM:ann")
    assert found.user.id == "ann" and found.workspace == "ws-lab" and found.bound == "c1"
    assert found.user.scope.level("ws-lab") is Permission.READ_WRITE
    await authenticator.prepare("Bearer CUSTOM:ann")
    assert authenticator.credential("Bearer CUSTOM:ann").user == found.user


@pytest.mark.parametrize(
    "value",
    [
        {"id": "ann"},
        SimpleNamespace(id="ann", roles=["user"], scope=None),
        SimpleNamespace(
            id="ann", scope=SimpleNamespace(workspaces={"ws-lab": Level.READ}, extra_scopes=None)
        ),
    ],
)
def test_users_come_as_maps_or_objects(value):  # AUTH-91
    assert user_from(value).id == "ann"


@pytest.mark.parametrize("value", [None, {}, {"id": ""}, {"id": 7}, "ann", {"roles": ["admin"]}])
def test_what_is_no_user(value):
    with pytest.raises(Unauthenticated):
        user_from(value)


async def test_what_a_hook_raises_is_the_refusal(authenticator):  # AUTH-91
    def parse(token):
        raise ValueError("This badge is not known")

    authenticator.hooks.parse = parse
    assert refusal(authenticator, "badge-7") == "This badge is not known"


async def test_root_and_revocations_and_blocks_stay_ours(authenticator):  # AUTH-91
    authenticator.hooks.parse = lambda token: ANN
    assert authenticator.credential(ROOT).user.id == "root"
    key = authenticator.credential("badge-7").keys[0]
    authenticator._revoked.add(key)
    assert refusal(authenticator, "badge-7") == REVOKED
    authenticator._blocked = lambda kind, value: "bad" if value == "ann" else None
    with pytest.raises(Exception, match="User is blocked: bad"):
        authenticator.credential("badge-8")


async def test_tokens_that_hyphad_made_stay_good_beside_a_reader(authenticator):
    def parse(token):
        raise ValueError("no badge")

    authenticator.hooks.parse = parse
    ours = authenticator.tokens.mint(User("bob", scope=Scope()), 60)
    assert authenticator.credential(ours).user.id == "bob"
    authenticator.hooks.generate = lambda user, lifetime: "badge"
    assert refusal(authenticator, ours) == "no badge", "who makes tokens reads them all"


async def test_a_hook_makes_tokens(authenticator):  # AUTH-89
    asked = []

    async def generate(user, lifetime):
        asked.append((user.id, user["scope"]["workspaces"], lifetime))
        return "badge-9"

    authenticator.hooks.generate = generate
    user = User("ann", scope=Scope({"ws-lab": Permission.ADMIN}))
    assert await authenticator.issue(user, 60.0, version=None) == "badge-9"
    assert asked == [("ann", {"ws-lab": "a"}, 60)]


async def test_a_slow_hook_is_asked_once_for_a_request():
    hooks, asked = Hooks(), []

    async def parse(token):
        asked.append(token)
        return ANN

    hooks.parse = parse
    await hooks.prepare("badge-7")
    await hooks.prepare("badge-7")
    assert hooks.parsed("badge-7").id == "ann"
    assert asked == ["badge-7"]


async def test_where_a_hook_finds_tokens(authenticator):  # AUTH-90
    hooks = authenticator.hooks
    assert await hooks.extracted([], b"") is None
    hooks.get = lambda scope: dict(scope["headers"]).get(b"x-badge", b"").decode()
    assert await hooks.extracted([(b"x-badge", b"badge-7")], b"") == "badge-7"
    assert await hooks.extracted([], b"") is None
    hooks.get = lambda scope: 1 / 0
    assert await hooks.extracted([], b"") is None, "a broken hook finds nothing"


@pytest.mark.parametrize(
    "value",
    [
        {"id": "ann", "roles": "admin"},
        {"id": "ann", "email": 7},
        {"id": "ann", "parent": ["root"]},
        {"id": "ann", "scope": {"workspaces": ["*"]}},
        {"id": "ann", "scope": {"workspaces": {"*": "everything"}}},
        {"id": "ann", "roles": 3},
        7,
        b"ann",
    ],
)
async def test_nonsense_of_a_hook_is_a_refusal(authenticator, value):  # AUTH-91
    authenticator.hooks.parse = lambda token: value
    await authenticator.prepare("badge-7")
    assert refusal(authenticator, "badge-7")


async def test_a_hook_that_never_answers_refuses(authenticator, monkeypatch):  # AUTH-91
    async def parse(token):
        await asyncio.Event().wait()

    monkeypatch.setattr(hooks, "HOOK_SECONDS", 0.01)
    authenticator.hooks.parse = authenticator.hooks.get = parse
    await authenticator.prepare("badge-7")
    assert refusal(authenticator, "badge-7") == hooks.LATE
    assert await authenticator.hooks.extracted([], b"") is None


@pytest.mark.parametrize("made", [None, "", b"token", 7])
async def test_a_hook_that_makes_no_token(authenticator, made):  # AUTH-89
    authenticator.hooks.generate = lambda user, lifetime: made
    with pytest.raises(Invalid, match="returned no string"):
        await authenticator.issue(User("ann", scope=Scope()), 60, version=None)


async def test_what_a_hook_raises_when_it_makes_a_token_stays_inside(authenticator):  # AUTH-89
    def generate(user, lifetime):
        raise KeyError("/etc/institute/secret")

    authenticator.hooks.generate = generate
    with pytest.raises(Invalid, match="has failed; its log says why"):
        await authenticator.issue(User("ann", scope=Scope()), 60, version=None)
