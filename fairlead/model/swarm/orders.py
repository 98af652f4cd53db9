"""What a user orders a node to do about swarms. Addresses are as typed: HOST, HOST:PORT or an interface's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

from fairlead.model.swarm.cluster import ClusterSpec
from fairlead.model.swarm.node import ACTIVE


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """`listen` is where a manager takes calls of nodes, `advertise` where others find it ("": find out), `data_path`
    where its overlay packets arrive ("": there too)."""

    listen: str = "0.0.0.0:2377"
    advertise: str = ""
    data_path: str = ""


@dataclass(frozen=True, slots=True)
class GivenRoot:
    """A root certificate that a user brought along, with its private key (PEM)."""

    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class InitOrder:
    """`docker swarm init`. `pools` () are the default ones."""

    where: Whereabouts = Whereabouts()
    spec: ClusterSpec = field(default_factory=ClusterSpec)
    data_path_port: int = 4789
    pools: tuple[IPv4Network, ...] = ()
    subnet_size: int = 24
    availability: str = ACTIVE
    force_new: bool = False
    root: GivenRoot = GivenRoot()


@dataclass(frozen=True, slots=True)
class JoinOrder:
    """`docker swarm join`."""

    remotes: tuple[str, ...]
    token: str
    where: Whereabouts = Whereabouts()
    availability: str = ACTIVE


@dataclass(frozen=True, slots=True)
class Rotations:
    """What `docker swarm update` shall make anew."""

    worker_token: bool = False
    manager_token: bool = False
    unlock_key: bool = False
