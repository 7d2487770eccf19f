"""How an application's answer gets out: its own headers and pieces, or an error in plain text."""

from collections.abc import Iterable
from http.client import responses

from hyphad.web.base import DrainingHandler
from hyphad.web.cors import set_cors
from hyphad.web.failures import Failure
from hyphad.web.identity import COOKIE

OWN_COOKIES = (COOKIE, "hyphad_")


class AppResponder(DrainingHandler):
    """What the calls of applications need of a handler."""

    def set_default_headers(self) -> None:
        """The application's headers are its own business (HTTP-73)."""
        self.clear_header("Content-Type")
        self.clear_header("Server")

    def begin(self, status: int, headers: Iterable[tuple[str, str]], trusted: bool) -> None:
        """Status and headers of the answer, in the order given, duplicates and all.

        Only services of the server's own are `trusted` with its cookies. Raises `ValueError`.
        """
        self.set_status(status, responses.get(status, "Unknown"))
        for name, value in headers:
            if trusted or name.lower() != "set-cookie" or not _is_own_cookie(value):
                self.add_header(name, value)

    @property
    def has_written(self) -> bool:
        """Whether the client has been sent anything."""
        return bool(self._headers_written)

    def abort(self) -> None:
        """End the connection in the middle of an answer, so that nobody takes it for whole."""
        stream = getattr(self.request.connection, "stream", None)
        if stream is not None:
            stream.close()

    def fail(self, failure: Failure, finish: bool = True) -> None:
        """Plain text: who asks here is a browser (HTTP-74)."""
        set_cors(self)
        for name, text in failure.headers.items():
            self.set_header(name, text)
        self.set_status(failure.status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.write(failure.detail)
        if finish:
            self.finish()


def without_own_cookies(lines: list[str]) -> str:
    """The cookies of a request that are not the server's own (D-13)."""
    pairs = [pair.strip() for line in lines for pair in line.split(";")]
    return "; ".join(pair for pair in pairs if pair and not _is_own_cookie(pair))


def _is_own_cookie(text: str) -> bool:
    return text.partition("=")[0].strip().lower().startswith(OWN_COOKIES)
