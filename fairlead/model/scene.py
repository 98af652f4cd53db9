"""A network namespace at one moment, as the kernel has it: everything that decides what becomes of a packet there.

Nothing here is what anybody wanted or believes: `fairlead.core.trace` compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.model.network import Address, Subnet
from fairlead.model.ruleset import Element, Table

UNICAST, LOCAL, BROADCAST, BLACKHOLE, UNREACHABLE, PROHIBIT, THROW = 1, 2, 3, 6, 7, 8, 9
"""Kinds of routes, by rtnetlink's numbers."""

LOOK_UP, GO_TO, NOTHING = 1, 2, 3
"""What a rule of routing does; the other actions have the numbers of the kinds of routes."""

ELSEWHERE = "?"
"""Stands for the namespace of a link's other end that is none of those that were asked about."""


@dataclass(frozen=True, slots=True)
class SceneLink:
    """A link. `master` and `parent` are names, "" for none; the other end of a veth has the index `peer` in the
    namespace `peer_ns`, and so has what a macvlan or ipvlan stands on. `isolated`: a bridge port that only speaks to
    those that are not; a macvlan or ipvlan that does not speak to its siblings. `vni` is a VXLAN device's."""

    name: str
    index: int
    kind: str = ""
    mac: str = ""
    mtu: int = 1500
    up: bool = True
    carries: bool = True
    master: str = ""
    parent: str = ""
    peer: int = 0
    peer_ns: str = ""
    isolated: bool = False
    vni: int = 0


@dataclass(frozen=True, slots=True)
class SceneRoute:
    """`destination` None is everything of its `version`. `source`: what the stack's own packets leave with."""

    version: int
    destination: Subnet | None
    link: str = ""
    via: Address | None = None
    kind: int = UNICAST
    table: int = 254
    metric: int = 0
    source: Address | None = None


@dataclass(frozen=True, slots=True)
class SceneRule:
    """A rule of routing. `odd` names a condition that is not among the others."""

    version: int
    priority: int
    table: int
    action: int = LOOK_UP
    source: Subnet | None = None
    destination: Subnet | None = None
    iif: str = ""
    oif: str = ""
    mark: int = 0
    mask: int = 0
    inverted: bool = False
    least: int = -1
    odd: str = ""


@dataclass(frozen=True, slots=True)
class SceneNeighbour:
    """Who answers to an address on a link. `permanent`: put there by hand, and never asked for again."""

    link: str
    address: Address
    mac: str
    permanent: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Station:
    """A forwarding entry of a VXLAN device: frames to `mac` go to the node at `vtep`."""

    link: str
    mac: str
    vtep: Address


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that takes what comes to `address` (unspecified: every one of its version) at `port`. `both`: one of
    IPv6 that takes IPv4 as well."""

    protocol: str
    address: Address
    port: int
    both: bool = False


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """A table of nftables with what its sets hold."""

    table: Table
    elements: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """`addresses` by link; `parameters` are sysctls by their path below /proc/sys; `blind` says in words what could not
    be looked at."""

    ns: str
    links: Mapping[str, SceneLink] = field(default_factory=dict)
    addresses: Mapping[str, tuple[IPv4Interface | IPv6Interface, ...]] = field(default_factory=dict)
    routes: tuple[SceneRoute, ...] = ()
    rules: tuple[SceneRule, ...] = ()
    neighbours: tuple[SceneNeighbour, ...] = ()
    stations: tuple[Station, ...] = ()
    listeners: tuple[Listener, ...] = ()
    tables: tuple[LoadedTable, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    blind: tuple[str, ...] = ()
