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

UNITS = Path("/etc/systemd/system")
CONFIG = Path("/etc/hyphad/hyphad.toml")
EXIT_FAILED = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--uninstall", action="store_true", help="take the units away again")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--socket", action="store_true", help="let systemd hold the port")


def install(settings: Settings, args: argparse.Namespace) -> int:
    """Install or uninstall; doing it twice changes nothing more. Data is never removed."""
    steps = _uninstalling() if args.uninstall else _installing(args.socket)
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
    for folder in (Path(__file__).parents[2], Path(sys.prefix) / "share" / "hyphad"):
        if (folder / name).is_file():
            return (folder / name).read_text().replace("/opt/hyphad/bin/hyphad", str(program))
    raise OSError(f"{name} is missing from this installation")


def _installing(socket: bool) -> list[Step]:
    program = Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    steps: list[Step] = []
    for name in ["hyphad.service", *(["hyphad.socket"] if socket else [])]:
        text = unit_text(name, program)
        if not _has(UNITS / name, text):
            steps.append((f"write {UNITS / name}", _writing(UNITS / name, text)))
    if not CONFIG.exists():
        steps.append((f"write {CONFIG}", _writing(CONFIG, sample_file())))
    unit = "hyphad.socket" if socket else "hyphad.service"
    steps.append(("reload systemd", _systemctl("daemon-reload")))
    steps.append((f"enable and start {unit}", _systemctl("enable", "--now", unit)))
    return steps


def _uninstalling() -> list[Step]:
    steps: list[Step] = []
    for name in ("hyphad.socket", "hyphad.service"):
        if (UNITS / name).exists():
            steps.append((f"stop and disable {name}", _systemctl("disable", "--now", name)))
            steps.append((f"remove {UNITS / name}", (UNITS / name).unlink))
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
    return lambda: subprocess.run(["systemctl", *words], check=True)
