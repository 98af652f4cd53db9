"""The routing mesh: every node shows a service's port, and the task sees its client's own address.

A node's *ingress sandbox* stands between the host and the ingress network:

    client ── host ── docker_gwbridge ── ingress sandbox ── ingress network ── task

The host leads a published port to the ingress sandbox, as it leads one to any container; the ingress sandbox chooses a
task as the virtual addresses do (`ways`). Each translates the destination alone. (The host also translates the source
of its own and of its containers' connections, as ever, and the ingress sandbox does where the user asked for `snat`.)

So the packet that reaches the task bears the client's address, and the answer must leave by the same node, whose
translations it needs. (A task of the very node that the client entered is reached without all this: `near`.) What tells
the nodes apart is the hardware address that the packet came from (`entrance`):

- arriving, the connection is marked with the entrance's number, and its destination becomes the address that answers
  are sent from anyway, so that a server that does not look (UDP) answers from the right one;
- leaving, an answer takes the mark of its connection, the mark takes it to a routing table of its own whose only route
  is the ingress interface, and there it is given the entrance's hardware address.

On a task's ingress interface nothing else passes: only an entrance may begin a connection, only to a port that the
service shows, and the task begins none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.core.balance.service import Entrance, MeshKey
from fairlead.core.balance.virtual import rejections
from fairlead.core.balance.ways import (
    ADDRESS,
    DSTNAT,
    FAMILIES,
    FAMILY,
    FILTER,
    NAME,
    PORT,
    PROTOCOL,
    chains,
    destination,
)
from fairlead.model.network import Address
from fairlead.model.plan import (
    AddNeighbour,
    AddRoute,
    AddRule,
    ChangeRules,
    Operation,
    Plan,
    SetSysctl,
)
from fairlead.model.ruleset import (
    ACCEPT,
    DROP,
    Chain,
    ClampMss,
    Ct,
    DnatTo,
    Element,
    InSet,
    MapLookup,
    Masquerade,
    Match,
    Meta,
    Payload,
    Rule,
    Set,
    SetMark,
    SetPayload,
    Statement,
    Table,
    Transaction,
    VerdictMap,
)

NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
"""IANA's protocol numbers."""

TASK_TABLE = "fairlead-mesh"
MARK = 0x40000000
"""The bit that marks answers to the mesh; the others number the entrance."""
ROUTES = 100
"""The routing table of answers."""
_MANGLE, _SRCNAT = -150, 100
_NFPROTO = {4: 2, 6: 10}
_IIF, _OIF = Meta("iifname"), Meta("oifname")
_ICMPV6, _NEIGHBOUR = 58, ("nd-neighbor-solicit", "nd-neighbor-advert")
_NOBODY = "02:00:00:00:00:01"
"""What the next hop of an answer is called until the entrance is known."""


# --- the ingress sandbox --------------------------------------------------------------------------


def ingress_table(outer: str, inner: str) -> Table:
    """Of the ingress sandbox: `outer` is its interface on docker_gwbridge, `inner` the one on the ingress network."""
    keys = dict.fromkeys(FAMILIES, (PROTOCOL, PORT))
    balance = Chain("balance", tuple(_arriving(outer)), "nat", "prerouting", DSTNAT)
    asked = InSet((PROTOCOL, Ct("original proto-dst")), "snat")
    leaving = Rule((Match(_OIF, "==", inner), asked, Masquerade()), "the user wants tasks to see the node")
    hidden = Chain("hidden", (leaving,), "nat", "postrouting", _SRCNAT)
    between = Chain("between", tuple(_between()), "filter", "forward", FILTER, "drop")
    return Table(FAMILY, NAME, tuple(_ingress_sets()), (*chains(dict(keys)), balance, between, hidden))


def _ingress_sets() -> Iterator[Set]:
    port = ("inet_proto", "inet_service")
    yield Set("snat", port)
    for version, address in ADDRESS.items():
        yield Set(f"ways{version}", port, ("verdict",))
        yield Set(f"slots{version}", (*port, "mark"), (address, "inet_service"))
        yield Set(f"gone{version}", (address,))


def _arriving(outer: str) -> Iterator[Rule]:
    for version, number in _NFPROTO.items():
        family = Match(Meta("nfproto"), "==", number)
        yield Rule((Match(_IIF, "==", outer), family, VerdictMap((PROTOCOL, PORT), f"ways{version}")), "a port")


def _between() -> Iterator[Rule]:
    """Only what was translated passes from one side to the other. The ingress network takes smaller packets than most
    clients and tasks know of: both are told by the segment sizes that their connections begin with."""
    yield Rule((Match(Payload("tcp", "flags"), "&", ("syn",)), ClampMss()), "segments that fit on both sides")
    translated = Match(Ct("status"), "&", ("dnat",))
    for version in FAMILIES:
        yield from rejections("the task of this connection is gone", InSet((destination(version),), f"gone{version}"))
    yield Rule((translated, ACCEPT), "a connection of the mesh")


def port_key(key: MeshKey) -> tuple[int, int]:
    return NUMBERS[key.protocol], key.published


# --- the task's sandbox ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Door:
    """A task's side of the mesh. `ifname` and `addresses` are of its endpoint on the ingress network, `gateways` the
    network's own addresses there; `answers` are the addresses that packets to anywhere leave the sandbox with, by IP
    version; `ports` are those that the service shows."""

    ns: str
    ifname: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    gateways: tuple[Address, ...]
    answers: Mapping[int, Address]
    ports: frozenset[tuple[int, int]]


def number(entrance: Entrance) -> int:
    """The mark of connections that came in by an entrance: its address makes it one of its own."""
    return MARK | (int(entrance.address) & (MARK - 1))


def door_plan(door: Door, entrances: Iterable[Entrance]) -> Plan:
    """All of a task's side, in place of whatever stood there."""
    entrances = tuple(entrances)
    filters, egress = _door_table(door), _egress_table(door.ifname)
    ports = tuple(Element("ports", key) for key in sorted(door.ports))
    operations: list[Operation] = [
        ChangeRules(Transaction(FAMILY, TASK_TABLE, replace=filters, add=(*ports, *_marks(entrances))), door.ns),
        ChangeRules(Transaction("netdev", TASK_TABLE, replace=egress, add=tuple(_hardware(entrances))), door.ns),
        # Loosely: a client may be anywhere, and the way to it is another interface.
        SetSysctl(f"net/ipv4/conf/{door.ifname}/rp_filter", "2", door.ns),
    ]
    for gateway in door.gateways:
        version = gateway.version
        operations.append(AddNeighbour(door.ifname, gateway, _NOBODY, door.ns))
        operations.append(AddRoute(None, door.ifname, gateway, door.ns, version, scope_link=True, table=ROUTES))
        operations.append(AddRule(MARK, MARK, ROUTES, door.ns, version))
    return Plan(tuple(operations))


def ports_change(ns: str, before: Iterable[tuple[int, int]], after: Iterable[tuple[int, int]]) -> Plan:
    """What a task's side goes through when its service shows other ports."""
    old, new = set(before), set(after)
    add = tuple(Element("ports", key) for key in sorted(new - old))
    remove = tuple(Element("ports", key) for key in sorted(old - new))
    change = Transaction(FAMILY, TASK_TABLE, add=add, remove=remove)
    return Plan((ChangeRules(change, ns),)) if change else Plan()


def entrances_change(ns: str, before: Iterable[Entrance], after: Iterable[Entrance]) -> Plan:
    """What a task's side goes through when nodes come or go."""
    old, new = set(before), set(after)
    tables = ((FAMILY, _marks), ("netdev", _hardware))
    changes = (
        Transaction(family, TASK_TABLE, add=tuple(made(_ordered(new - old))), remove=tuple(made(_ordered(old - new))))
        for family, made in tables
    )
    return Plan(tuple(ChangeRules(change, ns) for change in changes if change))


def _ordered(entrances: set[Entrance]) -> list[Entrance]:
    return sorted(entrances, key=lambda entrance: entrance.mac)


def _marks(entrances: Iterable[Entrance]) -> Iterator[Element]:
    return (Element("entrances", (each.mac,), (number(each),)) for each in entrances)


def _hardware(entrances: Iterable[Entrance]) -> Iterator[Element]:
    return (Element("entrances", (number(each),), (each.mac,)) for each in entrances)


def _door_table(door: Door) -> Table:
    here = Match(_IIF, "==", door.ifname)
    sets = (Set("entrances", ("ether_addr",), ("mark",)), Set("ports", ("inet_proto", "inet_service")))
    arriving = (
        here,
        Match(Ct("state"), "&", ("new",)),
        SetMark(MapLookup((Payload("ether", "saddr"),), "entrances"), ct=True),
    )
    marked = Match(Ct("mark"), "&", MARK)
    answer = (Match(Ct("direction"), "==", "reply"), marked, SetMark(Ct("mark")))
    table = (
        Chain("arriving", (Rule(arriving, "by which node it came"),), "filter", "prerouting", _MANGLE),
        Chain("answers", tuple(_answers(door)), "nat", "prerouting", DSTNAT),
        Chain("returning", (Rule(answer, "back by the node it came by"),), "route", "output", _MANGLE),
        Chain("entering", tuple(_entering(here, marked)), "filter", "input", FILTER),
        Chain("leaving", tuple(_leaving(door.ifname)), "filter", "output", FILTER),
    )
    return Table(FAMILY, TASK_TABLE, sets, table)


def _answers(door: Door) -> Iterator[Rule]:
    """To the address that an answer would bear of itself."""
    for own in door.addresses:
        answer = door.answers.get(own.version)
        if answer is not None and answer != own.ip:
            asked = (Match(_IIF, "==", door.ifname), Match(destination(own.version), "==", own.ip))
            yield Rule((*asked, DnatTo(FAMILIES[own.version], answer)), "where answers come from anyway")


def _entering(here: Match, marked: Match) -> Iterator[Rule]:
    yield Rule((here, Match(Payload("icmpv6", "type"), "in", _NEIGHBOUR), ACCEPT), "neighbours")
    yield Rule((here, Match(Ct("state"), "&", ("established", "related")), ACCEPT), "known connections")
    yield Rule((here, marked, InSet((PROTOCOL, PORT), "ports"), ACCEPT), "a port of the mesh, by an entrance")
    yield Rule((here, DROP), "nothing else comes this way")


def _leaving(ifname: str) -> Iterator[Rule]:
    there = Match(_OIF, "==", ifname)
    yield Rule((there, Match(Payload("icmpv6", "type"), "in", _NEIGHBOUR), ACCEPT), "neighbours")
    own: tuple[Statement, ...] = (there, Match(Ct("direction"), "==", "original"), DROP)
    yield Rule(own, "a task begins nothing this way")


def _egress_table(ifname: str) -> Table:
    mark = Meta("mark")
    aim = SetPayload(Payload("ether", "daddr"), MapLookup((mark,), "entrances"))
    aimed = Chain("aimed", (Rule((aim,), "to the entrance"),), "filter", "egress", FILTER, device=ifname)
    return Table("netdev", TASK_TABLE, (Set("entrances", ("mark",), ("ether_addr",)),), (aimed,))
