"""From a rule's statements to nf_tables expressions.

Like `nft` itself, the compiler puts the tests in front that a header field needs in order to mean what it says: an IPv4
address is only looked at in an IPv4 packet, a TCP port only in a TCP segment. A test already made in the rule is not
made again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from fairlead.effects.kernel import nft_constants as nf
from fairlead.effects.kernel import nft_expressions as vm
from fairlead.effects.kernel import nft_fields as fields
from fairlead.effects.kernel.nft_sets import Shape, encode_key
from fairlead.effects.kernel.nft_types import TYPES, DataType, bounds
from fairlead.model.ruleset import (
    ClampMss,
    Counter,
    Ct,
    Dnat,
    DnatTo,
    Fib,
    InSet,
    Interval,
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
    Verdict,
    VerdictMap,
)

_INTEGER = TYPES["integer"]
_PORT = TYPES["inet_service"]
_ADDRESS = {"ip": TYPES["ipv4_addr"], "ip6": TYPES["ipv6_addr"]}
_ETHERNET = 1
_PORT_SLOT = 4

_ICMP, _TCP_RESET, _ICMPX = 0, 1, 2
_ICMPX_CODES = {"no-route": 0, "port-unreachable": 1, "host-unreachable": 2, "admin-prohibited": 3}
_ICMP_CODES = {"no-route": 0, "port-unreachable": 3, "host-unreachable": 1, "admin-prohibited": 13}
_ICMPV6_CODES = {"no-route": 0, "port-unreachable": 4, "host-unreachable": 3, "admin-prohibited": 1}


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set of the table at hand, as rules refer to it."""

    shape: Shape
    id: int


@dataclass(frozen=True, slots=True)
class AnonymousSet:
    """A set that a rule brings along, with its encoded elements."""

    shape: Shape
    id: int
    elements: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    expressions: bytes
    sets: tuple[AnonymousSet, ...]


@dataclass(slots=True)
class RuleCompiler:
    """Compiles the rules of one table. `next_id` gives numbers to anonymous sets within the batch."""

    family: str
    sets: Mapping[str, NamedSet]
    next_id: Callable[[], int]
    _known: dict[str, int] = field(default_factory=dict)
    _anonymous: list[AnonymousSet] = field(default_factory=list)

    def compile(self, rule: Rule) -> CompiledRule:
        """Raises ValueError for what nftables or this codec cannot express."""
        self._known, self._anonymous = {}, []
        expressions = b"".join([self._statement(statement) for statement in rule.statements])
        return CompiledRule(expressions, tuple(self._anonymous))

    def _statement(self, statement: Statement) -> bytes:
        match statement:
            case Match():
                return self._match(statement)
            case InSet(key, name, negate):
                return self._load_key(key) + vm.lookup(name, self._set(name).id, 0, negate=negate)
            case VerdictMap(key, name):
                return self._load_key(key) + vm.lookup_verdict(name, self._set(name).id, 0)
            case Dnat(family, key, name):
                return self._translate(vm.DNAT, family, key, name)
            case Snat(family, key, name):
                return self._translate(vm.SNAT, family, key, name)
            case DnatTo() | SnatTo():
                return self._translate_to(statement)
            case Redirect():
                return self._redirect(statement)
            case SetMark(value, ct):
                return self._set_mark(value, ct)
            case Reject(kind):
                return self._reject(kind)
            case Verdict():
                return vm.verdict(statement)
        return self._simple(statement)

    def _simple(self, statement: Statement) -> bytes:
        match statement:
            case Masquerade():
                return vm.masquerade()
            case Counter():
                return vm.counter()
            case Notrack():
                return vm.notrack()
            case LimitOver(rate):
                return vm.limit_over(rate)
            case ClampMss(key, name):
                return self._require_transport("tcp") + self._segment_size(key, name) + vm.clamp_mss(0)
            case SetPayload(target, value):
                return self._set_payload(target, value)
        raise ValueError(f"no such statement: {statement!r}")

    def _set(self, name: str) -> NamedSet:
        if name not in self.sets:
            raise ValueError(f"the table has no set {name!r}")
        return self.sets[name]

    # --- loading ----------------------------------------------------------------------------------

    def _load_key(self, key: Sequence[Selector]) -> bytes:
        """A concatenation from slot 0 on."""
        return self._load_all(key, 0)[0]

    def _load_all(self, key: Sequence[Selector], slot: int) -> tuple[bytes, int]:
        """The loads, with what they require in front of all of them, and the bytes they fill."""
        loads, start = b"", slot
        required = b"".join([self._require(selector) for selector in key])
        for selector in key:
            loads += self._load(selector, slot)
            slot += self._type(selector).padded // 4
        return required + loads, 4 * (slot - start)

    def _load(self, selector: Selector, slot: int) -> bytes:
        match selector:
            case Meta():
                return vm.load_meta(fields.meta_key(selector)[0], slot)
            case Payload():
                return vm.load_payload(fields.payload_field(selector), slot)
            case Ct():
                return vm.load_ct(fields.ct_key(selector), slot)
            case Rt():
                return vm.load_rt(fields.rt_key(selector)[0], slot)
            case Fib():
                flags, result, _ = fields.fib_parts(selector)
                return vm.load_fib(flags, result, slot)
            case Numgen(kind, modulus):
                return vm.load_numgen({"inc": 0, "random": 1}[kind], modulus, slot)
            case Jhash(parts, modulus, seed):
                loads, size = self._load_all(parts, slot)
                return loads + vm.load_jhash(slot, size, modulus, seed, slot)
            case MapLookup(key, name):
                loads, _ = self._load_all(key, slot)
                return loads + vm.lookup(name, self._set(name).id, slot, slot)

    def _type(self, selector: Selector) -> DataType:
        match selector:
            case Meta():
                return fields.meta_key(selector)[1]
            case Payload():
                return fields.payload_field(selector).type
            case Ct():
                return fields.ct_key(selector).type
            case Rt():
                return fields.rt_key(selector)[1]
            case Fib():
                return fields.fib_parts(selector)[2]
            case MapLookup(_, name):
                return self._set(name).shape.data[0]
        return _INTEGER

    # --- what a field requires --------------------------------------------------------------------

    def _require(self, selector: Selector) -> bytes:
        if isinstance(selector, Jhash):
            return b"".join([self._require(part) for part in selector.fields])
        if isinstance(selector, MapLookup):
            return b"".join([self._require(part) for part in selector.key])
        if not isinstance(selector, Payload):
            return b""
        header = selector.header
        if header == "ether":
            return self._require_ethernet()
        if header in fields.NETWORK_PROTOCOLS:
            return self._require_network(header)
        return self._require_transport(header)

    def _require_ethernet(self) -> bytes:
        if self.family in ("bridge", "netdev"):
            return b""
        return self._require_meta("iiftype", _ETHERNET)

    def _require_network(self, header: str) -> bytes:
        only = fields.TABLE_NETWORK.get(self.family)
        if only is not None:
            if only != header:
                raise ValueError(f"a table of family {self.family} sees no {header} header")
            return b""
        protocol, ether_type = fields.NETWORK_PROTOCOLS[header]
        if self.family == "inet":
            return self._require_meta("nfproto", protocol)
        return self._require_meta("protocol", ether_type)

    def _require_transport(self, header: str) -> bytes:
        if header not in fields.TRANSPORT_PROTOCOLS:
            return b""
        network = fields.IMPLIED_NETWORK.get(header)
        before = self._require_network(network) if network else b""
        return before + self._require_meta("l4proto", fields.TRANSPORT_PROTOCOLS[header])

    def _require_meta(self, key: str, value: int) -> bytes:
        if self._known.get(key) == value:
            return b""
        self._known[key] = value
        number, kind = fields.meta_key(Meta(key))
        return vm.load_meta(number, 0) + vm.compare(0, vm.EQUAL, kind.encode(value))

    # --- matches ----------------------------------------------------------------------------------

    def _match(self, match: Match) -> bytes:
        loads, _ = self._load_all((match.selector,), 0)
        kind = self._type(match.selector)
        if match.op == "&":
            return loads + _any_flag(kind, match.value)
        if match.op in ("in", "not in"):
            return loads + self._member(kind, match.value, match.op == "not in")
        if match.op not in ("==", "!=") or isinstance(match.value, tuple):
            raise ValueError(f"{match.op} with {match.value!r} is no match")
        if isinstance(match.selector, Meta) and match.op == "==":
            self._note(match.selector.key, kind, match.value)
        return loads + _equal(kind, match.value, match.op == "!=")

    def _note(self, key: str, kind: DataType, value: Scalar | Interval) -> None:
        """Remember a test that the user wrote, so that it is not made twice."""
        if isinstance(value, int | str) and key in ("nfproto", "l4proto", "protocol", "iiftype"):
            self._known[key] = int.from_bytes(kind.encode(value), sys.byteorder if kind.native else "big")

    def _member(self, kind: DataType, value: object, negate: bool) -> bytes:
        values = value if isinstance(value, tuple) else (value,)
        interval = any(isinstance(each, Interval | IPv4Network | IPv6Network) for each in values)
        shape = Shape((kind,), interval=interval)
        if interval and kind.native:
            raise ValueError(f"no ranges of {kind.name}: it lies in host byte order")
        found = AnonymousSet(shape, self.next_id(), tuple(encode_key(shape, (each,)) for each in values))
        self._anonymous.append(found)
        return vm.lookup("__set%d", found.id, 0, negate=negate)

    # --- actions ----------------------------------------------------------------------------------

    def _translate(self, kind: int, family: str, key: Sequence[Selector], name: str) -> bytes:
        """By a map, whose data are an address, or an address and a port."""
        found = self._set(name)
        address = _ADDRESS[family]
        if found.shape.data not in ((address,), (address, _PORT)):
            raise ValueError(f"the map {name!r} holds no {family} address")
        port = address.padded // 4 if len(found.shape.data) == 2 else None
        before = self._require_network(family)
        lookup = vm.lookup(name, found.id, 0, 0)
        return before + self._load_key(key) + lookup + vm.nat(kind, nf.FAMILIES[family], 0, port)

    def _translate_to(self, statement: DnatTo | SnatTo) -> bytes:
        kind = vm.DNAT if isinstance(statement, DnatTo) else vm.SNAT
        expressions = self._require_network(statement.family)
        if statement.address is not None:
            expressions += vm.load_immediate(_ADDRESS[statement.family].encode(statement.address), 0)
        if statement.port:
            expressions += vm.load_immediate(_PORT.encode(statement.port), _PORT_SLOT)
        address = None if statement.address is None else 0
        port = _PORT_SLOT if statement.port else None
        return expressions + vm.nat(kind, nf.FAMILIES[statement.family], address, port)

    def _redirect(self, statement: Redirect) -> bytes:
        if statement.name:
            lookup = vm.lookup(statement.name, self._set(statement.name).id, 0, 0)
            return self._load_key(statement.key) + lookup + vm.redirect(0)
        if statement.port:
            return vm.load_immediate(_PORT.encode(statement.port), 0) + vm.redirect(0)
        return vm.redirect(None)

    def _set_mark(self, value: int | Selector, ct: bool) -> bytes:
        loads = (
            vm.load_immediate(TYPES["mark"].encode(value), 0) if isinstance(value, int) else self._load_key((value,))
        )
        return loads + (vm.set_ct(fields.CT["mark"][0], 0) if ct else vm.set_meta(fields.META["mark"][0], 0))

    def _set_payload(self, target: Payload, value: Scalar | Selector) -> bytes:
        place, checksum = fields.payload_field(target), fields.checksum(target)
        if isinstance(value, Scalar):
            loads = vm.load_immediate(place.type.encode(value), 0)
        else:
            loads = self._load_key((value,))
        return self._require(target) + loads + vm.store_payload(place, checksum, 0)

    def _segment_size(self, key: Sequence[Selector], name: str) -> bytes:
        """In network byte order, whence the option takes it."""
        if name:
            return self._load_key(key) + vm.lookup(name, self._set(name).id, 0, 0)
        return vm.load_route_mss(0)

    def _reject(self, kind: str) -> bytes:
        if kind == "tcp reset":
            return self._require_transport("tcp") + vm.reject(_TCP_RESET, None)
        codes = {"ip": _ICMP_CODES, "ip6": _ICMPV6_CODES}.get(self.family, _ICMPX_CODES)
        if kind not in codes:
            raise ValueError(f"no reject with {kind!r}")
        return vm.reject(_ICMP if self.family in ("ip", "ip6") else _ICMPX, codes[kind])


def _any_flag(kind: DataType, value: object) -> bytes:
    words = value if isinstance(value, tuple) else (value,)
    bits = 0
    for word in words:
        bits |= int.from_bytes(kind.encode(word), sys.byteorder if kind.native else "big")
    raw = kind.encode(bits)
    return vm.mask(0, raw) + vm.compare(0, vm.NOT_EQUAL, bytes(len(raw)))


def _equal(kind: DataType, value: Scalar | Interval, negate: bool) -> bytes:
    operator = vm.NOT_EQUAL if negate else vm.EQUAL
    if isinstance(value, IPv4Network | IPv6Network):
        return vm.mask(0, value.netmask.packed) + vm.compare(0, operator, kind.encode(value))
    if isinstance(value, Interval):
        return _between(kind, value, negate)
    if kind.name == "ifname" and isinstance(value, str) and value.endswith("*"):
        return vm.compare(0, operator, value[:-1].encode())
    return vm.compare(0, operator, kind.encode(value))


def _between(kind: DataType, value: Interval, negate: bool) -> bytes:
    if kind.native:
        raise ValueError(f"no ranges of {kind.name}: it lies in host byte order")
    low, high = (kind.encode(end) for end in bounds(value))
    if negate:
        return vm.outside(0, low, high)
    return vm.compare(0, vm.AT_LEAST, low) + vm.compare(0, vm.AT_MOST, high)
