"""The JavaScript client of Hypha for pages on this network: `/assets/hypha-rpc-websocket.mjs`.

It is other people's work and comes from their package: `hyphad assets install` puts it into the
data directory. Without it the URLs answer how to get it (HTTP-20, HTTP-86).
"""

from pathlib import Path
from typing import Any

from hyphad.web.base import to_json
from hyphad.web.cors import set_cors
from hyphad.web.static import FileHandler

FILE = r"hypha-rpc-websocket(?:\.min)?\.m?js(?:\.map)?"
MISSING = (
    "The JavaScript client is not installed on this server. "
    "Its administrator can do that with: hyphad assets install"
)


def assets_folder(data_dir: Path) -> Path:
    """Where the files of others are kept."""
    return data_dir / "assets"


class ClientLibrary(FileHandler):
    """One of the client's files."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code != 404:
            super().write_error(status_code, **kwargs)
            return
        set_cors(self)
        self.set_status(404)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json({"detail": MISSING}))


def asset_routes(data_dir: Path) -> list[tuple[str, Any, dict[str, Any]]]:
    given = {"path": str(assets_folder(data_dir))}
    return [(rf"/(?:assets|static)/({FILE})", ClientLibrary, given)]
