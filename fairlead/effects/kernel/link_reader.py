"""Links as rtnetlink describes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fcntl import ioctl
from struct import Struct

from fairlead.effects.kernel import links
from fairlead.effects.kernel.attributes import mac_text, parse, pick, read_text, read_u32, text, u32
from fairlead.effects.kernel.netlink import Ack, Channel, Message

_SKIP_STATISTICS = 8
_LINK_NETNSID = 37
_SIOCGIFINDEX = 0x8933
_REQUEST = Struct("=16si20x")
"""struct ifreq: a name, an index."""
_LONGEST_NAME = 15
_ANY = links.INFO.pack(0, 0, 0, 0, 0)
_SKIP = u32(links.EXT_MASK, _SKIP_STATISTICS)
EVERY_LINK = Message(links.GETLINK, 0, _ANY + _SKIP)


_ZERO = b"\0\0\0\0"
_WANTED = frozenset(
    (
        links.NAME,
        links.MTU,
        links.ADDRESS,
        links.MASTER,
        links.LINK,
        links.ALIAS,
        links.GROUP,
        links.LINK_INFO,
        _LINK_NETNSID,
    )
)
_KIND = frozenset((links.KIND,))
_VETH = text(links.KIND, "veth")[:9]
_ALIAS_TYPE = Struct("=H").pack(links.ALIAS)
"""What comes before the text of an alias."""
_LOWER_UP = 0x10000


@dataclass(frozen=True, slots=True)
class SeenLink:
    """A link in the kernel's terms: `master` and `parent` are indexes, `info` what its kind says of it; `carries` tells
    whether the other end is up as well, and `peer_space` is this namespace's number for the one that its other end
    is in (-1: here)."""

    index: int
    name: str
    up: bool
    carries: bool
    mtu: int
    mac: str
    master: int
    parent: int
    alias: str
    group: int
    kind: str
    peer_space: int
    info: bytes

    @property
    def peer_elsewhere(self) -> bool:
        return self.peer_space >= 0

    @property
    def data(self) -> Mapping[int, bytes]:
        """The attributes of its kind."""
        return parse(parse(self.info).get(links.DATA, b""))

    @property
    def port(self) -> Mapping[str, int]:
        """The options of a bridge port by their names."""
        raw = parse(parse(self.info).get(links.SLAVE_DATA, b""))
        known = {number: name for name, (number, _) in links.PORT_OPTIONS.items()}
        return {known[number]: int.from_bytes(value, sys.byteorder) for number, value in raw.items() if number in known}


def read_link(payload: bytes) -> SeenLink:
    """Decode the payload of an RTM_NEWLINK or RTM_DELLINK."""
    _, _, index, flags, _ = links.INFO.unpack_from(payload)
    found = pick(payload, links.INFO.size, _WANTED)
    info = found.get(links.LINK_INFO, b"")
    return SeenLink(
        index=index,
        name=read_text(found.get(links.NAME, b"")),
        up=bool(flags & links.UP),
        carries=bool(flags & _LOWER_UP),
        mtu=read_u32(found.get(links.MTU, _ZERO)),
        mac=mac_text(found.get(links.ADDRESS, b"")),
        master=read_u32(found.get(links.MASTER, _ZERO)),
        parent=read_u32(found.get(links.LINK, _ZERO)),
        alias=read_text(found.get(links.ALIAS, b"")),
        group=read_u32(found.get(links.GROUP, _ZERO)),
        kind=read_text(pick(info, 0, _KIND).get(links.KIND, b"")),
        peer_space=read_u32(found[_LINK_NETNSID]) if _LINK_NETNSID in found else -1,
        info=info,
    )


def every_link(channel: Channel) -> list[SeenLink]:
    """All links of the channel's namespace."""
    return [read_link(payload) for payload in channel.dump(EVERY_LINK)]


def links_but_veths(channel: Channel, alias: str) -> list[SeenLink]:
    """All links of the channel's namespace without the veths whose alias begins so: there may be thousands, and to read
    one costs ten times what it costs to pass over it."""
    mark = _ALIAS_TYPE + alias.encode()
    return [read_link(each) for each in channel.dump(EVERY_LINK) if not (_VETH in each and mark in each)]


def named_links(channel: Channel, names: list[str]) -> list[SeenLink | None]:
    """Those links, in order, None where there is none: 16 us each, and so cheaper than a dump for a few hundred."""
    answers = channel.ask([_by_name(name) for name in names])
    return [None if isinstance(answer, Ack) else read_link(answer) for answer in answers]


def index_of(channel: Channel, name: str) -> int:
    """The index of a link, 0 if there is none. By netdevice(7), which unlike rtnetlink waits for no lock: a look costs
    2 us, whatever others do to links meanwhile."""
    encoded = name.encode()
    if len(encoded) > _LONGEST_NAME:
        return 0
    try:
        answer = ioctl(channel.fileno(), _SIOCGIFINDEX, _REQUEST.pack(encoded, 0))
    except OSError:
        return 0
    return int(_REQUEST.unpack(answer)[1])


def name_of(channel: Channel, index: int) -> str:
    """The name of the link with that index, "" if there is none."""
    if not index:
        return ""
    answer = channel.ask([Message(links.GETLINK, 0, links.INFO.pack(0, 0, index, 0, 0) + _SKIP)])[0]
    return "" if isinstance(answer, Ack) else read_link(answer).name


def _by_name(name: str) -> Message:
    return Message(links.GETLINK, 0, _ANY + text(links.NAME, name) + _SKIP)
