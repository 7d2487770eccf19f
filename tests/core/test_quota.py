"""Quotas: counted by key, given back, and never below nothing."""

from dataclasses import replace

import pytest

from hyphad.core.errors import QuotaExceeded
from hyphad.core.identity import Permission, Scope, User
from hyphad.core.quota import Calls, Quota, address_factor, address_key, payer
from hyphad.core.records import Caller

SCOPE = Scope({"ws-a": Permission.READ}, "ws-a")
ANN = Caller(User("ann", (), SCOPE), "ws-a", "c1", remote="10.0.0.1")
VISITOR = Caller(User("v-1", ("anonymous",), SCOPE), "ws-a", "c2", remote="10.0.0.1")


def test_a_quota_is_full_and_has_room_again():
    quota = Quota(2)
    for _ in range(2):
        assert quota.has_room("a")
        quota.take("a")
    assert not quota.has_room("a")
    assert quota.has_room("a", 2)
    assert quota.has_room("b")
    quota.give("a")
    assert quota.has_room("a")
    quota.give("a")
    quota.give("a")
    assert (len(quota), quota.count("a")) == (0, 0)


def test_no_limit_at_all():
    quota = Quota(0)
    for _ in range(100):
        quota.take("a")
    assert quota.has_room("a")


def test_calls_are_counted_while_they_run():
    calls = Calls(1)
    with calls.one(ANN):
        with pytest.raises(QuotaExceeded, match="Too many calls of yours"), calls.one(ANN):
            pass
        with calls.one(VISITOR):
            pass
    with calls.one(ANN):
        assert len(calls) == 1
    assert len(calls) == 0


def test_who_pays():  # AUTH-2
    child = replace(ANN, user=User("child", (), SCOPE, parent="ann"))
    assert payer(ANN) == payer(child) == "user ann"
    other = replace(VISITOR, user=User("v-2", ("anonymous",), SCOPE))
    assert payer(VISITOR) == payer(other) == "address 10.0.0.1"


def test_what_one_address_is():
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff")
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")
    assert (address_key("10.0.0.1"), address_key("fe80::%x")) == ("10.0.0.1", "fe80::%x")
    assert address_factor("127.0.0.1") == address_factor("::1") == 100
    assert address_factor("10.0.0.1") == 1
