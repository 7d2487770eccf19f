"""`hyphad assets install [FILE.tgz]`: the JavaScript client, for pages that hyphad serves."""

import argparse
import sys
from pathlib import Path

from hyphad import jsclient
from hyphad.config import Settings
from hyphad.web.assets import assets_folder

EXIT_FAILED = 3


def install(settings: Settings, args: argparse.Namespace) -> int:
    """Take the package from npm, or from a file, and put the client into the data directory."""
    folder = assets_folder(settings.data_dir)
    try:
        names = jsclient.install(folder, Path(args.file) if args.file else None)
    except jsclient.NotInstalled as error:
        print(f"hyphad: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        print(f"hyphad: {error.filename or folder}: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"{jsclient.PACKAGE} {jsclient.VERSION}: {len(names)} files in {folder}")
    print("Pages load it from /assets/hypha-rpc-websocket.js or .mjs")
    return 0
