"""Log lines: one per event, `key=value`, as text, as JSON, or with levels for the journal."""

import json
import logging
import os
import sys
from collections import deque
from itertools import count
from typing import Any

# The journal's numbers (those of syslog) for the levels of `logging`.
_JOURNAL = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_TIME = "%Y-%m-%dT%H:%M:%S"
LONGEST = 1000


class TextFormatter(logging.Formatter):
    """`2026-11-25T03:00:00 INFO hyphad.daemon event key=value`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """A line stays one line, so that nobody can write a second one with what it quotes."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


class JournalFormatter(TextFormatter):
    """`<6>hyphad.daemon event`: the journal adds the time and reads the level."""

    def format(self, record: logging.LogRecord) -> str:
        level = _JOURNAL.get(record.levelname, 6)
        return "\n".join(f"<{level}>{line}" for line in super().format(record).splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record, _TIME + "%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class Memory(logging.Handler):
    """The last warnings and errors, for those who look after the server; see `remember`."""

    def __init__(self, keep: int) -> None:
        super().__init__(logging.WARNING)
        self.entries: deque[dict[str, Any]] = deque(maxlen=keep)
        self._numbers = count(1)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.entries.append(
            {
                "number": next(self._numbers),
                "time": record.created,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage()[:LONGEST],
                "exception": f"{type(error).__name__}: {error}"[:LONGEST] if error else None,
            }
        )


def remember(keep: int) -> Memory:
    """Keep the last warnings and errors of this process in memory, too."""
    memory = Memory(keep)
    logging.getLogger().addHandler(memory)
    return memory


def setup(level: str, form: str = "text") -> None:
    """Send every log line of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    set_level(level)


def set_level(level: str) -> None:
    """What hyphad itself logs from now on; libraries always log warnings and errors."""
    logging.getLogger("hyphad").setLevel(level.upper())


def level() -> str:
    """What hyphad itself logs now."""
    return logging.getLevelName(logging.getLogger("hyphad").getEffectiveLevel()).lower()


def _formatter(form: str) -> logging.Formatter:
    if form == "json":
        return JsonFormatter()
    if _goes_to_journal():
        return JournalFormatter("%(name)s %(message)s")
    return TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s", _TIME)


def _goes_to_journal() -> bool:
    """Standard error is the stream that JOURNAL_STREAM names.

    The variable alone says little: a shell in a graphical session has it too.
    """
    try:
        here = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{here.st_dev}:{here.st_ino}"
