"""Every error has a text and a status; only the class name of a remote text decides its status."""

import pytest

from hyphad.core import errors
from hyphad.core.errors import Fault, RemoteError, describe

RETRY_TRIGGERS = (
    "Method expired or not found",
    "Session not found",
    "Peer",
    "Method not found",
    "Connection was closed",
    "Connection is closed",
)


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (errors.Denied("no"), "PermissionError: no", 403),
        (errors.Unauthenticated("who"), "PermissionError: who", 401),
        (errors.NotFound("Service not found: x"), "KeyError: 'Service not found: x'", 404),
        (errors.NotFound("it's"), 'KeyError: "it\'s"', 404),
        (errors.TokenRefused("403: x"), "HTTPException: 403: x", 403),
        (errors.RegisteredOnly("x"), "Exception: x", 403),
        (errors.Invalid("x"), "ValueError: x", 400),
        (errors.Misuse("x"), "AssertionError: x", 400),
        (errors.BadCall("x"), "TypeError: x", 400),
        (errors.Conflict("x"), "RuntimeError: x", 409),
        (errors.QuotaExceeded("x"), "RuntimeError: x", 429),
        (errors.Unavailable("x"), "RuntimeError: x", 503),
        (errors.StorageError("x"), "OSError: x", 507),
        (errors.TimedOut("x"), "TimeoutError: x", 504),
        (errors.PeerGone("x"), "ConnectionError: x", 502),
        (errors.UnknownMethod("x"), "Exception: x", 404),
        (errors.Refused("x"), "ConnectionAbortedError: x", 403),
        (errors.Fault("x"), "Exception: x", 500),
    ],
)
def test_texts_and_statuses(error, text, status):  # WIRE-64, WS-10, D-8
    assert describe(error) == text
    assert error.status == status
    assert str(error) == error.message


def test_every_kind_of_error_stands_in_the_table():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    tested = {type(mark.args[1][i][0]) for mark in _marks() for i in range(len(mark.args[1]))}
    assert kinds - tested == {RemoteError}


def _marks():
    return [m for m in test_texts_and_statuses.pytestmark if m.name == "parametrize"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("KeyError: 'Service not found: x'", 404),
        ("FileNotFoundError: x", 404),
        ("PermissionError: x", 403),
        ("ValueError: x", 400),
        ("TypeError: x", 400),
        ("AssertionError", 400),
        ("TimeoutError", 504),
        ("TimeoutError: ", 504),
        ("builtins.PermissionError: x", 403),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'y'", 404),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'y'\n\n", 404),
        ("ValueError: a\nsecond line", 400),
        ("ValueError: a\nKeyError: b", 400),
        ("RuntimeError: x", 500),
        ("RuntimeError: caused by KeyError: x", 500),
        ("the word PermissionError: is not first", 500),
        ("x\nPermissionError: in the middle\ny", 500),
        ("PermissionErrors: x", 500),
        ("permissionerror: x", 500),
        ("not found", 500),
        ("", 500),
        ("\n\n", 500),
        (":", 500),
    ],
)
def test_the_status_of_a_remote_error_follows_its_class_name(text, status):  # D-8
    error = RemoteError(text, "trace")
    assert error.status == status
    assert describe(error) == text
    assert RemoteError("RuntimeError: x").status == 500, "one error does not change the next"


def test_a_bug_of_ours_stays_anonymous():  # WS-10, AUTH-124
    text = describe(RuntimeError("secret at /srv/data/key"))
    assert "secret" not in text
    assert "/srv" not in text
    assert text.startswith("InternalError: ")
    assert "\n" not in text


def test_only_temporary_troubles_invite_another_try():
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Fault)]
    assert {kind.__name__ for kind in kinds if kind.retry} == {
        "QuotaExceeded",
        "StorageError",
        "TimedOut",
        "PeerGone",
    }


def test_no_kind_of_error_makes_clients_repeat_a_call():  # WIRE-4
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Fault)]
    texts = [kind.kind for kind in kinds] + [describe(KeyError("x"))]
    assert not [text for text in texts if any(trigger in text for trigger in RETRY_TRIGGERS)]


def test_a_refusal_knows_how_to_close():  # WIRE-12, WIRE-13
    refused = errors.Refused("busy", 1013, quiet=True)
    assert (refused.code, refused.quiet) == (1013, True)
    assert (errors.Refused("x").code, errors.Refused("x").quiet) == (1001, False)
