"""Who a node is, and by what it proves it."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.swarm.node import MANAGER


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
    """A certificate authority, PEM. `key` is "" where only its certificate is known."""

    certificate: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a node of a swarm keeps on disk. PEM texts; `trust` are the roots it believes (two while a rotation is on);
    `managers` HOST:PORT where managers were heard of last. `root_key` and `consensus_*` only managers have.
    The remaining fields are how the node was told to join: addresses as resolved ("192.168.0.1:2377")."""

    peer: Peer
    certificate: str
    key: str
    trust: str
    managers: tuple[str, ...] = ()
    root_key: str = ""
    consensus_certificate: str = ""
    consensus_key: str = ""
    listen: str = "0.0.0.0:2377"
    advertise: str = ""
    data_path: str = ""
    autolock: bool = False
