"""Arguments without a server: the decoder of query values, and compressed bodies."""

import gzip
import json
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyphad.web.arguments import inflate, query_value
from hyphad.web.failures import Refusal


@given(st.text())
@example("²")
@example("1" * 5000)
@example("nan")
@example("{" * 100_000)
def test_any_text_is_a_value_or_refused(text: str) -> None:  # HTTP-42
    try:
        value = query_value(text)
    except Refusal as error:
        assert text.startswith("{")
        assert (error.status, error.message[:22]) == (400, "Invalid request body: ")
        return
    if text.startswith("{"):
        assert isinstance(value, dict)
    else:
        assert isinstance(value, int | float) or value == text


@given(st.integers(min_value=0, max_value=1 << 64))
def test_digits_are_integers(number: int) -> None:
    assert query_value(str(number)) == number
    assert query_value(f"00{number}") == number


@given(st.floats(allow_nan=False))
def test_numbers_are_floats(number: float) -> None:
    value = query_value(repr(number))
    assert (type(value), value) == (float, number)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_braces_are_json(value: dict[str, object]) -> None:
    assert query_value(json.dumps(value)) == value


@pytest.mark.parametrize("text", ["true", "null", "[1,2]", '"q"', "", "0x10", "²", "1,5", " {}"])
def test_everything_else_stays_text(text: str) -> None:
    assert query_value(text) == text


@given(st.binary(max_size=10_000))
def test_compressed_data_comes_back(data: bytes) -> None:
    assert inflate(gzip.compress(data), 10_000) == data
    assert inflate(zlib.compress(data), 10_000) == data


def test_a_bomb_stops_at_the_limit() -> None:  # D-19
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    with pytest.raises(Refusal) as caught:
        inflate(bomb, 1 << 20)
    assert caught.value.status == 413


@given(st.binary(max_size=200))
def test_broken_data_is_refused(data: bytes) -> None:
    try:
        inflate(data, 1000)
    except Refusal as error:
        assert error.status in (400, 413)
