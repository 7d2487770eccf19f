"""Values as JSON in a column, and rows that survive the damage of their neighbours."""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from hyphad.core.errors import Invalid

log = logging.getLogger(__name__)

T = TypeVar("T")


def to_json(value: Any) -> str:
    """Compact, and plain ASCII so that any string survives. Raises `Invalid`."""
    try:
        return json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"Only plain JSON values can be stored ({error})") from None


def from_json(text: Any, kind: type[T]) -> T:
    """Raises `ValueError` when the text is damaged or holds something else."""
    if not isinstance(text, str):
        raise ValueError("no text")
    try:
        value = json.loads(text.encode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, kind):
        raise ValueError(f"{kind.__name__} expected, {type(value).__name__} found")
    return value


def text_of(value: Any) -> str:
    """A column that is text, as it was written. Raises `ValueError`."""
    if not isinstance(value, str):
        raise ValueError("no text")
    value.encode()
    return value


def number_of(value: Any) -> float:
    """A column that is a number. Raises `ValueError`."""
    if not isinstance(value, int | float):
        raise ValueError("no number")
    return float(value)


def good_rows(
    table: str, key: str, rows: Iterable[dict[str, Any]], parse: Callable[[dict[str, Any]], T]
) -> list[T]:
    """The rows that `parse` accepts; the others are skipped with a log line, and stay on disk."""
    good = []
    for row in rows:
        try:
            good.append(parse(row))
        except ValueError as error:
            log.error("bad_row table=%s id=%r reason=%r", table, row[key], str(error))
    return good
