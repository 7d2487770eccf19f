"""The daemon as a process: signals, what systemd is told, and the exit code."""

import asyncio
import contextlib
import logging
import resource
import signal
import time
from collections.abc import Callable

from hyphad import __version__, memory, systemd
from hyphad.auth.keys import KeyFileError
from hyphad.config import ConfigError, Settings
from hyphad.daemon.errors import StartFailed
from hyphad.daemon.life import Daemon
from hyphad.store.database import StoreError

log = logging.getLogger(__name__)

EXIT_FAILED = 3


def run(settings: Settings, reload: Callable[[], Settings] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. `reload` reads the settings anew on SIGHUP."""
    _raise_file_limit()
    memory.keep_freed()
    return asyncio.run(_serve(settings, reload))


def _raise_file_limit() -> None:
    """As many sockets as the system allows this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(settings: Settings, reload: Callable[[], Settings] | None) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    for line in settings.ignored:
        log.warning("option_ignored %s", line)
    daemon = Daemon(settings)
    try:
        await daemon.start()
    except (StartFailed, StoreError, KeyFileError) as error:
        log.critical("not_started reason=%s", error)
        return EXIT_FAILED
    loop.add_signal_handler(signal.SIGHUP, _reload, daemon, reload)
    log.info(
        "hyphad listening on %s data_dir=%s version=%s",
        daemon.url,
        settings.data_dir,
        __version__,
    )
    systemd.notify("READY=1", f"STATUS=Serving {daemon.url}")
    beat = _watchdog(daemon)
    await stopping.wait()
    log.info("stopping")
    systemd.notify("STOPPING=1", "STATUS=Saying goodbye to clients")
    if beat is not None:
        beat.cancel()
    await daemon.stop()
    log.info("stopped")
    return 0


def _watchdog(daemon: Daemon) -> "asyncio.Task[None] | None":
    interval = systemd.watchdog_interval()
    if interval is None:
        return None

    async def beat() -> None:
        while True:
            systemd.notify("WATCHDOG=1", f"STATUS=Serving {daemon.url}, {daemon.clients} clients")
            await asyncio.sleep(interval)

    return asyncio.ensure_future(beat())


def _reload(daemon: Daemon, load: Callable[[], Settings] | None) -> None:
    systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        daemon.reload(load() if load is not None else daemon.settings)
    except ConfigError as error:
        log.error("not_reloaded reason=%r", str(error))
    systemd.notify("READY=1")
