"""Networks: what a user asks for (`NetworkSpec`) and what exists (`Network`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network

LOCAL, SWARM = "local", "swarm"
PREDEFINED = ("bridge", "host", "none")


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """One `IPAM.Config` entry as typed: text, not yet checked; empty where the user said nothing."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    aux: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """A subnet of a network, resolved.

    `gateway` is None only where the network has none (an internal macvlan, say). `requested` tells
    whether the user named the subnet, which is what allows `--ip`. `gateway_shown` tells whether
    inspect shows the gateway: not where the user named the subnet and left the gateway to us.
    """

    subnet: Subnet
    gateway: Address | None = None
    ip_range: Subnet | None = None
    aux: Mapping[str, Address] = field(default_factory=dict)
    requested: bool = False
    gateway_shown: bool = True


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """`docker network create` as asked; None means that the user left the choice to us."""

    name: str
    driver: str = ""
    scope: str = ""
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    ipam_driver: str = ""
    ipam_options: Mapping[str, str] | None = None
    pools: tuple[PoolRequest, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    config_only: bool = False
    config_from: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """A network that exists. Values are resolved: nothing here is left to a default.

    `created` is nanoseconds since the epoch. `link` is the Linux name of the network's own
    interface (`docker0`, `br-<id12>`, the macvlan parent), empty where there is none.
    """

    id: str
    name: str
    driver: str
    created: int
    scope: str = LOCAL
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv4: bool = True
    ipv6: bool = False
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    config_only: bool = False
    config_from: str = ""
    link: str = ""

    @property
    def predefined(self) -> bool:
        return self.name in PREDEFINED

    def pool_for(self, address: Address) -> Pool | None:
        """The pool whose subnet contains `address`."""
        return next((pool for pool in self.pools if address in pool.subnet), None)
