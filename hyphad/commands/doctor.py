"""`hyphad doctor`: everything `check` looks at, and the machine around it."""

import argparse
import shutil
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hyphad import __version__
from hyphad.checks import check
from hyphad.commands.status import ask
from hyphad.config import Settings
from hyphad.store import archive

LOW_DISK = 1 << 30
SOON_DAYS = 30
STALE_BACKUPS = 3
EXIT_PROBLEM = 3

Findings = Iterator[tuple[str, str]]


def doctor(settings: Settings, args: argparse.Namespace) -> int:
    """Say one line per finding, with what to do; 3 if something needs to be done."""
    worst = check(settings, print)
    for look in (_version, _daemon, _disk, _clock, _certificate, _backups):
        for level, text in look(settings):
            print(f"{level:<8} {text}")
            worst = EXIT_PROBLEM if level == "problem" else worst
    return worst


def _version(settings: Settings) -> Findings:
    running = ask(settings.data_dir)
    if running is None:
        yield "ok", f"version {__version__}"
    elif running["version"] == __version__:
        yield "ok", f"version {__version__}, and that is the one that runs"
    else:
        yield (
            "warning",
            f"version {__version__} is installed but {running['version']} runs: restart it",
        )


def _daemon(settings: Settings) -> Findings:
    running = ask(settings.data_dir)
    if running is not None:
        yield "ok", f"a daemon serves {running['url']} with this data directory"
        return
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", settings.port)) == 0
    if not taken:
        yield "ok", f"port {settings.port} is free; no daemon runs with this data directory"
        return
    other = "a hyphad with another data directory" if _is_hyphad(settings.port) else "a program"
    yield "problem", f"port {settings.port} is taken by {other}: stop it, or choose another --port"


def _is_hyphad(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveness", timeout=1) as found:
            return bool(found.headers.get("Server") == "hyphad")
    except (OSError, ValueError):
        return False


def _disk(settings: Settings) -> Findings:
    folder = settings.data_dir if settings.data_dir.exists() else Path.home()
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK:
        yield "problem", f"only {free >> 20} MiB are free at {folder}: make room"
    else:
        yield "ok", f"{free >> 30} GiB are free at {folder}"


def _clock(settings: Settings) -> Findings:
    newest = max((path.stat().st_mtime for path in archive.backups(settings.data_dir / "backups")),
                 default=0.0)  # fmt: skip
    if time.time() < newest - 60:
        yield "problem", "the clock is behind the newest backup: tokens will seem to be from later"
    elif datetime.now(UTC).year < 2026:
        yield "problem", "the clock is years behind: set it, or tokens expire at the wrong time"
    else:
        yield "ok", f"the clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _certificate(settings: Settings) -> Findings:
    if settings.tls_cert is None:
        if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.public_base_url:
            yield "warning", "other machines reach it without encryption: see `hyphad cert`"
        return
    try:
        # What the standard library offers for reading a certificate file.
        found = ssl._ssl._test_decode_cert(settings.tls_cert)  # type: ignore[attr-defined]
    except (OSError, ssl.SSLError, ValueError):
        return
    left = int((ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()) / 86_400)
    if left < 0:
        yield "problem", f"the certificate has expired {-left} days ago: `hyphad cert` renews it"
    elif left < SOON_DAYS:
        yield "warning", f"the certificate expires in {left} days: `hyphad cert` renews it"
    else:
        yield "ok", f"the certificate is good for {left} days more"


def _backups(settings: Settings) -> Findings:
    if not settings.backup_hours:
        yield "warning", "no scheduled backups: backup_hours is 0"
        return
    found = archive.backups(settings.data_dir / "backups")
    if not found:
        yield "ok", "the first backup is made a minute after the first start"
        return
    age = (time.time() - found[-1].stat().st_mtime) / 3600
    stale = age > STALE_BACKUPS * settings.backup_hours and ask(settings.data_dir) is not None
    yield "problem" if stale else "ok", f"{len(found)} backups, the newest {age:.0f} hours old"
