"""Coroutine tests and a daemon for raw sockets."""

from coroutines import pytest_pyfunc_call
from hubs import hub

__all__ = ["hub", "pytest_pyfunc_call"]
