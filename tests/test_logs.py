"""Log lines: their form for people, for programs and for the journal."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyphad import logs

WRITE = """
import logging, sys
from hyphad import logs
logs.setup(sys.argv[1], sys.argv[2])
log = logging.getLogger("hyphad.part")
for level in ("debug", "info", "warning", "error", "critical"):
    getattr(log, level)("event level=%s", level)
logging.getLogger("library").info("chatter")
logging.getLogger("library").warning("trouble")
"""
FAIL = """
import logging
from hyphad import logs
logs.setup("info", "text")
try:
    raise ValueError("why")
except ValueError:
    logging.getLogger("hyphad.part").exception("failed")
"""


def written(tmp_path: Path, script: str, *words: str, journal: bool = False) -> list[str]:
    """The lines that a process logs to a file; `journal` makes it believe that this is one."""
    file = tmp_path / "stderr"
    with file.open("wb") as out:
        here = os.fstat(out.fileno())
        stream = f"{here.st_dev}:{here.st_ino}" if journal else "1:1"
        environ = {**os.environ, "JOURNAL_STREAM": stream}
        command = [sys.executable, "-c", script, *words]
        subprocess.run(command, stderr=out, env=environ, check=True)
    return file.read_text().splitlines()


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root, ours = logging.getLogger(), logging.getLogger("hyphad")
    before = root.handlers[:], root.level, ours.level
    yield root
    root.handlers[:], root.level, ours.level = before


def test_text_has_time_level_part_and_event(tmp_path):
    lines = written(tmp_path, WRITE, "info", "text")
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
    assert re.fullmatch(f"{time} INFO hyphad.part event level=info", lines[0])
    assert [line.split(" ")[1] for line in lines] == [
        "INFO",
        "WARNING",
        "ERROR",
        "CRITICAL",
        "WARNING",
    ]


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 5), ("info", 4), ("warning", 3), ("error", 2)]
)
def test_the_level_counts_for_hyphad_and_libraries_stay_quiet(level, count, tmp_path):
    lines = written(tmp_path, WRITE, level, "text")
    assert len([line for line in lines if "hyphad.part" in line]) == count
    assert [line for line in lines if "library" in line] == [lines[-1]]
    assert "trouble" in lines[-1]


def test_the_journal_gets_numbers_of_levels_and_no_time(tmp_path):
    assert written(tmp_path, WRITE, "debug", "text", journal=True) == [
        "<7>hyphad.part event level=debug",
        "<6>hyphad.part event level=info",
        "<4>hyphad.part event level=warning",
        "<3>hyphad.part event level=error",
        "<2>hyphad.part event level=critical",
        "<4>library trouble",
    ]


def test_every_line_of_a_traceback_has_its_level_in_the_journal(tmp_path):
    lines = written(tmp_path, FAIL, journal=True)
    assert lines[0] == "<3>hyphad.part failed"
    assert lines[-1] == "<3>ValueError: why"
    assert all(line.startswith("<3>") for line in lines)


def test_json_is_an_object_a_line(tmp_path):
    lines = written(tmp_path, WRITE, "info", "json", journal=True)
    entries = [json.loads(line) for line in lines]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", entries[0].pop("time"))
    assert entries[0] == {"level": "info", "logger": "hyphad.part", "message": "event level=info"}


def test_json_keeps_a_traceback_in_its_line(tmp_path):
    [line] = written(tmp_path, FAIL.replace('"text"', '"json"'))
    entry = json.loads(line)
    assert entry["message"] == "failed"
    assert entry["traceback"].endswith("ValueError: why")


@pytest.mark.parametrize("journal", [True, False])
def test_what_is_quoted_cannot_make_a_line_of_its_own(journal, tmp_path):
    script = (
        "import logging\nfrom hyphad import logs\nlogs.setup('info', 'text')\n"
        "logging.getLogger('hyphad').info('joined name=%s', 'a\\r\\n<0>forged')\n"
    )
    [line] = written(tmp_path, script, journal=journal)
    assert line.endswith("joined name=a\\r\\n<0>forged")


def test_the_level_can_change_while_running(root_logger):
    logs.setup("info")
    log = logging.getLogger("hyphad.part")
    assert not log.isEnabledFor(logging.DEBUG)
    logs.set_level("debug")
    assert log.isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("library").isEnabledFor(logging.INFO)
