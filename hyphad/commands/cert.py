"""`hyphad cert [NAME ...]`: a private certificate authority, and a certificate for this host."""

import argparse
import contextlib
import ipaddress
import os
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hyphad.config import Settings

CA_DAYS = 3650
CERT_DAYS = 397  # what browsers accept at most
EXIT_FAILED = 3


def make(settings: Settings, args: argparse.Namespace) -> int:
    """Make what is missing, renew the certificate, and say how clients come to trust it."""
    folder = settings.data_dir / "tls"
    names = list(dict.fromkeys([*args.names, *own_names()]))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, authority_key = _authority(folder)
        certificate, key = _certificate(names, authority, authority_key)
        _write(folder / "cert.pem", _pem(certificate) + _pem(authority))
        _write(folder / "key.pem", _key_pem(key))
    except OSError as error:
        print(f"hyphad: {folder} cannot be written: {error.strerror}.", file=sys.stderr)
        return EXIT_FAILED
    print(_instructions(folder, names, settings.port))
    return 0


def own_names() -> list[str]:
    """The names and addresses under which this host may be addressed."""
    host = socket.gethostname()
    names = ["localhost", "127.0.0.1", "::1", host, f"{host}.local"]
    with contextlib.suppress(OSError):
        names += [str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(host, None)]
    return names


def _authority(folder: Path) -> tuple[x509.Certificate, Any]:
    """The authority of this host, made once: clients trust it, so it must not change."""
    file, key_file = folder / "ca.pem", folder / "ca-key.pem"
    if file.exists() and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        return x509.load_pem_x509_certificate(file.read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"hyphad on {socket.gethostname()}"[:64])]
    )
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _key_pem(key))
    _write(file, _pem(certificate))
    return certificate, key


def _certificate(
    names: list[str], authority: x509.Certificate, authority_key: Any
) -> tuple[x509.Certificate, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(subject, authority.subject, key, CERT_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(identifier, False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, days: int) -> Any:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem


def _write(file: Path, content: bytes) -> None:
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def _instructions(folder: Path, names: list[str], port: int) -> str:
    return f"""Made a certificate for {", ".join(names)}, valid for {CERT_DAYS} days.

Tell hyphad, in its configuration:
    tls_cert = "{folder / "cert.pem"}"
    tls_key = "{folder / "key.pem"}"
`systemctl reload hyphad` (SIGHUP) takes over a renewed certificate without a restart.

Clients must trust {folder / "ca.pem"}; copy it to them, then:
    Python      SSL_CERT_FILE=ca.pem python my_client.py
    Node        NODE_EXTRA_CA_CERTS=ca.pem node my_client.js
    curl        curl --cacert ca.pem https://{names[0]}:{port}/
    Debian      cp ca.pem /usr/local/share/ca-certificates/hyphad.crt && update-ca-certificates
    Browsers    import ca.pem under certificate authorities"""
