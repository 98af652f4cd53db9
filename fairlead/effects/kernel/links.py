"""rtnetlink messages that make, change and remove links (include/uapi/linux/if_link.h).

A link is made with everything the kernel accepts at birth: name, MTU, MAC, master, and for a veth its peer under its
final name inside the target namespace. Alias, port flags and address generation are only accepted by a link that
exists, so further messages follow in the same datagram; they address the link by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from struct import Struct, pack

from fairlead.effects.kernel.attributes import attribute, be16, hardware, nested, parse, text, u8, u16, u32
from fairlead.effects.kernel.netlink import NEW, Message
from fairlead.model.network import Address
from fairlead.model.plan import PortBlock

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
UP = 0x1
INFO = Struct("=BxHiII")

ADDRESS, NAME, MTU, LINK, MASTER, LINK_INFO, ALIAS = 1, 3, 4, 5, 10, 18, 20
AF_SPEC, GROUP, NET_NS_FD, EXT_MASK = 26, 27, 28, 29
TX_LENGTH, TX_QUEUES, RX_QUEUES = 13, 31, 32
KIND, DATA, SLAVE_KIND, SLAVE_DATA = 1, 2, 4, 5

_AF_INET6, _ADDR_GEN_MODE, _ADDR_GEN_NONE = 10, 8, 1
_ANY = INFO.pack(0, 0, 0, 0, 0)
_RAISE = INFO.pack(0, 0, 0, UP, UP)
_LOWER = INFO.pack(0, 0, 0, 0, UP)
_SILENT6 = nested(AF_SPEC, nested(_AF_INET6, u8(_ADDR_GEN_MODE, _ADDR_GEN_NONE)))

BRIDGE_OPTIONS = {
    "forward_delay": (1, u32),
    "hello_time": (2, u32),
    "max_age": (3, u32),
    "ageing_time": (4, u32),
    "stp_state": (5, u32),
    "priority": (6, u16),
    "vlan_filtering": (7, u8),
    "group_fwd_mask": (9, u16),
    "mcast_router": (22, u8),
    "mcast_snooping": (23, u8),
    "mcast_querier": (25, u8),
    "nf_call_iptables": (36, u8),
    "nf_call_ip6tables": (37, u8),
    "nf_call_arptables": (38, u8),
    "vlan_default_pvid": (39, u16),
}
PORT_OPTIONS = {
    "state": (1, u8),
    "priority": (2, u16),
    "cost": (3, u32),
    "hairpin": (4, u8),
    "bpdu_guard": (5, u8),
    "root_block": (6, u8),
    "fast_leave": (7, u8),
    "learning": (8, u8),
    "unicast_flood": (9, u8),
    "proxy_arp": (10, u8),
    "multicast_router": (25, u8),
    "mcast_flood": (27, u8),
    "mcast_to_unicast": (28, u8),
    "bcast_flood": (30, u8),
    "group_fwd_mask": (31, u16),
    "neigh_suppress": (32, u8),
    "isolated": (33, u8),
}
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
MACVLAN_FLAGS = {"": 0, "nopromisc": 1}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"": 0, "bridge": 0, "private": 1, "vepa": 2}

_NEWNSID, _GETNSID, _NSID, _NSID_FD = 88, 90, 1, 3
_VETH_PEER = 1
_VLAN_ID = 1
_VXLAN_ID, _VXLAN_LINK, _VXLAN_LOCAL, _VXLAN_LEARNING, _VXLAN_PROXY, _VXLAN_PORT = 1, 3, 4, 7, 11, 15
_VXLAN_SOURCES, _VXLAN_LOCAL6 = 10, 17


@dataclass(frozen=True, slots=True)
class Birth:
    """What any new link may be given. `target` is the descriptor of the namespace it is made in, 0 for the socket's."""

    name: str
    kind: str
    mac: str = ""
    mtu: int = 0
    parent: int = 0
    master: int = 0
    target: int = 0
    single_queue: bool = False
    unqueued: bool = False
    group: int = 0
    data: bytes = field(default=b"", repr=False)


def create(birth: Birth) -> Message:
    """Make a link; it is down. Fails with EEXIST when the name is taken."""
    info = text(KIND, birth.kind) + (nested(DATA, birth.data) if birth.data else b"")
    parts = [_ANY, text(NAME, birth.name), nested(LINK_INFO, info)]
    if birth.mac:
        parts.append(hardware(ADDRESS, birth.mac))
    if birth.mtu:
        parts.append(u32(MTU, birth.mtu))
    if birth.parent:
        parts.append(u32(LINK, birth.parent))
    if birth.master:
        parts.append(u32(MASTER, birth.master))
    if birth.target:
        parts.append(u32(NET_NS_FD, birth.target))
    if birth.single_queue:
        parts.append(u32(TX_QUEUES, 1) + u32(RX_QUEUES, 1))
    if birth.unqueued:
        parts.append(u32(TX_LENGTH, 0))
    if birth.group:
        parts.append(u32(GROUP, birth.group))
    return Message(NEWLINK, NEW, b"".join(parts))


def bridge_data(options: Mapping[str, int]) -> bytes:
    """IFLA_BR_* attributes by name. Raises KeyError for a name that is not known."""
    return options_data(BRIDGE_OPTIONS, options)


def options_data(known: Mapping[str, tuple[int, Callable[[int, int], bytes]]], options: Mapping[str, int]) -> bytes:
    return b"".join([known[name][1](known[name][0], value) for name, value in options.items()])


def veth_data(name: str, mac: str, mtu: int, target: int) -> bytes:
    """The peer of a veth: its own link message, in the namespace `target` if that is not 0."""
    parts = [_ANY, text(NAME, name), u32(TX_LENGTH, 0), u32(TX_QUEUES, 1), u32(RX_QUEUES, 1)]
    if mac:
        parts.append(hardware(ADDRESS, mac))
    if mtu:
        parts.append(u32(MTU, mtu))
    if target:
        parts.append(u32(NET_NS_FD, target))
    return nested(_VETH_PEER, *parts)


def macvlan_data(kind: str, mode: str, flag: str) -> bytes:
    """Mode and flag of a macvlan or ipvlan by their names. Raises KeyError for a name that is not known."""
    if kind == "ipvlan":
        return u16(1, IPVLAN_MODES[mode]) + u16(2, IPVLAN_FLAGS[flag])
    return u32(1, MACVLAN_MODES[mode]) + (u16(2, MACVLAN_FLAGS[flag]) if flag else b"")


def vlan_data(vlan: int) -> bytes:
    return u16(_VLAN_ID, vlan)


def vxlan_data(vni: int, port: int, local: Address, link: int, sources: PortBlock | None = None) -> bytes:
    """A VXLAN device that learns nothing and answers ARP and ND for the neighbours it was told."""
    data = u32(_VXLAN_ID, vni) + be16(_VXLAN_PORT, port) + u8(_VXLAN_LEARNING, 0) + u8(_VXLAN_PROXY, 1)
    data += attribute(_VXLAN_LOCAL if local.version == 4 else _VXLAN_LOCAL6, local.packed)
    if sources:
        data += attribute(_VXLAN_SOURCES, pack(">HH", sources.base, sources.last))
    return data + (u32(_VXLAN_LINK, link) if link else b"")


@dataclass(frozen=True, slots=True)
class Change:
    """What to alter of a link; None leaves a property alone. `master` is an index, 0 frees the link."""

    up: bool | None = None
    mtu: int | None = None
    mac: str | None = None
    master: int | None = None
    alias: str | None = None
    group: int | None = None
    silent6: bool = False
    port: Mapping[str, int] = field(default_factory=dict)


def change(name: str, wanted: Change) -> Message:
    """Alter the link called `name`. Raises KeyError for a port option that is not known."""
    head = _ANY if wanted.up is None else (_RAISE if wanted.up else _LOWER)
    parts = [head, text(NAME, name)]
    if wanted.mtu is not None:
        parts.append(u32(MTU, wanted.mtu))
    if wanted.mac is not None:
        parts.append(hardware(ADDRESS, wanted.mac))
    if wanted.master is not None:
        parts.append(u32(MASTER, wanted.master))
    if wanted.alias is not None:
        parts.append(attribute(ALIAS, wanted.alias.encode()))
    if wanted.group is not None:
        parts.append(u32(GROUP, wanted.group))
    if wanted.silent6:
        parts.append(_SILENT6)
    if wanted.port:
        slave = nested(SLAVE_DATA, options_data(PORT_OPTIONS, wanted.port))
        parts.append(nested(LINK_INFO, text(SLAVE_KIND, "bridge"), slave))
    return Message(NEWLINK, 0, b"".join(parts))


def rename(index: int, name: str) -> Message:
    return Message(NEWLINK, 0, INFO.pack(0, 0, index, 0, 0) + text(NAME, name))


def delete(name: str) -> Message:
    return Message(DELLINK, 0, _ANY + text(NAME, name))


def number_namespace(descriptor: int) -> Message:
    """Give a namespace an id here, so that what happens to its links is heard (RTM_NEWNSID)."""
    head = b"\0\0\0\0"
    return Message(_NEWNSID, 0, head + attribute(_NSID, b"\xff\xff\xff\xff") + u32(_NSID_FD, descriptor))


def delete_group(group: int) -> Message:
    """Remove every link of a group at once: one grace period for all of them."""
    return Message(DELLINK, 0, _ANY + u32(GROUP, group))


def ask_namespace_number(descriptor: int) -> Message:
    """Which id a namespace has here, if any (RTM_GETNSID)."""
    return Message(_GETNSID, 0, b"\0\0\0\0" + u32(_NSID_FD, descriptor))


def read_namespace_number(payload: bytes) -> int:
    """-1 for none."""
    found = parse(payload, 4).get(_NSID, b"\xff\xff\xff\xff")
    return int.from_bytes(found, sys.byteorder, signed=True)
