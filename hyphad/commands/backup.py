"""`hyphad backup FILE` and `hyphad restore FILE`."""

import argparse
import sys
from pathlib import Path

from hyphad.config import Settings
from hyphad.store import archive
from hyphad.store.database import StoreError
from hyphad.store.datadir import DataDir

EXIT_FAILED = 3


def backup(settings: Settings, args: argparse.Namespace) -> int:
    """Write a backup; the daemon may run meanwhile."""
    target = Path(args.file or archive.name_for_now())
    try:
        archive.create(settings.data_dir, target)
    except StoreError as error:
        print(f"hyphad: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"Wrote {target}. It holds the signing keys: keep it as safe as the server.")
    return 0


def restore(settings: Settings, args: argparse.Namespace) -> int:
    """Put a backup in place; refuses while a daemon uses the data directory."""
    data = DataDir(settings.data_dir)
    try:
        data.open()
        try:
            aside = archive.restore(Path(args.file), settings.data_dir)
        finally:
            data.close()
    except StoreError as error:
        print(f"hyphad: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"Restored {args.file} into {settings.data_dir}.")
    if aside is not None:
        print(f"What was there before is in {aside}.")
    return 0
