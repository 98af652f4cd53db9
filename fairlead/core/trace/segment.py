"""What a link leads to: the other end of a veth, the ports of a bridge, nodes behind a VXLAN device, or the world.

Who answers to an address on a segment is looked for where the engine believes it to be, and believed only when the
kernel shows it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fairlead.core.trace.stopping import Departed, Stopped, Tunnel, Unseen
from fairlead.model.network import Address
from fairlead.model.scene import ELSEWHERE, Scene, SceneLink, Station
from fairlead.model.trace import DOUBTS, LINK, Hop, Known, KnownEndpoint, KnownNetwork

Note = Callable[[Hop], None]
Judge = Callable[[str, str, str], None]
"""Asks the rules of a bridge's namespace about a frame from one port to another; raises Stopped."""


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a packet comes out: a link of a namespace."""

    ns: str
    link: str
    mac: str = ""


@dataclass
class Segments:
    """`note` takes the hops on the way, `judge` asks rules of bridges; `smallest` is the least MTU of the links that
    were used."""

    scenes: Mapping[str, Scene]
    known: Known
    note: Note
    judge: Judge
    smallest: int = 1 << 16
    _passed: set[tuple[str, str]] = field(default_factory=set)

    def scene(self, ns: str) -> Scene:
        found = self.scenes.get(ns)
        if found is None:
            raise Unseen(ns)
        return found

    def across(self, ns: str, name: str, target: Address) -> Landing:
        """Where a packet for the neighbour `target` comes out that leaves by this link."""
        link = self.scene(ns).links.get(name)
        if link is None:
            raise Stopped(Hop(self._place(ns), LINK, f"there is no link {name}"))
        self._use(ns, link)
        self._passed.clear()
        landing = self._beyond(ns, link, target)
        self._check_neighbour(ns, link, target, landing)
        return landing

    def _place(self, ns: str) -> str:
        return self.known.place(ns)

    def _use(self, ns: str, link: SceneLink) -> None:
        if not link.up or not link.carries:
            told = f"{link.name} is down" if not link.up else f"the other end of {link.name} is down"
            remedy = f"ip link set {link.name} up"
            raise Stopped(Hop(self._place(ns), LINK, told, "ip link", remedy=remedy))
        if link.name != "lo":
            self.smallest = min(self.smallest, link.mtu)

    def _beyond(self, ns: str, link: SceneLink, target: Address) -> Landing:
        if link.kind == "bridge":
            return self._on_bridge(ns, link, None, target)
        if link.kind == "veth":
            return self._over_veth(ns, link, target)
        if link.kind in _UPON:
            return self._beside(ns, link, target)
        raise self._away(ns, link, target)

    def _over_veth(self, ns: str, link: SceneLink, target: Address) -> Landing:
        if link.peer_ns == ELSEWHERE:
            raise self._away(ns, link, target)
        far = self._other_end(ns, link)
        self._use(link.peer_ns, far)
        if not far.master:
            self._check_answered(ns, link, far, target)
            return Landing(link.peer_ns, far.name, far.mac)
        bridge = self.scene(link.peer_ns).links[far.master]
        return self._on_bridge(link.peer_ns, bridge, far, target)

    def _check_answered(self, ns: str, link: SceneLink, far: SceneLink, target: Address) -> None:
        """A stack answers for all its IPv4 addresses on every link, for those of IPv6 on their own."""
        there = self.scene(link.peer_ns).addresses
        links = there if target.version == 4 else (far.name,)
        if not any(own.ip == target for each in links for own in there.get(each, ())):
            told = f"nobody at the other end of {link.name} has {target}"
            raise Stopped(Hop(self._place(ns), LINK, told, "ARP is not answered"))

    def _other_end(self, ns: str, link: SceneLink) -> SceneLink:
        far = next((one for one in self.scene(link.peer_ns).links.values() if one.index == link.peer), None)
        if far is None:
            raise Stopped(Hop(self._place(ns), LINK, f"{link.name} has no other end", "ip link"))
        return far

    # --- bridges ----------------------------------------------------------------------------------

    def _on_bridge(self, ns: str, bridge: SceneLink, entry: SceneLink | None, target: Address) -> Landing:
        self._use(ns, bridge)
        found = self._reached(ns, bridge, entry, target)
        if found is not None:
            return found
        uplink = next((port for port in self._ports(ns, bridge) if port.kind not in ("veth", "vxlan")), None)
        if uplink is not None:
            raise self._away(ns, uplink, target)
        raise self._nobody(ns, bridge, target)

    def _reached(self, ns: str, bridge: SceneLink, entry: SceneLink | None, target: Address) -> Landing | None:
        """From one bridge, and by ties between bridges to others."""
        self._passed.add((ns, bridge.name))
        if self._holds(ns, bridge.name, target):
            self._pass(ns, bridge, entry, "")
            return Landing(ns, bridge.name, bridge.mac)
        for port in self._ports(ns, bridge):
            if port.kind == "vxlan":
                self._over_vxlan(ns, bridge, entry, port, target)
                continue
            if port.kind != "veth" or (entry is not None and port.name == entry.name):
                continue
            landing = self._by_port(ns, bridge, port, entry, target)
            if landing is not None:
                return landing
        return None

    def _by_port(
        self, ns: str, bridge: SceneLink, port: SceneLink, entry: SceneLink | None, target: Address
    ) -> Landing | None:
        endpoint = self._believed(ns, port, target)
        if endpoint is not None:
            self._check_isolation(ns, bridge, entry, port)
            self._pass(ns, bridge, entry, port.name)
            return self._at_home(ns, port, endpoint, target)
        if port.peer_ns == ns:  # a tie to another bridge of the same network
            far = self._other_end(ns, port)
            if far.master and (ns, far.master) not in self._passed:
                landing = self._reached(ns, self.scene(ns).links[far.master], far, target)
                if landing is not None:
                    self._check_isolation(ns, bridge, entry, port)
                return landing
        return None

    def _believed(self, ns: str, port: SceneLink, target: Address) -> KnownEndpoint | None:
        return next(
            (
                one
                for one in self.known.endpoints
                if one.home == ns and one.port == port.name and not one.node and target in one.addresses
            ),
            None,
        )

    def _at_home(self, ns: str, port: SceneLink, endpoint: KnownEndpoint, target: Address) -> Landing:
        """Where the engine believes an address to be; the kernel has to show it."""
        self._use(ns, port)
        if port.peer_ns != endpoint.ns:
            told = f"{port.name} does not lead into {endpoint.container} any more"
            raise Stopped(Hop(self._place(ns), LINK, told, "ip link", remedy=_RESTART.format(endpoint.container)))
        far = self._other_end(ns, port)
        self._use(endpoint.ns, far)
        if not self._holds(endpoint.ns, far.name, target):
            told = f"{far.name} does not have {target}, which {endpoint.container} was given"
            remedy = _RESTART.format(endpoint.container)
            raise Stopped(Hop(endpoint.container, LINK, told, "ip address", remedy=remedy))
        return Landing(endpoint.ns, far.name, far.mac)

    def _check_isolation(self, ns: str, bridge: SceneLink, entry: SceneLink | None, port: SceneLink) -> None:
        if entry is None or not (entry.isolated and port.isolated):
            return
        network = self._network(ns, bridge)
        told = f"{bridge.name} passes nothing between {entry.name} and {port.name}: both ports are isolated"
        named = f"network {network.name} was made with enable_icc=false" if network else "bridge -d link"
        remedy = "put both on a network whose containers may talk (docker network connect), or publish the port"
        raise Stopped(Hop(self._place(ns), LINK, told, named, remedy=remedy))

    def _pass(self, ns: str, bridge: SceneLink, entry: SceneLink | None, out: str) -> None:
        """From port to port, or to the bridge itself."""
        if entry is not None:
            self.judge(ns, entry.name, out)
        came = f"{entry.name} -> " if entry else ""
        network = self._network(ns, bridge)
        named = f"network {network.name}" if network else "bridge link"
        self.note(Hop(self._place(ns), LINK, f"{came}{bridge.name}" + (f" -> {out}" if out else ""), named))

    def _network(self, ns: str, bridge: SceneLink) -> KnownNetwork | None:
        """Whose bridge it is; a network that has a namespace for itself owns all that are there."""
        here = (one for one in self.known.networks if one.home == ns)
        return next((one for one in here if one.link == bridge.name or ns), None)

    def _nobody(self, ns: str, bridge: SceneLink, target: Address) -> Stopped:
        """Nobody answers; somebody who should have is told of."""
        owner = next((one for one in self.known.endpoints if target in one.addresses and one.home == ns), None)
        if owner is not None and not owner.node:
            told = f"{owner.port or owner.ifname}, which should lead to {owner.container}, is no port of {bridge.name}"
            return Stopped(Hop(self._place(ns), LINK, told, "bridge link", remedy=_RESTART.format(owner.container)))
        if owner is not None:
            told = f"there is no entry for {target} ({owner.container} on node {owner.node})"
            return Stopped(Hop(self._place(ns), LINK, told, "bridge fdb; ip neighbour"))
        return Stopped(Hop(self._place(ns), LINK, f"nobody on {bridge.name} has {target}", "ARP is not answered"))

    def _ports(self, ns: str, bridge: SceneLink) -> Iterator[SceneLink]:
        """Those that are ties and tunnels come last: what is near is looked at first."""
        ports = (link for link in self.scene(ns).links.values() if link.master == bridge.name)
        return iter(sorted(ports, key=lambda port: (port.kind == "vxlan", port.peer_ns == ns)))

    def _holds(self, ns: str, link: str, target: Address) -> bool:
        return any(own.ip == target for own in self.scene(ns).addresses.get(link, ()))

    # --- tunnels and links of a physical one ------------------------------------------------------

    def _over_vxlan(
        self, ns: str, bridge: SceneLink, entry: SceneLink | None, device: SceneLink, target: Address
    ) -> None:
        """Answers for `target` are given here; frames to its hardware address go to a node, and out of sight."""
        scene = self.scene(ns)
        mac = next(
            (n.mac for n in scene.neighbours if n.link == device.name and n.address == target and n.permanent), ""
        )
        if not mac:
            return
        station = next((one for one in scene.stations if one.link == device.name and one.mac == mac), None)
        owner = next((one for one in self.known.endpoints if target in one.addresses and one.node), None)
        named = f"{owner.container} on another node" if owner else str(target)
        if station is None:
            told = f"{target} has the hardware address {mac}, for which there is no node ({named})"
            raise Stopped(Hop(self._place(ns), LINK, told, f"bridge fdb show dev {device.name}"))
        self._use(ns, device)
        self._pass(ns, bridge, entry, device.name)
        self.note(self._tunnel(ns, device, station, owner))
        raise Departed(ns, device.name, target, Tunnel(station.vtep, device.vni, owner))

    def _tunnel(self, ns: str, device: SceneLink, station: Station, owner: KnownEndpoint | None) -> Hop:
        node = f", of {owner.container}" if owner else ""
        told = f"{device.name}: {station.mac} is behind the node {station.vtep}{node}"
        if owner is not None and owner.vtep != station.vtep:
            told += f", but {owner.container} was last said to be behind {owner.vtep}"
            return Hop(self._place(ns), LINK, told, f"bridge fdb show dev {device.name}", DOUBTS)
        return Hop(self._place(ns), LINK, told, f"bridge fdb show dev {device.name}")

    def _beside(self, ns: str, link: SceneLink, target: Address) -> Landing:
        """A sibling on the same physical interface, or the world; not the host, which is not on its own interface."""
        below = self._below(link)
        if below is not None and any(
            own.ip == target for own in self.scene(link.peer_ns).addresses.get(below.name, ())
        ):
            told = f"a {link.kind} does not reach the host that it is on by {below.name}"
            raise Stopped(Hop(self._place(ns), LINK, told, "the kernel", remedy=_MACVLAN))
        sibling = self.upon(target)
        if sibling is None or sibling.ns == ns or not self._same_parent(link, sibling):
            raise Departed(ns, link.name, target)
        if not self._holds(sibling.ns, sibling.ifname, target):
            told = f"{sibling.ifname} does not have {target}, which {sibling.container} was given"
            raise Stopped(Hop(sibling.container, LINK, told, "ip address", remedy=_RESTART.format(sibling.container)))
        if link.isolated:
            told = f"{link.name} does not speak to its siblings on the same interface"
            raise Stopped(Hop(self._place(ns), LINK, told, f"mode or flag of network {sibling.network}"))
        self.note(Hop(self._place(ns), LINK, f"{link.kind} {link.name} -> {sibling.ifname} of {sibling.container}"))
        return Landing(sibling.ns, sibling.ifname, self.scene(sibling.ns).links[sibling.ifname].mac)

    def _below(self, link: SceneLink) -> SceneLink | None:
        """What a macvlan or ipvlan stands on, where that is one of ours."""
        if link.peer_ns == ELSEWHERE:
            return None
        return next((one for one in self.scene(link.peer_ns).links.values() if one.index == link.peer), None)

    def upon(self, target: Address) -> KnownEndpoint | None:
        """Whoever has an address by an interface that stands on a physical one."""
        endpoints = (one for one in self.known.endpoints if target in one.addresses and one.ns and not one.node)
        return next((one for one in endpoints if self._kind(one) in _UPON), None)

    def _kind(self, endpoint: KnownEndpoint) -> str:
        link = self.scene(endpoint.ns).links.get(endpoint.ifname)
        return link.kind if link else ""

    def _same_parent(self, link: SceneLink, sibling: KnownEndpoint) -> bool:
        far = self.scene(sibling.ns).links.get(sibling.ifname)
        return far is not None and (far.peer, far.peer_ns) == (link.peer, link.peer_ns)

    def _away(self, ns: str, link: SceneLink, target: Address) -> Exception:
        """Out of sight, unless it is for somebody who stands on this very interface and so cannot hear it."""
        upon = self.upon(target)
        far = self.scene(upon.ns).links.get(upon.ifname) if upon else None
        if upon is None or far is None or (far.peer, far.peer_ns) != (link.index, ns):
            return Departed(ns, link.name, target)
        told = f"{upon.container} stands on {link.name} itself ({far.kind}), and does not hear what is sent by it"
        return Stopped(Hop(self._place(ns), LINK, told, "the kernel", remedy=_MACVLAN))

    def _check_neighbour(self, ns: str, link: SceneLink, target: Address, landing: Landing) -> None:
        """An entry that is never asked for again and leads somebody else's way."""
        entry = next((one for one in self.scene(ns).neighbours if (one.link, one.address) == (link.name, target)), None)
        if entry is None or not landing.mac or entry.mac in ("", landing.mac) or not entry.permanent:
            return
        told = f"the neighbour entry of {target} says {entry.mac}, but {landing.mac} has it"
        remedy = f"ip neighbour del {target} dev {link.name}"
        raise Stopped(Hop(self._place(ns), LINK, told, f"ip neighbour show dev {link.name}", remedy=remedy))


_RESTART = "docker restart {}"
_UPON = ("macvlan", "ipvlan")
_MACVLAN = "give the host an interface of that kind on the same parent, and a route by it"
