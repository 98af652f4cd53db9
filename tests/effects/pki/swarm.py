"""A swarm's authority and its nodes, made as managers make them."""

from __future__ import annotations

import time

from fairlead.effects.pki.authority import Authority
from fairlead.model.swarm.cluster import HOUR
from fairlead.model.swarm.identity import Identity, Peer, Root
from fairlead.model.swarm.node import MANAGER, WORKER

AUTHORITY = Authority()
CLUSTER = "3iwbz4tcmkbtmzrmuhphmvgfv"
MANAGING = Peer("mmmmmmmmmmmmmmmmmmmmmmmm1", MANAGER, CLUSTER)
WORKING = Peer("wwwwwwwwwwwwwwwwwwwwwwww1", WORKER, CLUSTER)
QUARTER = 90 * 24 * HOUR


def now() -> int:
    return time.time_ns()


def identity(root: Root, peer: Peer, *, at: int = 0, expiry: int = QUARTER, trust: str = "") -> Identity:
    """A node of the swarm of `root`; `at` is when it was certified."""
    key, csr = AUTHORITY.request()
    certificate = AUTHORITY.issue(root, csr, peer, at or now(), expiry)
    return Identity(peer, certificate, key, trust or root.certificate)
