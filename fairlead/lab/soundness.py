"""What cannot be built, said before anything is made; pure.

`check_references` looks at what was written, `check` at what it comes to once addresses and interfaces are filled in.
Each refusal names the entry and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import combinations

from fairlead.lab.parts import Host, Link, Router, Topology
from fairlead.lab.resolving import resolve
from fairlead.model.errors import Invalid

FABRIC = "fabric"
"""The node in which all switches are."""
_NODE = re.compile(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?")
_SWITCH = re.compile(r"[a-z][a-z0-9-]{0,14}")
_PORT = re.compile(r"p[0-9]+")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_LONGEST_INTERFACE = 15
_TAKEN = ("lo", "uplink")
_ROLES = ("manager", "worker")


def complete(topology: Topology) -> Topology:
    """The topology with all that it left open, fit to be built. Raises `Invalid`."""
    check_references(topology)
    whole = resolve(topology)
    check(whole)
    return whole


def check_references(topology: Topology) -> None:
    """Names, and what they refer to."""
    for name in topology.switches:
        _check_switch_name(name)
    for name, node in topology.nodes.items():
        if not _NODE.fullmatch(name):
            rule = 'a lower-case letter, then letters, digits and "-", 31 at most'
            raise Invalid(f'"{name}" cannot name a node: use {rule}')
        if name == FABRIC:
            raise Invalid(f'"{name}" cannot name a node: it is where the lab has its switches')
        for link in node.links:
            if link.switch not in topology.switches:
                known = ", ".join(topology.switches) or "none"
                raise Invalid(f'{name}: no switch "{link.switch}"; there are: {known}')
            if link.ifname and (not _INTERFACE.fullmatch(link.ifname) or link.ifname in _TAKEN):
                rule = 'a letter, then letters, digits, "_" and "-"'
                raise Invalid(f'{name}: "{link.ifname}" cannot name an interface: use {rule}')
    both = sorted(set(topology.hosts) & set(topology.routers))
    if both:
        raise Invalid(f'"{both[0]}" is a host and a router')
    ways_out = [name for name, router in topology.routers.items() if router.uplink]
    if len(ways_out) > 1:
        raise Invalid(f"only one router can have the uplink, not {' and '.join(ways_out)}")
    _check_subnets(topology)


def _check_switch_name(name: str) -> None:
    if not _SWITCH.fullmatch(name):
        raise Invalid(
            f'"{name}" cannot name a switch: use a lower-case letter, then letters, digits and "-", 15 at most'
        )
    if _PORT.fullmatch(name) or name == "lo":
        raise Invalid(f'"{name}" cannot name a switch: lo, p1, p2, ... are interfaces already')


def _check_subnets(topology: Topology) -> None:
    subnets = [(name, switch.subnet) for name, switch in topology.switches.items() if switch.subnet]
    for (one, its), (other, others) in combinations(subnets, 2):
        if its.overlaps(others):
            raise Invalid(f"switches.{other}: its subnet {others} overlaps {its} of switches.{one}")


def check(topology: Topology) -> None:
    """What the resolved topology comes to."""
    if not topology.hosts:
        raise Invalid("topology: no hosts; a lab has at least one: [hosts.a]")
    for host in topology.hosts.values():
        _check_host(host)
    roles = [host.role for host in topology.hosts.values()]
    if "worker" in roles and "manager" not in roles:
        raise Invalid('topology: a swarm needs a manager: give a host role = "manager"')
    for router in topology.routers.values():
        if router.nat and not any(router.masquerades_on(link) for link in router.links):
            known = ", ".join(dict.fromkeys(link.switch for link in router.links)) or "none"
            raise Invalid(f'routers.{router.name}: nat = "{router.nat}" names none of its links; switches: {known}')
    for node in topology.nodes.values():
        _check_interfaces(node)
        _check_networks(node)
    _check_addresses(topology)


def _check_host(host: Host) -> None:
    where = f"hosts.{host.name}"
    if host.role and host.role not in _ROLES:
        raise Invalid(f'{where}: role "{host.role}" is neither "manager" nor "worker"')
    if host.role and host.daemon is None:
        raise Invalid(f"{where}: a {host.role} needs its daemon: leave out daemon = false")
    if not host.gateway:
        return
    try:
        gateway = IPv4Address(host.gateway)
    except ValueError as error:
        raise Invalid(f'{where}: gateway "{host.gateway}": {error}') from error
    reachable = [link.address.network for link in host.links if link.address]
    if not any(gateway in network for network in reachable):
        known = ", ".join(map(str, reachable)) or "none"
        raise Invalid(f"{where}: gateway {gateway} is in none of its subnets: {known}")


def _check_interfaces(node: Host | Router) -> None:
    leads: dict[str, str] = {}
    tagged = set()
    for link in node.links:
        if len(link.ifname) > _LONGEST_INTERFACE:
            raise Invalid(
                f'{node.name}: the interface name "{link.ifname}" is longer than {_LONGEST_INTERFACE} characters'
            )
        if leads.setdefault(link.cable, link.switch) != link.switch:
            raise Invalid(f"{node.name}: {link.cable} leads to {leads[link.cable]} and to {link.switch}")
        if link.vlan and link.ifname in tagged:
            raise Invalid(f"{node.name}: {link.ifname} twice: one link for VLAN {link.vlan} of {link.switch}")
        tagged.add(link.ifname)


def _check_networks(node: Host | Router) -> None:
    """Two interfaces of a node in one subnet: it would not know by which to send."""
    for (one, its), (other, others) in combinations(_networks(node), 2):
        if one.ifname != other.ifname and its.overlaps(others):
            raise Invalid(f"{node.name}: {other.ifname} is in {others}, which overlaps {its} of {one.ifname}")


def _networks(node: Host | Router) -> Iterator[tuple[Link, IPv4Network]]:
    for link in node.links:
        if link.address:
            yield link, link.address.network


def _check_addresses(topology: Topology) -> None:
    holders: dict[IPv4Address, str] = {}
    for name, node in topology.nodes.items():
        for link in node.links:
            if link.address is None:
                continue
            subnet = topology.switches[link.switch].subnet
            if subnet is not None and not link.vlan and link.address.network != subnet:
                raise Invalid(f"{name}: {link.address} is not in {link.switch}'s subnet {subnet}")
            if _is_of_the_subnet_itself(link.address):
                raise Invalid(f"{name}: {link.address} is the address of the subnet or its broadcast, not a node's")
            if link.address.ip in holders:
                raise Invalid(f"{name}: {link.address.ip} is {holders[link.address.ip]}'s already")
            holders[link.address.ip] = name


def _is_of_the_subnet_itself(address: IPv4Interface) -> bool:
    network = address.network
    return network.prefixlen < 31 and address.ip in (network.network_address, network.broadcast_address)
