"""Files: the daemon's own, the clients' JavaScript library, and folders that were mounted.

They carry an ETag and take ranges (HTTP-68); nothing outside their folder is ever served
(HTTP-69). Mounts are `/name:folder` and public (HTTP-87).
"""

import mimetypes
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from hyphad.web.base import allowed_methods, to_json
from hyphad.web.cors import preflight, set_cors

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".map": "application/json"}
TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml")
RESERVED = ("ws", "rpc", "health", "login", "metrics", "static", "assets", "public", "")


class BadMount(ValueError):
    """A static mount that cannot be used; the text says why."""


class FileHandler(StaticFileHandler):
    """Files below one folder. A directory is its `index.html`, if it has one."""

    kind = "static"

    def set_default_headers(self) -> None:
        self.set_header("Server", "hyphad")
        self.set_header("X-Content-Type-Options", "nosniff")
        set_cors(self)

    async def get(self, path: str = "", include_body: bool = True) -> None:
        await super().get(path, include_body)

    def head(self, path: str = "") -> Any:
        return self.get(path, include_body=False)

    def options(self, *_: str) -> None:
        if not preflight(self):
            raise HTTPError(405)

    def parse_url_path(self, url_path: str) -> str:
        path = super().parse_url_path(url_path)
        folder = Path(self.root)
        wanted = folder / path
        return str(Path(path) / "index.html") if wanted.is_dir() else path

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        """Inside the folder, also after following links, and a file (HTTP-69)."""
        try:
            found = Path(absolute_path).resolve(strict=True)
            inside = found.is_relative_to(Path(root).resolve()) and found.is_file()
        except (OSError, ValueError, RuntimeError):
            inside = False
        if not inside:
            raise HTTPError(404)
        return absolute_path

    def get_content_type(self) -> str:
        path = Path(str(self.absolute_path))
        kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
        kind = kind or "application/octet-stream"
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    def set_extra_headers(self, path: str) -> None:
        """Look again each time, but take what has not changed from the cache."""
        self.set_header("Cache-Control", "no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The bare error body of static files."""
        set_cors(self)
        detail = "Not Found" if status_code in (403, 404) else self._reason
        if status_code == 405:
            detail = "Method Not Allowed"
            self.set_header("Allow", allowed_methods(self))
        self.set_status(404 if status_code == 403 else status_code)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json({"detail": detail}))

    def log_exception(self, *_: Any) -> None:
        """A missing file is no news."""


def mount_routes(mounts: list[str]) -> list[tuple[str, Any, dict[str, Any]]]:
    """Routes for `/name:folder` mounts. Raises `BadMount`."""
    return [route for mount in mounts for route in _routes_of(mount)]


def _routes_of(mount: str) -> list[tuple[str, Any, dict[str, Any]]]:
    name, colon, folder = mount.partition(":")
    if not name.startswith("/") or not colon or not folder:
        raise BadMount(f"static_mounts: {mount!r}: write it as /name:folder")
    top = name.strip("/")
    if "/" in top:
        raise BadMount(f"static_mounts: {mount!r}: Only top-level routes are supported.")
    if top in RESERVED:
        raise BadMount(f"The route '/{top}' collides with an existing route.")
    if not Path(folder).is_dir():
        raise BadMount(f"The directory '{folder}' does not exist.")
    given = {"path": str(Path(folder).resolve())}
    return [(rf"/{top}", FileHandler, given), (rf"/{top}/(.*)", FileHandler, given)]
