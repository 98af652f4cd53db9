"""Links as rtnetlink describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.effects.kernel import links
from fairlead.effects.kernel.attributes import mac_text, parse, read_text, read_u32, text, u32
from fairlead.effects.kernel.netlink import Ack, Channel, Message

_SKIP_STATISTICS = 8
_LINK_NETNSID = 37
_ANY = links.INFO.pack(0, 0, 0, 0, 0)
_SKIP = u32(links.EXT_MASK, _SKIP_STATISTICS)
EVERY_LINK = Message(links.GETLINK, 0, _ANY + _SKIP)


@dataclass(frozen=True, slots=True)
class SeenLink:
    """A link in the kernel's terms: `master` and `parent` are indexes, `data` the attributes of its kind."""

    index: int
    name: str
    up: bool
    mtu: int
    mac: str
    master: int
    parent: int
    alias: str
    group: int
    kind: str
    peer_elsewhere: bool
    data: Mapping[int, bytes]
    port: Mapping[int, bytes]


def read_link(payload: bytes) -> SeenLink:
    """Decode the payload of an RTM_NEWLINK or RTM_DELLINK."""
    _, _, index, flags, _ = links.INFO.unpack_from(payload)
    found = parse(payload, links.INFO.size)
    info = parse(found.get(links.LINK_INFO, b""))
    zero = b"\0\0\0\0"
    return SeenLink(
        index=index,
        name=read_text(found.get(links.NAME, b"")),
        up=bool(flags & links.UP),
        mtu=read_u32(found.get(links.MTU, zero)),
        mac=mac_text(found.get(links.ADDRESS, b"")),
        master=read_u32(found.get(links.MASTER, zero)),
        parent=read_u32(found.get(links.LINK, zero)),
        alias=read_text(found.get(links.ALIAS, b"")),
        group=read_u32(found.get(links.GROUP, zero)),
        kind=read_text(info.get(links.KIND, b"")),
        peer_elsewhere=_LINK_NETNSID in found,
        data=parse(info.get(links.DATA, b"")),
        port=parse(info.get(links.SLAVE_DATA, b"")),
    )


def every_link(channel: Channel) -> list[SeenLink]:
    """All links of the channel's namespace."""
    return [read_link(payload) for payload in channel.dump(EVERY_LINK)]


def named_links(channel: Channel, names: list[str]) -> list[SeenLink | None]:
    """Those links, in order, None where there is none: 16 us each, and so cheaper than a dump for a few hundred."""
    answers = channel.ask([_by_name(name) for name in names])
    return [None if isinstance(answer, Ack) else read_link(answer) for answer in answers]


def index_of(channel: Channel, name: str) -> int:
    """The index of a link, 0 if there is none."""
    answer = channel.ask([_by_name(name)])[0]
    return 0 if isinstance(answer, Ack) else int(links.INFO.unpack_from(answer)[2])


def _by_name(name: str) -> Message:
    return Message(links.GETLINK, 0, _ANY + text(links.NAME, name) + _SKIP)
