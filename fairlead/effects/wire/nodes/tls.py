"""TLS between nodes: contexts from an identity, and who is at the other end.

OpenSSL reads private keys from files only; here the file is anonymous memory, so that a key which is sealed on the disk
is nowhere in the clear. Tickets are off: no session is resumed with a certificate that has ended meanwhile.
"""

from __future__ import annotations

import os
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.effects.pki.subject import UNITS, peer_of
from fairlead.model.errors import Failed, NotAllowed
from fairlead.model.swarm.identity import Identity, Peer
from fairlead.model.swarm.node import MANAGER

MANAGER_HOST = UNITS[MANAGER]
"""The host that callers ask TLS for: only managers' certificates have the name."""

SSLProtocol.max_size = 32 << 10
# asyncio gives each TLS connection a read buffer of 256 KiB for its whole life, so a thousand nodes would cost the
# leader 256 MiB. It has no setting; this attribute is what it takes the size from. Smaller is no slower (measured).

_IDLE_S, _BETWEEN_S, _PROBES = 3, 1, 3
_UNACKNOWLEDGED_MS = 6000


@dataclass(frozen=True, slots=True)
class Shown:
    """What the other end showed. `peer` None: nothing, or (`fault` says what) no certificate of a node of the swarm.
    `until` is when it expires, seconds since the epoch."""

    peer: Peer | None = None
    until: float = 0.0
    fault: str = ""


def listening(identity: Identity) -> ssl.SSLContext:
    """A manager's end. Who shows no certificate gets through; who shows one that does not hold does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    return _equipped(context, ssl.CERT_OPTIONAL, identity.trust, identity)


def calling(trust: str, identity: Identity | None = None) -> ssl.SSLContext:
    """A caller's end, as a node or (None) as a stranger."""
    return _equipped(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.CERT_REQUIRED, trust, identity)


def blind() -> ssl.SSLContext:
    """A stranger's end who does not know yet whom to trust. Nothing that comes through it may be believed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _equipped(context: ssl.SSLContext, mode: ssl.VerifyMode, trust: str, identity: Identity | None) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = mode
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cadata=trust)
        if identity is not None:
            _load(context, identity.certificate + identity.key)
    except (ssl.SSLError, ValueError) as error:
        raise Failed(f"cannot use the certificates of this node: {error}") from error
    return context


def _load(context: ssl.SSLContext, chain: str) -> None:
    descriptor = os.memfd_create("fairlead-node", os.MFD_CLOEXEC)
    with open(descriptor, "w") as memory:
        memory.write(chain)
        memory.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def shown(certificate: Mapping[str, Any] | None, cluster_id: str) -> Shown:
    """From what `SSLSocket.getpeercert` says of a verified certificate, to a node of the swarm `cluster_id`."""
    if not certificate:
        return Shown()
    subject = {name: value for part in certificate["subject"] for name, value in part}
    until = ssl.cert_time_to_seconds(certificate["notAfter"])
    names = ("commonName", "organizationalUnitName", "organizationName")
    try:
        peer = peer_of(*(subject.get(name, "") for name in names))
    except NotAllowed as refusal:
        return Shown(None, until, refusal.message)
    if peer.cluster_id != cluster_id:
        return Shown(None, until, f"node {peer.node_id} is of another swarm ({peer.cluster_id})")
    return Shown(peer, until)


def notice_silence(sock: socket.socket) -> None:
    """Have the kernel end the connection when the other host has not answered for some six seconds, whether or not
    there was something to tell it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
