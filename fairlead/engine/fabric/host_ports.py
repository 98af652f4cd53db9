"""The host's ports that containers show: who has which, and which one is next.

An index of the endpoints' published ports, rebuilt from them at boot; it holds nothing of its own that could leak.
Ports that nobody asked for by number are handed out in turn from the kernel's local range, so that a port
that was just given up is not some other container's a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from fairlead.model.endpoint import PublishedPort
from fairlead.model.network import Address

FIRST, LAST = 32768, 60999

_Slot = tuple[str, int]


class HostPorts:
    def __init__(self) -> None:
        self._taken: dict[_Slot, dict[Address, str]] = {}
        self._notes: dict[_Slot, str] = {}
        self._next: dict[str, int] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def take(self, owner: str, ports: Iterable[PublishedPort], note: str = "") -> None:
        """These ports are `owner`'s (an endpoint id) now. `note` is told to whoever wants them too."""
        for port in ports:
            slot = (port.protocol, port.host_port)
            self._taken.setdefault(slot, {})[port.host_ip] = owner
            if note:
                self._notes[slot] = note

    def free(self, owner: str, ports: Iterable[PublishedPort]) -> None:
        """Give back those of `ports` that are `owner`'s."""
        for port in ports:
            slot = (port.protocol, port.host_port)
            holders = self._taken.get(slot, {})
            if holders.get(port.host_ip) == owner:
                del holders[port.host_ip]
                if not holders:
                    del self._taken[slot]
                    self._notes.pop(slot, None)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def freed(self) -> asyncio.Future[None]:
        """Done when ports are given back next."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def note(self, port: PublishedPort) -> str:
        return self._notes.get((port.protocol, port.host_port), "")

    def same(self, port: PublishedPort) -> bool:
        """Whether exactly this address and port are taken."""
        return port.host_ip in self._taken.get((port.protocol, port.host_port), {})

    def overlapping(self, port: PublishedPort) -> bool:
        """Whether an address that stands for this one, or that this one stands for, has the port."""
        holders = self._taken.get((port.protocol, port.host_port), {})
        return any(_overlap(port.host_ip, held) for held in holders)

    def candidates(self, protocol: str) -> Iterator[int]:
        """Every port of the local range once, beginning after the one that was last handed out."""
        start = self._next.get(protocol, FIRST)
        for number in (*range(start, LAST + 1), *range(FIRST, start)):
            self._next[protocol] = number + 1 if number < LAST else FIRST
            yield number


def _overlap(one: Address, other: Address) -> bool:
    if one.version != other.version:
        return False
    return one == other or _is_any(one) or _is_any(other)


def _is_any(address: Address) -> bool:
    return address in (IPv4Address(0), IPv6Address(0))
