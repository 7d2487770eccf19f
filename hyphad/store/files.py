"""Files that only this user may read, and that are still there after a power cut."""

import os
from pathlib import Path


def make_private(path: Path, exclusive: bool = False) -> None:
    """Create a file, or take an existing one, with mode 0600 whatever the umask is.

    SQLite gives its side files (`-wal`, `-shm`) the mode of the database. Raises `OSError`.
    """
    flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if exclusive else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Put a file's content, or a directory's names, on disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
