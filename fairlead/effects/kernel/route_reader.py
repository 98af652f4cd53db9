"""All routes and rules of routing of a namespace, of every table and kind (rtnetlink(7), linux/fib_rules.h).

What the engine itself writes is read by `addresses`; this reads what anybody may have written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from struct import Struct

from fairlead.effects.kernel.addresses import GETROUTE, GETRULE, read_subnet
from fairlead.effects.kernel.attributes import parse, read_address, read_text, read_u32
from fairlead.effects.kernel.netlink import Channel, Message
from fairlead.model.network import Address
from fairlead.model.scene import UNICAST, SceneRoute, SceneRule

_HEAD = Struct("=BBBBBBBBI")
_NEXT_HOP = Struct("=HBBi")
_FAMILIES = {2: 4, 10: 6}
_DST, _OIF, _GATEWAY, _METRIC, _SOURCE, _MULTIPATH, _TABLE, _VIA = 1, 4, 5, 6, 7, 9, 15, 18
_DEAD = 0x1
_RULE_DST, _RULE_SRC, _RULE_IIF, _RULE_PRIORITY, _RULE_MARK, _RULE_LEAST = 1, 2, 3, 6, 10, 14
_RULE_TABLE, _RULE_MASK, _RULE_OIF, _INVERT = 15, 16, 17, 0x2
_ODD = {19: "l3mdev", 20: "uidrange", 22: "ipproto", 23: "sport", 24: "dport"}


def every_route(channel: Channel, names: Mapping[int, str]) -> Iterator[SceneRoute]:
    """Those of both families. Of several next hops each is a route of its own."""
    for family in _FAMILIES:
        for payload in channel.dump(Message(GETROUTE, 0, _HEAD.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))):
            yield from _routes(payload, names)


def _routes(payload: bytes, names: Mapping[int, str]) -> Iterator[SceneRoute]:
    family, length, _, _, table, _, _, kind, flags = _HEAD.unpack_from(payload)
    if flags & _DEAD:
        return
    found = parse(payload, _HEAD.size)
    for hop in _hops(found) if kind == UNICAST else (found,):
        yield SceneRoute(
            version=_FAMILIES[family],
            destination=read_subnet(found[_DST], length) if _DST in found else None,
            link=names.get(read_u32(hop[_OIF]), "") if _OIF in hop else "",
            via=_gateway(hop),
            kind=kind,
            table=read_u32(found[_TABLE]) if _TABLE in found else table,
            metric=read_u32(found[_METRIC]) if _METRIC in found else 0,
            source=read_address(found[_SOURCE]) if _SOURCE in found else None,
        )


def _hops(found: Mapping[int, bytes]) -> Iterator[Mapping[int, bytes]]:
    """The route itself, or each `struct rtnexthop` of several."""
    if _MULTIPATH not in found:
        yield found
        return
    data, at = found[_MULTIPATH], 0
    while at + _NEXT_HOP.size <= len(data):
        size, _, _, index = _NEXT_HOP.unpack_from(data, at)
        if size < _NEXT_HOP.size:
            return
        yield {**parse(data[at : at + size], _NEXT_HOP.size), _OIF: index.to_bytes(4, sys.byteorder)}
        at += (size + 3) & ~3


def _gateway(found: Mapping[int, bytes]) -> Address | None:
    if _GATEWAY in found:
        return read_address(found[_GATEWAY])
    return read_address(found[_VIA][2:]) if _VIA in found else None


def every_rule(channel: Channel) -> Iterator[SceneRule]:
    """Those of both families, in the order in which they are asked."""
    for family, version in _FAMILIES.items():
        for payload in channel.dump(Message(GETRULE, 0, _HEAD.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))):
            yield _rule(payload, version)


def _rule(payload: bytes, version: int) -> SceneRule:
    _, to_length, from_length, _, table, _, _, action, flags = _HEAD.unpack_from(payload)
    found = parse(payload, _HEAD.size)
    number = {key: read_u32(found[key]) for key in (_RULE_PRIORITY, _RULE_MARK, _RULE_MASK, _TABLE) if key in found}
    least = read_u32(found[_RULE_LEAST]) if _RULE_LEAST in found else 0xFFFFFFFF
    mark = number.get(_RULE_MARK, 0)
    return SceneRule(
        version=version,
        priority=number.get(_RULE_PRIORITY, 0),
        table=number.get(_RULE_TABLE, table),
        action=action,
        source=read_subnet(found[_RULE_SRC], from_length) if _RULE_SRC in found else None,
        destination=read_subnet(found[_RULE_DST], to_length) if _RULE_DST in found else None,
        iif=read_text(found.get(_RULE_IIF, b"")),
        oif=read_text(found.get(_RULE_OIF, b"")),
        mark=mark,
        mask=number.get(_RULE_MASK, 0xFFFFFFFF if mark else 0),
        inverted=bool(flags & _INVERT),
        least=-1 if least == 0xFFFFFFFF else least,
        odd=next((name for key, name in _ODD.items() if key in found), ""),
    )
