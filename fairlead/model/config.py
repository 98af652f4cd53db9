"""The daemon's configuration, resolved from its flags and `daemon.json`: dockerd's own options."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from fairlead.model.network import Address, Subnet

NFT, IPVS = "nft", "ipvs"
BALANCERS = (NFT, IPVS)
"""What leads a client to a service's backend: the packet filter alone, or IPVS too."""

EVERY_IPV4 = IPv4Address("0.0.0.0")


@dataclass(frozen=True, slots=True)
class AddressPool:
    """`--default-address-pool base=...,size=...`: networks take `size`-long prefixes out of `base`, in order."""

    base: Subnet
    size: int


@dataclass(frozen=True, slots=True)
class DefaultBridge:
    """How `docker0` is made. `name` is "none" when there shall be no default bridge network."""

    name: str = "docker0"
    own: bool = True
    bip: IPv4Interface | None = None
    fixed_cidr: IPv4Network | None = None
    fixed_cidr6: IPv6Network | None = None
    gateway: IPv4Address | None = None
    gateway6: IPv6Address | None = None
    ipv6: bool = False
    icc: bool = True
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class TlsFiles:
    ca: Path
    cert: Path
    key: Path
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Registries:
    """`mirrors` are URLs that Docker Hub's images are asked of first; `insecure` are domains ("host[:port]") and
    networks (CIDR) whose registries may have any certificate or none."""

    mirrors: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """Everything that a running daemon was told. `hosts` are "unix://PATH" or "tcp://ADDR:PORT"."""

    hosts: tuple[str, ...] = ("unix:///run/fairlead/fairlead.sock",)
    data_root: Path = Path("/var/lib/fairlead")
    exec_root: Path = Path("/run/fairlead")
    pidfile: Path | None = None
    tls: TlsFiles | None = None
    bridge: DefaultBridge = field(default_factory=DefaultBridge)
    address_pools: tuple[AddressPool, ...] = ()
    dns: tuple[Address, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    publish_address: Address = EVERY_IPV4
    ip_masq: bool = True
    ip_forward: bool = True
    host_gateway: Address | None = None
    labels: tuple[str, ...] = ()
    generic_resources: tuple[tuple[str, int], ...] = ()
    named_resources: tuple[tuple[str, tuple[str, ...]], ...] = ()
    swarm_advertise: str = ""
    registries: Registries = Registries()
    log_level: str = "info"
    hostname: str = ""
    balancer: str = NFT

    @property
    def netns_dir(self) -> Path:
        return self.exec_root / "netns"
