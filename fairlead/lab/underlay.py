"""The commands that cable a lab, as text for `ip -batch`; pure, so that they can be read and tested.

All switches live in one node, the fabric: one Linux bridge per switch, one port per cable. Each cable is a veth pair
whose ends are made directly in their namespaces, so the machine's own namespace never sees a lab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from fairlead.lab.parts import Host, Link, Router, Topology
from fairlead.lab.routing import routes
from fairlead.lab.soundness import FABRIC

__all__ = [
    "FABRIC",
    "Cable",
    "cable_commands",
    "cables",
    "cables_of",
    "fabric_commands",
    "find_cable",
    "masquerade_rules",
]
__all__ += ["node_commands"]


@dataclass(frozen=True, slots=True)
class Cable:
    """A host's or router's cable into a switch: `port` is the fabric's end, `ifname` the node's. Its MTU is the largest
    of the links that run over it."""

    node: str
    ifname: str
    switch: str
    port: str
    mtu: int

    @property
    def name(self) -> str:
        """How a user names it: "host1:eth0"."""
        return f"{self.node}:{self.ifname}"

    @property
    def mac(self) -> str:
        """Of the node's end: a machine that reboots keeps its cards, and neighbours that know it go on knowing it."""
        return "02:1a:" + sha256(self.name.encode()).digest()[:4].hex(":")


def cables(topology: Topology) -> tuple[Cable, ...]:
    """Every cable once, however many VLANs run over it."""
    found: dict[tuple[str, str], Cable] = {}
    for node in topology.nodes.values():
        for link in node.links:
            port = f"p{len(found) + 1}"
            cable = found.setdefault((node.name, link.cable), Cable(node.name, link.cable, link.switch, port, link.mtu))
            if link.mtu > cable.mtu:
                found[node.name, link.cable] = replace(cable, mtu=link.mtu)
    return tuple(found.values())


def cables_of(topology: Topology, node: str) -> list[Cable]:
    return [cable for cable in cables(topology) if cable.node == node]


def find_cable(topology: Topology, name: str) -> Cable | None:
    """By "host1:eth0", or by "host1" where it has just one."""
    matches = [cable for cable in cables(topology) if name in (cable.name, cable.node)]
    return matches[0] if len(matches) == 1 else None


def fabric_commands(topology: Topology, pids: Mapping[str, int]) -> list[str]:
    """Run in the fabric: bridges, then all cables. `pids` tell the namespaces of the nodes."""
    lines = ["link set lo up"]
    for name in topology.switches:
        lines.append(f"link add {name} type bridge forward_delay 0 mcast_snooping 0")
        lines.append(f"link set {name} up")
    for node, pid in pids.items():
        lines += cable_commands(topology, node, pid)
    return lines


def cable_commands(topology: Topology, node: str, pid: int) -> list[str]:
    """Run in the fabric: the cables of one node, whose namespace is that of `pid`."""
    lines = []
    for cable in cables_of(topology, node):
        peer = f"peer name {cable.ifname} address {cable.mac} netns {pid} mtu {cable.mtu}"
        lines.append(f"link add {cable.port} mtu {cable.mtu} type veth {peer}")
        lines.append(f"link set {cable.port} master {cable.switch} alias {cable.name} up")
    return lines


def node_commands(topology: Topology, node: Host | Router) -> list[str]:
    """Run in the node once its cables are there."""
    lines = ["link set lo up"]
    lines += [f"link set {cable.ifname} up" for cable in cables_of(topology, node.name)]
    for link in node.links:
        lines += _vlan_commands(link)
        if link.address:
            lines.append(f"address add {link.address} broadcast + dev {link.ifname}")
    if isinstance(node, Host):
        return [*lines, f"route add default via {node.gateway}"] if node.gateway else lines
    ways = routes(topology, node)
    return [*lines, *(f"route add {destination} via {gateway}" for destination, gateway in ways.items())]


def _vlan_commands(link: Link) -> list[str]:
    if not link.vlan:
        return []
    return [
        f"link add link {link.cable} name {link.ifname} mtu {link.mtu} type vlan id {link.vlan}",
        f"link set {link.ifname} up",
    ]


def masquerade_rules(ifname: str) -> str:
    """An nft file for a router: what leaves by `ifname` takes that interface's address."""
    chain = f'type nat hook postrouting priority 100; oifname "{ifname}" masquerade;'
    return f"table ip nat {{ chain post {{ {chain} }}; }}\n"
