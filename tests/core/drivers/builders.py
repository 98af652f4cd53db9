"""Networks, endpoints and sites as tests need them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

from fairlead.core.drivers.contract import Neighbourhood, Site
from fairlead.core.drivers.registry import driver
from fairlead.model.endpoint import Endpoint, EndpointSpec, PublishedPort
from fairlead.model.host import HostFacts, HostLink
from fairlead.model.network import Network, Pool

OWNER = "fairlead"
NS = "/run/netns/c1"
EVERYTHING = frozenset({"bridge", "macvlan", "ipvlan", "8021q", "dummy", "nft_fib"})


def facts(*links: HostLink, features: frozenset[str] = EVERYTHING) -> HostFacts:
    return HostFacts({link.name: link for link in links}, features=features, owner=OWNER)


def around(*links: HostLink, others: tuple[Network, ...] = (), features: frozenset[str] = EVERYTHING) -> Neighbourhood:
    return Neighbourhood(facts(*links, features=features), others)


def network(kind: str = "bridge", id_: str = "ab", subnet: str = "172.18.0.0/16", **fields: object) -> Network:
    """A network with one pool per subnet ("" for none), its gateway the first address."""
    subnets = [ip_network(text) for text in subnet.split()]
    pools = tuple(Pool(net, net.network_address + 1) for net in subnets)
    versions = {net.version for net in subnets}
    plain = Network(id_ * (64 // len(id_)), f"net-{id_}", kind, 0, ipv4=4 in versions, ipv6=6 in versions, pools=pools)
    made = replace(plain, **fields)  # type: ignore[arg-type]
    return replace(made, link=driver(kind).link(made))


def endpoint(number: int = 2, on: Network | None = None, **fields: object) -> Endpoint:
    """Endpoint `number` of a network, with the address of that number in each of its pools."""
    on = on or network()
    held = [ip_interface(f"{pool.subnet.network_address + number}/{pool.subnet.prefixlen}") for pool in on.pools]
    four = next((a for a in held if isinstance(a, IPv4Interface)), None)
    six = next((a for a in held if isinstance(a, IPv6Interface)), None)
    gateways = {pool.subnet.version: pool.gateway for pool in on.pools}
    plain = Endpoint(
        id=f"{number:07x}" + "cd" * 28 + "0",
        network_id=on.id,
        container_id=f"{number:064x}",
        sandbox=f"{number:064x}",
        name=f"c{number}",
        ifname="eth0",
        mac=f"02:42:ac:12:00:{number % 256:02x}",
        ipv4=four,
        ipv6=six,
        gateway4=gateways.get(4),
        gateway6=gateways.get(6),
        host_ifname=f"veth{number:07x}",
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def published(*ports: str) -> tuple[PublishedPort, ...]:
    """`published("0.0.0.0:8080->80/tcp")`."""
    found = []
    for text in ports:
        outer, _, inner = text.partition("->")
        address, _, port = outer.rpartition(":")
        number, _, protocol = inner.partition("/")
        found.append(PublishedPort(int(number), protocol, ip_address(address), int(port)))
    return tuple(found)


def site(ns: str = NS, ipv6: bool = False, shared: bool = False) -> Site:
    return Site(facts(), ns, ipv6, shared)


def spec(**fields: object) -> EndpointSpec:
    return EndpointSpec(**fields)  # type: ignore[arg-type]
