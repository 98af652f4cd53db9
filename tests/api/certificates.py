"""A certificate authority for tests, and those that it vouches for."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.model.config import TlsFiles

_START = datetime.datetime(2020, 1, 1)
_END = datetime.datetime(2100, 1, 1)


class Authority:
    def __init__(self, directory: Path, name: str = "test CA") -> None:
        self._directory, self._name = directory, _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        directory.mkdir(exist_ok=True)
        self.ca = directory / "ca.pem"
        builder = _builder(self._name, self._name, self._key.public_key())
        own = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, subject: str) -> TlsFiles:
        """Files of a new pair for `subject`, valid as server at 127.0.0.1 and as client."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
        builder = _builder(_name(subject), self._name, key.public_key()).add_extension(names, critical=False)
        cert, key_file = self._directory / f"{subject}-cert.pem", self._directory / f"{subject}-key.pem"
        cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return TlsFiles(self.ca, cert, key_file)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), _START, _END)
    return builder
