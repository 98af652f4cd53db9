"""Two nodes of a routing mesh, wired by hand: an ordinary bridge stands for the ingress overlay.

    client 192.0.2.80 ──┬── wire ──┬── a 192.0.2.1                 b 192.0.2.2
                        │          │   │ docker_gwbridge 172.18.0.1  │ (the same in b)
                                       ├─ ingress sandbox .2         ├─ ingress sandbox .2
                                       ├─ task one .5                ├─ task two .5
                                       └─ lodger .9 (no task)
    ingress 10.0.0.0/24: sandboxes .2 (a) and .3 (b), one .11, two .12, stranger .66 (no node of ours)

Every address has its IPv6 twin: 2001:db8::80, fd00:18::2, fd00:10::11 and so on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path

from fairlead.core.balance import mesh
from fairlead.core.balance.mesh_roster import Mesh
from fairlead.core.balance.service import Entrance, MeshBackend, MeshKey, MeshService
from fairlead.core.firewall.elements import endpoint_elements, network_elements
from fairlead.core.firewall.ground import settings
from fairlead.core.firewall.network_rules import NetworkRules
from fairlead.core.firewall.table import FAMILY, NAME, host_table
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.endpoint import PublishedPort
from fairlead.model.network import Address
from fairlead.model.plan import (
    AddAddress,
    AddBridge,
    AddRoute,
    AddVeth,
    ChangeRules,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)
from fairlead.model.ruleset import Transaction
from tests.support.answering import Answerers

WIRE, GATEWAY, INGRESS = ("192.0.2.", "2001:db8::"), ("172.18.0.", "fd00:18::"), ("10.0.0.", "fd00:10::")
NODES = {"a": 1, "b": 2}
TASKS = {"one": ("a", 11), "two": ("b", 12)}
PUBLISHED, TARGET = 8080, 80
BRIDGE = "docker_gwbridge"
QUIET = {"mcast_snooping": 0}
_LENGTHS = {WIRE[0]: 24, GATEWAY[0]: 16, INGRESS[0]: 24}


@dataclass
class MeshWorld:
    kernel: LinuxKernel
    directory: Path
    served: Answerers
    version: int
    places: dict[str, str] = field(default_factory=dict)
    known: dict[str, Mesh] = field(default_factory=lambda: {node: Mesh() for node in NODES})

    # --- addresses --------------------------------------------------------------------------------

    def on(self, prefixes: tuple[str, str], number: int) -> Address:
        return ip_address(f"{prefixes[self.version == 6]}{number}")

    def node(self, name: str) -> str:
        return str(self.on(WIRE, NODES[name]))

    @property
    def client(self) -> str:
        return str(self.on(WIRE, 80))

    def entrance(self, node: str) -> Entrance:
        return Entrance(_mac(1 + NODES[node]), ip_address(f"{INGRESS[0]}{1 + NODES[node]}"))

    # --- building ---------------------------------------------------------------------------------

    async def build(self) -> None:
        await self.do(
            [
                AddBridge("wire", options=QUIET),
                SetLink("wire", up=True),
                AddBridge("ingress", options=QUIET),
                SetLink("ingress", up=True),
            ]
        )
        await self.do(self.leg("client", "eth0", WIRE, 80, "wire"))
        await self.do(self.leg("stranger", "eth0", INGRESS, 66, "ingress"))
        for node in NODES:
            await self.build_node(node)
        for task, (node, number) in TASKS.items():
            await self.do(self.leg(task, "eth0", INGRESS, number, "ingress"))
            await self.do(self.lodge(task, "eth1", 5, node))
            await self.open_door(task, ("a", "b"))
            self.served.serve(task, self.places[task], TARGET)
        await self.do(self.lodge("lodger", "eth0", 9, "a"))

    async def build_node(self, node: str) -> None:
        ns, box = self.place(node), f"ingress-{node}"
        await self.do(self.leg(node, "eth0", WIRE, NODES[node], "wire"))
        await self.do(
            [AddBridge(BRIDGE, ns=ns, options=QUIET), SetLink(BRIDGE, ns, up=True), *_addresses(BRIDGE, GATEWAY, 1, ns)]
        )
        features = (await self.kernel.facts()).features
        ground = [replace(setting, ns=ns) for setting in settings(features) if isinstance(setting, SetSysctl)]
        await self.do([*_forwards(ns), *ground], SetSysctl(f"net/ipv4/conf/{BRIDGE}/route_localnet", "1", ns))
        await self.do(self.leg(box, "eth0", INGRESS, 1 + NODES[node], "ingress"))
        await self.do(self.lodge(box, "eth1", 2, node), *_forwards(self.places[box]))
        rules = NetworkRules(BRIDGE, icc=False)
        ports = [
            PublishedPort(PUBLISHED, protocol, ip_address(every), PUBLISHED)
            for protocol in ("tcp", "udp")
            for every in ("0.0.0.0", "::")
        ]
        four, six = (ip_address(f"{prefix}2") for prefix in GATEWAY)
        elements = (*network_elements(rules), *endpoint_elements(rules, four, six, ports))  # type: ignore[arg-type]
        written = Transaction(FAMILY, NAME, replace=host_table(features), add=elements)
        table = mesh.ingress_table("eth1", "eth0")
        inside = Transaction(table.family, table.name, replace=table)
        await self.do([ChangeRules(written, ns), ChangeRules(inside, self.places[box])])

    def place(self, name: str) -> str:
        if name not in self.places:
            descriptor = netns.make_namespace()
            try:
                netns.name_namespace(descriptor, self.directory / name)
            finally:
                os.close(descriptor)
            self.places[name] = str(self.directory / name)
        return self.places[name]

    def leg(self, name: str, ifname: str, prefixes: tuple[str, str], number: int, bridge: str) -> list[Operation]:
        """An interface on one of the two bridges outside of the nodes."""
        ns = self.place(name)
        mac = _mac(number) if bridge == "ingress" else ""
        wire = AddVeth(f"{bridge[:4]}{number}", ifname, ns, peer_mac=mac, master=bridge)
        return [wire, *_raise(ifname, prefixes, number, ns)]

    def lodge(self, name: str, ifname: str, number: int, node: str) -> list[Operation]:
        """An interface on a node's docker_gwbridge, which is the way out."""
        ns, home = self.place(name), self.place(node)
        wire = AddVeth(f"v{number}", ifname, ns, master=BRIDGE, ns=home)
        gateways = (ip_address(f"{prefix}1") for prefix in GATEWAY)
        ways = [AddRoute(None, ifname, gateway, ns, gateway.version) for gateway in gateways]
        return [wire, *_raise(ifname, GATEWAY, number, ns), *ways]

    async def do(self, operations: Iterable[Operation], *more: Operation) -> None:
        await self.kernel.apply(Plan((*operations, *more)))

    async def open_door(self, task: str, nodes: Iterable[str]) -> None:
        number = TASKS[task][1]
        own = tuple(ip_interface(f"{prefix}{number}/{size}") for prefix, size in zip(INGRESS, (24, 64), strict=True))
        door = mesh.Door(
            self.places[task],
            "eth0",
            own,
            tuple(ip_address(f"{prefix}1") for prefix in INGRESS),
            {4: ip_address(f"{GATEWAY[0]}5"), 6: ip_address(f"{GATEWAY[1]}5")},
            frozenset({(6, TARGET), (17, TARGET)}),
        )
        await self.kernel.apply(mesh.door_plan(door, [self.entrance(node) for node in nodes]))

    # --- verbs ------------------------------------------------------------------------------------

    async def show(self, *tasks: str, snat: bool = False) -> None:
        """Both nodes show the port for these tasks from now on."""
        backends = tuple(
            MeshBackend(ip_address(f"{prefix}{TASKS[task][1]}"), TARGET) for task in tasks for prefix in INGRESS
        )
        keys = [MeshKey(PUBLISHED, protocol) for protocol in ("tcp", "udp")]
        told = {key: MeshService(key, backends, snat=snat) for key in keys}
        for node in NODES:
            change = self.known[node].change(told).sandbox.transaction(phase=0)
            await self.do([ChangeRules(change, self.places[f"ingress-{node}"])])


def _mac(number: int) -> str:
    return f"02:42:0a:00:00:{number:02x}"


def _forwards(ns: str) -> list[SetSysctl]:
    paths = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
    return [SetSysctl(path, "1", ns) for path in paths]


def _addresses(ifname: str, prefixes: tuple[str, str], number: int, ns: str) -> Sequence[AddAddress]:
    lengths = (_LENGTHS[prefixes[0]], 64)
    both: Iterator[IPv4Interface | IPv6Interface] = (
        ip_interface(f"{prefix}{number}/{length}") for prefix, length in zip(prefixes, lengths, strict=True)
    )
    return [AddAddress(ifname, address, ns) for address in both]


def _raise(ifname: str, prefixes: tuple[str, str], number: int, ns: str) -> Sequence[Operation]:
    up = [SetLink("lo", ns, up=True), SetLink(ifname, ns, up=True)]
    return [SetSysctl(f"net/ipv6/conf/{ifname}/accept_dad", "0", ns), *up, *_addresses(ifname, prefixes, number, ns)]
