"""Networks of this host and of the swarm as one list, as the API has them.

A swarm network with an endpoint on this host is both: a local network of scope swarm with the same id. It is listed
once, looked at with what this host knows of it, and made and removed by the swarm alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.core.filters import Filters, created_before, labelled
from fairlead.engine.networks import filtering
from fairlead.engine.networks.filtering import LIST_FILTERS, PRUNE_FILTERS
from fairlead.engine.networks.networks import Networks
from fairlead.engine.ports import Clock
from fairlead.model.errors import Conflict, NotFound, Refusal
from fairlead.model.network import LOCAL, SWARM, Network, NetworkSpec
from fairlead.model.swarm.network import SwarmNetwork

if TYPE_CHECKING:
    from fairlead.engine.swarm.swarm import Swarm

OVERLAY = "overlay"

_log = logging.getLogger("fairlead.engine.network_scopes")

AnyNetwork = Network | SwarmNetwork


class NetworkScopes:
    def __init__(self, local: Networks, swarm: Swarm, clock: Clock) -> None:
        self._local, self._swarm, self._clock = local, swarm, clock

    def list(self, filters: Filters) -> Sequence[AnyNetwork]:
        """The swarm's networks first. A manager lists none that was removed and only lingers here: who deploys an
        application again makes its networks anew. Raises `Refusal` for filters that do not exist."""
        filtering.check(filters, LIST_FILTERS)
        shared = self._shared()
        ids = {network.id for network in shared}
        knows_all = self._swarm.formed and self._swarm.standing.seated
        others = (one for one in self._local.list(filters) if one.id not in ids)
        return [
            *(one for one in shared if filtering.matches(_outline(one), filters, self._in_use(one))),
            *(one for one in others if one.scope != SWARM or not knows_all),
        ]

    def _shared(self) -> Sequence[SwarmNetwork]:
        return self._swarm.networks.list() if self._swarm.formed else ()

    def _in_use(self, network: SwarmNetwork) -> bool:
        return self._swarm.networks.in_use(network)

    def find(self, reference: str, scope: str = "") -> AnyNetwork:
        """By id, name or prefix, of any scope or the one given: first what this host has. Raises NotFound, or Invalid
        when ambiguous."""
        try:
            found = self._local.find(reference, scope)
        except NotFound:
            if scope == LOCAL or not self._swarm.formed:
                raise
            return self._swarm.networks.find(reference)
        return self._successor(found) or found

    async def look(self, reference: str, scope: str = "") -> AnyNetwork:
        """As `find`; a manager says of none that it does not exist without asking the store."""
        if not self._swarm.formed or not self._swarm.standing.seated:
            return self.find(reference, scope)
        return await self._swarm.last_word(lambda: self.find(reference, scope))

    def _successor(self, found: Network) -> SwarmNetwork | None:
        """A swarm network that was removed lingers on this host while its containers stop: whoever names it means the
        one that has its name since."""
        if found.scope != SWARM:
            return None
        return next((one for one in self._shared() if one.name == found.name and one.id != found.id), None)

    async def create(self, spec: NetworkSpec) -> tuple[str, str]:
        """Make a network; its id and a warning ("" for none). Raises `Refusal` and leaves nothing."""
        if not spec.config_only and (spec.driver == OVERLAY or spec.scope == SWARM):
            return await self._swarm.networks.create(spec), ""
        if any(network.name == spec.name for network in self._shared()):
            raise Conflict(f"network with name {spec.name} already exists")
        return await self._local.create(spec)

    async def remove(self, reference: str) -> None:
        """Raises `Refusal` while somebody uses it."""
        network = await self.look(reference)
        if isinstance(network, SwarmNetwork) or network.scope == SWARM:
            await self._swarm.networks.remove(network.id)
        else:
            await self._local.remove(network.id)

    async def prune(self, filters: Filters) -> Sequence[str]:
        """Remove every network that nobody uses and that passes the filters; their names."""
        filtering.check(filters, PRUNE_FILTERS)
        before = created_before(filters, self._clock.now())
        removed = [*await self._local.prune(filters)]
        for network in self._shared():
            young = before is not None and network.created >= before
            if network.spec.ingress or young or not labelled(network.spec.labels, filters):
                continue
            if not self._in_use(network) and await self._removed(network):
                removed.append(network.name)
        return removed

    async def _removed(self, network: SwarmNetwork) -> bool:
        try:
            await self._swarm.networks.remove(network.id)
        except Refusal as refusal:
            _log.warning("not pruned: %s", refusal.message, extra={"network": network.name})
            return False
        return True


def _outline(network: SwarmNetwork) -> Network:
    """What filters ask of a network."""
    return Network(network.id, network.name, network.driver, network.created, scope=SWARM, labels=network.spec.labels)
