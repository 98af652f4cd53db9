"""nftables' data types: their numbers, widths, byte order and words.

The kernel compares bytes and knows no types. The numbers stand in a set's KEY_TYPE and DATA_TYPE so that `nft` prints
elements as people wrote them, and so that we can read back our own sets after a restart. A concatenation's number is
made of six bits for each part; each part is padded to four bytes in registers and keys.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from fairlead.effects.kernel.attributes import mac_bytes, mac_text
from fairlead.model.ruleset import Interval, Scalar, Value

VERDICT_NUMBER = 0xFFFFFF00
_CONCATENATION_BITS = 6
_NAME_SIZE = 16
_ADDRESSES, _NETWORKS = (IPv4Address, IPv6Address), (IPv4Network, IPv6Network)


@dataclass(frozen=True, slots=True)
class DataType:
    """`size` in bytes; `native` types lie in host byte order; `words` are names for numbers."""

    name: str
    number: int
    size: int
    native: bool = False
    words: Mapping[str, int] = field(default_factory=dict)

    def encode(self, value: Scalar) -> bytes:
        """One value at its natural width. A network stands for its first address. Raises ValueError."""
        try:
            raw = self._raw(value)
        except OverflowError:
            raw = b""
        if len(raw) != self.size:
            raise ValueError(f"{value!r} is not a value of type {self.name}")
        return raw

    def _raw(self, value: Scalar) -> bytes:
        if isinstance(value, int):
            return value.to_bytes(self.size, sys.byteorder if self.native else "big")
        if isinstance(value, _ADDRESSES):
            return value.packed
        if isinstance(value, _NETWORKS):
            return value.network_address.packed
        if self.name == "ifname":
            return value.encode().ljust(_NAME_SIZE, b"\0")
        if self.name == "ether_addr":
            return mac_bytes(value)
        return self._raw(self._word(value))

    def _word(self, word: str) -> int:
        if word not in self.words:
            raise ValueError(f"{word!r} is not a value of type {self.name}")
        return self.words[word]

    def decode(self, raw: bytes) -> Scalar:
        """The inverse of `encode` for addresses, names and numbers; words come back as numbers."""
        raw = raw[: self.size]
        if self.name == "ipv4_addr":
            return IPv4Address(raw)
        if self.name == "ipv6_addr":
            return IPv6Address(raw)
        if self.name == "ether_addr":
            return mac_text(raw)
        if self.name == "ifname":
            return raw.rstrip(b"\0").decode(errors="replace")
        return int.from_bytes(raw, sys.byteorder if self.native else "big")

    @property
    def padded(self) -> int:
        """Bytes taken in a concatenation."""
        return (self.size + 3) & ~3


_CT_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
_CT_STATUSES = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
_TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
_ROUTE_TYPES = {"unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6}
_ETHER_TYPES = {"ip": 0x0800, "arp": 0x0806, "vlan": 0x8100, "ip6": 0x86DD}
_ICMPV6_TYPES = {
    "nd-router-solicit": 133,
    "nd-router-advert": 134,
    "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136,
}
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}

TYPES = {
    kind.name: kind
    for kind in (
        DataType("nf_proto", 2, 1, words={"ipv4": 2, "ipv6": 10}),
        DataType("integer", 4, 4, native=True),
        # To nft a link-layer address, which may be of any width and is printed byte by byte.
        DataType("vxlan_id", 6, 3),
        DataType("ipv4_addr", 7, 4),
        DataType("ipv6_addr", 8, 16),
        DataType("ether_addr", 9, 6),
        DataType("ether_type", 10, 2, words=_ETHER_TYPES),
        DataType("arp_op", 11, 2, words={"request": 1, "reply": 2}),
        DataType("inet_proto", 12, 1, words=_PROTOCOLS),
        DataType("inet_service", 13, 2),
        DataType("icmp_type", 14, 1, words={"echo-reply": 0, "destination-unreachable": 3, "echo-request": 8}),
        DataType("tcp_flag", 15, 1, words=_TCP_FLAGS),
        DataType("mark", 19, 4, native=True),
        DataType("iface_index", 20, 4, native=True),
        DataType("iface_type", 21, 2, native=True, words={"ether": 1, "loopback": 772}),
        DataType("ct_state", 26, 4, native=True, words=_CT_STATES),
        DataType("ct_dir", 27, 1, words={"original": 0, "reply": 1}),
        DataType("ct_status", 28, 4, native=True, words=_CT_STATUSES),
        DataType("icmpv6_type", 29, 1, words=_ICMPV6_TYPES),
        DataType("pkt_type", 31, 1, words={"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}),
        DataType("devgroup", 35, 4, native=True),
        DataType("fib_addrtype", 38, 4, native=True, words=_ROUTE_TYPES),
        DataType("boolean", 39, 1),
        DataType("ifname", 41, _NAME_SIZE, native=True),
    )
}
_BY_NUMBER = {kind.number: kind for kind in TYPES.values()}


def type_named(name: str) -> DataType:
    if name not in TYPES:
        raise ValueError(f"nftables has no type {name!r} here")
    return TYPES[name]


def types_number(kinds: tuple[DataType, ...]) -> int:
    """The number of a type, or of the concatenation of several."""
    number = 0
    for kind in kinds:
        number = number << _CONCATENATION_BITS | kind.number
    return number


def types_of_number(number: int) -> tuple[DataType, ...] | None:
    """The inverse of `types_number`; None when a part is none of ours."""
    parts: list[DataType] = []
    while number:
        kind = _BY_NUMBER.get(number & ((1 << _CONCATENATION_BITS) - 1))
        if kind is None:
            return None
        parts.insert(0, kind)
        number >>= _CONCATENATION_BITS
    return tuple(parts) or None


def width(kinds: tuple[DataType, ...]) -> int:
    """Bytes of a key or of data: alone at natural width, together padded."""
    return kinds[0].size if len(kinds) == 1 else sum(kind.padded for kind in kinds)


def encode_tuple(kinds: tuple[DataType, ...], values: tuple[Scalar, ...]) -> bytes:
    """A whole key or datum. Raises ValueError when the values do not fit the types."""
    if len(kinds) != len(values):
        raise ValueError(f"{values!r} has not the {len(kinds)} parts of {'.'.join(kind.name for kind in kinds)}")
    if len(kinds) == 1:
        return kinds[0].encode(values[0])
    return b"".join([kind.encode(value).ljust(kind.padded, b"\0") for kind, value in zip(kinds, values, strict=True)])


def decode_tuple(kinds: tuple[DataType, ...], raw: bytes) -> tuple[Scalar, ...]:
    values: list[Scalar] = []
    for kind in kinds:
        values.append(kind.decode(raw))
        raw = raw[kind.padded :]
    return tuple(values)


def bounds(value: Value) -> tuple[Scalar, Scalar]:
    """The lowest and highest scalar that a value stands for."""
    if isinstance(value, Interval):
        return bounds(value.low)[0], bounds(value.high)[1]
    if isinstance(value, _NETWORKS):
        return value[0], value[-1]
    return value, value


def joined(low: Scalar, high: Scalar) -> Value:
    """The shortest value with these bounds: a scalar, a network, or an interval."""
    if low == high:
        return low
    if isinstance(low, _ADDRESSES) and isinstance(high, _ADDRESSES):
        return _network(low, high) or Interval(low, high)
    return Interval(low, high)


def _network(low: IPv4Address | IPv6Address, high: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network | None:
    size = int(high) - int(low) + 1
    if size & (size - 1) or int(low) & (size - 1):
        return None
    prefix = low.max_prefixlen - size.bit_length() + 1
    return IPv4Network((low, prefix)) if isinstance(low, IPv4Address) else IPv6Network((low, prefix))
