"""The keys of gossip and of encrypted overlays, anew every 12 hours.

Each subsystem has three keys, ordered by Lamport time. The middle one is the primary, with which everybody sends; the
newest is known everywhere before its turn comes, the oldest is still understood. A rotation makes a new newest, so
the former newest becomes primary and nobody ever receives what it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fairlead.model.swarm.cluster import GOSSIP, HOUR, IPSEC, Cluster, EncryptionKey

ROTATION = 12 * HOUR
RING = 3
SUBSYSTEMS = (GOSSIP, IPSEC)


def due(cluster: Cluster) -> int:
    """When the keys must be made anew; 0 when there are none yet."""
    return cluster.keys_rotated + ROTATION if cluster.keys else 0


def ring(cluster: Cluster, subsystem: str) -> tuple[EncryptionKey, ...]:
    """The keys of a subsystem, the oldest first."""
    return tuple(sorted((key for key in cluster.keys if key.subsystem == subsystem), key=lambda key: key.lamport))


def primary(cluster: Cluster, subsystem: str) -> EncryptionKey | None:
    """The key to send with: the one before the newest."""
    keys = ring(cluster, subsystem)
    return keys[-2] if len(keys) > 1 else keys[0] if keys else None


def rotate(cluster: Cluster, now: int, fresh: Callable[[], str]) -> Cluster:
    """The cluster with its first rings, or with one new key in each. `fresh` draws a key (hex)."""
    lamport, keys = cluster.lamport, list[EncryptionKey]()
    for subsystem in SUBSYSTEMS:
        old = ring(cluster, subsystem)
        missing = max(1, RING - len(old))
        made = [EncryptionKey(subsystem, lamport + number, fresh()) for number in range(1, missing + 1)]
        lamport += missing
        keys += [*old, *made][-RING:]
    return replace(cluster, keys=tuple(keys), keys_rotated=now, lamport=lamport)
