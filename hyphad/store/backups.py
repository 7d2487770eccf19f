"""The backups that a running daemon keeps in its data directory: one at a time, the newest stay.

backups = Backups(Path("/var/lib/hyphad"), keep=7)
file = await backups.make()
"""

import asyncio
import logging
from pathlib import Path
from typing import Any

from hyphad.store import archive

log = logging.getLogger(__name__)


class Backups:
    """Those in `backups/` of a data directory; all but the newest `keep` are removed."""

    def __init__(self, data: Path, keep: int) -> None:
        self._data = data
        self._keep = keep
        self._one = asyncio.Lock()

    @property
    def folder(self) -> Path:
        return self._data / "backups"

    async def make(self) -> Path:
        """A new backup, complete on disk. Raises `StoreError`, `OSError`."""
        async with self._one:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            target = self.folder / archive.name_for_now()
            await asyncio.to_thread(archive.create, self._data, target)
            await asyncio.to_thread(archive.prune, self.folder, self._keep)
        log.info("backed_up file=%s", target)
        return target

    def seconds_until_due(self, interval: float) -> float:
        """How long until the next one, if they are `interval` apart."""
        return archive.seconds_until_due(self.folder, interval)

    def listed(self) -> list[dict[str, Any]]:
        """What there is, newest first: file, bytes, and when it was made."""
        return [described(path) for path in reversed(archive.backups(self.folder))]


def described(path: Path) -> dict[str, Any]:
    state = path.stat()
    return {"file": path.name, "bytes": state.st_size, "made_at": state.st_mtime}
