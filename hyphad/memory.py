"""How the C library keeps memory that was freed: by default it gives back too much, too often.

A buffer of 128 KiB or more gets pages of its own from the system, or is cut off the end of the heap
when it is freed; touching the fresh pages of the next one costs more than relaying its bytes. So
what large frames need is kept while they flow, and is given back when they have stopped.
"""

import contextlib
import ctypes

# As `mallopt` numbers them. A frame of 16 MiB with its header stays on the heap.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT = 32 << 20
ON_HEAP = 17 << 20


def keep_freed() -> None:
    """Keep up to 32 MiB of freed memory; does nothing where the C library is not glibc."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, KEPT)
        library.mallopt(_MMAP_THRESHOLD, ON_HEAP)


def give_back() -> None:
    """Give free pages to the system. Takes a millisecond or more: not while frames flow."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
