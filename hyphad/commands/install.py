"""`sudo hyphad install-service`: the unit, the configuration folder, and the start at boot."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hyphad.config import Settings
from hyphad.options import sample_file
from hyphad.web.pages import folder

UNITS = Path("/etc/systemd/system")
CONFIG = Path("/etc/hyphad/hyphad.toml")
SNIPPETS = {
    "hyphad.sysusers": Path("/etc/sysusers.d/hyphad.conf"),
    "hyphad.tmpfiles": Path("/etc/tmpfiles.d/hyphad.conf"),
}
EXIT_FAILED = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uninstall", action="store_true", help="take the units away again")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--socket", action="store_true", help="let systemd hold the port")
    parser.add_argument(
        "--fixed-user", action="store_true", help="make a user hyphad that stays on this machine"
    )


def install(settings: Settings, args: argparse.Namespace) -> int:
    """Install or uninstall; doing it twice changes nothing more. Data is never removed."""
    steps = _uninstalling() if args.uninstall else _installing(args.socket, args.fixed_user)
    if args.dry_run:
        for text, _ in steps:
            print(f"would {text}")
        return 0
    if os.geteuid() != 0:
        print("hyphad: this changes the system; run it with sudo.", file=sys.stderr)
        return EXIT_FAILED
    try:
        for text, act in steps:
            act()
            print(text)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"hyphad: could not {text}: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


Step = tuple[str, Callable[[], object]]


def unit_text(name: str, program: Path) -> str:
    """A unit as it ships, started from where this hyphad is installed."""
    for place in (Path(__file__).parents[2], Path(sys.prefix) / "share" / "hyphad"):
        if (place / name).is_file():
            return (place / name).read_text().replace("/opt/hyphad/bin/hyphad", str(program))
    raise OSError(f"{name} is missing from this installation")


def _installing(socket: bool, fixed_user: bool) -> list[Step]:
    program = Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    steps: list[Step] = []
    renewed = False
    for name in ["hyphad.service", *(["hyphad.socket"] if socket else [])]:
        file, text = UNITS / name, unit_text(name, program)
        if not _has(file, text):
            renewed |= file.exists()
            steps.append((f"write {file}", _writing(file, text)))
    if not CONFIG.exists():
        steps.append((f"write {CONFIG}", _writing(CONFIG, sample_file())))
    if fixed_user:
        steps += _fixed_user()
    unit = "hyphad.socket" if socket else "hyphad.service"
    steps.append(("reload systemd", _systemctl("daemon-reload")))
    steps.append((f"enable and start {unit}", _systemctl("enable", "--now", unit)))
    if renewed:
        again = _systemctl("try-restart", "hyphad.service")
        steps.append(("restart hyphad.service if it runs", again))
    return steps


def _fixed_user() -> list[Step]:
    steps: list[Step] = []
    for name, file in SNIPPETS.items():
        text = (folder("conf") / name).read_text()
        if not _has(file, text):
            steps.append((f"write {file}", _writing(file, text)))
    users, files = (str(file) for file in SNIPPETS.values())
    steps.append(("make the user hyphad", _running("systemd-sysusers", users)))
    steps.append(("set the modes in /etc/hyphad", _running("systemd-tmpfiles", "--create", files)))
    return steps


def _uninstalling() -> list[Step]:
    steps: list[Step] = []
    for name in ("hyphad.socket", "hyphad.service"):
        if (UNITS / name).exists():
            steps.append((f"stop and disable {name}", _systemctl("disable", "--now", name)))
            steps.append((f"remove {UNITS / name}", (UNITS / name).unlink))
    steps += [(f"remove {file}", file.unlink) for file in SNIPPETS.values() if file.exists()]
    steps.append(("reload systemd", _systemctl("daemon-reload")))
    return steps


def _has(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text


def _writing(file: Path, text: str) -> Callable[[], object]:
    def write() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def _systemctl(*words: str) -> Callable[[], object]:
    return _running("systemctl", *words)


def _running(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run(words, check=True)
