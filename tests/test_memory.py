"""Memory that was freed: kept while it is needed again and again, then given back."""

import ctypes
import subprocess
import sys

import pytest

from hyphad import memory

glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc can be told"
)

# A process of its own: settings of the allocator hold for all that comes after.
FAULTS = """
import resource, sys
from hyphad import memory
if sys.argv[1] == "kept":
    memory.keep_freed()
count = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for turn in range(30):
    if turn == 10:
        before = count()
    [bytearray(b"x" * (int(sys.argv[2]) << 20)) for _ in range(int(sys.argv[3]))]
print(count() - before)
"""
RESIDENT = """
from pathlib import Path
from hyphad import memory
memory.keep_freed()
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096
blocks = [bytearray(b"x" * (1 << 20)) for _ in range(20)]
del blocks
before = resident()
memory.give_back()
print(before - resident())
"""


def test_the_daemon_loads_nothing_that_most_runs_do_not_use():
    command = [sys.executable, "-c", UNUSED]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "\n"


def run(script: str, *arguments: str) -> int:
    command = [sys.executable, "-c", script, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


UNUSED = """
import sys
import hyphad.daemon
print(*sorted({"jsonschema", "numpy", "sqlite_utils", "tarfile", "zipfile"} & set(sys.modules)))
"""


@glibc
@pytest.mark.parametrize(("mebibytes", "pieces"), [("4", "1"), ("15", "3")])
def test_large_buffers_get_the_pages_of_those_before_them(mebibytes: str, pieces: str):
    kept, default = (run(FAULTS, how, mebibytes, pieces) for how in ("kept", "default"))
    assert kept < default / 10


@glibc
def test_what_is_kept_is_given_back_when_asked():
    assert run(RESIDENT) > 10 << 20


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    memory.keep_freed()
    memory.give_back()
