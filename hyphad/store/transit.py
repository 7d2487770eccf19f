"""Frames that were on their way when the daemon stopped: kept in a file for the next start.

transit.keep(data / transit.FILE_NAME, frames)     # when it stops
frames = transit.take(data / transit.FILE_NAME)    # when it starts

They are worth something for as long as their callers wait. A call that is executed long after it
was made surprises whoever stands beside the instrument, so old ones are not handed out.
"""

import logging
import time
from pathlib import Path

import msgpack

from hyphad.store.files import make_private, sync

log = logging.getLogger(__name__)

FILE_NAME = "transit.msgpack"
USEFUL_SECONDS = 30.0

# The target, the frame, who sent it, the method it calls, the session that waits for an answer.
Frame = tuple[str, bytes, str, str, str | None]


def keep(file: Path, frames: list[Frame]) -> None:
    """Write them to disk; where that fails their callers time out."""
    try:
        make_private(file)
        file.write_bytes(msgpack.packb([time.time(), frames], unicode_errors="surrogateescape"))
        sync(file)
    except OSError as error:
        log.warning("not_kept frames=%d reason=%r", len(frames), error.strerror or str(error))


def take(file: Path) -> list[Frame]:
    """Those of the run that has just ended, if any; the file is gone afterwards."""
    try:
        data = file.read_bytes()
        file.unlink()
    except OSError:
        return []
    try:
        moment, frames = msgpack.unpackb(data, unicode_errors="surrogateescape")
        age = time.time() - moment
        found = [(str(to), bytes(frame), str(who), str(what), session)
                 for to, frame, who, what, session in frames]  # fmt: skip
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        log.warning("bad_file file=%s reason=%r", file, str(error))
        return []
    return found if 0 <= age <= USEFUL_SECONDS else []
