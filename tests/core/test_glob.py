"""`*` is the only special character, and no pattern takes more than linear time."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyphad.core.errors import Invalid
from hyphad.core.glob import MAX_PATTERN, check_pattern, matches

few = st.text("ab", max_size=12)
patterns = st.text("ab**", max_size=8)


@given(patterns, few)
def test_agrees_with_fnmatch_where_that_knows_stars_only(pattern, text):  # WS-23, D-20
    assert matches(pattern, text) is fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=8), st.text(max_size=12))
def test_everything_but_the_star_stands_for_itself(pattern, text):  # WS-23
    regex = ".*".join(re.escape(piece) for piece in pattern.split("*"))
    assert matches(pattern, text) is (re.fullmatch(regex, text, re.DOTALL) is not None)


@given(st.lists(few, min_size=2, max_size=5), st.data())
def test_a_text_made_from_the_pattern_matches_it(pieces, data):
    text = pieces[0] + "".join(data.draw(few) + piece for piece in pieces[1:])
    assert matches("*".join(pieces), text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("*a*", "a", True),
        ("a**b", "ab", True),
        ("he?lo", "hello", False),
        ("[h]ello", "hello", False),
        ("[h]*", "[h]ello", True),
        ("he*", "hello\nworld", True),
        ("HE*", "hello", False),
        ("a", "a\n", False),
    ],
)
def test_patterns(pattern, text, expected):
    assert matches(pattern, text) is expected


def test_a_pattern_that_would_make_a_backtracking_matcher_hang_is_answered():  # D-20
    text = "a" * 20_000
    assert not matches("*a" * 127 + "b", text)
    assert not matches("*ab" * 80 + "*", text)
    assert matches("*a" * 128, text)


def test_the_longest_pattern():  # D-20
    assert check_pattern("*" * MAX_PATTERN) == "*" * MAX_PATTERN
    with pytest.raises(Invalid, match="longer than 256 characters"):
        check_pattern("*" * (MAX_PATTERN + 1))
