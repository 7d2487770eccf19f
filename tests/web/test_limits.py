"""Floods are slowed down, fairly: by address or user, and not because somebody else guesses."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import Hyphad
from tickets import JWT_SECRET, ticket

from hyphad.web.limits import IDLE_SECONDS, SWEEP_SECONDS, TOO_MANY, Buckets

ALICE = {"Authorization": f"Bearer {ticket('alice')}"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_empties_and_fills() -> None:
    clock = Clock()
    buckets = Buckets(2.0, 3.0, clock)
    assert [buckets.take("a") for _ in range(3)] == [0.0] * 3
    assert buckets.take("a") == 0.5
    assert buckets.take("b") == 0.0
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0
    clock.now += 1000
    assert [buckets.take("a") > 0 for _ in range(4)] == [False] * 3 + [True]


def test_a_rate_of_zero_is_no_limit() -> None:
    buckets = Buckets(0.0, 0.0)
    assert [buckets.take("a") for _ in range(1000)] == [0.0] * 1000
    assert len(buckets) == 0


def test_idle_buckets_are_forgotten() -> None:
    clock = Clock()
    buckets = Buckets(1.0, 1.0, clock)
    for number in range(100):
        buckets.take(str(number))
    clock.now += IDLE_SECONDS + SWEEP_SECONDS
    buckets.take("new")
    assert len(buckets) == 1


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=200))
def test_never_more_than_burst_plus_rate(pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(5.0, 10.0, clock)
    taken = 0
    for pause in pauses:
        clock.now += pause
        taken += buckets.take("a") == 0.0
    assert taken <= 10 + 5 * (clock.now - 1000) + 1


@pytest.fixture
def strict(make_hyphad: Callable[..., Hyphad]) -> Hyphad:
    """A daemon behind a proxy: three requests at once, and nearly none after that."""
    return make_hyphad(
        "--jwt-secret", JWT_SECRET, "--trusted-proxies", "127.0.0.1",
        "--http-rate-limit", "0.01", "--http-burst-limit", "3",
        "--http-authenticated-rate-limit", "0.01", "--http-authenticated-burst-limit", "5",
    ).start()  # fmt: skip


def statuses(hub: Hyphad, count: int, path: str = "/metrics", **headers: str) -> list[int]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [hub.request(path, headers=named)[0] for _ in range(count)]


def test_too_many_requests_of_one_address(strict: Hyphad) -> None:  # HTTP-67
    assert statuses(strict, 4, X_Forwarded_For="10.0.0.1") == [200, 200, 200, 429]
    headers = {"X-Forwarded-For": "10.0.0.1", "Origin": "http://page.example"}
    status, data, answer = strict.request("/metrics", headers=headers)
    assert (status, json.loads(data)) == (429, {"detail": TOO_MANY})
    assert int(answer["retry-after"]) >= 1
    assert answer["access-control-allow-origin"] == "*"
    assert statuses(strict, 1, X_Forwarded_For="10.0.0.2") == [200]
    assert statuses(strict, 9, "/health/liveness", X_Forwarded_For="10.0.0.1") == [200] * 9
    assert statuses(strict, 1, "/ws", X_Forwarded_For="10.0.0.1") == [429]


def test_an_ipv6_network_is_one_address(strict: Hyphad) -> None:
    found = [statuses(strict, 1, X_Forwarded_For=f"2001:db8::{number:x}")[0] for number in range(4)]
    assert found == [200, 200, 200, 429]
    assert statuses(strict, 1, X_Forwarded_For="2001:db8:0:1::1") == [200]


def test_known_users_have_a_limit_of_their_own(strict: Hyphad) -> None:  # HTTP-67, AUTH-137
    flood = {"X-Forwarded-For": "10.0.0.1"}
    assert statuses(strict, 4, **flood)[-1] == 429
    assert statuses(strict, 6, **flood, **ALICE) == [200] * 5 + [429]
    assert statuses(strict, 1, "/metrics?workspace=a&client_id=b", **flood, **ALICE) == [200]
    forged = {"Authorization": ALICE["Authorization"][:-4] + "AAAA"}
    assert statuses(strict, 1, **flood, **forged) == [429]
    expired = {"Authorization": f"Bearer {ticket('alice', lifetime=-60)}"}
    assert statuses(strict, 1, **flood, **expired) == [429]
    cookie = {"Cookie": f"access_token={ticket('bob')}"}
    assert statuses(strict, 1, **flood, **cookie) == [429]


def test_guessing_tokens_is_slow_and_harms_nobody_else(
    make_hyphad: Callable[..., Hyphad],
) -> None:  # AUTH-106, D-18
    daemon = make_hyphad("--jwt-secret", JWT_SECRET, "--trusted-proxies", "127.0.0.1").start()
    shared = {"X-Forwarded-For": "10.0.0.1"}
    guess = {"Authorization": "Bearer guess"}
    found = statuses(daemon, 70, "/assets/config.json", **shared, **guess)
    assert found[:60] == [401] * 60
    assert found[-1] == 429
    assert statuses(daemon, 3, "/assets/config.json", **shared, **ALICE) == [200] * 3
    expired = {"Authorization": f"Bearer {ticket('alice', lifetime=-60)}"}
    assert statuses(daemon, 3, "/assets/config.json", **shared, **expired) == [401] * 3
    assert statuses(daemon, 3, "/assets/config.json", **shared) == [200] * 3


def test_loopback_has_plenty(make_hyphad: Callable[..., Hyphad]) -> None:
    daemon = make_hyphad("--http-rate-limit", "1", "--http-burst-limit", "3").start()
    assert statuses(daemon, 100) == [200] * 100


def test_nobody_lies_about_its_address(make_hyphad: Callable[..., Hyphad]) -> None:  # AUTH-107
    daemon = make_hyphad("--http-rate-limit", "0.0001", "--http-burst-limit", "1").start()
    found = [statuses(daemon, 1, X_Forwarded_For=f"10.0.0.{n}")[0] for n in range(120)]
    assert found.count(429) >= 19


def test_only_the_last_stranger_in_the_chain_counts(
    make_hyphad: Callable[..., Hyphad],
) -> None:  # AUTH-107
    daemon = make_hyphad(
        "--trusted-proxies", "127.0.0.0/8,10.1.0.0/16", "--http-rate-limit", "0.01",
        "--http-burst-limit", "1",
    ).start()  # fmt: skip

    def first(forwarded: str) -> int:
        return statuses(daemon, 1, X_Forwarded_For=forwarded)[0]

    assert first("192.0.2.1, 203.0.113.5, 10.1.2.3") == 200
    assert first("198.51.100.9, 203.0.113.5") == 429
    assert first("203.0.113.5, garbage, 10.1.2.3") == 200
    assert first("garbage, 203.0.113.5") == 429
