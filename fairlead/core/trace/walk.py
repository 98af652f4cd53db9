"""A packet's walk through the namespaces, and its answer's walk back.

Each namespace is passed as the kernel passes it (`fairlead.core.firewall.fate`): rules of every table at every hook,
whoever wrote them, routes by all rules of routing. Between namespaces `Segments` finds the way. What a namespace
translated on the way there it takes back on the way home, as connection tracking does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from fairlead.core.firewall.fate import (
    ESTABLISHED,
    HERE,
    NEW,
    NOWHERE,
    Fate,
    Flow,
    Packet,
    Ruleset,
    Step,
    Undo,
    UnknownShapeError,
    bridged,
    follow,
)
from fairlead.core.firewall.interpret import Doubt
from fairlead.core.firewall.packet import ICMP_OF, LOOPBACK_LINK
from fairlead.core.firewall.sandbox import RESOLVER
from fairlead.core.trace import remedies
from fairlead.core.trace.segment import Segments
from fairlead.core.trace.stack import KernelStack
from fairlead.core.trace.stopping import Stopped
from fairlead.model.network import Address
from fairlead.model.plan import HOST
from fairlead.model.scene import Listener, LoadedTable, Scene
from fairlead.model.trace import ANSWER, ARRIVAL, LINK, NAME, ROUTE, RULES, STOPS, Hop, Known, Question

MOST_NAMESPACES = 24
LED_BY_IPVS = "for IPVS"
"""The comment of the rule that marks a virtual address's packets where IPVS balances."""

MOST_TURNS = 1021
"""How many numbers are tried for the backends of a virtual address: beyond it the slots of some are left out."""

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_NAMES = {6: "tcp", 17: "udp", 132: "sctp"}
_ECHO, _ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
_FAMILIES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}


@dataclass(frozen=True, slots=True)
class Translated:
    """What a namespace did to the first packet of a flow."""

    before: Packet
    after: Packet


@dataclass(frozen=True, slots=True)
class Carried:
    """What a datagram carries by VXLAN, and whether it is to be sealed."""

    vni: int = 0
    sealed: bool = False


@dataclass
class Walk:
    """One packet; `hops` grow as it goes. `turn` is the number that balancing rules draw."""

    scenes: Mapping[str, Scene]
    known: Known
    question: Question
    doubt: Doubt
    turn: int = 0
    hops: list[Hop] = field(default_factory=list)
    carried: Carried = field(default_factory=Carried)

    def __post_init__(self) -> None:
        self.segments = Segments(self.scenes, self.known, self._note, self._judge)
        self.backends: dict[tuple[Address, int], int] = {}
        self._frame: Packet | None = None
        self._state = NEW
        self._translated: dict[str, Translated] = {}
        self._passed = 0
        self._quiet = False

    # --- the way there ----------------------------------------------------------------------------

    def there(self) -> tuple[str, Packet]:
        """Where it ends and how it looks there. Raises Stopped, Departed, Unseen."""
        asked = self.question
        if asked.outside:
            packet, ns, iif = self._from_outside()
            return self._arrive(ns, iif, packet)
        packet = _packet(asked, asked.address or _unspecified(asked.destination))
        return self._leave(asked.ns, replace(packet, vni=self.carried.vni, sealed=self.carried.sealed))

    def check_resolver(self) -> None:
        """Whether a question for a name would come to the daemon's socket. Raises Stopped."""
        ns = self.question.ns
        asked = Packet(RESOLVER, RESOLVER, PROTOCOLS["udp"], 40000, 53)
        self._quiet = True
        fate = self._fate(ns, asked, "")
        self._quiet = False
        heard = any(
            one.protocol == "udp" and one.port == fate.packet.dport and _takes(one, RESOLVER)
            for one in self.scene(ns).listeners
        )
        if not fate.arrives or not heard:
            told = f"nothing answers at {RESOLVER}:53: names are not resolved"
            remedy = f"docker restart {self._place(ns)}"
            raise Stopped(Hop(self._place(ns), NAME, told, "table netdev fairlead; ss -lun", remedy=remedy))

    def _from_outside(self) -> tuple[Packet, str, str]:
        """The packet, and the link of which namespace it comes in by."""
        asked, stack = self.question, self._stack(HOST)
        source = asked.address or _some_stranger(asked.destination)
        upon = self.segments.upon(asked.destination)
        if upon is not None:
            self._note(Hop("outside", LINK, f"{source} -> {asked.destination} comes in by {upon.ifname}"))
            return _packet(asked, source), upon.ns, upon.ifname
        way = stack.look_up(Packet(asked.destination, source), "")
        if not way.link or way.link == LOOPBACK_LINK:
            told = f"nothing of the outside comes to this host: {way.told}"
            raise Stopped(Hop("host", ROUTE, told, way.where))
        self._note(Hop("outside", LINK, f"{source} -> {asked.destination} comes in by {way.link}"))
        return _packet(asked, source), HOST, way.link

    def _leave(self, ns: str, packet: Packet) -> tuple[str, Packet]:
        """A process sends it."""
        stack = self._stack(ns)
        way = stack.look_up(packet, "")
        if not way.link:
            raise Stopped(
                Hop(self._place(ns), ROUTE, way.told, way.where, remedy=remedies.no_route(self.known, ns, packet))
            )
        if int(packet.source) == 0:
            packet = replace(packet, source=way.source or packet.source)
        self._note(Hop(self._place(ns), ROUTE, f"{packet.source} -> {_target(packet)}: {way.told}", way.where))
        return self._go_on(ns, packet, "")

    def _arrive(self, ns: str, iif: str, packet: Packet) -> tuple[str, Packet]:
        """It comes in by a link."""
        refusal = self._stack(ns).refusal(packet, iif)
        if refusal is not None:
            told, where, remedy = refusal
            raise Stopped(Hop(self._place(ns), ROUTE, told, where, remedy=remedy))
        return self._go_on(ns, packet, iif)

    def _go_on(self, ns: str, packet: Packet, iif: str) -> tuple[str, Packet]:
        self._passed += 1
        if self._passed > MOST_NAMESPACES:
            raise Stopped(Hop(self._place(ns), ROUTE, "it goes in circles"))
        fate = self._fate(ns, packet, iif)
        if fate.verdict != "accept":
            raise Stopped(self._dropped(ns, fate))
        led = fate.packet
        if fate.end == HERE:
            return ns, led
        routed = replace(led, source=packet.source)
        if fate.end == NOWHERE:
            raise Stopped(self._nowhere(ns, routed, iif))
        way = self._stack(ns).look_up(routed, iif)
        if iif or led.destination != packet.destination:
            self._note(Hop(self._place(ns), ROUTE, f"to {led.destination}: {way.told}", way.where))
        link = self.scene(ns).links.get(fate.end)
        self._frame = replace(led, hardware=link.mac if link else "")
        landing = self.segments.across(ns, fate.end, way.next_hop)
        return self._arrive(landing.ns, landing.link, led)

    def _nowhere(self, ns: str, packet: Packet, iif: str) -> Hop:
        stack = self._stack(ns)
        if iif and not stack.forwards(packet.version):
            name = "net.ipv4.ip_forward" if packet.version == 4 else "net.ipv6.conf.all.forwarding"
            told = f"it is for {packet.destination}, and {self._place(ns)} does not pass packets on"
            return Hop(self._place(ns), ROUTE, told, f"{name}=0", remedy=f"sysctl -w {name}=1")
        way = stack.look_up(packet, iif)
        return Hop(self._place(ns), ROUTE, way.told, way.where, remedy=remedies.no_route(self.known, ns, packet))

    # --- rules ------------------------------------------------------------------------------------

    def _fate(self, ns: str, packet: Packet, iif: str) -> Fate:
        """What the namespace's rules make of it; answers to what it translated are translated back."""
        known = self._translated.get(ns)
        undo = None
        if self._state == ESTABLISHED and known is not None and _is_answer(packet, known.after):
            first = known.before
            undo = Undo(first.source, first.sport, first.destination, first.dport)
        tables = _of_version(self.scene(ns).tables, packet.version)
        flow = Flow(port=packet.dport, turn=self.turn, direction="original" if self._state == NEW else "reply")
        rules = Ruleset(*((one.table, one.elements) for one in tables))
        fate = follow(packet, iif, rules, self._stack(ns), self._state, flow, self.doubt, undo)
        if any(step.rule == LED_BY_IPVS for step in fate.steps):
            raise UnknownShapeError(f"IPVS leads {packet.destination} to one of its servers (ipvsadm -Ln)")
        if fate.drawn and self._state == NEW:
            self._draw(ns, packet, iif, rules, fate)
        self._tell_rules(ns, packet, fate.steps)
        if self._state == NEW and _ends(fate.packet) != _ends(packet):
            self._translated[ns] = Translated(packet, fate.packet)
        return fate

    def _draw(self, ns: str, packet: Packet, iif: str, rules: Ruleset, fate: Fate) -> None:
        """Everybody whom such a packet may be led to, each with the first number that leads there."""
        found: dict[tuple[Address, int], int] = {}
        for turn in range(min(fate.drawn, MOST_TURNS)):
            flow = Flow(port=packet.dport, turn=turn)
            led = follow(packet, iif, rules, self._stack(ns), self._state, flow, lambda text: False).packet
            found.setdefault((led.destination, led.dport), turn)
        self.backends = found | self.backends
        if len(found) > 1:
            listed = ", ".join(str(address) for address, _ in found)
            told = f"{packet.destination} stands for {len(found)} backends: {listed}"
            self._note(Hop(self._place(ns), RULES, told, "the slots of the virtual address"))

    def _judge(self, ns: str, iif: str, oif: str) -> None:
        """Rules of bridges, if anybody has made some."""
        tables = [one for one in self.scene(ns).tables if one.table.family == "bridge"]
        if not tables or self._frame is None:
            return
        rules = Ruleset(*((one.table, one.elements) for one in tables))
        fate = bridged(self._frame, iif, oif, rules, self._stack(ns), self.doubt)
        self._tell_rules(ns, self._frame, fate.steps)
        if fate.verdict != "accept":
            raise Stopped(self._dropped(ns, fate))

    def _tell_rules(self, ns: str, packet: Packet, steps: tuple[Step, ...]) -> None:
        """Those that changed the packet or settled something."""
        for step in steps:
            where = f"table {step.family} {step.table}, chain {step.chain}: {step.rule or 'policy'}"
            if _ends(step.packet) != _ends(packet):
                self._note(Hop(self._place(ns), RULES, _change(packet, step.packet), where))
            elif step.verdict == "accept" and step.rule:
                self._note(Hop(self._place(ns), RULES, f"{step.hook}: accepted", where))
            packet = step.packet

    def _dropped(self, ns: str, fate: Fate) -> Hop:
        step = fate.steps[-1]
        how = "rejected" if fate.verdict == "reject" else "dropped"
        where = f"table {step.family} {step.table}, chain {step.chain}: {step.rule or 'policy drop'}"
        return Hop(
            self._place(ns),
            RULES,
            f"{step.hook}: {how}",
            where,
            remedy=remedies.for_step(self.question, self.known, step),
        )

    # --- arrival and the way back -----------------------------------------------------------------

    def listened_to(self, ns: str, packet: Packet) -> Hop:
        """Whether anybody there takes it. Raises Stopped where nobody does."""
        place, protocol = self._place(ns), _NAMES.get(packet.protocol, "")
        if packet.protocol not in (6, 17):
            return Hop(place, ARRIVAL, f"{_target(packet)} is reached")
        listeners = [one for one in self.scene(ns).listeners if one.protocol == protocol and one.port == packet.dport]
        if any(_takes(one, packet.destination) for one in listeners):
            return Hop(place, ARRIVAL, f"a socket takes {_target(packet)}/{protocol}", "ss -ltnu")
        told = f"{_target(packet)}/{protocol} is reached, but nothing listens there"
        remedy = f"start a server in {place} that listens on {packet.dport}/{protocol}"
        if listeners:
            others = ", ".join(sorted({str(one.address) for one in listeners}))
            told += f": only on {others}"
            remedy = f"let the server in {place} listen on {'0.0.0.0' if packet.version == 4 else '::'}"
        shown = next((one for one in self.known.ports if (one.port, one.protocol) == (packet.dport, protocol)), None)
        if ns == HOST and shown is not None:
            told += f"; {shown.container} is published at {shown.address}:{shown.port}"
            remedy = f"publish it at 0.0.0.0 (docker port {shown.container} shows where it is now)"
        raise Stopped(Hop(place, ARRIVAL, told, "ss -ltnu", remedy=remedy))

    def back(self, ns: str, arrived: Packet) -> None:
        """The answer's way; it only tells where it fails. Raises Stopped, Departed, Unseen."""
        self._state, self._passed, self._quiet = ESTABLISHED, 0, True
        answer = replace(
            arrived,
            source=arrived.destination,
            destination=arrived.source,
            sport=arrived.dport,
            dport=arrived.sport,
            icmp_type=_ECHO_REPLY[arrived.version] if arrived.protocol in ICMP_OF.values() else 0,
            hardware="",
            mark=0,
        )
        try:
            self._leave(ns, answer)
        except Stopped as stopped:
            hop = stopped.hop
            raise Stopped(replace(hop, kind=ANSWER, told=f"the answer: {hop.told}")) from stopped

    # --- small ------------------------------------------------------------------------------------

    def scene(self, ns: str) -> Scene:
        return self.segments.scene(ns)

    def _stack(self, ns: str) -> KernelStack:
        return KernelStack(self.scene(ns))

    def _place(self, ns: str) -> str:
        return self.known.place(ns)

    def _note(self, hop: Hop) -> None:
        if not self._quiet:
            self.hops.append(hop)


def stopped_at(hop: Hop) -> Hop:
    return replace(hop, verdict=STOPS)


def _packet(asked: Question, source: Address) -> Packet:
    version = asked.destination.version
    protocol = PROTOCOLS.get(asked.protocol, ICMP_OF[version])
    kind = 0 if asked.protocol in PROTOCOLS else _ECHO[version]
    return Packet(source, asked.destination, protocol, 40000 if asked.port else 0, asked.port, kind)


def _unspecified(address: Address) -> Address:
    return IPv4Address(0) if address.version == 4 else IPv6Address(0)


def _some_stranger(address: Address) -> Address:
    """An address that nobody has (RFC 5737, RFC 3849)."""
    return IPv4Address("203.0.113.1") if address.version == 4 else IPv6Address("2001:db8:ffff::1")


def _of_version(tables: tuple[LoadedTable, ...], version: int) -> Iterator[LoadedTable]:
    return (one for one in tables if one.table.family in _FAMILIES[version])


def _ends(packet: Packet) -> tuple[object, ...]:
    return packet.source, packet.sport, packet.destination, packet.dport


def _is_answer(packet: Packet, sent: Packet) -> bool:
    return _ends(packet) == (sent.destination, sent.dport, sent.source, sent.sport)


def _change(before: Packet, after: Packet) -> str:
    if (before.destination, before.dport) != (after.destination, after.dport):
        return f"the destination becomes {_target(after)}"
    return f"the source becomes {after.source}"


def _target(packet: Packet) -> str:
    if packet.protocol in _NAMES and packet.dport:
        host = f"[{packet.destination}]" if packet.version == 6 else str(packet.destination)
        return f"{host}:{packet.dport}"
    return str(packet.destination)


def _takes(listener: Listener, destination: Address) -> bool:
    if listener.both:
        return True
    same = listener.address.version == destination.version
    return listener.address == destination or (same and listener.address.is_unspecified)
