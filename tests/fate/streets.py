"""The town of `tests.fate.town` built of real namespaces by real plans, and datagrams that walk through it.

Every probe is one datagram that carries its number. Listeners in every namespace tell which arrived where and from
whom; what has not arrived when the others have, and a moment later, was dropped.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from struct import pack

from fairlead.core.drivers.bridge import Bridge
from fairlead.core.drivers.contract import Neighbourhood, Site
from fairlead.core.firewall.elements import change
from fairlead.core.firewall.ground import forwarding, settings
from fairlead.core.firewall.table import FAMILY, NAME, host_table
from fairlead.core.sandbox import default_routes
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.network import Network, Pool
from fairlead.model.plan import AddAddress, AddRoute, AddVeth, ChangeRules, Operation, Plan, SetLink, SetSysctl
from fairlead.model.ruleset import Transaction
from tests.fate.town import HOST, NETWORKS

_OPTION = "com.docker.network.bridge."
_OPTIONS: dict[str, dict[str, str]] = {
    "br-icc": {f"{_OPTION}enable_icc": "false"},
    "br-rou": {f"{_OPTION}gateway_mode_ipv4": "routed", f"{_OPTION}gateway_mode_ipv6": "routed"},
    "br-unp": {f"{_OPTION}gateway_mode_ipv4": "nat-unprotected", f"{_OPTION}gateway_mode_ipv6": "nat-unprotected"},
    "br-tru": {f"{_OPTION}trusted_host_interfaces": "eth1"},
}
_OUTSIDERS = {
    "client": ("eth0", ("192.168.50.80/24", "2001:db8::80/64")),
    "lab": ("eth1", ("10.9.0.7/24", "2001:db8:9::7/64")),
}
_CONTAINERS = {
    "web": ("docker0", 2),
    "db": ("docker0", 3),
    "other": ("br-b", 2),
    "inner": ("br-int", 2),
    "one": ("br-icc", 2),
    "two": ("br-icc", 3),
    "plain": ("br-rou", 2),
    "naked": ("br-unp", 2),
    "known": ("br-tru", 2),
}
_MACS = {"eth0": "02:00:00:00:00:01", "eth1": "02:00:00:00:00:02"}
LISTENED = (80, 81, 500, 8080, 8081, 7500)
GRACE, PATIENCE = 0.3, 3.0


@dataclass
class Arrival:
    place: str
    port: int
    source: str


@dataclass
class Streets:
    """`places` are namespaces by name; the host's is "here"."""

    kernel: LinuxKernel
    directory: Path
    places: dict[str, str] = field(default_factory=lambda: {"here": ""})
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    listeners: dict[int, tuple[str, int, socket.socket]] = field(default_factory=dict)

    def place(self, name: str) -> str:
        descriptor = netns.make_namespace()
        try:
            netns.name_namespace(descriptor, self.directory / name)
        finally:
            os.close(descriptor)
        self.places[name] = str(self.directory / name)
        return self.places[name]

    async def build(self) -> None:
        facts = await self.kernel.facts()
        table = Transaction(FAMILY, NAME, replace=host_table(facts.features))
        ground = (*settings(facts.features), forwarding(4), forwarding(6), SetLink("lo", up=True))
        await self.kernel.apply(Plan((ChangeRules(table), *ground)))
        for name, (link, inner) in _OUTSIDERS.items():
            await self.kernel.apply(Plan(tuple(_outsider(self.place(name), link, inner))))
        around = Neighbourhood(await self.kernel.facts())
        for link in NETWORKS:
            network = _network(link)
            self.networks[link] = network
            await self.kernel.apply(Bridge().create(network, around))
        for name, (link, number) in _CONTAINERS.items():
            await self.settle(name, self.networks[link], number)
        for name in self.places:
            self.listen(name)

    async def settle(self, name: str, network: Network, number: int) -> None:
        """A container with a default route, even on an internal network: it is not the route that keeps it in."""
        ns = self.place(name)
        endpoint = _endpoint(name, network, number)
        self.endpoints[name] = endpoint
        facts = await self.kernel.facts()
        await self.kernel.apply(Bridge().attach(network, endpoint, Site(facts, ns, ipv6=True)))
        leg = replace(Bridge().leg(network, endpoint), internal=False)
        await self.kernel.apply(default_routes([leg], ns))

    async def publish(self, name: str, *ports: PublishedPort) -> None:
        endpoint = replace(self.endpoints[name], published=ports)
        network = next(one for one in self.networks.values() if one.id == endpoint.network_id)
        await self.kernel.apply(Bridge().publish(network, endpoint))

    async def add(self, *elements: object) -> None:
        await self.kernel.apply(Plan((ChangeRules(change(add=elements)),)))  # type: ignore[arg-type]

    def listen(self, name: str) -> None:
        for port in LISTENED:
            with netns.entered(self.places[name]):
                listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.setblocking(False)
            listener.bind(("::", port))
            self.listeners[listener.fileno()] = (name, port, listener)

    def send(self, number: int, place: str, source: str, destination: str, port: int) -> None:
        """One datagram; a sender that has no route at all sends nothing."""
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        with netns.entered(self.places[place]):
            sender = socket.socket(family, socket.SOCK_DGRAM)
        with sender:
            sender.bind((source, 0))
            try:
                sender.sendto(b"%d" % number, (destination, port))
            except OSError:
                return

    def send_frame(self, number: int, source: str, destination: str, port: int) -> None:
        """The same in IPv4 from the client, as a frame for the host's own interface that no route is asked about."""
        with netns.entered(self.places["client"]):
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with sender:
            sender.bind(("out", 0))
            sender.send(_frame(source, destination, port, b"%d" % number))

    def arrivals(self, expected: int) -> dict[int, Arrival]:
        """Who arrived where, by number."""
        found: dict[int, Arrival] = {}
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            if len(found) >= expected:
                deadline = min(deadline, time.monotonic() + GRACE)
            for descriptor in select.select(list(self.listeners), [], [], min(left, GRACE))[0]:
                place, port, listener = self.listeners[descriptor]
                payload, address = listener.recvfrom(64)
                found[int(payload)] = Arrival(place, port, address[0].removeprefix("::ffff:"))
        return found

    def close(self) -> None:
        for _, _, listener in self.listeners.values():
            listener.close()


def _outsider(ns: str, link: str, addresses: tuple[str, ...]) -> Iterator[Operation]:
    """A machine beside the host, which knows the way to the host's containers."""
    yield AddVeth(link, "out", ns)
    yield SetLink(link, mac=_MACS[link])
    yield SetSysctl("net/ipv6/conf/out/disable_ipv6", "0", ns)
    for own, theirs in zip(HOST.links[link], addresses, strict=True):
        yield AddAddress(link, own)
        yield AddAddress("out", ip_interface(theirs), ns)
    yield SetLink("lo", ns, up=True)
    yield SetLink("out", ns, up=True)
    for own in HOST.links[link]:
        yield AddRoute(None, "out", own.ip, ns, own.version)


def _network(link: str) -> Network:
    pools = tuple(Pool(own.network, own.ip) for own in HOST.links[link])
    options = {f"{_OPTION}name": link, **_OPTIONS.get(link, {})}
    digits = f"{list(NETWORKS).index(link):02x}"
    return Network(
        digits * 32,
        link,
        "bridge",
        0,
        internal=NETWORKS[link].internal,
        ipv6=True,
        pools=pools,
        options=options,
        link=link,
    )


def _endpoint(name: str, network: Network, number: int) -> Endpoint:
    four, six = (ip_interface(f"{pool.subnet[number]}/{pool.subnet.prefixlen}") for pool in network.pools)
    assert isinstance(four, IPv4Interface)
    assert isinstance(six, IPv6Interface)
    gateways = [pool.gateway for pool in network.pools]
    mac = "02:42:" + four.ip.packed.hex(":")
    return Endpoint(name.ljust(64, "0"), network.id, name, name, name, "eth0", mac, four, six, *gateways, f"veth{name}")


def _frame(source: str, destination: str, port: int, payload: bytes) -> bytes:
    """Ethernet, IPv4 and UDP without a checksum."""
    ethernet = bytes.fromhex(_MACS["eth0"].replace(":", "")) + b"\x02\0\0\0\0\x99" + b"\x08\0"
    udp = pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    header = pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + ends
    total = sum(int.from_bytes(header[at : at + 2]) for at in range(0, 20, 2))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return ethernet + header[:10] + pack("!H", checksum) + header[12:] + udp
