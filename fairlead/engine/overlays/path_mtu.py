"""How large packets may be on the ways to the other nodes, found out by asking and kept up to date.

A narrower way than the host's own link is said in the log and shown by `network inspect --verbose`. Overlay packets
that are larger go in fragments: they arrive where fragments do. New endpoints get an MTU that fits, and connections
of the others segments that do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from fairlead.engine.host import Host
from fairlead.model.network import Address

EVERY = 600.0
"""Seconds after which all ways are asked again: as long as the kernel keeps what a router has said."""
AT_ONCE = 16

_log = logging.getLogger("fairlead.engine.overlay")


class Probe(Protocol):
    async def measure(self, peer: Address, most: int) -> int:
        """The largest IP packet, up to `most` bytes, that reaches `peer` whole; 0 when nothing can be said."""
        ...


class Paths:
    """`probe` is given by whoever composes the engine; without one nothing is asked and the link's size is believed."""

    def __init__(self, host: Host, changed: Callable[[], Awaitable[None]]) -> None:
        self._host, self._changed = host, changed
        self.probe: Probe | None = None
        self._peers: frozenset[Address] = frozenset()
        self._asked: frozenset[Address] = frozenset()
        self._asking: asyncio.Task[None] | None = None
        self._more = asyncio.Event()

    def follow(self, peers: Iterable[Address]) -> None:
        """These are the other nodes: each time all of them."""
        self._peers = frozenset(peers)
        if self.probe is not None and self._peers - self._asked:
            self._more.set()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.get_running_loop().create_task(self._ask_on(self.probe))

    async def _ask_on(self, probe: Probe) -> None:
        while self._peers:
            self._more.clear()
            await self._ask(probe, self._peers - self._asked or self._peers)
            try:
                await asyncio.wait_for(self._more.wait(), EVERY)
            except TimeoutError:
                continue

    async def _ask(self, probe: Probe, peers: frozenset[Address]) -> None:
        underlay, turns = self._host.facts.underlay, asyncio.Semaphore(AT_ONCE)
        if underlay is None:
            return

        async def one(peer: Address) -> tuple[Address, int]:
            async with turns:
                return peer, await probe.measure(peer, underlay.mtu)

        found = await asyncio.gather(*(one(peer) for peer in peers if peer.version == underlay.address.version))
        self._asked = (self._asked | peers) & self._peers
        await self._take(dict(found), underlay.mtu)

    async def _take(self, found: dict[Address, int], link: int) -> None:
        """A way of which nothing can be said is taken to be as it was."""
        known = {**self._host.paths, **{peer: size for peer, size in found.items() if size}}
        before, self._host.paths = self._host.paths, {peer: known[peer] for peer in known.keys() & self._peers}
        for peer, size in self._host.paths.items():
            if size < link and before.get(peer) != size:
                words = "the way to %s takes packets of %d bytes only, the link here %d: larger ones go in fragments"
                _log.warning(words, peer, size, link)
        if min(before.values(), default=0) != min(self._host.paths.values(), default=0):
            await self._changed()

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
