"""DHCP messages on the wire (RFC 2131 section 2; options: RFC 2132, long ones: RFC 3396).

Whatever a server sends is data: lengths are checked, unknown options are kept as bytes, options that come in pieces are
joined, and a message that does not hold together raises `MalformedError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

BOOTREQUEST, BOOTREPLY = 1, 2
BROADCAST = 0x8000
"""The flag that asks servers to answer by broadcast: the client has no address yet at which it could be reached."""

_HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s")
_SNAME, _FILE = 64, 128
_COOKIE = b"\x63\x82\x53\x63"
_OPTIONS_AT = _HEADER.size + _SNAME + _FILE
_SHORTEST = 300
"""BOOTP relays may drop what is shorter (RFC 1542)."""

_PAD, _OVERLOAD, _END = 0, 52, 255
_ETHERNET = 1
UNSPECIFIED = IPv4Address(0)


class MalformedError(ValueError):
    """Not a DHCP message."""


class Kind(IntEnum):
    """Option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7


class Option(IntEnum):
    MASK = 1
    ROUTER = 3
    HOSTNAME = 12
    REQUESTED = 50
    LEASE_TIME = 51
    KIND = 53
    SERVER = 54
    ASKED_FOR = 55
    MESSAGE = 56
    MAX_SIZE = 57
    RENEWAL = 58
    REBINDING = 59
    CLIENT = 61


@dataclass(frozen=True, slots=True)
class Message:
    """`options` are by code, without 53; `mac` is the client's hardware address as text."""

    kind: Kind
    xid: int
    mac: str
    op: int = BOOTREQUEST
    secs: int = 0
    flags: int = 0
    ciaddr: IPv4Address = UNSPECIFIED
    yiaddr: IPv4Address = UNSPECIFIED
    options: Mapping[int, bytes] = field(default_factory=dict)

    def address(self, code: int) -> IPv4Address | None:
        """The first address of an option, if it has one."""
        value = self.options.get(code, b"")
        return IPv4Address(value[:4]) if len(value) >= 4 else None

    def number(self, code: int) -> int | None:
        """A 32-bit option."""
        value = self.options.get(code, b"")
        return int.from_bytes(value, "big") if len(value) == 4 else None


def encode(message: Message) -> bytes:
    """At least 300 bytes, as old relays want them."""
    hardware = bytes.fromhex(message.mac.replace(":", ""))
    zero = UNSPECIFIED.packed
    head = _HEADER.pack(
        message.op,
        _ETHERNET,
        len(hardware),
        0,
        message.xid,
        min(message.secs, 0xFFFF),
        message.flags,
        message.ciaddr.packed,
        message.yiaddr.packed,
        zero,
        zero,
        hardware,
    )
    options = b"".join(_pieces(Option.KIND, bytes([message.kind])))
    options += b"".join(piece for code, value in message.options.items() for piece in _pieces(code, value))
    return (head + bytes(_SNAME + _FILE) + _COOKIE + options + bytes([_END])).ljust(_SHORTEST, b"\0")


def _pieces(code: int, value: bytes) -> Iterator[bytes]:
    """An option, in pieces of at most 255 bytes."""
    for start in range(0, max(len(value), 1), 255):
        piece = value[start : start + 255]
        yield bytes([code, len(piece)]) + piece


def decode(data: bytes) -> Message:
    """Raises `MalformedError`."""
    if len(data) < _OPTIONS_AT + len(_COOKIE) or data[_OPTIONS_AT : _OPTIONS_AT + 4] != _COOKIE:
        raise MalformedError("too short, or BOOTP without DHCP's cookie")
    op, kind, length, _, xid, secs, flags, ciaddr, yiaddr, _, _, hardware = _HEADER.unpack_from(data)
    if kind != _ETHERNET or length != 6:
        raise MalformedError("not for an Ethernet interface")
    options = _options(data)
    said = options.pop(Option.KIND, b"")
    try:
        spoken = Kind(said[0])
    except (IndexError, ValueError):
        raise MalformedError("without a message type that is known") from None
    mac = hardware[:6].hex(":")
    return Message(spoken, xid, mac, op, secs, flags, IPv4Address(ciaddr), IPv4Address(yiaddr), options)


def _options(data: bytes) -> dict[int, bytes]:
    """All options; with option 52 those that were put into the fields `file` and `sname`, in that order."""
    options: dict[int, bytes] = {}
    _read(data[_OPTIONS_AT + len(_COOKIE) :], options)
    overload = options.pop(_OVERLOAD, b"\0")[:1]
    sname = data[_HEADER.size : _HEADER.size + _SNAME]
    file = data[_HEADER.size + _SNAME : _OPTIONS_AT]
    if overload in (b"\1", b"\3"):
        _read(file, options)
    if overload in (b"\2", b"\3"):
        _read(sname, options)
    return options


def _read(area: bytes, options: dict[int, bytes]) -> None:
    at = 0
    while at < len(area) and area[at] != _END:
        if area[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(area) or at + 2 + area[at + 1] > len(area):
            raise MalformedError("an option is cut off")
        code, length = area[at], area[at + 1]
        options[code] = options.get(code, b"") + area[at + 2 : at + 2 + length]
        at += 2 + length
