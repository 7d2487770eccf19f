"""The JavaScript client of Hypha for pages on this network: `/assets/hypha-rpc-websocket.mjs`.

It came with hyphad's package if npm was there when that was built; else `hyphad assets install`
puts it into the data directory. Without it the URLs answer how to get it (HTTP-20, HTTP-86).
"""

from pathlib import Path
from typing import Any

from hyphad.jsclient import FILE
from hyphad.web.base import to_json
from hyphad.web.cors import set_cors
from hyphad.web.pages import folder
from hyphad.web.static import FileHandler

MISSING = (
    "The JavaScript client is not installed on this server. "
    "Its administrator can do that with: hyphad assets install"
)


def assets_folder(data_dir: Path) -> Path:
    """Where the files of others are kept."""
    return data_dir / "assets"


class ClientLibrary(FileHandler):
    """One of the client's files: the one that came with hyphad, else the one installed later."""

    def initialize(self, path: str, *rest: Any, shipped: str = "", **given: Any) -> None:
        super().initialize(path, *rest, **given)
        self.shipped = shipped

    def parse_url_path(self, url_path: str) -> str:
        if (Path(self.shipped) / url_path).is_file():
            self.root = self.shipped
        return super().parse_url_path(url_path)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code != 404:
            super().write_error(status_code, **kwargs)
            return
        set_cors(self)
        self.set_status(404)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json({"detail": MISSING}))


def asset_routes(
    data_dir: Path, shipped: Path | None = None
) -> list[tuple[str, Any, dict[str, Any]]]:
    given = {
        "path": str(assets_folder(data_dir)),
        "shipped": str(shipped or folder("static") / "client"),
    }
    return [(rf"/(?:assets|static)/({FILE})", ClientLibrary, given)]
