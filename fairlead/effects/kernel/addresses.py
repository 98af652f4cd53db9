"""rtnetlink messages of addresses, routes, rules of routing, neighbours and forwarding entries (rtnetlink(7))."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from struct import Struct

from fairlead.effects.kernel.attributes import attribute, hardware, parse, read_address, read_u32, u32
from fairlead.effects.kernel.netlink import APPEND, CREATE, NEW, PUT, Channel, Message
from fairlead.model.network import Address, Subnet
from fairlead.model.plan import EVERYBODY, MAIN, AddRule, DelRule, Interface

NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
NEWRULE, DELRULE, GETRULE = 32, 33, 34

_FAMILY = {4: 2, 6: 10}
_VERSION = {2: 4, 10: 6}
_AF_BRIDGE = 7

_IFADDR = Struct("=BBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_NODAD = u32(_IFA_FLAGS, 0x02)

_ROUTE = Struct("=BBBBBBBBI")
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
_BOOT, _UNICAST, _ONLINK = 3, 1, 4
_UNIVERSE, _LINK_SCOPE, _NOWHERE = 0, 253, 255

_FRA_PRIORITY, _FRA_MARK, _FRA_MASK, _TO_TABLE = 6, 10, 16, 1

_NEIGHBOUR = Struct("=BxxxiHBB")
_NDA_DST, _NDA_LLADDR, _NDA_IFINDEX = 1, 2, 8
_PERMANENT, _NOARP, _NTF_SELF, _NTF_MASTER = 0x80, 0x40, 0x02, 0x04


def new_address(index: int, address: Interface) -> Message:
    """IPv4 with its broadcast address, IPv6 without duplicate address detection. EEXIST when it is there."""
    extra = _NODAD
    if address.version == 4:
        wide = address.network.prefixlen < 31
        extra = attribute(_IFA_BROADCAST, address.network.broadcast_address.packed) if wide else b""
    return Message(NEWADDR, NEW, _address_body(index, address) + extra)


def del_address(index: int, address: Interface) -> Message:
    return Message(DELADDR, 0, _address_body(index, address))


def _address_body(index: int, address: Interface) -> bytes:
    head = _IFADDR.pack(_FAMILY[address.version], address.network.prefixlen, 0, _UNIVERSE, index)
    raw = address.packed
    return head + attribute(_IFA_LOCAL, raw) + attribute(_IFA_ADDRESS, raw)


def every_address() -> Message:
    return Message(GETADDR, 0, _IFADDR.pack(0, 0, 0, 0, 0))


def read_interface(payload: bytes) -> tuple[int, Address, int]:
    """(link index, address, prefix length) of an RTM_NEWADDR."""
    _, prefix, _, _, index = _IFADDR.unpack_from(payload)
    found = parse(payload, _IFADDR.size)
    return index, read_address(found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]), prefix


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route of a table. `on_link`: the gateway is a neighbour although no subnet says so."""

    destination: Subnet | None
    version: int
    index: int = 0
    via: Address | None = None
    on_link: bool = False
    table: int = MAIN


def new_route(route: Route) -> Message:
    """EEXIST when a route to that destination is there."""
    return Message(NEWROUTE, NEW, _route_body(route, _BOOT))


def put_route(route: Route) -> Message:
    """The same, in place of the route that is there."""
    return Message(NEWROUTE, PUT, _route_body(route, _BOOT))


def del_route(route: Route) -> Message:
    return Message(DELROUTE, 0, _route_body(route, 0, _NOWHERE))


def _route_body(route: Route, protocol: int, scope: int | None = None) -> bytes:
    length = route.destination.prefixlen if route.destination else 0
    if scope is None:
        scope = _LINK_SCOPE if route.via is None and route.version == 4 else _UNIVERSE
    flags = _ONLINK if route.on_link and route.via else 0
    kind = _UNICAST if protocol else 0
    body = _ROUTE.pack(_FAMILY[route.version], length, 0, 0, route.table, protocol, scope, kind, flags)
    if route.destination and length:
        body += attribute(_RTA_DST, route.destination.network_address.packed)
    if route.via:
        body += attribute(_RTA_GATEWAY, route.via.packed)
    return body + (u32(_RTA_OIF, route.index) if route.index else b"")


def every_route(channel: Channel, version: int, table: int = MAIN) -> list[Route]:
    """The unicast routes of a table of one family."""
    head = _ROUTE.pack(_FAMILY[version], 0, 0, 0, 0, 0, 0, 0, 0)
    try:
        replies = channel.dump(Message(GETROUTE, 0, head + u32(_RTA_TABLE, table)))
    except FileNotFoundError:  # the table is made with its first route
        return []
    return [route for payload in replies if (route := read_route(payload)) is not None]


def read_route(payload: bytes) -> Route | None:
    """A unicast route, or None for any other kind (multipath, local, blackhole)."""
    family, length, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(payload)
    found = parse(payload, _ROUTE.size)
    if kind != _UNICAST or _RTA_OIF not in found:
        return None
    destination = read_subnet(found[_RTA_DST], length) if _RTA_DST in found else None
    via = read_address(found[_RTA_GATEWAY]) if _RTA_GATEWAY in found else None
    return Route(destination, _VERSION[family], read_u32(found[_RTA_OIF]), via, bool(flags & _ONLINK), table)


def read_subnet(raw: bytes, length: int) -> Subnet:
    """An address as it is on the wire, and how many of its bits count."""
    return ip_network((raw, length))


def new_rule(rule: AddRule) -> Message:
    """EEXIST when it is there."""
    return Message(NEWRULE, NEW, _rule_body(rule))


def del_rule(rule: DelRule) -> Message:
    return Message(DELRULE, 0, _rule_body(rule))


def _rule_body(rule: AddRule | DelRule) -> bytes:
    """The table's number is its priority too: without one the kernel takes the same rule again and again."""
    head = _ROUTE.pack(_FAMILY[rule.family], 0, 0, 0, rule.table, 0, 0, _TO_TABLE, 0)
    return head + u32(_FRA_PRIORITY, rule.table) + u32(_FRA_MARK, rule.mark) + u32(_FRA_MASK, rule.mask)


def every_rule(version: int) -> Message:
    return Message(GETRULE, 0, _ROUTE.pack(_FAMILY[version], 0, 0, 0, 0, 0, 0, 0, 0))


def read_rule(payload: bytes) -> tuple[int, int, int]:
    """(mark, mask, table) of an RTM_NEWRULE."""
    table: int = _ROUTE.unpack_from(payload)[4]
    found = parse(payload, _ROUTE.size)
    return read_u32(found.get(_FRA_MARK, bytes(4))), read_u32(found.get(_FRA_MASK, bytes(4))), table


def put_neighbour(index: int, address: Address, mac: str, exclusive: bool) -> Message:
    """A permanent neighbour; `exclusive` fails with EEXIST when any entry of that address is there."""
    flags = NEW if exclusive else PUT
    head = _NEIGHBOUR.pack(_FAMILY[address.version], index, _PERMANENT, 0, 0)
    return Message(NEWNEIGH, flags, head + attribute(_NDA_DST, address.packed) + hardware(_NDA_LLADDR, mac))


def del_neighbour(index: int, address: Address) -> Message:
    head = _NEIGHBOUR.pack(_FAMILY[address.version], index, 0, 0, 0)
    return Message(DELNEIGH, 0, head + attribute(_NDA_DST, address.packed))


def put_forwarding(index: int, mac: str, remote: Address, exclusive: bool) -> Message:
    """A permanent VXLAN forwarding entry in the device's own table (`bridge fdb ... self permanent`). Those for
    everybody stand beside each other."""
    flags = CREATE | APPEND if mac == EVERYBODY else NEW if exclusive else PUT
    return Message(NEWNEIGH, flags, _forwarding_body(index, mac, remote))


def put_port_entry(index: int, mac: str, exclusive: bool) -> Message:
    """A static entry of the bridge that the link is a port of (`bridge fdb ... master static`)."""
    flags = NEW if exclusive else PUT
    return Message(NEWNEIGH, flags, _port_entry_body(index, mac))


def del_port_entry(index: int, mac: str) -> Message:
    return Message(DELNEIGH, 0, _port_entry_body(index, mac))


def _port_entry_body(index: int, mac: str) -> bytes:
    return _NEIGHBOUR.pack(_AF_BRIDGE, index, _NOARP, _NTF_MASTER, 0) + hardware(_NDA_LLADDR, mac)


def del_forwarding(index: int, mac: str, remote: Address) -> Message:
    return Message(DELNEIGH, 0, _forwarding_body(index, mac, remote))


def _forwarding_body(index: int, mac: str, remote: Address) -> bytes:
    head = _NEIGHBOUR.pack(_AF_BRIDGE, index, _PERMANENT, _NTF_SELF, 0)
    return head + attribute(_NDA_DST, remote.packed) + hardware(_NDA_LLADDR, mac)


def every_neighbour(index: int, bridge: bool) -> Message:
    """The neighbours (or with `bridge` the forwarding entries) of one link."""
    if bridge:
        return Message(GETNEIGH, 0, _NEIGHBOUR.pack(_AF_BRIDGE, index, 0, 0, 0))
    return Message(GETNEIGH, 0, _NEIGHBOUR.pack(0, 0, 0, 0, 0) + u32(_NDA_IFINDEX, index))


def is_permanent(payload: bytes) -> bool:
    state: int = _NEIGHBOUR.unpack_from(payload)[2]
    return bool(state & _PERMANENT)


def read_neighbour(payload: bytes) -> tuple[int, Address | None, bytes]:
    """(link index, address or VTEP, MAC) of an RTM_NEWNEIGH."""
    index = _NEIGHBOUR.unpack_from(payload)[1]
    found = parse(payload, _NEIGHBOUR.size)
    return index, read_address(found[_NDA_DST]) if _NDA_DST in found else None, found.get(_NDA_LLADDR, b"")
