"""`hyphad status`: what the running daemon says of itself, over its local socket."""

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import Any

from hyphad.config import Settings

SOCKET_NAME = "status.sock"
NOT_RUNNING = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the whole as JSON")


def status(settings: Settings, args: argparse.Namespace) -> int:
    """Print it; 3 if no daemon uses this data directory."""
    found = ask(settings.data_dir)
    if found is None:
        print(f"hyphad: no daemon runs with {settings.data_dir}.", file=sys.stderr)
        return NOT_RUNNING
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    for key, value in found.items():
        text = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
        print(f"{key.replace('_', ' '):<22} {text}")
    return 0


def ask(data: Path) -> dict[str, Any] | None:
    """The daemon's own words, or None if none answers."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        try:
            sock.connect(str(data / SOCKET_NAME))
            sock.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        except OSError:
            return None
    _, _, body = answer.partition(b"\r\n\r\n")
    try:
        found: dict[str, Any] = json.loads(body)
    except ValueError:
        return None
    return found
