"""A host with every kind of bridge network on it, and packets that meet its table.

    outside ---- eth0 192.168.50.13   docker0 172.17.0.1   web 172.17.0.2, db 172.17.0.3
    lab     ---- eth1 10.9.0.1        br-b    172.18.0.1   other 172.18.0.2
                                      br-int  172.19.0.1   (internal) inner 172.19.0.2
                                      br-icc  172.20.0.1   (containers may not talk) one .2, two .3
                                      br-rou  172.21.0.1   (gateway mode routed) plain .2
                                      br-unp  172.22.0.1   (gateway mode nat-unprotected) naked .2
                                      br-tru  172.23.0.1   (trusts eth1) known .2

Every address has its IPv6 twin: fd00:17::2 for 172.17.0.2 and so on; eth0 has 2001:db8::13, eth1 2001:db8:9::1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from fairlead.core.firewall import elements
from fairlead.core.firewall.fate import Fate, Host, Packet, Ruleset, follow
from fairlead.core.firewall.network_rules import ROUTED, UNPROTECTED, NetworkRules
from fairlead.core.firewall.table import host_table
from fairlead.model.endpoint import PublishedPort
from fairlead.model.network import Address
from fairlead.model.ruleset import Element

NETWORKS = {
    "docker0": NetworkRules("docker0"),
    "br-b": NetworkRules("br-b"),
    "br-int": NetworkRules("br-int", internal=True),
    "br-icc": NetworkRules("br-icc", icc=False),
    "br-rou": NetworkRules("br-rou", mode4=ROUTED, mode6=ROUTED),
    "br-unp": NetworkRules("br-unp", mode4=UNPROTECTED, mode6=UNPROTECTED),
    "br-tru": NetworkRules("br-tru", trusted=("eth1",)),
}
_OUTER = {"eth0": ("192.168.50.13/24", "2001:db8::13/64"), "eth1": ("10.9.0.1/24", "2001:db8:9::1/64")}
_INNER = {link: (f"172.{number}.0.1/16", f"fd00:{number}::1/64") for number, link in enumerate(NETWORKS, start=17)}
HOST = Host(
    {link: tuple(ip_interface(text) for text in texts) for link, texts in (_OUTER | _INNER).items()}, uplink="eth0"
)
LOOPBACKS = ("127.0.0.1", "::1")
TCP, UDP, SCTP, ICMP = 6, 17, 132, 1


def twin(address: str) -> str:
    """The IPv6 twin of an IPv4 address of this town, or of the outside."""
    if address.startswith("127."):
        return "::1"
    if address == "0.0.0.0":
        return "::"
    first, second, _, last = address.split(".")
    prefix = {"172": f"fd00:{second}", "192": "2001:db8", "10": "2001:db8:9"}[first]
    return f"{prefix}::{last}"


@dataclass
class Town:
    """The host's table with its networks; `fib` False is a kernel without fib expressions."""

    version: int = 4
    fib: bool = True
    extra: list[Element] = field(default_factory=list)

    def address(self, text: str) -> Address:
        return ip_address(text if self.version == 4 else twin(text))

    def publish(self, target: str, *ports: str) -> None:
        """`publish("172.17.0.2", "0.0.0.0:8080->80/tcp")`."""
        to = self.address(target)
        rules = NETWORKS[HOST.route(to)]
        shown = [self.port(text) for text in ports]
        pair = (to, None) if isinstance(to, IPv4Address) else (None, to)
        self.extra += elements.endpoint_elements(rules, *_checked(pair), shown)

    def port(self, text: str) -> PublishedPort:
        outer, _, inner = text.partition("->")
        address, _, port = outer.rpartition(":")
        number, _, protocol = inner.partition("/")
        return PublishedPort(int(number), protocol, self.address(address), int(port))

    def link(self, client: str, server: str, *ports: str) -> None:
        self.extra += elements.link_elements([self.address(client)], [self.address(server)], ports)

    def rules(self) -> Ruleset:
        features = {"nft_fib"} if self.fib else set()
        held = [(link, own.ip) for link, owned in HOST.links.items() for own in owned]
        local: Iterable[Element] = () if self.fib else elements.local_elements(held)
        networks = [element for rules in NETWORKS.values() for element in elements.network_elements(rules)]
        return Ruleset((host_table(features), [*networks, *local, *self.extra]))

    def send(
        self, source: str, destination: str, dport: int = 0, iif: str = "", protocol: int = TCP, icmp_type: int = 0
    ) -> Fate:
        """A packet from `source` to `destination`; it arrives on `iif`, or is the host's own."""
        if protocol == ICMP and self.version == 6:
            protocol = 58
        packet = Packet(self.address(source), self.address(destination), protocol, 40000, dport, icmp_type)
        return follow(packet, iif, self.rules(), HOST)

    def delivered(self, fate: Fate) -> tuple[str, str, int, str]:
        """(where it came out, destination, port, source as seen there)."""
        packet = fate.packet
        return fate.end, str(packet.destination), packet.dport, str(packet.source)


def _checked(pair: tuple[Address | None, Address | None]) -> tuple[IPv4Address | None, IPv6Address | None]:
    four, six = pair
    return four if isinstance(four, IPv4Address) else None, six if isinstance(six, IPv6Address) else None
