"""The setup code: who can read the log or the data directory may create the first administrator.

It stands in `<data>/setup-code` while there is no administrator, a new one at each start (AUTH-101,
D-3). The command line reads the same file.
"""

import hmac
import os
from pathlib import Path

from hyphad.auth.accounts import digest, new_code

FILE_NAME = "setup-code"


class SetupCode:
    """The code of this run; `current` is None once there is an administrator."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self.current: str | None = None

    def make(self) -> str:
        """A new code, in its file. Raises `OSError`."""
        code = new_code()
        part = self._file.with_suffix(".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(code + "\n")
        part.replace(self._file)
        self.current = code
        return code

    def clear(self) -> None:
        """There is an administrator: no code opens anything."""
        self.current = None
        self._file.unlink(missing_ok=True)

    def matches(self, text: str) -> bool:
        """Compared in constant time."""
        return self.current is not None and hmac.compare_digest(digest(self.current), digest(text))


def read_code(folder: Path) -> str | None:
    """What stands in the file, if it is there. Raises `OSError`."""
    try:
        return (folder / FILE_NAME).read_text().strip() or None
    except FileNotFoundError:
        return None
