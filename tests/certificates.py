"""Certificates for tests: an authority of one's own, and servers' certificates that it signs."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates for `localhost`.

    Attributes:
        path: File with its own certificate, for those who trust it.
    """

    def __init__(self, directory: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("an authority of tests")
        own = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.path = directory / "authority.pem"
        self.path.write_bytes(_pem(own.sign(self._key, hashes.SHA256())))

    def write(self, certificate: Path, key: Path) -> int:
        """Write a new server's certificate and its key; returns its serial number."""
        private = ec.generate_private_key(ec.SECP256R1())
        made = (
            _builder(_name("localhost"), self._name, private.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        certificate.write_bytes(_pem(made))
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made.serial_number

    def bundle(self, directory: Path) -> Path:
        """Write a new server's certificate and its key into one file, as proxies want it."""
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        self.write(certificate, key)
        both = directory / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        return both

    def context(self) -> ssl.SSLContext:
        """Make a client's context that trusts this authority alone."""
        return ssl.create_default_context(cafile=self.path)


def serial_of(sock: ssl.SSLSocket) -> int:
    """Return the serial number of the certificate that a server has shown."""
    der = sock.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
