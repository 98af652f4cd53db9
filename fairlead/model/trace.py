"""Why one end reaches another or does not: the question, what the engine knows, and the answer hop by hop."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.model.network import Address

REACHES, DROPPED, UNSURE = "reaches", "does not reach", "cannot tell"
"""Verdicts of a whole trace."""

PASSES, STOPS, DOUBTS = "", "stops", "unsure"
"""What becomes of the packet at a hop."""

ANSWERED, REFUSED, UNREACHABLE, SILENT = "answered", "refused", "unreachable", "silent"
"""What came of a packet that was really sent."""

NAME, ROUTE, RULES, LINK, ARRIVAL, ANSWER, FINDING = "name", "route", "rules", "link", "arrival", "answer", "finding"
"""What a hop is about."""


@dataclass(frozen=True, slots=True)
class KnownEndpoint:
    """What the engine believes of a container's place on a network: its interface `ifname` with these addresses in the
    namespace `ns`, and the other end `port` in the namespace `home` where the network's bridge is. `node` is set for
    those of other nodes, which have neither, with the address `vtep` of that node; `silent` where nobody has heard of
    the node for a while."""

    container: str
    network: str
    addresses: tuple[Address, ...]
    ns: str = ""
    ifname: str = ""
    port: str = ""
    home: str = ""
    mac: str = ""
    node: str = ""
    vtep: Address | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class KnownNode:
    """Another node: `sealed` tells how encryption to it stands ("established" or "down")."""

    vtep: Address
    sealed: str = "down"


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """A network as its user made it; `link` is its bridge in the namespace `home`. `encrypted` overlays lead their
    frames through ESP."""

    name: str
    driver: str
    link: str
    home: str = ""
    icc: bool = True
    internal: bool = False
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class KnownPort:
    """A published port: what comes to `address` (unspecified: every one of the host) at `port` is for `container`."""

    container: str
    address: Address
    port: int
    target: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that the engine believes and a trace may need. `places` names namespaces for people; `missing` are
    words for what should be in the kernel and was not there when the question was put."""

    places: dict[str, str] = field(default_factory=dict)
    endpoints: tuple[KnownEndpoint, ...] = ()
    networks: tuple[KnownNetwork, ...] = ()
    ports: tuple[KnownPort, ...] = ()
    nodes: tuple[KnownNode, ...] = ()
    data_port: int = 4789
    missing: tuple[str, ...] = ()

    def place(self, ns: str) -> str:
        return self.places.get(ns, "host" if ns == "" else ns)

    def network(self, name: str) -> KnownNetwork | None:
        return next((network for network in self.networks if network.name == name), None)


@dataclass(frozen=True, slots=True)
class Hop:
    """`place` is the namespace in words; `where` says in which table, file or set of entries it is written; `remedy` is
    the command or change that would let the packet pass."""

    place: str
    kind: str
    told: str
    where: str = ""
    verdict: str = PASSES
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A packet that `source` would send: from the namespace `ns`, or where `outside` is set arriving there from the
    physical network. `address` is what it is sent from, None for what the routes say. `goal` is the namespace where it
    should end, None for wherever the address is. `before` are hops that came before the first packet (names), and with
    `resolver` they are what the sandbox's resolver says."""

    source: str
    target: str
    ns: str
    destination: Address
    protocol: str = "icmp"
    port: int = 0
    outside: bool = False
    address: Address | None = None
    goal: str | None = None
    before: tuple[Hop, ...] = ()
    resolver: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer. `told` is one line for people; `at` counts hops from 1 and is 0 where the packet arrives; `tried` is
    what a real probe brought to light, "" where none was sent, and `agrees` whether that is what was foretold."""

    verdict: str
    told: str
    hops: tuple[Hop, ...]
    at: int = 0
    remedy: str = ""
    tried: str = ""
    agrees: bool = True
