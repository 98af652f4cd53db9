"""Who a node is, and by what it proves it."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256

from fairlead.model.errors import Invalid, NotAllowed
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.node import MANAGER

BACKDATE = HOUR
"""Certificates begin so long before they are issued, for hosts whose clocks are behind."""

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Peer:
    """What a node's certificate says: CN, OU and O of its subject. `role` is "manager" or "worker"."""

    node_id: str
    role: str
    cluster_id: str

    @property
    def manager(self) -> bool:
        return self.role == MANAGER


@dataclass(frozen=True, slots=True)
class Root:
    """A certificate authority, PEM. `key` is "" where only its certificate is known. `cross` is its certificate as the
    former root signed it, shown behind every certificate that it issues while a rotation is on ("": none is)."""

    certificate: str
    key: str = ""
    cross: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node of a swarm keeps on disk. PEM texts; `trust` are the roots it believes (two while a rotation is on);
    `managers` HOST:PORT where managers were heard of last. `store_key` (64 hex digits, with which managers seal what
    they put into their store) and `consensus_*` only managers have.
    The remaining fields are how the node was told to join: addresses as resolved ("192.168.0.1:2377")."""

    peer: Peer
    certificate: str
    key: str
    trust: str
    managers: tuple[str, ...] = ()
    store_key: str = ""
    consensus_certificate: str = ""
    consensus_key: str = ""
    listen: str = "0.0.0.0:2377"
    advertise: str = ""
    data_path: str = ""
    autolock: bool = False


def certificates(pem: str) -> tuple[str, ...]:
    """The certificates of a bundle, one PEM text each, in order."""
    parts = (part.partition(_END) for part in pem.split(_BEGIN)[1:])
    return tuple(f"{_BEGIN}{body}{end}\n" for body, end, _ in parts if end)


def digest(certificate: str) -> str:
    """SHA-256 of a certificate's DER form, 64 hex digits: by this a joiner knows a root. Raises Invalid."""
    body = certificate.partition(_BEGIN)[2].partition(_END)[0]
    try:
        der = b64decode("".join(body.split()), validate=True)
    except ValueError as error:
        raise Invalid(f"not a certificate: {error}") from error
    if not der:
        raise Invalid("not a certificate: it has no PEM text of one")
    return sha256(der).hexdigest()


def vouched(bundle: str, wanted: str) -> str:
    """The certificate of `bundle` (PEM) with the digest `wanted`. Raises NotAllowed when there is none."""
    found = {digest(one): one for one in certificates(bundle)}
    if wanted not in found:
        got = ", ".join(found) or "no certificate"
        raise NotAllowed(f"remote CA does not match fingerprint. Expected: {wanted}, got: {got}")
    return found[wanted]
