"""Every error hyphad answers with, in one place.

A `Fault` is something a caller can be told: it has the class name that goes into the RPC text
(`<kind>: <message>`, WS-10), the HTTP status (D-8) and whether trying again may help. Any other
exception is a bug of ours and is answered with a neutral sentence; its traceback stays in the log.
"""


class Fault(Exception):
    """An error with a text for the caller.

    >>> Denied("Permission denied for workspace ws-a").rpc_text
    'PermissionError: Permission denied for workspace ws-a'
    """

    kind = "Exception"
    status = 500
    retry = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message

    @property
    def rpc_text(self) -> str:
        """The text of an RPC error value: one line, no path, no traceback (WIRE-64, WS-10)."""
        return f"{self.kind}: {self.message}"


class Denied(Fault):
    """The caller may not do this."""

    kind = "PermissionError"
    status = 403


class Unauthenticated(Fault):
    """The credential is missing, malformed, expired or revoked (AUTH-16)."""

    kind = "PermissionError"
    status = 401


class NotFound(Fault):
    """Nothing of that name. The text is quoted as `KeyError` prints it (WS-10)."""

    kind = "KeyError"
    status = 404

    @property
    def rpc_text(self) -> str:
        return f"{self.kind}: {self.message!r}"


class TokenRefused(Denied):
    """A token that cannot be used for this; upstream's texts carry an HTTP status in front."""

    kind = "HTTPException"


class RegisteredOnly(Denied):
    """Anonymous visitors may not do this (AUTH-8)."""

    kind = "Exception"


class Invalid(Fault):
    """A value that cannot be accepted."""

    kind = "ValueError"
    status = 400


class Misuse(Fault):
    """A rule of the call was not kept; upstream answers these with assertions."""

    kind = "AssertionError"
    status = 400


class BadCall(Fault):
    """Arguments that do not fit the signature (WS-4)."""

    kind = "TypeError"
    status = 400


class Conflict(Fault):
    """What is asked for exists already."""

    kind = "RuntimeError"
    status = 409


class QuotaExceeded(Fault):
    """A limit of the server is reached."""

    kind = "RuntimeError"
    status = 429
    retry = True


class Unavailable(Fault):
    """Not possible on this server as it is configured, or not now."""

    kind = "RuntimeError"
    status = 503


class StorageError(Fault):
    """The disk refused a change; nothing was changed in memory either (D-28)."""

    kind = "OSError"
    status = 507
    retry = True


class TimedOut(Fault):
    """A remote peer did not answer in time."""

    kind = "TimeoutError"
    status = 504
    retry = True


class PeerGone(Fault):
    """The remote peer is not connected, or left while we waited (WIRE-56)."""

    kind = "ConnectionError"
    status = 502
    retry = True


class UnknownMethod(Fault):
    """A path that the addressed peer does not serve (WIRE-65)."""

    kind = "Exception"
    status = 404


class RemoteError(Fault):
    """An error that a remote peer answered with; its text is passed on as it came.

    The status follows the class name in the first or last line of the text (D-8).
    """

    kind = "RemoteException"
    _STATUS = {
        "PermissionError": 403,
        "KeyError": 404,
        "FileNotFoundError": 404,
        "ValueError": 400,
        "TypeError": 400,
        "AssertionError": 400,
        "TimeoutError": 504,
    }

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace
        lines = [line for line in message.strip().splitlines() if line.strip()] or [""]
        for line in (lines[0], lines[-1]):
            name = line.split(":", 1)[0].strip().rsplit(".", 1)[-1]
            if name in self._STATUS:
                self.status = self._STATUS[name]
                break

    @property
    def rpc_text(self) -> str:
        return self.message


class Refused(Fault):
    """A handshake that ends with an error frame and a close code; clients then give up (WIRE-12).

    `quiet` closes without the error frame, so that clients try again.
    """

    kind = "ConnectionAbortedError"
    status = 403

    def __init__(self, message: str, code: int = 1001, quiet: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.quiet = quiet


MAX_TEXT = 1500


def describe(error: BaseException) -> str:
    """The RPC text for any exception: a fault speaks for itself, a bug stays anonymous.

    What a caller wrote is not repeated to it at any length.
    """
    if isinstance(error, RemoteError):
        return error.rpc_text
    if isinstance(error, Fault):
        text = error.rpc_text
        return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."
    return f"InternalError: hyphad failed to handle this call ({type(error).__name__}); see its log"
