"""What an operator's certificate is checked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from hokm.tls import BadCertificate, server_options
from tests.certificates import Authority


def test_a_certificate(tmp_path: Path) -> None:
    """It may be followed by others; what is wrong with it, or its key, is told."""
    authority = Authority(tmp_path)
    files = [tmp_path / name for name in ("c", "k", "other c", "other k")]
    authority.write(*files[:2])
    authority.write(*files[2:])
    certificate, key, _, other = (file.read_bytes() for file in files)
    server_options(certificate + authority.path.read_bytes(), key)
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    for pair, told in [
        ((b"", key), "the certificate cannot be read"),
        ((b"nonsense", key), "the certificate cannot be read"),
        ((certificate, b"nonsense"), "the key cannot be read"),
        ((certificate, locked), "the key cannot be read"),
        ((certificate, other), "the key is not the certificate's"),
    ]:
        with pytest.raises(BadCertificate, match=told):
            server_options(*pair)
