"""One path for every credential: what it lets through, and what ends it."""

import base64

import jwt
import pytest

from hyphad.auth.authenticate import REVOKED, Authenticator, own_key
from hyphad.auth.keys import Key, KeyRing
from hyphad.auth.tokens import Dialect, Tokens
from hyphad.core.errors import Unauthenticated
from hyphad.core.identity import Permission, Scope, User

ROOT = "r" * 40
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Accounts:
    """`versions` by id; those in `closed` are not active."""

    def __init__(self, versions, closed=()):
        self.versions = versions
        self.closed = set(closed)

    def version(self, user_id):
        return self.versions.get(user_id)

    def is_active(self, user_id):
        return user_id not in self.closed


@pytest.fixture
def tokens():
    return Tokens(KeyRing([Key("k", b"s" * 32)]), Dialect())


def foreign(tokens, **more):
    """A token as a server that shares the secret makes it: without an id."""
    claims = {"iss": tokens.dialect.issuer, "aud": tokens.dialect.audience, "sub": "ann"}
    claims |= {"exp": 4_000_000_000, "iat": 1, "scope": "", **more}
    return jwt.encode(claims, b"s" * 32, algorithm="HS256")


def twins(token):
    """The same token written in other ways: the last character has bits without a meaning."""
    head, last = token[:-1], token[-1]
    wanted = base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
    for char in ALPHABET:
        other = head + char
        if char != last and base64.urlsafe_b64decode(other.rpartition(".")[2] + "==") == wanted:
            yield other
    yield f"Bearer {token}"
    yield f"  bearer   {token} "
    yield token + "="


def refused(authenticator, token, text=REVOKED):
    with pytest.raises(Unauthenticated) as caught:
        authenticator.credential(token)
    assert caught.value.message == text or text is None


def test_a_revoked_token_is_refused_however_it_is_written(tokens):  # AUTH-34, AUTH-35
    for token in (tokens.mint(User("ann"), 60), foreign(tokens)):
        revoked = {own_key(tokens.verify(token), token)}
        authenticator = Authenticator(tokens, revoked, None)
        refused(authenticator, token)
        for twin in twins(token):
            with pytest.raises(Unauthenticated):
                authenticator.credential(twin)
        for twin in twins(token):
            assert own_key(tokens.verify(token), twin) == own_key(tokens.verify(token), token)


def test_the_version_of_the_account_counts(tokens):  # AUTH-108
    accounts = Accounts({"ann": 3})
    authenticator = Authenticator(tokens, (), None, accounts=accounts)
    token = tokens.mint(User("ann"), 60, version=3)
    child = tokens.mint(User("kid", parent="ann"), 60, version=3)
    back = tokens.mint(User("ann"), 60, version=3, resumed=True)
    for good in (token, child, back):
        credential = authenticator.credential(good)
        assert authenticator.lapsed(credential) is None
    accounts.versions["ann"] = 4
    for old in (token, child, back):
        refused(authenticator, old)
    assert authenticator.lapsed(credential) == REVOKED
    for version in (None, 5, 0):
        refused(authenticator, tokens.mint(User("ann"), 60, version=version))


def test_an_account_that_is_closed_opens_nothing(tokens):  # AUTH-99
    accounts = Accounts({"ann": 3}, closed={"ann"})
    authenticator = Authenticator(tokens, (), None, accounts=accounts)
    for user in (User("ann"), User("kid", parent="ann")):
        refused(authenticator, tokens.mint(user, 60, version=3))


def test_a_version_without_an_account_opens_nothing(tokens):
    authenticator = Authenticator(tokens, (), None, accounts=Accounts({}))
    refused(authenticator, tokens.mint(User("gone"), 60, version=1))
    assert authenticator.credential(foreign(tokens)).user.id == "ann"


def test_a_server_whose_first_account_comes_later_knows_it_then(identity):
    """An empty table of accounts is one all the same."""
    parts = identity()
    assert len(parts.accounts.table) == 0
    assert parts.authenticator._accounts is parts.accounts.table


def test_ownership_is_asked_at_every_use(tokens):  # AUTH-112
    owners = {"ann"}
    authenticator = Authenticator(
        tokens, (), None, owns=lambda user, name: user.effective_id in owners
    )
    scope = Scope({"team-x": Permission.ADMIN, "team-y": Permission.READ}, "team-x")
    scope = Scope(scope.workspaces, "team-x", owned=frozenset({"team-x"}))
    for user in (User("ann", scope=scope), User("kid", scope=scope, parent="ann")):
        token = tokens.mint(user, 60)
        owners.add("ann")
        found = authenticator.credential(token).user.scope
        assert (found.level("team-x"), found.owned) == (Permission.ADMIN, {"team-x"})
        owners.clear()
        found = authenticator.credential(token).user.scope
        assert (found.level("team-x"), found.owned) == (Permission.NONE, frozenset())
        assert found.level("team-y") is Permission.READ


async def test_a_derived_token_ends_with_its_parent(tokens):  # AUTH-30
    authenticator = Authenticator(tokens, (), None)
    parent = tokens.mint(User("ann"), 60)
    credential = authenticator.credential(parent)
    child = tokens.verify(await authenticator.derive(credential.user, 1e6, credential))
    assert child.expires_at <= tokens.verify(parent).expires_at
    assert child.line == (tokens.verify(parent).jti,)


@pytest.mark.parametrize("written", [ROOT, f" {ROOT}\n", f"Bearer {ROOT}", f"bearer {ROOT}"])
def test_the_root_token(tokens, written):  # AUTH-54
    authenticator = Authenticator(tokens, (), ROOT)
    found = authenticator.credential(written)
    assert (found.user.id, found.workspace) == ("root", "ws-user-root")
    assert ROOT not in str(vars(authenticator))
    refused(authenticator, ROOT[:-1], None)


@pytest.mark.parametrize("text", ["", " ", "Bearer", "x" * 5000, "a b c"])
def test_what_is_no_token(tokens, text):  # AUTH-17, AUTH-18
    refused(Authenticator(tokens, (), ROOT), text, None)


def test_a_new_visitor_where_visitors_only_log_in(tokens):  # AUTH-10
    authenticator = Authenticator(tokens, (), None)
    user = authenticator.anonymous(only_logs_in=True).user
    assert user.only_logs_in and user.scope.level(user.home) is Permission.READ
    again = authenticator.credential(tokens.mint(user, 60)).user
    assert again.only_logs_in and again.scope.level(user.home) is Permission.READ
