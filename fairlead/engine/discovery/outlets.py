"""Where differences go: forwarding at once, then balancing as fast as the kernel takes it, then names.

Whoever is given a name may connect the moment after: the address behind it must lead somewhere by then. A name that is
gone goes at once. On the ingress network nobody has one: its traffic is that of the mesh, and an address there must not
be taken for the one that a service has on a network of its own. A change of balancing is a transaction in every sandbox
of the network; what changes again while one is under way is told once, as it is then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass

from fairlead.core.balance.service import Entrance
from fairlead.core.discovery.differences import Differences, Named
from fairlead.core.dns.zone import Entry, Kind
from fairlead.engine.discovery.balanced import Balanced, Ports, Vips, ports_followed, vips_followed
from fairlead.engine.discovery.inheritance import Inheritance
from fairlead.engine.discovery.ports import Balancing, Mesh, Overlays
from fairlead.engine.fabric.names import Names
from fairlead.model.errors import Refusal
from fairlead.model.network import Network

_log = logging.getLogger("fairlead.engine.discovery")


@dataclass(frozen=True, slots=True)
class Actors:
    """Those who act on what discovery finds, besides names. None: nobody does."""

    overlays: Overlays | None = None
    balancing: Balancing | None = None
    mesh: Mesh | None = None


class Outlets:
    def __init__(self, names: Names, actors: Actors) -> None:
        self._names = names
        self._named: dict[tuple[str, str], tuple[Network, Named]] = {}
        self._overlays, self._balancing, self._mesh = actors.overlays, actors.balancing, actors.mesh
        self._balanced: dict[str, Balanced] = {}
        self._vips: dict[str, Vips] = {}
        self._ports: Ports = {}
        self._entrances: Mapping[str, Entrance] | None = None
        self._teller: asyncio.Task[None] | None = None
        self._inherited = Inheritance()

    def inherit(self, networks: Iterable[Network]) -> None:
        """On these networks there are sandboxes of an earlier life of the daemon."""
        self._inherited.begin(networks)
        for network in self._inherited.untold():
            self._names.learning(network)

    def spread(self, network: Network, differences: Differences) -> None:
        """Tell everybody whom it concerns."""
        self._forward(network.id, differences)
        for owner in differences.unnamed:
            self._named.pop((network.id, owner), None)
            self._names.drop_shared(network.id, owner)
        for named in differences.named if not network.ingress else ():
            self._named[network.id, named.owner] = network, named
        self._balance(network, differences)
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._waiting and (self._teller is None or self._teller.done()):
            self._teller = asyncio.get_running_loop().create_task(self._tell())

    def told(self, network_id: str) -> None:
        if self._overlays is not None:
            self._overlays.told(network_id)
        self._names.learned(network_id)
        self._inherited.told(network_id)
        self._tell_soon()

    def enough(self) -> None:
        """What was not told by now is not waited for."""
        self.name_unknown()
        self._inherited.enough()
        self._tell_soon()

    def name_unknown(self) -> None:
        """A name that nobody has told by now is one that there is not."""
        for network in self._inherited.untold():
            self._names.learned(network.id)

    def forget(self, network_id: str) -> None:
        """The network was left, and its last differences spread."""
        self._names.learned(network_id)
        self._inherited.told(network_id)
        self._balanced.pop(network_id, None)
        self._vips.pop(network_id, None)
        for key in [key for key in self._named if key[0] == network_id]:
            del self._named[key]
        if self._balancing is not None:
            self._balancing.drop(network_id)

    async def settled(self, patience: float | None = None) -> None:
        """Returns when balancing and names know what was spread until now, or `patience` seconds are over."""
        if self._teller is not None and not self._teller.done():
            await asyncio.wait([self._teller], timeout=patience)

    async def close(self) -> None:
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.wait([self._teller])

    def _forward(self, network_id: str, differences: Differences) -> None:
        if self._overlays is None:
            return
        for endpoint_id in differences.unforward:
            self._overlays.remote_gone(network_id, endpoint_id)
        for presence in differences.forward:
            self._overlays.remote(network_id, presence)

    # --- balancing --------------------------------------------------------------------------------

    def _balance(self, network: Network, differences: Differences) -> None:
        balanced = self._balanced.setdefault(network.id, Balanced())
        vips, ports = balanced.change(differences.services)
        if vips:
            self._vips[network.id] = vips_followed(self._vips.get(network.id, {}), vips)
        if network.ingress:
            self._ports = ports_followed(self._ports, ports)
            if differences.balancers is not None:
                self._entrances = {
                    one.node_id: Entrance(one.mac, one.addresses[0]) for one in differences.balancers if one.addresses
                }

    @property
    def _waiting(self) -> bool:
        vips = any(network_id not in self._inherited for network_id in self._vips)
        mesh = not self._inherited.has_mesh and (bool(self._ports) or self._entrances is not None)
        return self._inherited.is_over or vips or mesh or bool(self._named)

    async def _tell(self) -> None:
        """Tell balancing and names until nothing waits."""
        while self._waiting:
            named = dict(self._named)
            ended = self._inherited.end()
            vips, entrances, ports = self._taken_vips(), *self._taken_mesh()
            if self._overlays is not None:
                await _tried(self._overlays.settled())
            # The doors that an earlier life has left are written anew with the entrances: with all ports, then.
            if self._mesh is not None and ports:
                await _tried(self._mesh.mesh(ports))
            if self._mesh is not None and entrances is not None:
                await _tried(self._mesh.entrances(entrances))
            if self._balancing is not None:
                for network_id, changed in vips.items():
                    if network_id not in self._balanced:
                        continue
                    await _tried(self._balancing.services(network_id, changed))
            await self._complete(ended)
            self._name(named)

    def _taken_vips(self) -> dict[str, Vips]:
        """What waits for balancing, and may be told."""
        taken = {one: vips for one, vips in self._vips.items() if one not in self._inherited}
        self._vips = {one: vips for one, vips in self._vips.items() if one in self._inherited}
        return taken

    def _taken_mesh(self) -> tuple[Mapping[str, Entrance] | None, Ports]:
        if self._inherited.has_mesh:
            return None, {}
        taken = self._entrances, self._ports
        self._entrances, self._ports = None, {}
        return taken

    async def _complete(self, ended: Iterable[Network]) -> None:
        """What an earlier life has left on these networks, and nobody has told of, is out of date."""
        for network in ended:
            if self._mesh is not None and network.ingress:
                await _tried(self._mesh.complete())
            if self._balancing is not None:
                await _tried(self._balancing.complete(network.id))

    def _name(self, named: Mapping[tuple[str, str], tuple[Network, Named]]) -> None:
        """Show these names, but for those that have changed or gone meanwhile."""
        for key, waited in named.items():
            if self._named.get(key) is waited:
                del self._named[key]
                network, one = waited
                self._names.put_shared(network, _entry(one))


async def _tried(change: Awaitable[None]) -> None:
    """What cannot be done for one thing must not keep others from being done."""
    try:
        await change
    except Refusal as refusal:
        _log.error("forwarding or balancing could not be changed: %s", refusal.message)
    except Exception:
        _log.exception("forwarding or balancing could not be changed")


def _entry(named: Named) -> Entry:
    kind = Kind.SERVICE if named.virtual else Kind.CONTAINER
    return Entry(named.owner, named.names, named.addresses, named.reverse, kind)
