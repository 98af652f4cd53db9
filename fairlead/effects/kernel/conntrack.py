"""Forgetting flows, by ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h).

A UDP flow that was tracked before a port changed hands would keep its old translation as long as packets come. The
kernel picks the flows by a filter in the dump (since 5.8); each is then deleted by its own tuple and id.
"""

from __future__ import annotations

import errno
from struct import pack

from fairlead.effects.kernel.attributes import attribute, be16, nested, parse, u8, u32
from fairlead.effects.kernel.netlink import Channel, Message
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import FlushFlows

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ID, _FILTER = 1, 2, 12, 25
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_IP = {(4, "source"): 1, (4, "destination"): 2, (6, "source"): 3, (6, "destination"): 4}
_PROTOCOL_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_BY_SOURCE, _BY_DESTINATION, _BY_PROTOCOL, _BY_SOURCE_PORT, _BY_DESTINATION_PORT = 1, 2, 8, 16, 32
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_FAMILY = {4: 2, 6: 10}


def flush_flows(channel: Channel, operation: FlushFlows) -> int:
    """Delete the flows in the channel's namespace; returns how many. Raises KernelRefused."""
    words = f"forget flows to {operation.address} port {operation.port}/{operation.protocol}"
    header = pack("=BB", _FAMILY[operation.address.version], 0) + b"\0\0"
    try:
        found = channel.dump(Message(_GET, 0, header + _selection(operation)))
    except OSError as refused:
        raise KernelRefused(words, refused.errno or 0, refused.strerror or "") from refused
    doomed = [Message(_DELETE, 0, header + _identity(payload)) for payload in found if _in_range(payload, operation)]
    for ack in channel.request(doomed):
        if ack.errno not in (0, errno.ENOENT):
            raise KernelRefused(words, ack.errno, ack.detail)
    return len(doomed)


def _selection(operation: FlushFlows) -> bytes:
    """The filter: the original destination, or the source of the replies; an unspecified address matches any."""
    side, port = ("source", _SOURCE_PORT) if operation.reply else ("destination", _DESTINATION_PORT)
    by_address, by_port = (_BY_SOURCE, _BY_SOURCE_PORT) if operation.reply else (_BY_DESTINATION, _BY_DESTINATION_PORT)
    flags, protocol = _BY_PROTOCOL, u8(_PROTOCOL_NUMBER, _PROTOCOLS[operation.protocol])
    if operation.port and not operation.last:
        flags |= by_port
        protocol += be16(port, operation.port)
    parts = [nested(_TUPLE_PROTOCOL, protocol)]
    if not operation.address.is_unspecified:
        flags |= by_address
        place = _IP[operation.address.version, side]
        parts.insert(0, nested(_TUPLE_IP, attribute(place, operation.address.packed)))
    which = _TUPLE_REPLY if operation.reply else _TUPLE_ORIGINAL
    return nested(which, *parts) + nested(_FILTER, u32(which, flags))


def _in_range(payload: bytes, operation: FlushFlows) -> bool:
    """The kernel's filter knows single ports only; a range is looked at here."""
    if not operation.last:
        return True
    which, port = (_TUPLE_REPLY, _SOURCE_PORT) if operation.reply else (_TUPLE_ORIGINAL, _DESTINATION_PORT)
    numbers = parse(parse(parse(payload, 4)[which])[_TUPLE_PROTOCOL])
    return operation.port <= int.from_bytes(numbers[port]) <= operation.last


def _identity(payload: bytes) -> bytes:
    found = parse(payload, 4)
    return nested(_TUPLE_ORIGINAL, found[_TUPLE_ORIGINAL]) + attribute(_ID, found[_ID])
