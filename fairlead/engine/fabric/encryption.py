"""Encrypted overlays: associations with every node that has endpoints on a network of ours that is encrypted.

That nothing passes in clear is the packet filter's (`overlay_underlay`) and does not depend on what is here: without
an association there is silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.core.drivers import overlay_options
from fairlead.core.drivers.overlay_underlay import SOURCES, silence
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.overlay import esp
from fairlead.engine.fabric.remotes import Remotes
from fairlead.engine.host import Host
from fairlead.engine.ports import Kernel
from fairlead.engine.state import State
from fairlead.model.errors import Refusal
from fairlead.model.network import SWARM, Address
from fairlead.model.observed import Traffic
from fairlead.model.plan import AddAssociation, AddPolicy, Operation, Plan

if TYPE_CHECKING:
    from fairlead.model.swarm.cluster import EncryptionKey

EVERY = 60.0
"""Seconds between two looks at how far sequence numbers are: 2 million packets a second may pass until half of them are
used up, and as many again before the end."""

_NONE = Traffic()

_log = logging.getLogger("fairlead.engine.overlay")


@dataclass(frozen=True, slots=True)
class Secured:
    """Between this node and another. Without `established` nothing passes. `spi` is of what is sent."""

    established: bool = False
    spi: int = 0
    sent: Traffic = _NONE
    heard: Traffic = _NONE


class Encryption:
    def __init__(self, state: State, kernel: Kernel, host: Host, remotes: Remotes) -> None:
        self._state, self._kernel, self._host, self._remotes = state, kernel, host, remotes
        self._keys: Sequence[EncryptionKey] = ()
        self._primary = 0
        self._associations: list[AddAssociation] = []
        self._policies: list[AddPolicy] = []
        self._turn = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    async def use(self, keys: Sequence[EncryptionKey], primary: int) -> None:
        """The ring of keys, and the Lamport time of the one to send with."""
        self._keys, self._primary = tuple(keys), primary
        await self.follow()

    def _peers(self, led: Sequence[AddPolicy]) -> set[Address]:
        """The nodes that we share an encrypted network with. After a start those that we sent to before are among them
        until all have spoken."""
        networks = (each for each in self._state.networks.values() if DRIVERS[each.driver].scope == SWARM)
        secret = [network.id for network in networks if overlay_options.read(network.options).encrypted]
        found = {vtep for network_id in secret for vtep in self._remotes.vteps_of(network_id)}
        known = all(self._remotes.all_told(network_id) for network_id in secret)
        return found if known else found | {policy.destination for policy in led if policy.spi}

    async def follow(self) -> None:
        """Bring the kernel in line with keys and peers. Before the first keys are known, what an earlier life of the
        daemon left there goes on."""
        underlay = self._host.facts.underlay
        if "esp" not in self._host.facts.features or underlay is None or not self._keys:
            return
        async with self._turn:
            carried = await self._kernel.associations(esp.REQUEST_ID)
            have, led = [association for association, _ in carried], await self._kernel.policies(SOURCES)
            counts = {association.spi: traffic.packets for association, traffic in carried}
            generation = esp.generation_of(underlay.address, self._keys, self._primary, led, counts)
            unsaid = silence(underlay)
            sent, heard = esp.wanted(underlay.address, self._peers(led), self._keys, self._primary, generation)
            self._associations, self._policies = [*sent, *heard], [unsaid, *esp.policies(sent, underlay.port, SOURCES)]
            await self._do(esp.changes(self._associations, self._policies, have, led))
        self._look_again()

    def _look_again(self) -> None:
        """In a while, whether a sequence of numbers comes to its end."""
        if self._associations and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look_after_a_while())

    async def _look_after_a_while(self) -> None:
        while self._associations:
            await asyncio.sleep(EVERY)
            try:
                await self.follow()
            except Refusal as refusal:
                _log.error("encryption: %s", refusal.message)

    async def _do(self, changes: Sequence[Operation]) -> None:
        for fault in await self._kernel.attempt(Plan(tuple(changes))) if changes else ():
            _log.error("encryption: %s", fault)

    async def of_peers(self) -> Mapping[Address, Secured]:
        """How it stands between this node and each that it may exchange encrypted packets with."""
        underlay = self._host.facts.underlay
        if "esp" not in self._host.facts.features or underlay is None:
            return {}
        led = {each.destination: each.spi for each in await self._kernel.policies(SOURCES) if each.spi}
        sent, heard = dict[Address, Traffic](), dict[Address, Traffic]()
        usable = set[int]()
        for each, traffic in await self._kernel.associations(esp.REQUEST_ID):
            outward = each.source == underlay.address
            found, peer = (sent, each.destination) if outward else (heard, each.source)
            found[peer] = found.get(peer, _NONE) + traffic
            usable.add(each.spi)
        return {
            peer: Secured(spi in usable and peer in heard, spi, sent.get(peer, _NONE), heard.get(peer, _NONE))
            for peer, spi in led.items()
        }

    async def end(self) -> None:
        """No swarm any more."""
        self._keys, self._associations, self._policies = (), [], []
        if "esp" in self._host.facts.features:
            have = [association for association, _ in await self._kernel.associations(esp.REQUEST_ID)]
            await self._do(esp.changes((), (), have, await self._kernel.policies(SOURCES)))

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def expected(self) -> Iterator[Operation]:
        """What has to be there."""
        yield from self._associations
        yield from self._policies
