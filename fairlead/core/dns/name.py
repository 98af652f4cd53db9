"""Names in wire form.

A wire name is a sequence of length-prefixed labels ending in the root's zero byte, at most 255
bytes in all. Its case is that of whoever wrote it: replies echo the asker's (RFC 4343; resolvers
that randomise case check it). `fold` makes names comparable; lengths are at most 63, below "A", so
folding a whole wire name leaves them alone.

Compression pointers are stepped over where they may stand and never followed, so that no message
can make a reader walk in circles.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from fairlead.core.dns.codes import PeerError, Rcode
from fairlead.model.network import Address

MAX_NAME, MAX_LABEL = 255, 63
_POINTER = 0xC0
_HEX = frozenset(b"0123456789abcdef")


def fold(name: bytes) -> bytes:
    """The form in which names are compared: ASCII letters in lower case."""
    return name.lower()


def encode_name(text: str) -> bytes | None:
    """The wire name of dotted text; None where DNS cannot say it (a label that is empty or too long, not ASCII)."""
    labels = text.removesuffix(".").split(".")
    if not text.isascii() or not all(0 < len(label) <= MAX_LABEL for label in labels):
        return None
    name = b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"
    return name if len(name) <= MAX_NAME else None


def labels_of(name: bytes) -> list[bytes]:
    """The labels of a wire name, without the root."""
    labels, at = [], 0
    while name[at]:
        labels.append(name[at + 1 : at + 1 + name[at]])
        at += 1 + name[at]
    return labels


def end_of_name(data: bytes, start: int) -> int:
    """The offset after the name at `start`, which must stand there in full. Raises PeerError."""
    at, end = start, len(data)
    while at < end:
        length = data[at]
        if length > MAX_LABEL:
            raise PeerError("compressed or unknown label in a question", Rcode.FORMERR)
        at += 1 + length
        if at - start > MAX_NAME:
            raise PeerError("name longer than 255 bytes", Rcode.FORMERR)
        if length == 0:
            return at
    raise PeerError("message ends inside a name", Rcode.FORMERR)


def skip_name(data: bytes, at: int) -> int:
    """The offset after a name that may end in a pointer. Raises PeerError."""
    while at < len(data) and 0 < data[at] <= MAX_LABEL:
        at += 1 + data[at]
    if at >= len(data):
        raise PeerError("message ends inside a name", Rcode.FORMERR)
    if data[at] == 0:
        return at + 1
    if data[at] < _POINTER:
        raise PeerError("unknown kind of label", Rcode.FORMERR)
    return at + 2


def reversed_address(name: bytes) -> Address | None:
    """The address that a folded wire name below in-addr.arpa or ip6.arpa stands for, None for any other name."""
    if name.endswith(b"\x07in-addr\x04arpa\0"):
        return _reversed4(labels_of(name)[:-2])
    if name.endswith(b"\x03ip6\x04arpa\0"):
        return _reversed6(labels_of(name)[:-2])
    return None


def _reversed4(labels: list[bytes]) -> IPv4Address | None:
    try:
        return IPv4Address(b".".join(reversed(labels)).decode("ascii"))
    except ValueError:
        return None


def _reversed6(labels: list[bytes]) -> IPv6Address | None:
    digits = b"".join(reversed(labels))
    if len(labels) != 32 or len(digits) != 32 or not _HEX.issuperset(digits):
        return None
    return IPv6Address(int(digits, 16))
