"""A namespace's network stack as the kernel has it: where a packet goes next, and what is refused at the door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface

from fairlead.core.firewall.packet import LOOPBACK_LINK, Packet
from fairlead.model.network import Address
from fairlead.model.scene import LOCAL, LOOK_UP, PROHIBIT, THROW, UNICAST, UNREACHABLE, Scene, SceneRoute, SceneRule

_LOCAL_TABLE, _MAIN = 255, 254
_LOOPBACK = IPv4Network("127.0.0.0/8")
_STRICT = 1
_KINDS = {6: "blackhole", UNREACHABLE: "unreachable", PROHIBIT: "prohibit"}


@dataclass(frozen=True, slots=True)
class Way:
    """Where a packet leaves: `link` "" means nowhere, and `told` why. `next_hop` is whom the link has to find."""

    link: str
    next_hop: Address
    source: Address | None
    told: str
    where: str = ""


class KernelStack:
    """Fulfils `Stack` over what a namespace holds."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._rules = sorted(scene.rules, key=lambda rule: rule.priority)

    # --- what rules and hooks ask -----------------------------------------------------------------

    def holder(self, address: Address) -> str:
        if address in _LOOPBACK:
            return LOOPBACK_LINK
        held = (link for link, own in self.scene.addresses.items() if any(one.ip == address for one in own))
        return next(held, self._led_here(address))

    def _led_here(self, address: Address) -> str:
        """By a route of kind `local` that somebody made for more than one address."""
        local = (route for route in self.scene.routes if route.kind == LOCAL and route.destination is not None)
        return next((route.link for route in local if address in (route.destination or ())), "")

    def is_local(self, address: Address) -> bool:
        return self.holder(address) != ""

    def route(self, address: Address, mark: int = 0) -> str:
        return self.look_up(Packet(address, address, mark=mark), "").link

    def way(self, packet: Packet, iif: str) -> str:
        if iif and iif != LOOPBACK_LINK and not self.forwards(packet.version):
            return ""
        return self.look_up(packet, iif).link

    def address_on(self, link: str, version: int) -> Address | None:
        return next((own.ip for own in self._own(link, version)), None)

    def _own(self, link: str, version: int) -> Iterator[IPv4Interface | IPv6Interface]:
        return (own for own in self.scene.addresses.get(link, ()) if own.version == version)

    # --- routes -----------------------------------------------------------------------------------

    def look_up(self, packet: Packet, iif: str) -> Way:
        """What the tables say, in the order of the rules of routing. Its own addresses are at loopback."""
        if self.is_local(packet.destination):
            return Way(
                LOOPBACK_LINK, packet.destination, packet.destination, "an address of its own", "ip route (local)"
            )
        for rule in self._rules:
            if not _asked(rule, packet, iif):
                continue
            if rule.action != LOOK_UP:
                return _nowhere(packet, f"a rule says {_KINDS.get(rule.action, 'no')}", f"ip rule {rule.priority}")
            route = self._best(packet.destination, rule)
            if route is not None:
                return self._led(packet, route)
        return _nowhere(packet, f"no route to {packet.destination}", "ip route")

    def _best(self, destination: Address, rule: SceneRule) -> SceneRoute | None:
        """The longest prefix, the lowest metric; None where the next rule is to be asked."""
        fitting = [
            route
            for route in self.scene.routes
            if route.version == destination.version
            and route.table == rule.table
            and (route.destination is None or destination in route.destination)
        ]
        if not fitting:
            return None
        best = max(fitting, key=lambda route: (_length(route), -route.metric))
        return None if best.kind == THROW or _length(best) <= rule.least else best

    def _led(self, packet: Packet, route: SceneRoute) -> Way:
        where = "ip route" if route.table == _MAIN else f"ip route show table {route.table}"
        named = "default" if route.destination is None else str(route.destination)
        if route.kind != UNICAST:
            return _nowhere(packet, f"the route {named} says {_KINDS.get(route.kind, 'no')}", where)
        via = f" via {route.via}" if route.via else ""
        source = route.source or self.address_on(route.link, packet.version)
        return Way(route.link, route.via or packet.destination, source, f"{named}{via} dev {route.link}", where)

    # --- what is refused at the door --------------------------------------------------------------

    def forwards(self, version: int) -> bool:
        path = "net/ipv4/ip_forward" if version == 4 else "net/ipv6/conf/all/forwarding"
        return self.scene.parameters.get(path, "0") != "0"

    def refusal(self, packet: Packet, iif: str) -> tuple[str, str, str] | None:
        """Why what comes by this link is not believed: (told, where, remedy)."""
        source, destination = packet.source, packet.destination
        if iif == LOOPBACK_LINK or not isinstance(source, IPv4Address):
            return None
        if (source in _LOOPBACK or destination in _LOOPBACK) and not self._switch(iif, "route_localnet"):
            path = f"net.ipv4.conf.{iif}.route_localnet"
            return "loopback addresses do not come from a wire", path, f"sysctl -w {path}=1"
        if self.is_local(source):
            return f"it claims to come from {source}, which is an address of this stack itself", "the kernel", ""
        level = self._switch(iif, "rp_filter")
        back = self.look_up(Packet(destination, source), "").link if level else iif
        if not back or (level == _STRICT and back != iif):
            path = f"net.ipv4.conf.{iif}.rp_filter"
            told = f"the way back to {source} is {back or 'nowhere'}, not {iif} (reverse path filter)"
            return told, path, f"sysctl -w {path}=2, or a route to {source} by {iif}"
        return None

    def _switch(self, link: str, name: str) -> int:
        """The higher one of a link's own value and that of all."""
        read = self.scene.parameters.get
        return max(int(read(f"net/ipv4/conf/{each}/{name}", "0")) for each in (link, "all"))


def _asked(rule: SceneRule, packet: Packet, iif: str) -> bool:
    if rule.odd or rule.oif or (rule.table == _LOCAL_TABLE and rule.action == LOOK_UP):
        return False
    conditions = (
        rule.source is None or packet.source in rule.source,
        rule.destination is None or packet.destination in rule.destination,
        not rule.iif or rule.iif == (iif or LOOPBACK_LINK),
        packet.mark & rule.mask == rule.mark,
        rule.version == packet.version,
    )
    return all(conditions) != rule.inverted if rule.version == packet.version else False


def _length(route: SceneRoute) -> int:
    return 0 if route.destination is None else route.destination.prefixlen


def _nowhere(packet: Packet, told: str, where: str) -> Way:
    return Way("", packet.destination, None, told, where)
