"""How large a packet of an overlay network may be, so that with all its envelopes it fits on the underlay.

Around the container's packet lie its Ethernet header, VXLAN (RFC 7348), UDP and the outer IP header. Encryption puts
ESP in transport mode around UDP (RFC 4303, with AES-GCM after RFC 4106): header, nonce, padding to four bytes with its
two bytes of trailer, and the check value.

What fits on the host's own link is the limit. Where the way to some node is found to be narrower, new endpoints get the
smaller size, and connections of those that are there already are told the segments that fit (`segment_sizes`). What is
sent in larger packets nevertheless, or on a network whose MTU the user has chosen, goes in fragments.
"""

from __future__ import annotations

from fairlead.model.errors import Failed
from fairlead.model.host import Underlay

_ETHERNET, _VXLAN, _UDP = 14, 8, 8
_IP = {4: 20, 6: 40}
_ESP_HEADER, _NONCE, _CHECK, _TRAILER = 8, 8, 16, 2
_SMALLEST = {4: 68, 6: 1280}
"""What every link must carry: RFC 791, RFC 8200."""
_USEFUL = 576
"""What every host must take in one piece (RFC 791): no way is believed to be narrower."""
_TCP = 20


def largest(underlay: Underlay, encrypted: bool) -> int:
    """The largest packet for a container's interface that leaves the host in one piece."""
    return _inside(underlay, underlay.mtu, encrypted)


def fitting(asked: int, underlay: Underlay, encrypted: bool, ipv6: bool) -> int:
    """The largest packet that arrives everywhere in one piece, of those that a network's MTU admits."""
    chosen = choose(asked, underlay, encrypted, ipv6)
    if not underlay.path:
        return chosen
    return min(chosen, max(_inside(underlay, underlay.path, encrypted), _SMALLEST[6] if ipv6 else _USEFUL))


def segment_sizes(size: int) -> dict[int, int]:
    """The largest TCP segment in packets of that size, by IP version."""
    return {version: size - header - _TCP for version, header in _IP.items()}


def _inside(underlay: Underlay, size: int, encrypted: bool) -> int:
    room = size - _IP[underlay.address.version]
    if encrypted:
        room -= _ESP_HEADER + _NONCE + _CHECK
        room = (room & ~3) - _TRAILER
    return room - _UDP - _VXLAN - _ETHERNET


def choose(asked: int, underlay: Underlay, encrypted: bool, ipv6: bool) -> int:
    """The MTU of a network: what the user `asked` for, else (0) the largest. Raises Failed with the reason when that
    does not fit, or nothing useful would."""
    limit, least = largest(underlay, encrypted), _SMALLEST[6 if ipv6 else 4]
    way = f"the way from {underlay.address} to the other nodes carries packets of {underlay.mtu} bytes"
    inside = "VXLAN and ESP" if encrypted else "VXLAN"
    if asked > limit:
        raise Failed(f"MTU {asked} is too large: {way}, and with {inside} at most {limit} fit into them")
    chosen = asked or limit
    if chosen < least:
        raise Failed(f"MTU {chosen} is too small for IPv{6 if ipv6 else 4}, which needs {least}: {way}")
    return chosen
