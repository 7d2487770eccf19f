"""Coroutine tests and a daemon for faults."""

from coroutines import pytest_pyfunc_call
from hubs import hub

__all__ = ["hub", "pytest_pyfunc_call"]
