"""The JavaScript client of Hypha, other people's work: which package it is, and how to get it.

It is the npm package at one version, whoever hands it over: what has another checksum is refused.
Nothing but the standard library is needed here, for the build of hyphad's own package uses it too.
"""

import base64
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "hypha-rpc"
VERSION = "0.21.40"
SHA512 = "1MGQ58SFXW8396aYKbd6y1I1nReFUB1JjSk8hc09H2XKREZ+cjmuVc3cwdHnkeZlggWEd2cEAjhXIph7lhcXWQ=="
FILE = r"hypha-rpc-websocket(?:\.min)?\.m?js(?:\.map)?"
BY_HAND = (
    f"On a machine that has npm, run `npm pack {PACKAGE}@{VERSION}`, "
    f"then here: hyphad assets install {PACKAGE}-{VERSION}.tgz"
)
PATIENCE = 180.0
MEMBER = re.compile(rf"package/(?:dist/({FILE})|(LICENSE))")


class NotInstalled(Exception):
    """The text says why, and what to do."""


def install(folder: Path, package: Path | None = None, patience: float = PATIENCE) -> list[str]:
    """Put the client into a folder, from a file or else from npm; returns the names of its files.

    Raises `NotInstalled`, or an `OSError` of the disk.
    """
    with tempfile.TemporaryDirectory() as place:
        found = package or _fetch(Path(place), patience)
        _check(found)
        return _unpack(found, folder)


def _fetch(place: Path, patience: float) -> Path:
    """Let npm get the package, from wherever it is set up to."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled(f"npm is not on this machine. {BY_HAND}")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--fetch-retries=0"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience, check=False, cwd=place
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"npm has not answered for {patience:g} seconds. {BY_HAND}") from None
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
    import tarfile  # here, because the daemon loads this module for the names of the files

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
