"""Who takes what arrives: the listening sockets of a namespace, from /proc/net (proc(5))."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from fairlead.model.network import Address
from fairlead.model.scene import Listener

_ROOT = Path("/proc/thread-self/net")
_FILES = {"tcp": ("tcp", "0A"), "tcp6": ("tcp", "0A"), "udp": ("udp", "07"), "udp6": ("udp", "07")}
"""Each file, and the state of a socket in it that takes from anybody."""


def every_listener() -> Iterator[Listener]:
    """Those of the namespace where the thread is. Whether a socket of IPv6 takes IPv4 too is not told: one at `::` does
    unless it was asked not to, which nearly nobody asks."""
    for name, (protocol, state) in _FILES.items():
        try:
            lines = (_ROOT / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == state:
                host, _, port = words[1].partition(":")
                address = _address(host)
                both = isinstance(address, IPv6Address) and address.is_unspecified
                yield Listener(protocol, address, int(port, 16), both)


def _address(digits: str) -> Address:
    """Words of 32 bits, each in the machine's own order."""
    words = (int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8))
    found = ip_address(b"".join(words))
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
