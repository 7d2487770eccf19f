"""Web pages: files of `static/`, served with their caching headers and a strict policy."""

import html
from pathlib import Path

from hyphad.web.base import BaseHandler

# Nothing but files of our own; and no script may make markup or code out of text.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def folder(name: str) -> Path:
    """A folder of files that come with hyphad: beside the package, or inside it when installed."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


class PageHandler(BaseHandler):
    """HTML with the security headers that every page has (D-4, D-19)."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CSP)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")

    def page(self, name: str, **values: str) -> None:
        """Answer with a page of `static/`; `{{name}}` becomes the escaped value."""
        text = (folder("static") / name).read_text()
        for key, value in values.items():
            text = text.replace("{{" + key + "}}", html.escape(value))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(text)
