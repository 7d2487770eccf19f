"""Health for load balancers, systemd and people (HTTP-82 to HTTP-84)."""

import asyncio
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hyphad.web.base import BaseHandler

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Readiness(BaseHandler):
    """200 once clients may connect, 503 while starting or stopping."""

    def get(self) -> None:
        if not self.parts.ready():
            self.reply({"status": "DOWN", "detail": "Store is not ready"}, 503)
            return
        parts = {
            "store": "ready",
            "redis": "connected",
            "event_bus": "ready",
            "pubsub": "healthy",
        }
        self.reply({"status": "OK", "detail": parts})


class Liveness(BaseHandler):
    """200 while the event loop turns."""

    def get(self) -> None:
        detail = {
            "store": "ready",
            "event_bus_failures": 0,
            "circuit_breaker": "closed",
            "pubsub": "healthy",
            "last_successful_connection": _now(),
        }
        self.reply({"status": "OK", "detail": detail})


class Health(BaseHandler):
    """Memory, connections and load in one document."""

    def get(self) -> None:
        presence = self.parts.presence
        rss, vms = memory()
        total = os.sysconf("SC_PHYS_PAGES") * _PAGE
        percent = round(100 * rss / total, 2)
        ready, uptime = self.parts.ready(), time.time() - self.parts.started
        self.reply(
            {
                "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "status": "HEALTHY" if ready else "CRITICAL",
                "health_score": 100 if ready else 0,
                "issues": [] if ready else ["not ready"],
                "memory": {
                    "rss_mb": round(rss / 1048576, 2),
                    "vms_mb": round(vms / 1048576, 2),
                    "percent": percent,
                },
                "connections": {
                    "active": len(self.parts.router.links),
                    "total_created": float(presence.established),
                    "total_closed": float(presence.closed),
                    "orphaned": 0,
                    "leaked_handlers": 0,
                },
                "objects": {
                    "rpc_objects": len(self.parts.manager.calls) + len(self.parts.deputy.calls),
                    "connection_objects": len(self.parts.router.links),
                },
                "event_bus": {
                    "circuit_breaker_open": False,
                    "consecutive_failures": 0,
                    "max_failures": 5,
                    "last_successful_connection": _now(),
                },
                "system": {
                    "cpu_percent": round(100 * sum(os.times()[:2]) / max(uptime, 0.1), 1),
                    "memory_percent": percent,
                    "disk_usage": _disk_usage(self.parts.settings.data_dir),
                    "load_average": _load(),
                },
                "tasks": {"active": len(asyncio.all_tasks())},
                "leak_monitor": {"leaked_handlers": 0, "orphaned_event_bus_clients": 0},
                "uptime_seconds": round(uptime, 1),
            },
            200 if ready else 503,
        )


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


def _disk_usage(folder: Path) -> float | None:
    """How full the disk is that carries the data, in percent."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return round(100 * usage.used / max(usage.total, 1), 1)


def _load() -> list[float]:
    """Not every sandbox shows it."""
    try:
        return list(os.getloadavg())
    except OSError:
        return []


def memory() -> tuple[int, int]:
    """Resident and virtual memory of this process, in bytes."""
    vms, rss = Path("/proc/self/statm").read_text().split()[:2]
    return int(rss) * _PAGE, int(vms) * _PAGE


def health_routes() -> list[tuple[str, Any]]:
    return [
        (r"/health/readiness", Readiness),
        (r"/health/liveness", Liveness),
        (r"/health", Health),
    ]
