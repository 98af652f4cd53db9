"""The swarm's certificate authority: makes keys, signs certificates, says who a certificate speaks of.

Keys are ECDSA over P-256; only a root that a user gave may have another kind. Of a request nothing counts but its
public key and, for members of the consensus, the addresses that they are reached at: who somebody is, is decided by who
signs. Certificates serve both ends of TLS.

Changing the root: the old root signs the new one's certificate too (`cross_sign`). What the new root issues carries
that along (`Root.cross`), so that nodes which know only the old root accept it like those which know only the new one.

Importing this takes 25 ms and 10 MB: a daemon that is in no swarm has no need to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fairlead.effects.pki import reading, subject
from fairlead.effects.pki.signing import HASH, PublicKey, Signer, Template, sign_authority, sign_end
from fairlead.model.errors import Invalid, NotAllowed
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.identity import BACKDATE, Peer, Root

SHORTEST = HOUR
ROOT_LIFE = 20 * 365 * 24 * HOUR
_DEEPEST = 4
"""Signatures from a node's certificate to a root at most; a rotation of the root makes two."""


class Authority:
    """Fulfils `engine.swarm.ports.Authority`. It has no state: the root is handed in."""

    def root(self, now: int) -> Root:
        """A new self-signed root, valid for 20 years."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = Signer(_name(CN=subject.AUTHORITY), key)
        template = Template(signer.subject, key.public_key(), _moment(now - BACKDATE), _moment(now + ROOT_LIFE))
        return Root(_pem(sign_authority(template, signer)), _key_pem(key))

    def examine(self, root: Root, now: int) -> None:
        """Can certificates be issued with this root, which a user gave? Raises Invalid with what is wrong."""
        certificate, key = reading.signer(root)
        if not reading.is_authority(certificate):
            raise Invalid("the CA certificate is not an authority's: its basic constraints do not say CA")
        if certificate.public_key() != key.public_key():
            raise Invalid("the CA key is not that of the CA certificate")
        if reading.nanoseconds(certificate.not_valid_after_utc) <= now:
            raise Invalid(f"the CA certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}")

    def request(self, hosts: Sequence[str] = ()) -> tuple[str, str]:
        """A new private key and a request for its certificate. `hosts` are the IP addresses at which a member of the
        consensus is reached; a node's request needs none."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name(CN="request"))
        if hosts:
            names = [x509.IPAddress(ip_address(host)) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _key_pem(key), _pem(builder.sign(key, HASH))

    def issue(self, root: Root, csr: str, peer: Peer, now: int, expiry: int) -> str:
        """A node's certificate, with the root's cross certificate behind it where there is one."""
        request, unit = reading.request(csr), subject.UNITS[peer.role]
        template = _end_template(request, _node_name(peer, unit), now, expiry)
        return _signed(root, template, [x509.DNSName(unit), x509.DNSName(peer.node_id)])

    def issue_consensus(self, root: Root, csr: str, peer: Peer, now: int, expiry: int) -> str:
        """The certificate of a member of the consensus: its names are `subject.consensus_host` and the addresses in the
        request; its unit is that of no node."""
        if not peer.manager:
            raise NotAllowed(f"node {peer.node_id} is no manager: it has no seat in the consensus")
        request = reading.request(csr)
        template = _end_template(request, _node_name(peer, subject.CONSENSUS), now, expiry)
        return _signed(root, template, [x509.DNSName(subject.consensus_host(peer.cluster_id)), *_addresses(request)])

    def cross_sign(self, old: Root, new: Root, now: int) -> str:
        """The new root's certificate as the old root signs it: `Root.cross` of the new one."""
        signer, key = reading.signer(old)
        signed = reading.certificate(new.certificate)
        end = min(signer.not_valid_after_utc, signed.not_valid_after_utc)
        template = Template(signed.subject, _public_key(signed), _moment(now - BACKDATE), end)
        return _pem(sign_authority(template, Signer(signer.subject, key)))

    def marks(self, certificate: str) -> tuple[bytes, bytes]:
        """Subject and public key, DER, by which an issuer is told apart."""
        found = reading.certificate(certificate)
        encoding, kind = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return found.subject.public_bytes(), found.public_key().public_bytes(encoding, kind)

    def lifetime(self, certificate: str) -> tuple[int, int]:
        """Of the first certificate in the text: (not before, not after), ns."""
        first = reading.certificate(certificate)
        return reading.nanoseconds(first.not_valid_before_utc), reading.nanoseconds(first.not_valid_after_utc)

    def verify(self, certificate: str, trusted: str, now: int = 0) -> Peer:
        """Who the first certificate in the text speaks of, if one of the roots in `trusted` signed it, or signed one
        behind it that did. `now` 0 does not ask whether it is valid at the time."""
        leaf, *between = reading.certificates(certificate)
        _climb(leaf, between, reading.certificates(trusted))
        if now and not leaf.not_valid_before_utc <= _moment(now) < leaf.not_valid_after_utc:
            begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
            raise NotAllowed(f"the certificate is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC only")
        return reading.peer_in(leaf)


# --- issuing --------------------------------------------------------------------------------------


def _end_template(request: x509.CertificateSigningRequest, name: x509.Name, now: int, expiry: int) -> Template:
    if expiry < SHORTEST:
        raise Invalid(f"a certificate is valid for an hour at least, not for {expiry // reading.SECOND} s")
    return Template(name, _public_key(request), _moment(now - BACKDATE), _moment(now + expiry))


def _signed(root: Root, template: Template, names: Sequence[x509.GeneralName]) -> str:
    """A certificate, which does not outlive its root, and what goes with it."""
    certificate, key = reading.signer(root)
    end = min(template.end, certificate.not_valid_after_utc)
    bounded = Template(template.subject, template.key, template.begin, end)
    return _pem(sign_end(bounded, names, Signer(certificate.subject, key))) + root.cross


def _addresses(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError as error:
        raise Invalid(f"not a certificate request: {error}") from error
    return [name for name in names if isinstance(name, x509.IPAddress)]


def _public_key(of: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    key = of.public_key()
    if not isinstance(key, PublicKey):
        raise Invalid("the certificate's key is neither an ECDSA nor an RSA key")
    return key


# --- verifying ------------------------------------------------------------------------------------


def _climb(leaf: x509.Certificate, between: list[x509.Certificate], roots: Sequence[x509.Certificate]) -> None:
    """Raises NotAllowed unless signatures lead from the leaf to a root."""
    reached, left = leaf, list(between)
    for _ in range(_DEEPEST):
        if any(reading.signed_by(reached, root) for root in roots):
            return
        above = next((one for one in left if reading.signed_by(reached, one)), None)
        if above is None:
            break
        left.remove(above)
        reached = above
    raise NotAllowed("the certificate is not signed by the swarm's authority")


# --- forms ----------------------------------------------------------------------------------------


def _name(**parts: str) -> x509.Name:
    oids = {"O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "CN": NameOID.COMMON_NAME}
    return x509.Name([x509.NameAttribute(oids[part], value) for part, value in parts.items()])


def _node_name(peer: Peer, unit: str) -> x509.Name:
    return _name(O=peer.cluster_id, OU=unit, CN=peer.node_id)


def _moment(now: int) -> datetime:
    return datetime.fromtimestamp(now // reading.SECOND, UTC)


def _pem(made: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
