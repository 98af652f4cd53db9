"""Values and selectors as `nft --json` prints them (libnftables-json(5)), in the words of `fairlead.model.ruleset`.

What is not understood raises `StrangeShapeError`; whoever reads a rule keeps its text then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

from fairlead.model.ruleset import (
    Ct,
    Data,
    Fib,
    Interval,
    Jhash,
    Key,
    MapLookup,
    Meta,
    Numgen,
    Payload,
    Rt,
    Scalar,
    Selector,
    Value,
    Verdict,
)

Json = dict[str, object]

PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "tcp": 6,
    "udp": 17,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "sctp": 132,
    "udplite": 136,
}
_FAMILIES = {"ipv4": 2, "ipv6": 10, "ip": 2, "ip6": 10}
_ETHER_TYPES = {"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD, "8021q": 0x8100, "vlan": 0x8100}
_ICMP = {"echo-reply": 0, "destination-unreachable": 3, "redirect": 5, "echo-request": 8, "time-exceeded": 11}
_ICMP |= {"router-advertisement": 9, "router-solicitation": 10, "parameter-problem": 12, "source-quench": 4}
_ICMP |= {"timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16}
_ICMP |= {"address-mask-request": 17, "address-mask-reply": 18}
_ICMPV6 = {"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4}
_ICMPV6 |= {"echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131}
_ICMPV6 |= {"mld-listener-done": 132, "mld-listener-reduction": 132, "mld2-listener-report": 143}
_ICMPV6 |= {"nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135}
_ICMPV6 |= {"nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138}
_ICMPV6 |= {"ind-neighbor-solicit": 141, "ind-neighbor-advert": 142}


class StrangeShapeError(Exception):
    """nft printed something that is not known here."""


Reader = Callable[[object], Scalar]


def _number(found: object) -> Scalar:
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise StrangeShapeError(str(found))
    try:
        return int(found, 0) if isinstance(found, str) else found
    except ValueError as error:
        raise StrangeShapeError(str(found)) from error


def _word(found: object) -> Scalar:
    if not isinstance(found, str):
        raise StrangeShapeError(str(found))
    return found


def _address(found: object) -> Scalar:
    try:
        return ip_address(str(_word(found)))
    except ValueError as error:
        raise StrangeShapeError(str(found)) from error


def _link_layer(found: object) -> Scalar:
    """Three bytes are a VXLAN id, which nft 1.0.6 has no other word for."""
    text = str(_word(found))
    return int(text.replace(":", ""), 16) if len(text) == len("00:00:00") else text


def _named(numbers: dict[str, int]) -> Reader:
    def read(found: object) -> Scalar:
        return numbers[found] if isinstance(found, str) and found in numbers else _number(found)

    return read


TYPES: dict[str, Reader] = {
    "ipv4_addr": _address,
    "ipv6_addr": _address,
    "inet_proto": _named(PROTOCOLS),
    "inet_service": _number,
    "mark": _number,
    "nf_proto": _named(_FAMILIES),
    "ether_type": _named(_ETHER_TYPES),
    "icmp_type": _named(_ICMP),
    "icmpv6_type": _named(_ICMPV6),
    "ifname": _word,
    "iface_index": _word,
    "ether_addr": _word,
    "ll_addr": _link_layer,
    "ct_state": _word,
    "ct_dir": _word,
    "fib_addrtype": _word,
}
"""How a plain value of each of nft's types is read. Types that are not here are left as they are printed."""


def plain(found: object, kind: str) -> Value:
    """One value of a type: a scalar, a range or a prefix."""
    if isinstance(found, dict):
        match found:
            case {"elem": {"val": inner}}:
                return plain(inner, kind)
            case {"range": [low, high]}:
                return Interval(_read(low, kind), _read(high, kind))
            case {"prefix": {"addr": address, "len": length}}:
                return ip_network(f"{address}/{length}", strict=False)
        raise StrangeShapeError(str(found))
    return _read(found, kind)


def _read(found: object, kind: str) -> Scalar:
    return TYPES.get(kind, _untyped)(found)


def _untyped(found: object) -> Scalar:
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise StrangeShapeError(str(found))
    return found


def key(found: object, kinds: tuple[str, ...]) -> Key:
    """The key of an element, which is a concatenation where there are several types."""
    if isinstance(found, dict) and isinstance(found.get("elem"), dict):
        found = found["elem"]["val"]
    parts = found["concat"] if isinstance(found, dict) and "concat" in found else [found]
    if not isinstance(parts, list) or len(parts) != len(kinds):
        raise StrangeShapeError(str(found))
    return tuple(plain(part, kind) for part, kind in zip(parts, kinds, strict=True))


def data(found: object, kinds: tuple[str, ...]) -> Data:
    """What an element of a map holds."""
    if kinds == ("verdict",):
        return verdict(found)
    return tuple(value for value in key(found, kinds) if isinstance(value, Scalar))


def verdict(found: object) -> Verdict:
    match found:
        case {"jump": {"target": str(chain)}}:
            return Verdict("jump", chain)
        case {"goto": {"target": str(chain)}}:
            return Verdict("goto", chain)
        case dict() if len(found) == 1 and (kind := str(next(iter(found)))) in _VERDICTS:
            return Verdict(kind)
    raise StrangeShapeError(str(found))


_VERDICTS = ("accept", "drop", "continue", "return")


def selectors(found: object) -> tuple[Selector, ...]:
    """One selector, or those of a concatenation."""
    if isinstance(found, dict) and isinstance(found.get("concat"), list):
        return tuple(selector(part) for part in found["concat"])
    return (selector(found),)


def selector(found: object) -> Selector:
    match found:
        case {"meta": {"key": str(name)}}:
            return _meta(name)
        case {"payload": {"protocol": str(header), "field": str(name)}}:
            return _payload(header, name)
        case {"payload": {"base": "th", "offset": 96, "len": 24}}:  # nft 1.0.6 has no word for it
            return Payload("vxlan", "vni")
        case {"rt": {"key": "ipsec"}}:
            return Rt("ipsec")
        case {"ct": {"key": str(name), **more}}:
            return _ct(name, str(more.get("dir", "")), str(more.get("family", "")))
        case {"fib": {"result": str(result), "flags": flags}}:
            return _fib(flags, result)
        case {"numgen": {"mode": str(mode), "mod": int(modulus), **more}} if not more.get("offset"):
            return Numgen(mode, modulus)
        case {"jhash": {"mod": int(modulus), **more}} if not more.get("offset"):
            return Jhash((), modulus)
        case {"map": {"key": asked, "data": str(name)}} if name.startswith("@"):
            return MapLookup(selectors(asked), name[1:])
    raise StrangeShapeError(str(found))


def _meta(name: str) -> Meta:
    """Links are compared by name, also where the kernel compares their index."""
    return Meta({"iif": "iifname", "oif": "oifname", "protocol": "nfproto"}.get(name, name))


def _payload(header: str, name: str) -> Selector:
    if (header, name) in (("ip", "protocol"), ("ip6", "nexthdr")):
        return Meta("l4proto")
    return Payload(header, name)


def _ct(name: str, way: str, family: str) -> Ct:
    known = {"proto-dst": "original proto-dst", "daddr": "original daddr", "saddr": "original saddr"}
    return Ct(known.get(name, name) if way == "original" else name, family)


def _fib(flags: object, result: str) -> Fib:
    """`mark` is left out: what it changes is known where routes are."""
    listed = flags if isinstance(flags, list) else [flags]
    return Fib(tuple(str(flag) for flag in listed if flag != "mark"), {"check": "oif"}.get(result, result))


def kind_of(found: Selector) -> str:
    """The type of what a selector finds, as sets name it; "" for one whose values are words or plain numbers."""
    match found:
        case Meta(name):
            return {"l4proto": "inet_proto", "nfproto": "nf_proto", "mark": "mark"}.get(name, "")
        case Payload("ip", "saddr" | "daddr"):
            return "ipv4_addr"
        case Payload("ip6", "saddr" | "daddr"):
            return "ipv6_addr"
        case Payload("icmp" | "icmpv6" as header, "type"):
            return f"{header}_type"
        case Payload("ether", "type"):
            return "ether_type"
        case Payload(_, "sport" | "dport") | Ct("original proto-dst"):
            return "inet_service"
        case Ct("mark"):
            return "mark"
        case Ct("original daddr" | "original saddr", family):
            return "ipv6_addr" if family == "ip6" else "ipv4_addr"
        case Fib(_, "oif"):
            return "mark"
    return ""


def kinds_of(found: Iterable[Selector]) -> tuple[str, ...]:
    return tuple(map(kind_of, found))
