"""Guessing gets slower, and nobody is locked out."""

import pytest

from hyphad.auth.throttle import FREE, MAX_DELAY, PEACE, Throttle, TooMany, address_key


class Table:
    """Counters on a disk that a test can look at."""

    def __init__(self):
        self.rows = {}

    def all(self):
        return [(key, *row) for key, row in self.rows.items()]

    def save(self, key, failures, last):
        self.rows[key] = (failures, last)

    def remove(self, keys):
        for key in keys:
            self.rows.pop(key, None)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def throttle(table, clock):
    return Throttle(table, clock)


def fail(throttle, *keys):
    with throttle.attempt(*keys):
        pass


def waits(throttle, key):
    with pytest.raises(TooMany) as caught:
        fail(throttle, key)
    return caught.value.seconds


def test_delays_double_after_five_failures(throttle, clock):  # AUTH-106
    for _ in range(FREE):
        fail(throttle, "a")
    found = []
    for _ in range(11):
        seconds = waits(throttle, "a")
        found.append(seconds)
        clock.now += seconds
        fail(throttle, "a")
    assert found == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert found[-1] == MAX_DELAY


def test_too_early_an_attempt_costs_nothing(throttle, clock):
    for _ in range(FREE):
        fail(throttle, "a")
    for _ in range(10):
        assert waits(throttle, "a") == 1
    clock.now += 1
    fail(throttle, "a")
    assert waits(throttle, "a") == 2


def test_the_text_says_how_long(throttle):  # AUTH-106
    for _ in range(FREE):
        fail(throttle, "a")
    with pytest.raises(TooMany) as caught:
        throttle.check("a")
    assert caught.value.message == "Too many attempts. Try again in 1 seconds."


def test_a_success_clears_the_account_but_not_the_address(throttle, clock):  # AUTH-106
    for _ in range(FREE - 1):
        fail(throttle, "account", "address")
    with throttle.attempt("account", "address") as attempt:
        attempt.succeeded()
    fail(throttle, "account", "other")
    fail(throttle, "else", "address")
    assert waits(throttle, "address") == 1


def test_attempts_at_the_same_time_are_counted_from_their_start(throttle):  # AUTH-106
    running = [throttle.attempt("a") for _ in range(FREE)]
    for attempt in running:
        attempt.__enter__()
    with pytest.raises(TooMany):
        fail(throttle, "a")


def test_an_error_in_an_attempt_is_a_failure(throttle):
    for _ in range(FREE):
        with pytest.raises(ZeroDivisionError), throttle.attempt("a"):
            raise ZeroDivisionError
    assert waits(throttle, "a") == 1


def test_peace_is_a_fresh_start(throttle, clock, table):
    for _ in range(FREE):
        fail(throttle, "a")
    clock.now += PEACE + 1
    throttle.purge()
    assert table.rows == {}
    for _ in range(FREE):
        fail(throttle, "a")
    assert waits(throttle, "a") == 1


def test_a_restart_is_no_fresh_start(throttle, table, clock):  # AUTH-150
    for _ in range(FREE):
        fail(throttle, "a")
    assert waits(Throttle(table, clock), "a") == 1


def test_a_clock_that_was_set_back_locks_nobody_out(throttle, clock):
    for _ in range(FREE):
        fail(throttle, "a")
    clock.now -= 86_400
    fail(throttle, "a")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("", "10.0.0.7", False),
    ],
)
def test_an_address_is_a_person_or_a_network(one, other, same):  # AUTH-106
    assert (address_key(one) == address_key(other)) is same
