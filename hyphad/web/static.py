"""Files: the daemon's own, and folders that were mounted.

They carry an ETag and take ranges (HTTP-68); nothing outside their folder is ever served
(HTTP-69). Mounts are `/name:folder` and public (HTTP-87).
"""

import gzip
import mimetypes
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from hyphad.web.base import WORTH_COMPRESSING, allowed_methods, takes_gzip, to_json
from hyphad.web.cors import preflight, set_cors

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".map": "application/json"}
COMPRESSIBLE = ("text/", "application/json", "application/javascript", "image/svg+xml")
MAX_COMPRESSED = 4 << 20
RESERVED = ("ws", "rpc", "health", "login", "metrics", "static", "assets", "public", "")
NOT_SERVED = (".html", ".py", ".pyc")
ALIASES = {
    "img/hypha-logo-black.svg": "icon.svg",
    "img/hypha-icon-black.svg": "icon.svg",
}


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
        self.path = self.parse_url_path(path)
        absolute = self.get_absolute_path(self.root, self.path)
        self.absolute_path = self.validate_absolute_path(self.root, absolute)
        packed = self._packed()
        if packed is None:
            await super().get(path, include_body)
            return
        self.modified = self.get_modified_time()
        self.set_headers()
        self.set_header("Content-Encoding", "gzip")
        if self.should_return_304():
            self.set_status(304)
            return
        self.set_header("Content-Length", str(len(packed)))
        if include_body:
            self.write(packed)

    def head(self, path: str = "") -> Any:
        return self.get(path, include_body=False)

    def options(self, *_: str) -> None:
        if not preflight(self):
            raise HTTPError(405)

    def parse_url_path(self, url_path: str) -> str:
        path = super().parse_url_path(url_path)
        wanted = Path(self.root) / path
        if wanted.is_dir():
            return str(Path(path) / "index.html")
        return path if wanted.exists() else ALIASES.get(path, path)

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
        if kind == "text/javascript" and "/assets/" in self.request.path:
            return "application/javascript"
        kind = kind or "application/octet-stream"
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    def compute_etag(self) -> str | None:
        """Of time and size, so that a file that is replaced is seen at once."""
        state = Path(str(self.absolute_path)).stat()
        form = "-gz" if self._packed() is not None else ""
        return f'"{state.st_mtime_ns:x}-{state.st_size:x}{form}"'

    def set_extra_headers(self, path: str) -> None:
        """Look again each time, but take what has not changed from the cache."""
        self.set_header("Cache-Control", "no-cache")
        if self.get_content_type().startswith(COMPRESSIBLE):
            self.add_header("Vary", "Accept-Encoding")

    def _packed(self) -> bytes | None:
        """The file compressed, where that is worth it and the client takes it (HTTP-66)."""
        if "Range" in self.request.headers or not takes_gzip(self):
            return None
        file = Path(str(self.absolute_path))
        state = file.stat()
        if not WORTH_COMPRESSING <= state.st_size <= MAX_COMPRESSED:
            return None
        if not self.get_content_type().startswith(COMPRESSIBLE):
            return None
        return packed(str(file), state.st_mtime_ns)

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


class OwnFileHandler(FileHandler):
    """What the daemon's pages load. The pages have addresses of their own, and headers (D-19)."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        if Path(absolute_path).suffix in NOT_SERVED:
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)


@lru_cache(maxsize=64)
def packed(file: str, changed: int) -> bytes:
    """A file compressed, as it was at `changed`."""
    return gzip.compress(Path(file).read_bytes(), 6, mtime=0)


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
    return [
        (rf"/{re.escape(top)}", FileHandler, given),
        (rf"/{re.escape(top)}/(.*)", FileHandler, given),
    ]
