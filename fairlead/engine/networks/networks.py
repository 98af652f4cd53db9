"""Networks: one method per verb of `docker network`.

The straight line of every change: check, claim, intend, do, commit, tell. A network that is being made is claimed in
the state, so that its name, its subnet and its bridge are taken while the kernel works; one that is being removed
leaves the state with the commit, so nothing can connect to it any more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from fairlead.core.drivers.contract import Neighbourhood
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.filters import Filters, created_before, labelled
from fairlead.engine import journal
from fairlead.engine.fabric.claims import names_of
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.lodgings import as_asked
from fairlead.engine.networks import filtering, forwarding
from fairlead.engine.networks.creation import Ground, Identity, resolve
from fairlead.engine.networks.filtering import LIST_FILTERS, PRUNE_FILTERS
from fairlead.engine.sandboxes.sandboxes import Sandboxes
from fairlead.engine.sandboxes.views import AttachedContainer
from fairlead.engine.sandboxes.wishes import HOST, NONE, check_endpoint, mode_of
from fairlead.model.attachment import Attachment
from fairlead.model.container import Container
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import Failed, Invalid, NotAllowed, NotFound, Refusal
from fairlead.model.ids import short
from fairlead.model.network import SWARM, Network, NetworkSpec

_log = logging.getLogger("fairlead.engine.networks")

_PRIVATE = "container cannot be connected to multiple networks with one of the networks in private (none) mode"


class Networks:
    def __init__(self, fabric: Fabric, sandboxes: Sandboxes) -> None:
        self._fabric = fabric
        self._state = fabric.state
        self._sandboxes = sandboxes

    # --- reading ----------------------------------------------------------------------------------

    def list(self, filters: Filters) -> Sequence[Network]:
        """Those that pass every filter. Raises `Refusal` for filters that do not exist."""
        filtering.check(filters, LIST_FILTERS)
        return [
            network
            for network in self._state.networks.values()
            if filtering.matches(network, filters, in_use=bool(self._state.endpoints_on(network.id)))
        ]

    def find(self, reference: str, scope: str = "") -> Network:
        """By id, name or prefix, of any scope or the one given. Raises NotFound, or Invalid when ambiguous."""
        network = self._state.network(reference)
        if scope and network.scope != scope:
            raise NotFound(f"network {reference} not found")
        return network

    def attached(self, network: Network) -> Sequence[AttachedContainer]:
        """The containers on a network, with their endpoints."""
        endpoints = self._state.endpoints_on(network.id)
        return [AttachedContainer(item.container_id, item.name, item) for item in endpoints]

    # --- create and remove ------------------------------------------------------------------------

    async def create(self, spec: NetworkSpec) -> tuple[str, str]:
        """Make a network; its id and a warning ("" for none). Raises `Refusal` and leaves nothing."""
        facts = await self._fabric.host.look()
        ground = self.ground()
        identity = Identity(self._fabric.entropy.local_id(), self._fabric.clock.now())
        network, warnings = resolve(spec, ground, identity)
        self._state.claimed_networks[network.id] = network
        try:
            await self.make(network, Neighbourhood(facts, ground.networks))
        finally:
            del self._state.claimed_networks[network.id]
        self._fabric.announce(network, "create")
        return network.id, "; ".join(warnings)

    def ground(self) -> Ground:
        """What a new network has to fit in, by the last look at the host."""
        fabric = self._fabric
        networks = (*self._state.networks.values(), *self._state.claimed_networks.values())
        seed = fabric.host.facts.owner.encode()
        return Ground(networks, fabric.host.facts, fabric.config.address_pools, seed)

    async def make(self, network: Network, around: Neighbourhood) -> None:
        """Intend, do, commit. On failure the kernel is as it was and nothing is written."""
        fabric = self._fabric
        await fabric.store.write([journal.intend(network)])
        try:
            if network.ipv6:
                await forwarding.turn_on(fabric, [network])
            await fabric.kernel.apply(DRIVERS[network.driver].create(network, around))
        except BaseException:
            await fabric.store.commit([journal.settle(network)])
            raise
        await fabric.store.commit(journal.made(network))
        self._state.put_network(network)

    async def remove(self, reference: str) -> None:
        """Remove a network that nobody uses. Raises `Refusal`."""
        await self.unmake(self._removable(reference))

    def _removable(self, reference: str) -> Network:
        network = self._state.network(reference)
        if network.predefined:
            raise NotAllowed(f"{network.name} is a pre-defined network and cannot be removed")
        if any(other.config_from == network.name for other in self.ground().networks):
            raise NotAllowed(f'error while removing network: configuration network "{network.name}" is in use')
        users = self._state.users_of(network.id)
        if users:
            named = ", ".join(f'name:"{user.name}" id:"{short(user.id)}"' for user in users)
            raise NotAllowed(f"error while removing network: network {network.name} has active endpoints ({named})")
        return network

    async def unmake(self, network: Network) -> None:
        """Forget it, then take it out of the kernel; what refuses to go stays intended for the next boot."""
        fabric = self._fabric
        durable = await fabric.store.write(journal.unmade(network))
        self._state.drop_network(network.id)
        fabric.claims.addresses.forget(network.id)
        faults = await self._clear(network)
        await durable
        if faults:
            _log.error("a network was not wholly removed: %s", faults[0], extra={"network": network.name})
        else:
            fabric.store.post([journal.settle(network)])
        fabric.announce(network, "destroy")

    async def _clear(self, network: Network) -> Sequence[Exception]:
        facts = await self._fabric.host.look()
        around = Neighbourhood(facts, tuple(self._state.networks.values()))
        return await self._fabric.kernel.attempt(DRIVERS[network.driver].remove(network, around))

    async def prune(self, filters: Filters) -> Sequence[str]:
        """Remove every network that nobody uses and that passes the filters; their names."""
        filtering.check(filters, PRUNE_FILTERS)
        before = created_before(filters, self._fabric.clock.now())
        removed = []
        for network in tuple(self._state.networks.values()):
            if not self._prunable(network, filters, before):
                continue
            try:
                await self.remove(network.id)
            except Refusal as refusal:
                _log.warning("not pruned: %s", refusal.message, extra={"network": network.name})
            else:
                removed.append(network.name)
        self._fabric.announce_prune()
        return removed

    def _prunable(self, network: Network, filters: Filters, before: int | None) -> bool:
        if network.predefined or network.config_only or network.scope == SWARM or self._state.users_of(network.id):
            return False
        return (before is None or network.created < before) and labelled(network.labels, filters)

    # --- connect and disconnect -------------------------------------------------------------------

    async def connect(self, reference: str, container_reference: str, spec: EndpointSpec, typed: bool) -> None:
        """Put a container on a network, now if it runs. Raises `Refusal`."""
        container = self._state.container(container_reference)
        running, lodgings = container.id in self._state.sandboxes, self._fabric.lodgings
        wish, network = await lodgings.take(container, Attachment(reference, spec, typed=typed))
        try:
            self._check_connect(container, network)
            if wish.lodging is None:
                check_endpoint(spec, network)
            wish = replace(wish, names=names_of(container, wish, network))
            await self._sandboxes.connect(container, wish if running else as_asked(wish), network)
        except BaseException:
            lodgings.leave([wish])
            raise
        if running:
            self._fabric.announce(network, "connect", container=container.id)
        else:
            lodgings.leave([wish])

    def _check_connect(self, container: Container, network: Network) -> None:
        wishes = self._sandboxes.attachments(container).wishes
        if not DRIVERS[network.driver].can.own_namespace:
            raise Invalid(
                f"cannot connect container to {network.name} network - container must be created in "
                f"{network.name} network mode"
            )
        if mode_of(container.spec.network).container or any(wish.network == HOST for wish in wishes):
            raise Invalid(
                "container sharing network namespace with another container or host cannot be connected to any "
                "other network"
            )
        if any(wish.network == NONE for wish in wishes) or (wishes and network.name == NONE):
            raise Invalid(_PRIVATE)
        if any(item.network_id == network.id for item in self._state.endpoints_of(container.id)):
            raise NotAllowed(f"endpoint with name {container.name} already exists in network {network.name}")

    async def disconnect(self, reference: str, container_reference: str, force: bool) -> None:
        """Take a container off a network, now if it runs. Raises `Refusal`."""
        network = self._state.network(reference)
        try:
            container = self._state.container(container_reference)
        except NotFound:
            if force:
                raise NotFound(f"endpoint {container_reference} not found") from None
            raise
        if not DRIVERS[network.driver].can.own_namespace:
            raise Invalid(
                f"cannot disconnect container from {network.name} network - container was created in "
                f"{network.name} network mode"
            )
        running = container.id in self._state.sandboxes
        if not await self._sandboxes.disconnect(container, network):
            raise Failed(f"container {container.id} is not connected to network {network.name}")
        if running:
            self._fabric.announce(network, "disconnect", container=container.id)
