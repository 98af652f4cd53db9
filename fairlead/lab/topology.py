"""What a lab consists of, as values: hosts, switches, routers and the links between them.

A topology file is TOML:

    [switches.lan]                      # a learning switch; tagged frames pass through (a trunk)
    subnet = "192.168.50.0/24"

    [hosts.a]                           # a machine with a Fairlead daemon
    links = [{ switch = "lan", address = "192.168.50.11/24" }]
    daemon = ["--icc=false"]            # further flags of its daemon; `false` for a host without one

    [routers.r1]                        # forwards between its links; `nat` names the link that masquerades
    links = [{ switch = "lan", address = "192.168.50.1/24" },
             { switch = "office", address = "10.9.0.1/24", mtu = 1400 },
             { switch = "trunk", vlan = 10, address = "192.168.10.1/24" }]
    nat = "office"
    uplink = true                       # one router may lead on to the machine's own network

Hosts without an address get the next one of their switch's subnet (.11 onwards), and the first router on
the switch, at .1 unless it says otherwise, as their default gateway.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv4Network, ip_interface, ip_network
from typing import Any

from fairlead.model.errors import Invalid

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
FIRST_HOST = 11
OUTSIDE = "outside"
"""The router that every simple lab has: gateway, name server and a web server for the way out."""


@dataclass(frozen=True, slots=True)
class Link:
    """One interface of a node. `ifname` is its name inside (`eth0`); with a `vlan`, `eth0.10` on top of it."""

    switch: str
    ifname: str = ""
    address: IPv4Interface | None = None
    vlan: int = 0
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class Switch:
    name: str
    subnet: IPv4Network | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """`role` is "", "manager" or "worker". `daemon` is None for a host without one, else its further flags."""

    name: str
    links: tuple[Link, ...]
    daemon: tuple[str, ...] | None = ()
    role: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Router:
    """`nat` names the link that masquerades; with `uplink` it leads to the machine's own network besides."""

    name: str
    links: tuple[Link, ...]
    nat: str = ""
    uplink: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    switches: Mapping[str, Switch] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    routers: Mapping[str, Router] = field(default_factory=dict)

    @property
    def nodes(self) -> Mapping[str, Host | Router]:
        return {**self.routers, **self.hosts}


def simple(
    names: Sequence[str],
    subnet: str = "192.168.50.0/24",
    roles: Mapping[str, str] | None = None,
    uplink: bool = False,
) -> Topology:
    """Hosts on one switch behind one router: what `lab up --hosts N` makes."""
    hosts = {name: Host(name, (Link("lan"),), role=(roles or {}).get(name, "")) for name in names}
    router = Router(OUTSIDE, (Link("lan"),), uplink=uplink)
    return resolve(Topology({"lan": Switch("lan", IPv4Network(subnet))}, hosts, {OUTSIDE: router}))


def parse(text: str) -> Topology:
    """A topology file. Raises `Invalid` naming the entry that is wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"topology: {error}") from error
    _only(data, "topology", ("switches", "hosts", "routers"))
    switches = {name: _switch(name, entry) for name, entry in _tables(data, "switches")}
    hosts = {name: _host(name, entry) for name, entry in _tables(data, "hosts")}
    routers = {name: _router(name, entry) for name, entry in _tables(data, "routers")}
    return resolve(Topology(switches, hosts, routers))


def resolve(topology: Topology) -> Topology:
    """Fill in interface names, addresses and gateways; refuse what cannot be built."""
    _check_references(topology)
    taken = {link.address.ip for node in topology.nodes.values() for link in node.links if link.address}
    routers = {}
    for name, router in topology.routers.items():
        links = _named(_addressed(topology, router.links, taken, first=1))
        routers[name] = replace(router, links=links)
    hosts = {}
    for name, host in topology.hosts.items():
        links = _named(_addressed(topology, host.links, taken, first=FIRST_HOST))
        hosts[name] = replace(host, links=links, gateway=host.gateway or _gateway(links, routers))
    return Topology(topology.switches, hosts, routers)


def _check_references(topology: Topology) -> None:
    for name, node in topology.nodes.items():
        if not _NAME.fullmatch(name):
            raise Invalid(f'"{name}" cannot name a node: use a lower-case letter, then letters, digits and "-"')
        for link in node.links:
            if link.switch not in topology.switches:
                raise Invalid(f'{name}: no switch "{link.switch}"; there are: {", ".join(topology.switches)}')
            if not 0 <= link.vlan <= 4094:
                raise Invalid(f"{name}: VLAN id {link.vlan} is out of range (1-4094)")
    ways_out = [name for name, router in topology.routers.items() if router.uplink]
    if len(ways_out) > 1:
        raise Invalid(f"only one router can have the uplink, not {' and '.join(ways_out)}")
    both = set(topology.hosts) & set(topology.routers)
    if both:
        raise Invalid(f'"{both.pop()}" is a host and a router')


def _addressed(topology: Topology, links: Sequence[Link], taken: set[Any], first: int) -> tuple[Link, ...]:
    done = []
    for link in links:
        subnet = topology.switches[link.switch].subnet
        if link.address is None and subnet is not None and not link.vlan:
            number = next(n for n in range(first, subnet.num_addresses - 1) if subnet[n] not in taken)
            taken.add(subnet[number])
            link = replace(link, address=IPv4Interface((subnet[number], subnet.prefixlen)))
        done.append(link)
    return tuple(done)


def _named(links: Sequence[Link]) -> tuple[Link, ...]:
    """eth0, eth1, ... in order; links to the same switch share the interface, VLANs stand on top."""
    cables: dict[str, str] = {}
    named = []
    for link in links:
        cable = cables.setdefault(link.switch, link.ifname or f"eth{len(cables)}")
        named.append(replace(link, ifname=f"{cable}.{link.vlan}" if link.vlan else cable))
    return tuple(named)


def _gateway(links: Sequence[Link], routers: Mapping[str, Router]) -> str:
    mine = {link.switch for link in links if link.address and not link.vlan}
    for router in routers.values():
        for link in router.links:
            if link.switch in mine and link.address and not link.vlan:
                return str(link.address.ip)
    return ""


def _tables(data: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    entries = data.get(kind, {})
    if not isinstance(entries, Mapping):
        raise Invalid(f"topology: {kind} are tables: [{kind}.NAME]")
    return list(entries.items())


def _only(entry: Mapping[str, Any], where: str, allowed: Sequence[str]) -> None:
    if not isinstance(entry, Mapping):
        raise Invalid(f"{where}: expected a table")
    for key in entry:
        if key not in allowed:
            raise Invalid(f'{where}: unknown key "{key}"; there are: {", ".join(allowed)}')


def _switch(name: str, entry: Mapping[str, Any]) -> Switch:
    _only(entry, f"switches.{name}", ("subnet",))
    try:
        subnet = ip_network(entry["subnet"]) if "subnet" in entry else None
    except ValueError as error:
        raise Invalid(f"switches.{name}: {error}") from error
    if subnet is not None and not isinstance(subnet, IPv4Network):
        raise Invalid(f"switches.{name}: the underlay is IPv4, {subnet} is not")
    return Switch(name, subnet)


def _host(name: str, entry: Mapping[str, Any]) -> Host:
    _only(entry, f"hosts.{name}", ("links", "daemon", "role", "gateway"))
    flags = entry.get("daemon", ())
    daemon = None if flags is False else tuple(str(flag) for flag in (() if flags is True else flags))
    return Host(name, _links(f"hosts.{name}", entry), daemon, entry.get("role", ""), entry.get("gateway", ""))


def _router(name: str, entry: Mapping[str, Any]) -> Router:
    _only(entry, f"routers.{name}", ("links", "nat", "uplink"))
    return Router(name, _links(f"routers.{name}", entry), entry.get("nat", ""), entry.get("uplink", False) is True)


def _links(where: str, entry: Mapping[str, Any]) -> tuple[Link, ...]:
    return tuple(_link(f"{where}.links[{i}]", link) for i, link in enumerate(entry.get("links", ())))


def _link(where: str, entry: Mapping[str, Any]) -> Link:
    _only(entry, where, ("switch", "ifname", "address", "vlan", "mtu"))
    try:
        address = ip_interface(entry["address"]) if "address" in entry else None
    except ValueError as error:
        raise Invalid(f"{where}: {error}") from error
    if address is not None and not isinstance(address, IPv4Interface):
        raise Invalid(f"{where}: the underlay is IPv4, {address} is not")
    if "switch" not in entry:
        raise Invalid(f'{where}: a link needs a "switch"')
    return Link(entry["switch"], entry.get("ifname", ""), address, entry.get("vlan", 0), entry.get("mtu", 1500))
