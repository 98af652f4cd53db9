"""The endpoints of other nodes, as far as this host forwards to them.

What is told is kept for every network, also for those that no container of this host is on; it is in the kernel while
one is. Changes are gathered for a moment and written together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from fairlead.core.drivers import overlay_filter
from fairlead.core.drivers.overlay_stations import Entry, Stations, announced, entries
from fairlead.core.drivers.registry import DRIVERS
from fairlead.engine.host import Host
from fairlead.engine.ports import Kernel
from fairlead.engine.state import State
from fairlead.model.discovery import Presence
from fairlead.model.errors import KernelRefused, NamespaceGone
from fairlead.model.network import SWARM, Address, Network
from fairlead.model.plan import Operation, Plan

GATHERING = 0.005
"""Seconds in which changes are gathered."""

_log = logging.getLogger("fairlead.engine.overlay")


class Remotes:
    def __init__(self, state: State, kernel: Kernel, host: Host) -> None:
        self._state, self._kernel, self._host = state, kernel, host
        self._stations: dict[str, Stations] = {}
        self._nodes: dict[str, Counter[Address]] = {}
        self._present: set[str] = set()
        self._due: set[str] = set()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None

    # --- what is told -----------------------------------------------------------------------------

    def put(self, network_id: str, presence: Presence) -> bool:
        """Whether other nodes are on the network now than were before."""
        left = self._uncount(network_id, presence.endpoint_id)
        nodes = self._nodes.setdefault(network_id, Counter())
        nodes[presence.vtep] += 1
        self._of(network_id).put(presence, self._entries(network_id, presence))
        self._soon(network_id)
        return left or nodes[presence.vtep] == 1

    def drop(self, network_id: str, endpoint_id: str) -> bool:
        """Whether other nodes are on the network now than were before."""
        left = self._uncount(network_id, endpoint_id)
        self._of(network_id).drop(endpoint_id)
        self._soon(network_id)
        return left

    def _uncount(self, network_id: str, endpoint_id: str) -> bool:
        before = self._of(network_id).presences.get(endpoint_id)
        if before is None:
            return False
        nodes = self._nodes[network_id]
        nodes[before.vtep] -= 1
        if nodes[before.vtep]:
            return False
        del nodes[before.vtep]
        return True

    def complete(self, network_id: str) -> None:
        """Everybody has spoken: what was found in the kernel beyond it goes."""
        self._of(network_id).complete()
        self._soon(network_id)

    def all_told(self, network_id: str) -> bool:
        """Whether everybody has spoken about the network since the start."""
        return self._of(network_id).is_complete

    def forget(self) -> None:
        self._stations.clear()
        self._nodes.clear()
        self._present.clear()

    def vteps(self) -> set[Address]:
        """The nodes that any endpoint is on."""
        return {vtep for nodes in self._nodes.values() for vtep in nodes}

    def vteps_of(self, network_id: str) -> set[Address]:
        return set(self._nodes.get(network_id, ()))

    def presences(self, network_id: str) -> Collection[Presence]:
        """The endpoints of other nodes that are forwarded to."""
        return self._of(network_id).presences.values()

    def _of(self, network_id: str) -> Stations:
        return self._stations.setdefault(network_id, Stations())

    def _entries(self, network_id: str, presence: Presence) -> tuple[Entry, ...]:
        network = self._state.networks.get(network_id)
        underlay = self._host.facts.underlay
        if network is None or underlay is None or presence.vtep == underlay.address:
            return ()
        home = self._home(network)
        return entries(network, presence, home) if home else ()

    def _home(self, network: Network) -> str:
        """The namespace from which its frames go to other nodes; "" where they need no help of ours (macvlan)."""
        return DRIVERS[network.driver].namespace(network, self._host.facts)

    # --- networks ---------------------------------------------------------------------------------

    def known(self, network: Network) -> None:
        """The network is there from now on, or has changed: what was told of it before is understood now."""
        stations = self._of(network.id)
        for presence in tuple(stations.presences.values()):
            stations.put(presence, self._entries(network.id, presence))

    def renew(self, network: Network) -> None:
        """Its namespace was made anew: nothing is in the kernel yet."""
        self._present.discard(network.id)
        self.known(network)

    async def settle(self, networks: Iterable[str]) -> None:
        """Endpoints of this host came to or left these networks: returns when the kernel has what is told of them."""
        concerned = [each for each in networks if self._is_overlay(each)]
        if concerned:
            self._due.update(concerned)
            await self.written()

    def _is_overlay(self, network_id: str) -> bool:
        network = self._state.networks.get(network_id)
        return network is not None and DRIVERS[network.driver].scope == SWARM

    async def look_again(self, home: str) -> None:
        """Somebody may have changed what is in this namespace."""
        networks = (network for each in self._present if (network := self._state.networks.get(each)))
        concerned = {network.id for network in networks if self._home(network) == home}
        self._present -= concerned
        self._due |= concerned
        await self.written()

    def expected(self) -> Iterator[Operation]:
        """Everything that has to be in the kernel now."""
        for network_id in self._present:
            yield from self._stations[network_id].expected()

    # --- writing ----------------------------------------------------------------------------------

    def _soon(self, network_id: str) -> None:
        if network_id not in self._present:
            return
        self._due.add(network_id)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def _write_soon(self) -> None:
        await asyncio.sleep(GATHERING)
        await self.written()

    async def written(self) -> None:
        """Returns when everything that was told until now is in the kernel."""
        async with self._turn:
            due, self._due = self._due, set()
            for network_id in due:
                await self._write(network_id)

    async def _write(self, network_id: str) -> None:
        network = self._state.networks.get(network_id)
        if network is None or not self._state.endpoints_on(network_id):
            self._present.discard(network_id)
            if network is not None:
                self._kernel.neglect(self._home(network))
            return
        stations = self._of(network_id)
        for endpoint in self._state.endpoints_on(network_id):
            if endpoint.spec.mac:
                stations.unsteady.update(interface.ip for interface in endpoint.addresses)
        fresh = network_id not in self._present
        if fresh:
            self._kernel.attend(self._home(network))
            self._kernel.guard(self._home(network), overlay_filter.NAME)
            stations.seen(await self._look(network))
            self._present.add(network_id)
        changes = stations.changes()
        if plan := Plan((*changes, *(() if fresh else announced(network, changes, stations.unsteady)))):
            for fault in await self._kernel.attempt(plan):
                self._failed(network, fault)

    def _failed(self, network: Network, fault: Exception) -> None:
        gone = isinstance(fault, NamespaceGone)
        if gone:
            # As a rule with its last endpoint here, which is leaving; what comes in its place is empty.
            self._present.discard(network.id)
            self._kernel.neglect(self._home(network))
        _log.log(logging.INFO if gone else logging.ERROR, "remote endpoints: %s", fault, extra={"network": network.id})

    async def _look(self, network: Network) -> list[Entry]:
        """What an earlier life of the daemon has written; nothing where the namespace is fresh."""
        try:
            return list(await self._kernel.stations(self._home(network)))
        except KernelRefused as refused:
            _log.warning("cannot look at remote endpoints: %s", refused.message, extra={"network": network.id})
            return []

    async def close(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
