"""`hyphad assets install [FILE.tgz]`: the JavaScript client, for pages that hyphad serves.

It is the npm package at one version, whoever hands it over: what has another checksum is refused.
"""

import argparse
import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from hyphad.config import Settings
from hyphad.web.assets import FILE, assets_folder

PACKAGE = "hypha-rpc"
VERSION = "0.21.40"
SHA512 = "1MGQ58SFXW8396aYKbd6y1I1nReFUB1JjSk8hc09H2XKREZ+cjmuVc3cwdHnkeZlggWEd2cEAjhXIph7lhcXWQ=="
BY_HAND = (
    f"On a machine that has npm, run `npm pack {PACKAGE}@{VERSION}`, "
    f"then here: hyphad assets install {PACKAGE}-{VERSION}.tgz"
)
EXIT_FAILED = 3
PATIENCE = 180
MEMBER = re.compile(rf"package/(?:dist/({FILE})|(LICENSE))")


class NotInstalled(Exception):
    """The text says why, and what to do."""


def install(settings: Settings, args: argparse.Namespace) -> int:
    """Take the package from npm, or from a file, and put the client into the data directory."""
    folder = assets_folder(settings.data_dir)
    try:
        with tempfile.TemporaryDirectory() as place:
            package = Path(args.file) if args.file else _fetch(Path(place))
            _check(package)
            names = _unpack(package, folder)
    except NotInstalled as error:
        print(f"hyphad: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        print(f"hyphad: {error.filename or folder}: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"{PACKAGE} {VERSION}: {len(names)} files in {folder}")
    print("Pages load it from /assets/hypha-rpc-websocket.js or .mjs")
    return 0


def _fetch(place: Path) -> Path:
    """Let npm get the package, from wherever it is set up to. Raises `NotInstalled`."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled(f"npm is not on this machine. {BY_HAND}")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(place)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=place
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"npm has not answered for {PATIENCE} seconds. {BY_HAND}") from None
    found = list(place.glob("*.tgz"))
    if done.returncode or not found:
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise NotInstalled(f"npm could not get the package ({reason}). {BY_HAND}")
    return found[0]


def _check(package: Path) -> None:
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if found != SHA512:
        raise NotInstalled(f"{package} is not {PACKAGE} {VERSION}: its checksum is another one.")


def _unpack(package: Path, folder: Path) -> list[str]:
    """Write the client's files; returns their names."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    names = []
    with tarfile.open(package) as archive:
        for member in archive:
            match = MEMBER.fullmatch(member.name)
            content = archive.extractfile(member) if match and member.isreg() else None
            if match is None or content is None:
                continue
            name = match[1] or match[2]
            part = folder / f"{name}.part"
            part.write_bytes(content.read())
            part.replace(folder / name)
            names.append(name)
    return names
