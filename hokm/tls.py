"""What TLS is ended with: versions, ciphers, and an operator's certificate."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL.crypto import X509, PKey
from OpenSSL.SSL import Error
from twisted.internet.ssl import CertificateOptions, TLSVersion


class BadCertificate(Exception):
    """Certificate and key cannot be used. The caller tells the text, and keeps what it had."""


def server_options(certificate: bytes, key: bytes) -> CertificateOptions:
    """Make the options of a server; the ciphers are those of Twisted, all with forward secrecy.

    TLS 1.2 at least (RFC 8996). HTTP/1.1 is offered alone (RFC 7301): a WebSocket needs it.

    Args:
        certificate: As PEM, followed by those that lead to one which clients know.
        key: As PEM, without a passphrase.

    Raises:
        BadCertificate: See there.
    """
    try:
        own, *chain = map(X509.from_cryptography, x509.load_pem_x509_certificates(certificate))
    except ValueError as error:
        raise BadCertificate(f"the certificate cannot be read: {error}") from error
    try:
        private = PKey.from_cryptography_key(load_pem_private_key(key, None))  # type: ignore[arg-type] # of any kind that OpenSSL knows
    except (TypeError, ValueError) as error:
        raise BadCertificate(f"the key cannot be read: {error}") from error
    options = CertificateOptions(
        privateKey=private,
        certificate=own,
        extraCertChain=chain,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableProtocols=[b"http/1.1"],
    )
    try:
        options.getContext()
    except Error as error:
        raise BadCertificate("the key is not the certificate's") from error
    return options
