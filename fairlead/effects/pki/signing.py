"""From names and keys to signed certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from fairlead.effects.pki.reading import SigningKey

HASH = hashes.SHA256()
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_NO_USE = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}
_BOTH_ENDS = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@dataclass(frozen=True, slots=True)
class Template:
    """What is certified: that `key` is `subject`'s from `begin` to `end`."""

    subject: x509.Name
    key: PublicKey
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Signer:
    """Who certifies."""

    subject: x509.Name
    key: SigningKey


def sign_authority(template: Template, signer: Signer) -> x509.Certificate:
    """A certificate that may itself sign."""
    use = x509.KeyUsage(**(_NO_USE | {"key_cert_sign": True, "crl_sign": True}))
    builder = _begin(template, signer).add_extension(use, critical=True)
    return builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(signer.key, HASH)


def sign_end(template: Template, names: Sequence[x509.GeneralName], signer: Signer) -> x509.Certificate:
    """A certificate for an end of TLS that is called `names`."""
    use = x509.KeyUsage(**(_NO_USE | {"digital_signature": True}))
    builder = _begin(template, signer).add_extension(use, critical=True)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_BOTH_ENDS), critical=False)
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(signer.key, HASH)


def _begin(template: Template, signer: Signer) -> x509.CertificateBuilder:
    own, issuer = x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier
    builder = x509.CertificateBuilder(
        issuer_name=signer.subject,
        subject_name=template.subject,
        public_key=template.key,
        serial_number=x509.random_serial_number(),
        not_valid_before=template.begin,
        not_valid_after=template.end,
    )
    builder = builder.add_extension(own.from_public_key(template.key), critical=False)
    return builder.add_extension(issuer.from_issuer_public_key(signer.key.public_key()), critical=False)
