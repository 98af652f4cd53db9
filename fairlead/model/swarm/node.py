"""Nodes: the hosts of a swarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.swarm.attachment import Attachment

WORKER, MANAGER = "worker", "manager"
ROLES = (WORKER, MANAGER)
ACTIVE, PAUSE, DRAIN = "active", "pause", "drain"
AVAILABILITIES = (ACTIVE, PAUSE, DRAIN)
UNKNOWN, DOWN, READY, DISCONNECTED = "unknown", "down", "ready", "disconnected"
REACHABLE, UNREACHABLE = "reachable", "unreachable"


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What users may change. `role` is the wish; `Node.role` is what the node's certificate says."""

    role: str = WORKER
    availability: str = ACTIVE
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Platform:
    """`architecture` and `os` in the words of image indexes or of `uname` (amd64 = x86_64)."""

    architecture: str = ""
    os: str = ""


@dataclass(frozen=True, slots=True)
class Plugin:
    """`kind`: "Network", "Volume", "Log"."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What the node says about itself when it opens a session. Of its generic resources, `generic` counts those that
    are all alike, by kind, and `named` has the names of those that are told apart. A kind is in one of the two."""

    hostname: str = ""
    platform: Platform = field(default_factory=Platform)
    nano_cpus: int = 0
    memory: int = 0
    generic: Mapping[str, int] = field(default_factory=dict)
    engine_version: str = ""
    engine_labels: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()
    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def offers(self, kind: str) -> int:
        """How many of a generic resource the node has."""
        return self.generic.get(kind, 0) or len(self.named.get(kind, ()))


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """`since` is when the state was entered."""

    state: str = UNKNOWN
    message: str = ""
    address: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class ManagerStatus:
    """How the other managers see a manager. `address` is HOST:PORT of its API for nodes."""

    member: str = ""
    address: str = ""
    leader: bool = False
    reachability: str = UNREACHABLE


@dataclass(frozen=True, slots=True)
class Node:
    """A node. `attachments` are its own addresses, one per swarm network that has tasks on it (the ingress network
    always): the node's end of load balancing and of the routing mesh. `data_address` is where its overlay packets
    arrive. `issuer` is the digest of the root that signed its newest certificate. `error` says why its spec does not
    hold yet."""

    id: str
    spec: NodeSpec = field(default_factory=NodeSpec)
    description: NodeDescription = field(default_factory=NodeDescription)
    status: NodeStatus = field(default_factory=NodeStatus)
    role: str = WORKER
    manager: ManagerStatus | None = None
    attachments: tuple[Attachment, ...] = ()
    data_address: str = ""
    issuer: str = ""
    error: str = ""
    version: int = 0
    created: int = 0
    updated: int = 0

    @property
    def takes_tasks(self) -> bool:
        return self.status.state == READY and self.spec.availability == ACTIVE

    @property
    def keeps_tasks(self) -> bool:
        """May tasks that are there stay? A node of unknown state (after a change of leader) may be well."""
        return self.status.state != DOWN and self.spec.availability != DRAIN
