"""Patterns with `*` only, matched in linear time (D-20)."""

from hyphad.core.errors import Invalid

MAX_PATTERN = 256


def check_pattern(pattern: str) -> str:
    """Raises `Invalid` for a pattern of over 256 characters."""
    if len(pattern) > MAX_PATTERN:
        raise Invalid(f"Query pattern is longer than {MAX_PATTERN} characters")
    return pattern


def matches(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`; `*` stands for any run of characters, nothing else is special.

    >>> matches("he*", "hello"), matches("he?lo", "hello")
    (True, False)
    """
    if pattern == "*":
        return True
    head, *middle = pattern.split("*")
    if not middle:
        return head == text
    tail = middle.pop()
    if len(text) < len(head) + len(tail) or not text.startswith(head) or not text.endswith(tail):
        return False
    at, end = len(head), len(text) - len(tail)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True
