"""How errors are told: the words of the exception, and a status from its type."""

import pytest

from hyphad.auth.authenticate import Blocked
from hyphad.core.errors import (
    Denied,
    NotFound,
    QuotaExceeded,
    RemoteError,
    TimedOut,
    Unauthenticated,
)
from hyphad.web.failures import Refusal, exception_text, failure_of

TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/home/lab/not found/x.py", line 1, in f\n'
    "    return g()\n"
    "           ^^^\n"
    '  File "/home/lab/x.py", line 2, in g\n'
    "    raise ValueError(text)\n"
)
CHAINED = TRACE + "ValueError: first\n\nDuring handling of the above exception, another\n\n" + TRACE


@pytest.mark.parametrize(
    ("message", "trace", "text", "status"),
    [
        ("bad thing", TRACE + "ValueError: bad thing", "ValueError: bad thing", 400),
        ("", TRACE + "ValueError", "ValueError", 400),
        ("'k'", TRACE + "KeyError: 'k'", "KeyError: 'k'", 404),
        ("a\nb: c\nd", TRACE + "PermissionError: a\nb: c\nd", "PermissionError: a\nb: c\nd", 403),
        ("boom", TRACE + "lab.errors.Special: boom", "lab.errors.Special: boom", 500),
        ("late", CHAINED + "TypeError: late", "TypeError: late", 400),
        (TRACE + "RuntimeError: the file was not found", "", None, 500),
        (TRACE + "ValueError: two\nlines", "", "ValueError: two\nlines", 400),
        ("Error: js bad", "Error: js bad\n    at f (file.js:1:2)", "Error: js bad", 500),
        ("TypeError: js", "", "TypeError: js", 400),
        ("Error: js\n    at f (file.js:1:2)\n    at g (b.js:3:4)", "", "Error: js", 500),
        ("plain words", "", "plain words", 500),
        ("", "", "Error", 500),
        (
            f"RemoteError:inner\n{TRACE}PermissionError: inner",
            TRACE
            + f"hypha_rpc.rpc.RemoteException: RemoteError:inner\n{TRACE}PermissionError: inner",
            "PermissionError: inner",
            403,
        ),
    ],
)
def test_what_a_provider_raised(
    message: str, trace: str, text: str | None, status: int
) -> None:  # HTTP-56, D-8
    error = RemoteError(message, trace)
    if text is not None:
        assert exception_text(error) == text
    failure = failure_of(error)
    assert failure.status == status
    assert failure.detail.startswith("RemoteException: ")
    assert "Traceback" not in failure.detail
    assert "/home" not in failure.detail


def test_details_on_request() -> None:
    error = RemoteError("bad thing", TRACE + "ValueError: bad thing")
    failure = failure_of(error, detailed=True)
    assert (failure.status, "/home/lab/x.py" in failure.detail) == (400, True)


def test_errors_of_the_server() -> None:
    assert failure_of(NotFound("Service not found: x")).body() == {
        "success": False,
        "detail": "RemoteException: KeyError: 'Service not found: x'",
    }
    assert failure_of(Denied("no")).status == 403
    assert failure_of(QuotaExceeded("much")).status == 429
    assert failure_of(TimedOut("late")).body()["detail"] == "TimeoutError: late"


def test_errors_of_credentials_are_bare() -> None:  # HTTP-57
    failure = failure_of(Unauthenticated("Signature verification failed."))
    assert failure.body() == {"detail": "Signature verification failed."}
    assert (failure.status, failure.headers) == (401, {"WWW-Authenticate": "Bearer"})
    blocked = failure_of(Blocked("User is blocked: spam"))
    assert (blocked.status, blocked.body()) == (403, {"detail": "User is blocked: spam"})


def test_a_fault_of_ours_stays_anonymous() -> None:
    failure = failure_of(ZeroDivisionError("/root/secret"))
    assert (failure.status, "secret" in failure.detail) == (500, False)


def test_refusals_say_what_to_do() -> None:
    refusal = Refusal(404, "nofn not found.", "Did you mean fn?")
    assert failure_of(refusal).body() == {
        "success": False,
        "detail": "nofn not found.",
        "hint": "Did you mean fn?",
    }
