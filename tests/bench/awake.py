"""Processors that do not fall asleep while servers are measured.

with awake():
    ...

A virtual machine gives an idle processor back to its host, and to get it again takes longer than
to relay a frame: with one frame under way at a time that is all one would measure. A process of
the idle class on each processor prevents it; whatever else wants to run goes first.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Where the system has no idle class, this does nothing."""
    if not hasattr(os, "SCHED_IDLE"):
        yield
        return
    spinners = [
        multiprocessing.get_context("spawn").Process(target=_spin, args=(processor,), daemon=True)
        for processor in os.sched_getaffinity(0)
    ]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.join()


def _spin(processor: int) -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.sched_setaffinity(0, {processor})
    while True:
        pass
