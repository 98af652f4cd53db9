"""What a topology leaves open is filled in; pure.

Interfaces are called eth0, eth1, ...; hosts without an address get the next one of their switch's subnet (.11 onwards),
and the first router on the switch, at .1 unless it says otherwise, as their default gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import count

from fairlead.lab.parts import Host, Link, Router, Topology
from fairlead.model.errors import Invalid

FIRST_HOST = 11


def resolve(topology: Topology) -> Topology:
    """Fill in interface names, MTUs, addresses and gateways. Raises `Invalid` when a subnet has no room."""
    taken = {link.address.ip for node in topology.nodes.values() for link in node.links if link.address}
    routers = {}
    for name, router in topology.routers.items():
        links = _addressed(topology, router, taken, first=1)
        routers[name] = replace(router, links=links)
    hosts = {}
    for name, host in topology.hosts.items():
        links = _addressed(topology, host, taken, first=FIRST_HOST)
        hosts[name] = replace(host, links=links, gateway=host.gateway or _gateway(links, routers))
    return Topology(topology.switches, hosts, routers)


def _addressed(topology: Topology, node: Host | Router, taken: set[IPv4Address], first: int) -> tuple[Link, ...]:
    done = []
    for link in _named(node.links):
        switch = topology.switches[link.switch]
        address = link.address
        if address is None and switch.subnet is not None and not link.vlan:
            free = next((ip for ip in _order(switch.subnet, first) if ip not in taken), None)
            if free is None:
                raise Invalid(f"{node.name}: {switch.name}'s subnet {switch.subnet} has no address left")
            taken.add(free)
            address = IPv4Interface((free, switch.subnet.prefixlen))
        done.append(replace(link, address=address, mtu=link.mtu or switch.mtu))
    return tuple(done)


def _order(subnet: IPv4Network, first: int) -> Iterator[IPv4Address]:
    """The addresses of a subnet in the order in which they are given away: what is below `first` comes last, and the
    first of all, which is the router's, not at all unless it is asked for."""
    end = subnet.num_addresses - 1
    for number in [*range(first, end), *range(2, min(first, end))]:
        yield subnet[number]


def _named(links: Sequence[Link]) -> Iterator[Link]:
    """eth0, eth1, ... in order; links to the same switch share the interface, VLANs stand on top. A link with a name
    of its own has a cable of its own."""
    given = {link.ifname for link in links}
    fresh = (name for name in map("eth{}".format, count()) if name not in given)
    cables: dict[str, str] = {}
    for link in links:
        cable = link.ifname or cables.get(link.switch) or next(fresh)
        cables.setdefault(link.switch, cable)
        yield replace(link, ifname=f"{cable}.{link.vlan}" if link.vlan else cable)


def _gateway(links: Sequence[Link], routers: Mapping[str, Router]) -> str:
    mine = {link.switch for link in links if link.address and not link.vlan}
    for router in routers.values():
        for link in router.links:
            if link.switch in mine and link.address and not link.vlan:
                return str(link.address.ip)
    return ""
