"""The sample configurations of `conf/` in front of a daemon, run by the real proxies."""

import contextlib
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from running import Hyphad, free_port, wait_for_port

CONF = Path(__file__).parents[2] / "conf"
_PLACES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
NGINX = shutil.which("nginx", path=_PLACES)
CADDY = shutil.which("caddy", path=_PLACES)

_MAIN = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/site.conf;
}}
"""


class Certificate:
    """What `hyphad cert` makes for this machine, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "hyphad", "cert", "--data-dir", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        self.file, self.key = folder / "tls" / "cert.pem", folder / "tls" / "key.pem"
        self.trusting = ssl.create_default_context(cafile=str(folder / "tls" / "ca.pem"))


@contextlib.contextmanager
def nginx(sample: str, daemon: Hyphad, certificate: Certificate) -> Iterator[int]:
    """nginx with a sample as its only site; the port where it speaks TLS.

    Nothing of the sample changes but addresses and files.
    """
    assert NGINX is not None
    port, folder = free_port(), daemon.folder / "nginx"
    folder.mkdir()
    site = (CONF / sample).read_text()
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("127.0.0.1:9527", f"127.0.0.1:{daemon.port}"),
        ("/etc/ssl/certs/hub.pem", str(certificate.file)),
        ("/etc/ssl/certs/lab.pem", str(certificate.file)),
        ("/etc/ssl/private/hub.key", str(certificate.key)),
        ("/etc/ssl/private/lab.key", str(certificate.key)),
    ):
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    (folder / "main.conf").write_text(_MAIN.format(folder=folder))
    command = [NGINX, "-p", str(folder), "-c", str(folder / "main.conf")]
    with _running(command, folder, port):
        yield port


@contextlib.contextmanager
def caddy(host: str, daemon: Hyphad, certificate: Certificate) -> Iterator[int]:
    """Caddy with its sample, where the site of that host is at the port that is given back."""
    assert CADDY is not None
    port, folder = free_port(), daemon.folder / "caddy"
    folder.mkdir()
    site = (CONF / "Caddyfile").read_text().replace("127.0.0.1:9527", f"127.0.0.1:{daemon.port}")
    own = f"\n\tbind 127.0.0.1\n\ttls {certificate.file} {certificate.key}"
    for name in ("hub.example.org", "lab.example.org"):
        place = f"https://localhost:{port if name == host else free_port()}"
        site = site.replace(f"{name} {{", f"{place} {{{own}")
    head = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(head + site)
    command = [CADDY, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with _running(command, folder, port):
        yield port


@contextlib.contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.kill()  # Caddy waits long for connections that are open
        process.wait(10)
