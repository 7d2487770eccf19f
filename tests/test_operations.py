"""What an operator does with a running daemon: back up, restore, encrypt, reload."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request

from running import Hyphad, free_port


def _hyphad(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyphad", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_backup_of_a_running_daemon_can_be_restored(make_hyphad, tmp_path):
    daemon: Hyphad = make_hyphad().start()
    file, data = str(tmp_path / "b.tar"), str(daemon.data)
    done = _hyphad("backup", file, "--data-dir", data)
    assert done.returncode == 0, done.stderr
    refused = _hyphad("restore", file, "--data-dir", data)
    assert refused.returncode == 3
    assert "Another hyphad" in refused.stderr
    daemon.stop()
    restored = _hyphad("restore", file, "--data-dir", data)
    assert restored.returncode == 0, restored.stderr
    daemon.start()


def test_a_damaged_database_names_the_newest_backup(make_hyphad):
    daemon: Hyphad = make_hyphad().start()
    daemon.stop()
    backup = daemon.data / "backups" / "hyphad-20260101T000000.tar"
    backup.parent.mkdir(mode=0o700, exist_ok=True)
    assert _hyphad("backup", str(backup), "--data-dir", str(daemon.data)).returncode == 0
    (daemon.data / "hyphad.db").write_bytes(b"damage" * 4000)
    process = daemon.spawn()
    assert process.wait(10) == 3
    assert f"hyphad restore {backup}" in daemon.log
    assert _hyphad("restore", str(backup), "--data-dir", str(daemon.data)).returncode == 0
    daemon.start()


def _fingerprint(port: int, authority: str) -> bytes:
    context = ssl.create_default_context(cafile=authority)
    with urllib.request.urlopen(
        f"https://localhost:{port}/health/readiness", context=context
    ) as it:
        assert it.status == 200
    return ssl.get_server_certificate(("localhost", port)).encode()


def test_a_certificate_of_its_own_is_trusted_and_renewed_without_a_restart(make_hyphad):
    daemon: Hyphad = make_hyphad()
    folder = daemon.data / "tls"
    made = _hyphad("cert", "--data-dir", str(daemon.data))
    assert made.returncode == 0, made.stderr
    assert str(folder / "ca.pem") in made.stdout
    pair = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    plain = free_port()
    process = daemon.spawn(*pair, "--http-redirect-port", str(plain))
    daemon.wait_for_log("hyphad listening on https://")
    status, _, headers = daemon.request(f"http://localhost:{plain}/a/services/b?c=%20d", b"body")
    assert (status, headers["location"]) == (
        307,
        f"https://localhost:{daemon.port}/a/services/b?c=%20d",
    )
    first = _fingerprint(daemon.port, str(folder / "ca.pem"))
    assert _hyphad("cert", "--data-dir", str(daemon.data)).returncode == 0
    os.kill(process.pid, signal.SIGHUP)
    daemon.wait_for_log("reloaded ")
    assert _fingerprint(daemon.port, str(folder / "ca.pem")) != first


def test_an_unusable_certificate_is_said(make_hyphad, tmp_path):
    (tmp_path / "x.pem").write_text("no certificate")
    file = str(tmp_path / "x.pem")
    daemon: Hyphad = make_hyphad("--tls-cert", file, "--tls-key", file)
    assert daemon.spawn().wait(10) == 3
    assert "x.pem" in daemon.log


def test_connections_wait_in_a_socket_that_is_handed_over(make_hyphad):
    daemon: Hyphad = make_hyphad()
    with socket.create_server(("127.0.0.1", daemon.port)) as listening:
        early = socket.create_connection(("127.0.0.1", daemon.port), timeout=20)
        early.sendall(b"GET /health/readiness HTTP/1.0\r\n\r\n")
        inner = (
            "import os, sys; from hyphad.cli import main\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            f"os.dup2({listening.fileno()}, 3)\n"
            f"sys.exit(main(['serve', '--data-dir', {str(daemon.data)!r}]))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", inner],
            env={**os.environ, "LISTEN_FDS": "1"},
            pass_fds=[listening.fileno()],
        )
        try:
            assert b"200 OK" in early.recv(1000)
        finally:
            early.close()
            process.terminate()
            assert process.wait(10) == 0


def test_installing_as_a_service_can_be_looked_at_first():
    shown = _hyphad("install-service", "--dry-run", "--socket")
    assert shown.returncode == 0, shown.stderr
    assert "would write /etc/systemd/system/hyphad.service" in shown.stdout
    assert "would enable and start hyphad.socket" in shown.stdout


def test_status_and_doctor_speak_of_the_running_daemon(make_hyphad):
    daemon: Hyphad = make_hyphad()
    data = ("--data-dir", str(daemon.data), "--port", str(daemon.port))
    assert _hyphad("status", *data).returncode == 3
    daemon.start()
    shown = _hyphad("status", "--json", *data)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["url"] == daemon.url
    assert (daemon.data / "status.sock").stat().st_mode & 0o077 == 0
    healthy = _hyphad("doctor", *data)
    assert healthy.returncode == 0, healthy.stdout
    assert f"a daemon serves {daemon.url}" in healthy.stdout
    other = _hyphad("doctor", "--data-dir", str(daemon.data / "other"), "--port", str(daemon.port))
    assert other.returncode == 3
    assert "is taken by a hyphad with another data directory" in other.stdout
