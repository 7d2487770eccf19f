"""What an HTTP answer says about an error: its status, one line of text, and perhaps a hint.

The status comes from the type of the error (D-8). What a provider's function raised is told in the
words of its exception, whole but without its traceback: a path of somebody's machine is nobody
else's business (HTTP-56, AUTH-124).
"""

import re
from dataclasses import dataclass, field
from typing import Any

from hyphad.auth.authenticate import Blocked
from hyphad.core.errors import Fault, RemoteError, TimedOut, Unauthenticated, describe

_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r'^ {2,}File "', re.MULTILINE)
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?=:|$)")
_SCRIPT_FRAME = re.compile(r"^\s+at .*|^\S*@\S+:\d+:\d+$")
_REMOTE = ("RemoteException: ", "hypha_rpc.rpc.RemoteException: ", "RemoteError:")


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is answered. `bare` leaves out `success`, as for credentials (HTTP-57)."""

    status: int
    detail: str
    hint: str | None = None
    bare: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        shown: dict[str, Any] = {} if self.bare else {"success": False}
        shown["detail"] = self.detail
        if self.hint:
            shown["hint"] = self.hint
        return shown


class Refusal(Fault):
    """A request that the web itself turns down; its text stands alone."""

    def __init__(
        self,
        status: int,
        message: str,
        hint: str | None = None,
        *,
        bare: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(status, message, hint, bare, headers or {})
        self.status = status

    @property
    def rpc_text(self) -> str:
        return self.message


def failure_of(error: BaseException, detailed: bool = False) -> Failure:
    """How to answer an error; `detailed` adds the tracebacks of providers."""
    if isinstance(error, Refusal):
        return error.failure
    if isinstance(error, Unauthenticated):
        return Failure(401, error.message, bare=True, headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, Blocked):
        return Failure(403, error.message, bare=True)
    if isinstance(error, RemoteError):
        text = exception_text(error)
        whole = f"{error.message}\n{error.trace}".strip()
        return Failure(RemoteError(text).status, f"RemoteException: {whole if detailed else text}")
    if isinstance(error, TimedOut):
        return Failure(error.status, error.rpc_text)
    if isinstance(error, Fault):
        return Failure(error.status, f"RemoteException: {error.rpc_text}")
    return Failure(500, describe(error))


def exception_text(error: RemoteError) -> str:
    """`ValueError: bad thing` of what a provider rejected with, in whatever form it came.

    Python providers send the message and a traceback apart, or a traceback alone; JavaScript ones
    `Error: message` and a stack.
    """
    message, trace = error.message.strip("\n"), error.trace.strip("\n")
    if _FRAME.search(message) or message.startswith(_TRACEBACK):
        text = _last_exception(message)
    elif trace.startswith(_TRACEBACK):
        text = _named(message, trace)
    else:
        text = _without_frames(message)
    for prefix in _REMOTE:
        text = text.removeprefix(prefix)
    return _last_exception(text) if _TRACEBACK in text else text


def _named(message: str, trace: str) -> str:
    """The message with the name of its exception, which only the traceback tells."""
    at = trace.rfind(f": {message}") if message else -1
    if at >= 0:
        name = trace[trace.rfind("\n", 0, at) + 1 : at]
        if _EXCEPTION.fullmatch(name):
            return f"{name}: {message}"
    return _last_exception(trace)


def _last_exception(trace: str) -> str:
    """What follows the last stack frame of a Python traceback."""
    frames = list(_FRAME.finditer(trace))
    lines = trace[frames[-1].start() :].splitlines()[1:] if frames else trace.splitlines()
    start = next((i for i, line in enumerate(lines) if _EXCEPTION.match(line)), len(lines) - 1)
    return "\n".join(lines[max(start, 0) :]).strip() or "Exception"


def _without_frames(text: str) -> str:
    """The text up to the first stack frame of a JavaScript error."""
    kept = []
    for line in text.splitlines():
        if _SCRIPT_FRAME.match(line):
            break
        kept.append(line)
    return "\n".join(kept).strip() or "Error"
