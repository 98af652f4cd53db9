"""One rule, one chain: what they do to a packet at one hook, exactly as nf_tables does it.

A rule is read from left to right; a match that fails, or a field that the packet does not have, ends the rule. A chain
is read until a verdict; `return`, or the end, goes back to the rule after the jump, and at the top to the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from fairlead.core.firewall.lookup import Contents, UnknownShapeError, covers
from fairlead.core.firewall.packet import ICMP_OF, LOCALHOST, WITH_PORTS, Packet, Stack
from fairlead.model.network import Address
from fairlead.model.ruleset import (
    Chain,
    ClampMss,
    Counter,
    Ct,
    Data,
    Dnat,
    DnatTo,
    Fib,
    InSet,
    Jhash,
    LimitOver,
    MapLookup,
    Masquerade,
    Match,
    Meta,
    Notrack,
    Numgen,
    Payload,
    Redirect,
    Reject,
    Rt,
    Rule,
    Scalar,
    Selector,
    SetMark,
    SetPayload,
    Snat,
    SnatTo,
    Statement,
    Table,
    Unread,
    Verdict,
    VerdictMap,
)

ACCEPT, DROP, REJECT, CONTINUE, RETURN = "accept", "drop", "reject", "continue", "return"
_NFPROTO = {4: 2, 6: 10}
_VERSION = {"ip": 4, "ip6": 6}
_ETHER_TYPES = {4: 0x0800, 6: 0x86DD}
_NUMBERS = {"nd-neighbor-solicit": 135, "nd-neighbor-advert": 136}
_TCP, _TCP_FLAGS = 6, Payload("tcp", "flags")
_PORTED = {"th": WITH_PORTS, "tcp": (6,), "udp": (17,), "sctp": (132,)}
"""Headers with ports, and the protocols that have them."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What connection tracking knows of a packet's connection besides its state: the mark, which way the packet goes
    ("original" or "reply"), and the port that the first one was sent to. `turn` is the number that a rule draws."""

    mark: int = 0
    direction: str = "original"
    port: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Undo:
    """What connection tracking makes of an answer's ends in a stack that translated the packet it answers: where the
    first packet came from, and what it was sent to."""

    destination: Address
    dport: int
    source: Address
    sport: int


Doubt = Callable[[str], bool]
"""Asked whether conditions apply that nobody can read: whoever follows a packet with it looks at both ways."""


@dataclass(slots=True)
class Moment:
    """A packet at a hook: what rules see, and what they change. `iif` and `oif` are "" where there is none. `drawn` is
    below what number one was last drawn."""

    packet: Packet
    host: Stack
    iif: str
    oif: str
    state: str
    status: frozenset[str]
    flow: Flow
    doubt: Doubt | None = None
    undo: Undo | None = None
    drawn: int = 0

    def translate(self, kind: str, packet: Packet) -> None:
        self.packet, self.status = packet, self.status | {kind}


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that applied, or with `rule` "" the policy of a chain; `packet` is how it looked then."""

    hook: str
    family: str
    table: str
    chain: str
    rule: str
    verdict: str
    packet: Packet

    def __str__(self) -> str:
        return f"{self.table} {self.chain}: {self.rule or f'policy {self.verdict}'}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the ruleset we are: a hook, a table, its contents, and what has been matched so far."""

    hook: str
    table: Table
    contents: Contents
    trace: list[Step]

    def chain(self, name: str) -> Chain:
        found = next((chain for chain in self.table.chains if chain.name == name), None)
        if found is None:
            raise UnknownShapeError(f"table {self.table.name} has no chain {name}")
        return found

    def note(self, chain: Chain, rule: str, verdict: str, moment: Moment) -> None:
        table = self.table
        self.trace.append(Step(self.hook, table.family, table.name, chain.name, rule, verdict, moment.packet))


class _FailedMatchError(Exception):
    """The rule ends here: a match failed, or the packet has no such field."""


def run_base(position: Position, chain: Chain, moment: Moment) -> str:
    """The verdict of a base chain: accept, drop or reject."""
    verdict = _run(position, chain, moment)
    if verdict not in (CONTINUE, RETURN):
        return verdict
    if chain.policy != ACCEPT:
        position.note(chain, "", chain.policy, moment)
    return chain.policy


def _run(position: Position, chain: Chain, moment: Moment) -> str:
    for rule in chain.rules:
        verdict = _apply(position, chain, rule, moment)
        if verdict == RETURN:
            return CONTINUE
        if verdict != CONTINUE:
            return verdict
    return CONTINUE


def _apply(position: Position, chain: Chain, rule: Rule, moment: Moment) -> str:
    """The verdict of one rule. A goto never comes back here: what its chain leaves open is open at our end too."""
    try:
        verdicts = _carry_out(position, rule, moment)
    except _FailedMatchError:
        return CONTINUE
    position.note(chain, rule.comment or "unnamed rule", verdicts[0].kind if verdicts else CONTINUE, moment)
    for verdict in verdicts:
        if verdict.kind in ("jump", "goto"):
            inner = _run(position, position.chain(verdict.chain), moment)
            return RETURN if verdict.kind == "goto" and inner == CONTINUE else inner
        return verdict.kind
    return CONTINUE


def _carry_out(position: Position, rule: Rule, moment: Moment) -> list[Verdict]:
    """What the statements of a rule say, from left to right. Conditions that cannot be read are asked about where there
    is somebody to ask, and only before something that would have an effect."""
    verdicts: list[Verdict] = []
    doubts: list[str] = []
    for statement in rule.statements:
        if doubts and not _is_condition(statement) and moment.doubt is not None:
            _require(moment.doubt("; ".join(doubts)))
            doubts.clear()
        try:
            verdict = _do(position, statement, moment)
        except UnknownShapeError as unknown:
            if moment.doubt is None or not _is_condition(statement):
                raise
            doubts.append(str(unknown))
            continue
        if verdict is not None:
            verdicts.append(verdict)
    _require(not doubts)
    return verdicts


def _is_condition(statement: Statement) -> bool:
    """It only asks, or does nothing that a packet's fate could show."""
    if isinstance(statement, Unread):
        return not statement.decides
    return isinstance(statement, Match | InSet | LimitOver | Counter | Notrack | ClampMss)


def _do(position: Position, statement: Statement, moment: Moment) -> Verdict | None:
    match statement:
        case Verdict():
            return statement
        case Match():
            _require(_matches(statement, moment))
        case InSet(key, name, negate):
            found, _ = position.contents.find(name, _key(key, moment))
            _require(found != negate)
        case VerdictMap(key, name):
            found, data = position.contents.find(name, _key(key, moment))
            return data if found and isinstance(data, Verdict) else None
        case Dnat() | DnatTo() | Snat() | SnatTo() | Masquerade() | Redirect():
            return _translate(position, statement, moment)
        case Reject():
            return Verdict(REJECT)
        case SetMark(value, ct):
            _mark(value if isinstance(value, int) else _found(position, value, moment), ct, moment)
        case SetPayload(target, value):
            written = value if isinstance(value, Scalar) else _found(position, value, moment)
            moment.packet = _written(target, written, moment.packet)
        case Counter() | Notrack() | ClampMss():
            pass
        case Unread(text):
            raise UnknownShapeError(text)
        case _:
            raise UnknownShapeError(f"no meaning is known for {statement!r}")
    return None


def _found(position: Position, selector: Selector, moment: Moment) -> Scalar:
    """What a selector finds; a map that has nothing for the packet ends the rule."""
    if not isinstance(selector, MapLookup):
        return _look(selector, moment)
    found, data = position.contents.find(selector.name, _key(selector.key, moment))
    _require(found)
    if not isinstance(data, tuple):
        raise UnknownShapeError(f"{data!r} is no value to write")
    return data[0]


def _mark(value: Scalar, ct: bool, moment: Moment) -> None:
    if not isinstance(value, int):
        raise UnknownShapeError(f"{value!r} is no mark")
    if ct:
        moment.flow = replace(moment.flow, mark=value)
    else:
        moment.packet = replace(moment.packet, mark=value)


def _require(true: bool) -> None:
    if not true:
        raise _FailedMatchError


def _key(selectors: tuple[Selector, ...], moment: Moment) -> tuple[Scalar, ...]:
    return tuple(_look(selector, moment) for selector in selectors)


def _matches(match: Match, moment: Moment) -> bool:
    value = match.value
    if match.selector == _TCP_FLAGS and (match.op, value) == ("&", ("syn",)):
        return moment.packet.protocol == _TCP and moment.state == "new"
    if match.op == "&" and isinstance(match.selector, Ct) and isinstance(value, tuple):
        return bool(_words(match.selector, moment) & set(value))
    seen = _look(match.selector, moment)
    if match.op == "&" and isinstance(seen, int) and isinstance(value, int):
        return bool(seen & value)
    if match.op in ("==", "!=") and not isinstance(value, tuple):
        return covers(value, seen) == (match.op == "==")
    if match.op in ("in", "not in") and isinstance(value, tuple):
        return any(covers(_NUMBERS.get(str(one), one), seen) for one in value) == (match.op == "in")
    raise UnknownShapeError(f"no meaning is known for {match!r}")


def _words(selector: Ct, moment: Moment) -> frozenset[str]:
    if selector.key == "state":
        return frozenset({moment.state})
    if selector.key == "status":
        return moment.status
    raise UnknownShapeError(f"no meaning is known for {selector!r}")


def _look(selector: Selector, moment: Moment) -> Scalar:
    match selector:
        case Meta("iifname"):
            return moment.iif
        case Meta("oifname"):
            return moment.oif
        case Meta("l4proto"):
            return moment.packet.protocol
        case Meta("nfproto"):
            return _NFPROTO[moment.packet.version]
        case Meta("mark"):
            return moment.packet.mark
        case Payload(header, field):
            return _field(header, field, moment.packet)
        case Fib(flags, result):
            return _fib(frozenset(flags), result, moment)
        case Rt("ipsec"):
            return int(moment.packet.sealed)
        case Ct():
            return _tracked(selector, moment)
        case Numgen(_, modulus):
            return _drawn(moment, modulus)
        case Jhash(_, modulus) if moment.doubt is not None:
            return _drawn(moment, modulus)
    raise UnknownShapeError(f"no meaning is known for {selector!r}")


def _drawn(moment: Moment, modulus: int) -> int:
    moment.drawn = modulus
    return moment.flow.turn % modulus


def _tracked(selector: Ct, moment: Moment) -> Scalar:
    match selector.key:
        case "state":
            return moment.state
        case "mark":
            return moment.flow.mark
        case "direction":
            return moment.flow.direction
        case "original proto-dst":
            return moment.flow.port
    raise UnknownShapeError(f"no meaning is known for {selector!r}")


def _field(header: str, field: str, packet: Packet) -> Scalar:
    if header in _VERSION and field in ("saddr", "daddr"):
        _require(packet.version == _VERSION[header])
        return packet.source if field == "saddr" else packet.destination
    if header in _PORTED and field in ("sport", "dport"):
        _require(packet.protocol in _PORTED[header])
        return packet.sport if field == "sport" else packet.dport
    if (header, field) == ("ether", "saddr"):
        _require(bool(packet.hardware))
        return packet.hardware
    if (header, field) == ("vxlan", "vni"):
        _require(bool(packet.vni))
        return packet.vni
    if (header, field) == ("ether", "type"):
        return _ETHER_TYPES[packet.version]
    if (header, field) in (("icmp", "type"), ("icmpv6", "type")):
        _require(packet.protocol == (ICMP_OF[4] if header == "icmp" else ICMP_OF[6]))
        return packet.icmp_type
    raise UnknownShapeError(f"no meaning is known for {header} {field}")


def _written(target: Payload, value: Scalar, packet: Packet) -> Packet:
    """The packet with another value in a header field that it has."""
    if (target.header, target.field) == ("ether", "daddr"):
        return replace(packet, aim=str(value))
    _field(target.header, target.field, packet)
    match target.field, value:
        case "sport", int():
            return replace(packet, sport=value)
        case "dport", int():
            return replace(packet, dport=value)
    raise UnknownShapeError(f"no meaning is known for {value!r} in {target.header} {target.field}")


def _fib(flags: frozenset[str], result: str, moment: Moment) -> Scalar:
    """`type` of the destination, on the arriving link where "iif" says so; `oif` back to the source: 0 for none."""
    host, packet = moment.host, moment.packet
    if result == "type" and flags <= {"daddr", "iif"} and "daddr" in flags:
        holder = host.holder(packet.destination)
        if holder and ("iif" not in flags or holder == moment.iif):
            return "local"
        return "multicast" if packet.destination.is_multicast else "unicast"
    if result == "oif" and flags == {"saddr", "iif"}:
        return int(host.route(packet.source) == moment.iif)
    raise UnknownShapeError(f"no meaning is known for fib {sorted(flags)} {result}")


def _translate(position: Position, statement: Statement, moment: Moment) -> Verdict | None:
    """A translation is a verdict too: the flow is settled. One of another family leaves the packet alone."""
    packet = moment.packet
    kind, address, port = next(_translations(position, statement, moment))
    if address is not None and address.version != packet.version:
        return None
    if kind == "dnat":
        moment.translate(kind, replace(packet, destination=address or packet.destination, dport=port or packet.dport))
    else:
        moment.translate(kind, replace(packet, source=address or packet.source, sport=port or packet.sport))
    return Verdict(ACCEPT)


def _translations(
    position: Position, statement: Statement, moment: Moment
) -> Iterator[tuple[str, Address | None, int]]:
    """What a translating statement does: ("dnat" or "snat", address, port)."""
    version = moment.packet.version
    match statement:
        case Dnat(_, key, name) | Snat(_, key, name):
            found, data = position.contents.find(name, _key(key, moment))
            _require(found)
            yield ("dnat" if isinstance(statement, Dnat) else "snat", *_target(data))
        case DnatTo(_, address, port):
            yield "dnat", address, port
        case SnatTo(_, address, port):
            yield "snat", address, port
        case Masquerade():
            yield "snat", moment.host.address_on(moment.oif, version), 0
        case Redirect(port, (), ""):
            here = moment.host.address_on(moment.iif, version) if moment.iif else LOCALHOST[version]
            yield "dnat", here, port
        case _:
            raise UnknownShapeError(f"no meaning is known for {statement!r}")


def _target(data: Data) -> tuple[Address, int]:
    if isinstance(data, tuple) and isinstance(data[0], IPv4Address | IPv6Address):
        port = data[1] if len(data) > 1 else 0
        if isinstance(port, int):
            return data[0], port
    raise UnknownShapeError(f"{data!r} is no address to translate to")
