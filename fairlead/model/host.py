"""What a driver may know about the host: a value, observed once and handed in. A driver asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.network import Address, Subnet


@dataclass(frozen=True, slots=True)
class HostLink:
    """An interface of the host as a driver needs to see it. `kind` is rtnetlink's ("bridge", "" for none)."""

    name: str
    index: int
    kind: str = ""
    mtu: int = 1500
    mac: str = ""
    up: bool = True
    alias: str = ""
    master: str = ""


@dataclass(frozen=True, slots=True)
class Underlay:
    """What carries overlay networks: this host's address among the other nodes, the UDP port, the largest packet that
    its link takes, and the largest that was seen to arrive at every other node (0: none is known to be smaller)."""

    address: Address
    port: int = 4789
    mtu: int = 1500
    path: int = 0


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The host at one moment.

    `links` by name. `routes` are the destinations of the main table without the default route,
    `addresses` every local address, `held` (link, address) for each of them, `nameservers` those of the host's
    resolv.conf. `features` are kernel abilities by name: "bridge", "vxlan", "macvlan", "ipvlan", "8021q", "dummy",
    "ip_vs" ("ip_vs_mh", "ip_vs_twos": schedulers), "esp", "netem", "nft_fib", "sctp", "br_netfilter". `owner` tags
    every kernel object of this daemon (derived from exec-root), so that another daemon's objects are never taken for
    ours. `namespaces` is the directory of the files that keep network namespaces. `underlay` is there while the host is
    in a swarm.
    """

    links: Mapping[str, HostLink] = field(default_factory=dict)
    routes: tuple[Subnet, ...] = ()
    addresses: tuple[Address, ...] = ()
    held: tuple[tuple[str, Address], ...] = ()
    nameservers: tuple[Address, ...] = ()
    uplink: str = ""
    mtu: int = 1500
    features: frozenset[str] = frozenset()
    owner: str = "fairlead"
    namespaces: str = ""
    underlay: Underlay | None = None
