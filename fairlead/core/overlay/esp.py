"""ESP between two nodes (RFC 4303, AES-GCM after RFC 4106), from the keys that the swarm's managers give to all.

Each pair of nodes has a key of its own for each direction, derived (HKDF, RFC 5869) from a key of the swarm and both
addresses, so no two nodes ever use one key with the same nonces. What arrives is understood under every key of the
ring; what leaves uses the primary, which the policy names by its SPI. A rotation first makes the new associations,
then points the policy to the new primary, and takes old associations away when the ring has dropped their key: in
between, whatever either end still sends is understood by the other.

A sequence number has 32 bits and must never come again under the same key, so the kernel stops an association at its
end, which a busy node reaches within hours. Before that the sender goes on to the next of `GENERATIONS` of the same
key of the swarm, all of which the other end understands.

There is no replay window: a node that boots again begins to count anew, and would not be heard.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING

from fairlead.model.network import Address
from fairlead.model.plan import AddAssociation, AddPolicy, Operation, PortBlock

if TYPE_CHECKING:
    from fairlead.model.swarm.cluster import EncryptionKey

REQUEST_ID = 0xD0C4E3
"""Ours, by which associations in the kernel are told from others'."""

GENERATIONS = 8
ENOUGH = 1 << 31
"""Packets after which a sender goes on to its next generation."""

_SALT = b"fairlead overlay esp"
_KEY_BYTES = 16 + 4
"""An AES-128 key, and the part of the nonce that never changes."""
_RESERVED_SPIS = 256


def association(key: EncryptionKey, source: Address, destination: Address, generation: int = 0) -> AddAssociation:
    """What `source` sends to `destination` under a key of the swarm."""
    secret = hmac.digest(_SALT, bytes.fromhex(key.key), sha256)
    way = source.packed + destination.packed + bytes((generation,))
    material = hmac.digest(secret, way + b"key\x01", sha256)[:_KEY_BYTES]
    number = int.from_bytes(hmac.digest(secret, way + b"spi\x01", sha256)[:4], "big")
    return AddAssociation(source, destination, max(number, _RESERVED_SPIS), material, REQUEST_ID)


def wanted(
    own: Address, peers: Iterable[Address], keys: Sequence[EncryptionKey], primary: int, generation: int = 0
) -> tuple[list[AddAssociation], list[AddAssociation]]:
    """The associations with all peers: (those that are used for sending, those that are understood)."""
    peers = sorted(peers, key=lambda peer: (peer.version, int(peer)))
    send_with = [key for key in keys if key.lamport == primary]
    sent = [association(key, own, peer, generation) for peer in peers for key in send_with]
    heard = [association(key, peer, own, each) for peer in peers for key in keys for each in range(GENERATIONS)]
    return sent, heard


def generation_of(
    own: Address, keys: Sequence[EncryptionKey], primary: int, led: Iterable[AddPolicy], carried: Mapping[int, int]
) -> int:
    """The generation to send with: the one that the kernel's policies `led` name already (0 for a new key), or the one
    after it when an association of it has `carried` enough packets (by SPI)."""
    found = [key for key in keys if key.lamport == primary]
    used = 0
    for key, policy in product(found, led):
        numbers = [association(key, own, policy.destination, each).spi for each in range(GENERATIONS)]
        if policy.source == own and policy.spi in numbers:
            spent = carried.get(policy.spi, 0) >= ENOUGH
            used = max(used, numbers.index(policy.spi) + spent)
    return min(used, GENERATIONS - 1)


def policies(sent: Iterable[AddAssociation], port: int, sources: PortBlock) -> list[AddPolicy]:
    """What leads packets from these ports into those associations."""
    return [AddPolicy(each.source, each.destination, port, each.spi, sources, each.request_id) for each in sent]


def changes(
    associations: Sequence[AddAssociation],
    led: Sequence[AddPolicy],
    have: Sequence[AddAssociation],
    have_led: Sequence[AddPolicy],
) -> list[Operation]:
    """From what the kernel has to what it shall have, in the order in which nothing is lost and nothing goes clear."""
    known = {(each.destination, each.spi): each for each in have}
    kept = {(each.destination, each.spi) for each in associations}
    there, staying = {each.way: each for each in have_led}, {each.way for each in led}
    return [
        *(each for each in associations if (each.destination, each.spi) not in known),
        *(each for each in led if there.get(each.way) != each),
        *(each.inverse() for way, each in there.items() if way not in staying),
        *(each.inverse() for key, each in known.items() if key not in kept),
    ]
