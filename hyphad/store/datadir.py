"""The data directory: private, and used by one daemon at a time.

directory = DataDir(Path("hyphad-data"))
directory.open()
database = Database.open(directory.database_file)
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from hyphad.store.errors import StoreError
from hyphad.store.files import make_private, sync

LOCK_NAME = "hyphad.lock"
DATABASE_NAME = "hyphad.db"


class DataDir:
    """Holds the lock of the directory from `open` to `close`, or to the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def database_file(self) -> Path:
        return self.path / DATABASE_NAME

    def open(self) -> None:
        """Make the directory if need be and take its lock at once (D-28). Raises `StoreError`."""
        try:
            self._make()
            make_private(self.path / LOCK_NAME)
            lock = os.open(self.path / LOCK_NAME, os.O_RDWR)
        except OSError as error:
            raise StoreError(
                f"The data directory {self.path} cannot be used: {error.strerror}. "
                "Give this user write access to it, or choose another with --data-dir."
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _pid_in(lock)
            os.close(lock)
            raise StoreError(
                f"Another hyphad{holder} is using the data directory {self.path}. "
                "Stop it first, or choose another with --data-dir."
            ) from None
        except OSError as error:
            os.close(lock)
            raise StoreError(
                f"The data directory {self.path} cannot be locked: {error.strerror}. "
                "Choose one on a local disk with --data-dir."
            ) from None
        self._lock = lock
        # The pid is for people; the lock holds without it, also on a full disk.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let the next daemon in. The file stays: removing a lock file is a race."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _make(self) -> None:
        if not self.path.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            sync(self.path.absolute().parent)


def _pid_in(lock: int) -> str:
    pid = os.pread(lock, 32, 0).decode(errors="replace").strip()
    return f" (pid {pid})" if pid.isdigit() else ""
