"""The audit log: what happened to identities, who did it, from where, and how it ended (AUTH-109).

One call writes the row and the log line, so that neither is forgotten. Passwords, codes and tokens
never come here; a token is named by its id.
"""

import logging
import time
from dataclasses import dataclass, replace
from typing import Any, Protocol

log = logging.getLogger("hyphad.audit")

MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class By:
    """Who does something (a user id, or `command line`), and from which network address."""

    actor: str = ""
    address: str = ""

    def or_else(self, actor: str) -> "By":
        """The same place; `actor` where nobody is known yet."""
        return self if self.actor else replace(self, actor=actor)


UNKNOWN = By()


class Table(Protocol):
    """Where events are kept; written behind."""

    def add(self, moment: float, values: dict[str, str], detail: dict[str, Any]) -> None: ...


class Audit:
    """`audit("login", "failed", by=By(address="10.0.0.7"), subject="ann@lab.org")`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __call__(
        self,
        event: str,
        outcome: str = "ok",
        *,
        by: By = UNKNOWN,
        subject: str = "",
        **detail: Any,
    ) -> None:
        """`subject` is whom or what it was done to."""
        values = {
            "event": event,
            "outcome": outcome,
            "actor": _short(by.actor),
            "subject": _short(subject),
            "address": _short(by.address),
        }
        detail = {
            key: _short(value) if isinstance(value, str) else value
            for key, value in detail.items()
            if value is not None
        }
        self._table.add(time.time(), values, detail)
        level = logging.INFO if outcome == "ok" else logging.WARNING
        shown = {**values, **detail}
        log.log(level, "%s", " ".join(f"{key}={_plain(value)}" for key, value in shown.items()))


def _short(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:MAX_TEXT]


def _plain(value: Any) -> str:
    """Quoted where it would read as more than one word, or as more than one line."""
    text = str(value)
    return (
        text if text and text.isprintable() and " " not in text and "=" not in text else repr(text)
    )
