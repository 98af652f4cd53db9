"""What a rule can look at: header fields and metadata, with their places, types and preconditions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fairlead.effects.kernel.nft_types import DataType, type_named
from fairlead.model.ruleset import Ct, Fib, Meta, Payload, Rt

LINK, NETWORK, TRANSPORT = 0, 1, 2

META = {
    "protocol": (1, "ether_type"),
    "mark": (3, "mark"),
    "iif": (4, "iface_index"),
    "oif": (5, "iface_index"),
    "iifname": (6, "ifname"),
    "oifname": (7, "ifname"),
    "iiftype": (8, "iface_type"),
    "oiftype": (9, "iface_type"),
    "nfproto": (15, "nf_proto"),
    "l4proto": (16, "inet_proto"),
    "ibrname": (17, "ifname"),
    "obrname": (18, "ifname"),
    "pkttype": (19, "pkt_type"),
    "iifgroup": (21, "devgroup"),
    "oifgroup": (22, "devgroup"),
    "ipsec": (25, "boolean"),
}

CT = {
    "state": (0, "ct_state", False),
    "direction": (1, "ct_dir", False),
    "status": (2, "ct_status", False),
    "mark": (3, "mark", False),
    "protocol": (10, "inet_proto", True),
    "proto-src": (11, "inet_service", True),
    "proto-dst": (12, "inet_service", True),
}
"""Key number, type, and whether it is asked of a direction."""

CT_ADDRESSES = {
    ("saddr", "ip"): (19, "ipv4_addr"),
    ("daddr", "ip"): (20, "ipv4_addr"),
    ("saddr", "ip6"): (21, "ipv6_addr"),
    ("daddr", "ip6"): (22, "ipv6_addr"),
}
DIRECTIONS = {"original": 0, "reply": 1}

RT = {"ipsec": (4, "boolean")}

FIB_FLAGS = {"saddr": 1, "daddr": 2, "mark": 4, "iif": 8, "oif": 16}
FIB_RESULTS = {"oif": (1, "iface_index"), "oifname": (2, "ifname"), "type": (3, "fib_addrtype")}

_PORTS = {"sport": (0, "inet_service"), "dport": (2, "inet_service")}
_PAYLOAD = {
    "ether": (LINK, {"daddr": (0, "ether_addr"), "saddr": (6, "ether_addr"), "type": (12, "ether_type")}),
    "ip": (
        NETWORK,
        {
            "ttl": (8, "inet_proto"),
            "protocol": (9, "inet_proto"),
            "saddr": (12, "ipv4_addr"),
            "daddr": (16, "ipv4_addr"),
        },
    ),
    "ip6": (
        NETWORK,
        {
            "nexthdr": (6, "inet_proto"),
            "hoplimit": (7, "inet_proto"),
            "saddr": (8, "ipv6_addr"),
            "daddr": (24, "ipv6_addr"),
        },
    ),
    "arp": (
        NETWORK,
        {
            "htype": (0, "ether_type"),
            "ptype": (2, "ether_type"),
            "operation": (6, "arp_op"),
            "saddr ether": (8, "ether_addr"),
            "saddr ip": (14, "ipv4_addr"),
            "daddr ether": (18, "ether_addr"),
            "daddr ip": (24, "ipv4_addr"),
        },
    ),
    "th": (TRANSPORT, _PORTS),
    "tcp": (TRANSPORT, {**_PORTS, "flags": (13, "tcp_flag")}),
    "udp": (TRANSPORT, _PORTS),
    "sctp": (TRANSPORT, _PORTS),
    "vxlan": (TRANSPORT, {"vni": (12, "vxlan_id")}),
    "icmp": (TRANSPORT, {"type": (0, "icmp_type"), "code": (1, "inet_proto")}),
    "icmpv6": (TRANSPORT, {"type": (0, "icmpv6_type"), "code": (1, "inet_proto"), "taddr": (8, "ipv6_addr")}),
}

NETWORK_PROTOCOLS = {"ip": (2, 0x0800), "ip6": (10, 0x86DD), "arp": (3, 0x0806)}
"""Header: (nfproto, EtherType)."""
TRANSPORT_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "vxlan": 17, "icmpv6": 58, "sctp": 132}
IMPLIED_NETWORK = {"icmp": "ip", "icmpv6": "ip6"}
TABLE_NETWORK = {"ip": "ip", "ip6": "ip6", "arp": "arp"}
"""The network header of tables that see only one."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where a header field lies: bytes from the start of its header."""

    base: int
    offset: int
    type: DataType


def payload_field(selector: Payload) -> Field:
    """Raises ValueError for a field that is not known."""
    base, fields = _PAYLOAD.get(selector.header, (0, {}))
    if selector.field not in fields:
        raise ValueError(f"no header field {selector.header} {selector.field}")
    offset, kind = fields[selector.field]
    return Field(base, offset, type_named(kind))


@dataclass(frozen=True, slots=True)
class Checksum:
    """What covers a header field: nothing (0), the Internet's sum (1) or SCTP's CRC (2), at an offset from the field's
    own header; `pseudo_header`: the transport's sum covers it too."""

    kind: int = 0
    offset: int = 0
    pseudo_header: int = 0


_CHECKSUMS = {"ip": Checksum(1, 10), "tcp": Checksum(1, 16), "udp": Checksum(1, 6), "sctp": Checksum(2, 8)}


def checksum(selector: Payload) -> Checksum:
    """Raises ValueError where it is not known which checksum a change would break."""
    header = selector.header
    addressed = int(selector.field in ("saddr", "daddr"))
    if header == "ether":
        return Checksum()
    if header == "ip6" and addressed:
        return Checksum(pseudo_header=1)
    if header not in _CHECKSUMS or payload_field(selector).type.size % 2:
        raise ValueError(f"{header} {selector.field} cannot be written")
    return replace(_CHECKSUMS[header], pseudo_header=addressed)


def meta_key(selector: Meta) -> tuple[int, DataType]:
    if selector.key not in META:
        raise ValueError(f"no meta key {selector.key}")
    number, kind = META[selector.key]
    return number, type_named(kind)


def rt_key(selector: Rt) -> tuple[int, DataType]:
    if selector.key not in RT:
        raise ValueError(f"no rt key {selector.key}")
    number, kind = RT[selector.key]
    return number, type_named(kind)


@dataclass(frozen=True, slots=True)
class CtKey:
    number: int
    type: DataType
    direction: int | None


def ct_key(selector: Ct) -> CtKey:
    """A key such as "state", "original daddr" or "reply proto-src"."""
    first, _, rest = selector.key.partition(" ")
    if first in DIRECTIONS and rest:
        if (rest, selector.family) in CT_ADDRESSES:
            number, kind = CT_ADDRESSES[rest, selector.family]
            return CtKey(number, type_named(kind), DIRECTIONS[first])
        if rest in CT and CT[rest][2]:
            return CtKey(CT[rest][0], type_named(CT[rest][1]), DIRECTIONS[first])
    elif first in CT and not CT[first][2] and not rest:
        return CtKey(CT[first][0], type_named(CT[first][1]), None)
    raise ValueError(f"no ct key {selector.family} {selector.key}".replace("  ", " "))


def fib_parts(selector: Fib) -> tuple[int, int, DataType]:
    """(flags, result, type of the result)."""
    unknown = set(selector.flags) - FIB_FLAGS.keys()
    if unknown or selector.result not in FIB_RESULTS:
        raise ValueError(f"no fib {' . '.join(selector.flags)} {selector.result}")
    number, kind = FIB_RESULTS[selector.result]
    return sum(FIB_FLAGS[flag] for flag in selector.flags), number, type_named(kind)
