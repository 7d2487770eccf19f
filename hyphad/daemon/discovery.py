"""Said on the local network by multicast DNS, where that is wanted: here is a hyphad.

Programs that look for `_hypha._tcp` find host, port and the URL to connect to. Needs the package
`zeroconf`, and does without where it is missing: nobody is cut off by not being found.
"""

import asyncio
import contextlib
import logging
import socket
from typing import Any

from hyphad import __version__
from hyphad.config import Settings

log = logging.getLogger(__name__)

KIND = "_hypha._tcp.local."
EVERYWHERE = ("0.0.0.0", "::", "")
GOODBYE_SECONDS = 1.0


class Discovery:
    """`start()` once the server answers, `await stop()` before it ends."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._port = port
        self._zeroconf: Any = None
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Announcing takes a second, for which nobody has to wait."""
        if self._settings.mdns:
            self._starting = asyncio.ensure_future(self._announce())

    async def stop(self) -> None:
        """Say that it is gone, so that nobody keeps a stale address."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._zeroconf is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._zeroconf.async_unregister_all_services()
                    await self._zeroconf.async_close()

    async def _announce(self) -> None:
        try:
            from zeroconf import Error, InterfaceChoice
            from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
        except ImportError:
            log.warning("not_announced reason='zeroconf is missing: pip install hyphad[mdns]'")
            return
        try:
            addresses = self._addresses()
            everywhere = self._settings.host in EVERYWHERE
            self._zeroconf = AsyncZeroconf(
                interfaces=InterfaceChoice.All if everywhere else addresses
            )
            host = socket.gethostname().partition(".")[0]
            info = AsyncServiceInfo(
                KIND,
                f"hyphad on {host}.{KIND}",
                port=self._port,
                parsed_addresses=addresses,
                server=f"{host}.local.",
                properties=self._properties(addresses[0]),
            )
            await (await self._zeroconf.async_register_service(info, allow_name_change=True))
        except (OSError, Error) as error:
            log.warning("not_announced reason=%r", str(error) or type(error).__name__)
        else:
            log.info("announced kind=%s addresses=%s", KIND, ",".join(addresses))

    def _addresses(self) -> list[str]:
        """The IPv4 addresses at which others reach this server. Raises `OSError` without any."""
        host = self._settings.host
        if host in EVERYWHERE:
            from ifaddr import get_adapters

            all_of_them = [str(ip.ip) for card in get_adapters() for ip in card.ips if ip.is_IPv4]
            found = [address for address in all_of_them if not address.startswith("127.")]
        else:
            listed = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
            found = [str(address[0]) for *_, address in listed]
        if not found:
            raise OSError(f"no IPv4 address to announce for host {host}")
        return found

    def _properties(self, address: str) -> dict[str, str]:
        settings = self._settings
        scheme = "https" if settings.tls_cert else "http"
        url = settings.public_base_url or f"{scheme}://{address}:{self._port}{settings.base_path}"
        return {"url": url, "path": settings.base_path or "/", "version": __version__}
