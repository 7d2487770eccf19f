"""Values checked against a schema that a stranger wrote, with bounded effort (MCP-30).

    flaw = Checker(schema).flaw({"name": 5})
    flaw.message   # "5 is not of type 'string'"

Schemas come from whoever registers a service, values from whoever calls it; together they must
not hold up the daemon. Patterns are not matched (a regular expression may take forever), nothing is
fetched from elsewhere, and a check that takes too many steps or too much time is given up, after
three times for good: the provider then judges for itself. `jsonschema` is loaded on the first use.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from hyphad.core.parameters import Schema, mapped

log = logging.getLogger(__name__)

MAX_STEPS = 5000
MAX_SECONDS = 0.1  # one step may read all of a long value or a long schema
MAX_STRIKES = 3
MAX_UNIQUE = 100
MAX_TEXT = 500
_UNBOUNDED = ("pattern", "patternProperties", "format", "$schema", "$id")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a value: the sentence, the path to the place, the schema it broke."""

    message: str
    path: str
    schema: Any


class _TooMuch(Exception):
    """The check has taken its steps, or its time."""


@dataclass(slots=True)
class _Effort:
    """What one check has taken so far."""

    ends: float
    steps: int = 0

    def step(self) -> None:
        """Raises `_TooMuch` with the one that is too many."""
        self.steps += 1
        if self.steps > MAX_STEPS or time.monotonic() > self.ends:
            raise _TooMuch


_EFFORT: ContextVar[_Effort] = ContextVar("effort")  # of the check that is under way


class Checker:
    """One schema, ready to check values."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._validator: Any = None
        self._strikes = 0

    def flaw(self, value: Any) -> Flaw | None:
        """The most telling flaw of a value, or None where there is none, or nobody can say."""
        if self._strikes >= MAX_STRIKES:
            return None
        try:
            if has_more_than(MAX_STEPS, value):
                return None
            if self._validator is None:
                self._validator = _validator(self._schema)
            return self._worst(value)
        except _TooMuch:
            self._strikes += 1
            log.warning("schema_too_costly strikes=%d", self._strikes)
        except Exception as error:  # a schema that is none, in one of many ways
            log.info("schema_unusable reason=%r", f"{type(error).__name__}: {error}"[:200])
        return None

    def _worst(self, value: Any) -> Flaw | None:
        from jsonschema.exceptions import best_match

        token = _EFFORT.set(_Effort(time.monotonic() + MAX_SECONDS))
        try:
            error = best_match(self._validator.iter_errors(value))
        finally:
            _EFFORT.reset(token)
        if error is None:
            return None
        path = ".".join(str(part) for part in error.absolute_path)
        return Flaw(_short(error.message), path, error.schema)


def has_more_than(limit: int, value: Any) -> bool:
    """Whether a value has so many members at any depth that looking at each would take too long."""
    count, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            count += len(item)
            if count > limit:
                return True
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return False


def _validator(schema: Schema) -> Any:
    from referencing import Registry

    return _kind_of_validator()(bounded(schema), registry=Registry())


@cache
def _kind_of_validator() -> Any:
    """JSON Schema of 2020, with every step and every flaw counted."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    checks = Draft202012Validator.VALIDATORS
    counted = {name: _counted(name, check) for name, check in checks.items()}
    made: Any = extend(Draft202012Validator, counted)  # type: ignore[no-untyped-call]
    return made


def _counted(name: str, check: Any) -> Any:
    def steps(validator: Any, limit: Any, value: Any, schema: Any) -> Iterator[Any]:
        effort = _EFFORT.get()
        effort.step()
        if name == "uniqueItems" and isinstance(value, list) and len(value) > MAX_UNIQUE:
            return
        for flaw in check(validator, limit, value, schema) or ():
            effort.step()
            yield flaw

    return steps


def bounded(schema: Any) -> Any:
    """The schema without what has no bound on its effort, or would send us elsewhere."""
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if key not in _UNBOUNDED}
    if "patternProperties" in schema:
        for rest in ("additionalProperties", "unevaluatedProperties"):
            made.pop(rest, None)
    return mapped(made, bounded)


def _short(message: str) -> str:
    """A sentence about a value, without the whole of a long value."""
    if len(message) <= MAX_TEXT:
        return message
    return f"{message[: MAX_TEXT // 2]} ... {message[-MAX_TEXT // 2 :]}"


def expectation(flaw: Flaw) -> str:
    """For an agent: where the flaw is, and what is expected there."""
    place = f"At: {flaw.path}. " if flaw.path else ""
    schema = flaw.schema
    if not isinstance(schema, dict):
        return place.strip()
    shown = {key: value for key, value in schema.items() if not key.startswith("$")}
    text = json.dumps(shown, default=str)
    return f"{place}Expected: {text}" if len(text) <= 2 * MAX_TEXT else place.strip()
