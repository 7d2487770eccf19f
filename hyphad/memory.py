"""How the C library keeps memory that was freed: by default it gives back too much, too often.

A buffer of 128 KiB or more gets pages of its own from the system, or is cut off the end of the heap
when it is freed; touching the fresh pages of the next one costs more than relaying its bytes. So
what large frames need is kept while they flow, and is given back when they have stopped.
"""

import contextlib
import ctypes
import os
from pathlib import Path

# As `mallopt` numbers them. A frame of 16 MiB with its header stays on the heap.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# Relaying one takes three such pieces: what is read, the frame, what is still to be written.
KEPT = 64 << 20
ON_HEAP = 17 << 20


def keep_freed() -> None:
    """Keep up to 64 MiB of freed memory; does nothing where the C library is not glibc."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, KEPT)
        library.mallopt(_MMAP_THRESHOLD, ON_HEAP)


def give_back() -> None:
    """Give free pages to the system. Takes a millisecond or more: not while frames flow."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident() -> int:
    """Bytes that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ceiling() -> int:
    """Bytes that it may come to occupy: three quarters of its control group's, or the machine's."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        group = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
        bound = Path(f"/sys/fs/cgroup{group}/memory.max").read_text().strip()
        most = min(most, int(bound))
    return most * 3 // 4
