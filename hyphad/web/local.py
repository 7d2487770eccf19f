"""A socket in the data directory, for those who may read that: `hyphad status` asks it."""

import time
from typing import Any

from tornado.web import Application

from hyphad import __version__
from hyphad.web.base import BaseHandler
from hyphad.web.health import memory
from hyphad.web.parts import Parts


class Status(BaseHandler):
    """`/status`: one flat document."""

    def get(self) -> None:
        parts = self.parts
        presence, router = parts.presence, parts.router
        up = max(1.0, time.time() - parts.started)
        self.reply(
            {
                "version": __version__,
                "url": parts.info["public_base_url"],
                "ready": parts.ready(),
                "uptime_seconds": round(up),
                "memory_mib": round(memory()[0] / 1048576, 1),
                "connections": len(router.links),
                "connections_ever": presence.established,
                "workspaces": len(parts.directory),
                "services": len(parts.registry),
                "frames": router.frames,
                "frames_per_second": round(router.frames / up, 1),
                "slow_consumers": _slow(router.links.values()),
            }
        )


def _slow(links: Any) -> list[str]:
    """Clients that have more waiting for them than they take."""
    return [link.address for link in links if link.drained is not None]


def local_application(parts: Parts) -> Application:
    return Application([(r"/status", Status, {"parts": parts})], log_function=lambda handler: None)
