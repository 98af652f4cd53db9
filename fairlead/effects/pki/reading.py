"""From PEM texts to certificates, requests and keys. What cannot be read is Invalid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from fairlead.effects.pki import subject
from fairlead.model.errors import Failed, Invalid
from fairlead.model.swarm.identity import Peer, Root

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
SECOND = 1_000_000_000

_Read = TypeVar("_Read")


def certificate(pem: str) -> x509.Certificate:
    """The first certificate of a text."""
    return certificates(pem)[0]


def certificates(pem: str) -> list[x509.Certificate]:
    """All certificates of a text, one at least."""
    return _read(x509.load_pem_x509_certificates, pem, "certificate")


def request(pem: str) -> x509.CertificateSigningRequest:
    """A request of a key over P-256 that signed it itself."""
    found = _read(x509.load_pem_x509_csr, pem, "certificate request")
    key = found.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid("the certificate request's key is not an ECDSA key over P-256")
    if not found.is_signature_valid:
        raise Invalid("the certificate request is not signed by its own key")
    return found


def signer(root: Root) -> tuple[x509.Certificate, SigningKey]:
    """The root as it is needed to sign. Raises Failed where its key is not known."""
    if not root.key:
        raise Failed("this node does not hold the key of the swarm's authority")
    key = _read(lambda data: serialization.load_pem_private_key(data, None), root.key, "CA key")
    if not isinstance(key, SigningKey):
        raise Invalid("the CA key is neither an ECDSA nor an RSA key")
    return certificate(root.certificate), key


def _read(reader: Callable[[bytes], _Read], pem: str, what: str) -> _Read:
    try:
        return reader(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Invalid(f"not a {what}: {error}") from error


def peer_in(found: x509.Certificate) -> Peer:
    """Who a certificate speaks of, whoever signed it. Raises NotAllowed when that is no node."""
    asked = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME)
    said = [[str(part.value) for part in found.subject.get_attributes_for_oid(oid)] for oid in asked]
    return subject.peer_of(*(values[0] if len(values) == 1 else "" for values in said))


def is_authority(found: x509.Certificate) -> bool:
    """May it sign others?"""
    try:
        return found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Did the key of `upper`, an authority's certificate, sign `lower`?"""
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return is_authority(upper)


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
