"""Networks of the whole swarm: the verbs of `docker network` that only managers answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.ipam import drivers as ipam
from fairlead.core.ipam import request
from fairlead.core.swarm import subnets, validate
from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.removal import in_use
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.state import State
from fairlead.engine.swarm.lookup import find
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.standing import INACTIVE, NO_SWARM
from fairlead.engine.swarm.writing import settled, write
from fairlead.model.errors import Conflict, Invalid, NotAllowed, NotFound, Refusal
from fairlead.model.network import LOCAL, PREDEFINED, SWARM, NetworkSpec
from fairlead.model.swarm.network import SwarmNetwork

PREDEFINED_LABEL = "com.docker.swarm.predefined"
OVERLAY = "overlay"
ON_A_WORKER = "Cannot create a multi-host network from a worker node. Please create the network from a manager node."
NOT_ACTIVE = "cannot create a swarm scoped network when swarm is not active"
DESCRIPTIVE = "user specified configurations are not supported if the network depends on a configuration network"


def predefined(entropy: Entropy, now: int) -> list[SwarmNetwork]:
    """The networks of every host that services may name: what a new swarm begins with."""
    return [
        SwarmNetwork(
            entropy.swarm_id(),
            NetworkSpec(name, driver=name, scope=SWARM, labels={PREDEFINED_LABEL: "true"}),
            created=now,
            updated=now,
        )
        for name in ("bridge", "host")
    ]


class SwarmNetworks:
    def __init__(self, manager: Manager, state: State, clock: Clock, entropy: Entropy) -> None:
        self._manager, self._state = manager, state
        self._clock, self._entropy = clock, entropy

    # --- reading ------------------------------------------------------------------------------

    def list(self) -> Sequence[SwarmNetwork]:
        """Those that users made, and the ingress network; none where this node is no manager at work, or where there is
        no majority: this host's networks are listed all the same."""
        try:
            snapshot = self._manager.snapshot
        except Refusal:
            return ()
        return [one for one in _present(snapshot) if PREDEFINED_LABEL not in one.spec.labels]

    def find(self, reference: str) -> SwarmNetwork:
        """By id, name or the beginning of an id, predefined ones too. Raises NotFound, or Invalid when ambiguous; of a
        manager that is not at work yet, Unavailable: it cannot know."""
        standing = self._manager.standing
        if not standing.seated and not standing.manager:
            raise NotFound(f"network {reference} not found")
        return _find(self._manager.snapshot, reference)

    def in_use(self, network: SwarmNetwork) -> bool:
        """Does a service name it, or a task have a place on it?"""
        snapshot = self._manager.snapshot
        named = (one for service in snapshot.services.values() for one in service.spec.template.networks)
        return any(one.target == network.id for one in named) or in_use(network, snapshot)

    # --- changing -----------------------------------------------------------------------------

    async def create(self, spec: NetworkSpec) -> str:
        """The new network's id; its subnets are given by the swarm's allocator. Raises `Refusal`."""
        self._check_standing(spec)
        _check_words(spec)
        network_id, now = self._entropy.swarm_id(), self._clock.now()
        wanted = replace(spec, driver=spec.driver or OVERLAY, scope=SWARM)

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            self._check_unique(spec, snapshot)
            network = SwarmNetwork(network_id, wanted, created=now, updated=now)
            if snapshot.cluster is not None:
                subnets.check(network, snapshot.cluster, snapshot.networks.values())
            return [Put(network)]

        await write(self._manager, decide)
        await settled(self._manager, lambda snapshot: _allocated(snapshot.networks.get(network_id)))
        return network_id

    async def remove(self, reference: str) -> None:
        """Take it away, or while containers on it still stop, say that it goes with the last. Raises `Refusal`."""

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            network = _find(snapshot, reference)
            if PREDEFINED_LABEL in network.spec.labels:
                raise NotAllowed(f"{network.name} is a pre-defined network and cannot be removed")
            validate.network_removal(network.id, snapshot)
            return [Put(replace(network, pending_delete=True)) if in_use(network, snapshot) else Drop(network)]

        await write(self._manager, decide)

    def _check_standing(self, spec: NetworkSpec) -> None:
        standing = self._manager.standing
        if standing.seated:
            return
        if standing.state == INACTIVE:
            raise NotAllowed(NO_SWARM if spec.driver == OVERLAY else NOT_ACTIVE)
        if not standing.manager:
            raise NotAllowed(ON_A_WORKER)
        self._manager.mirror  # noqa: B018 - raises what keeps this manager from its seat

    def _check_unique(self, spec: NetworkSpec, snapshot: Snapshot) -> None:
        # A swarm network that was removed lingers on this host until its last container has stopped.
        local = any(network.name == spec.name and network.scope != SWARM for network in self._state.networks.values())
        if local or snapshot.named("network", spec.name) is not None:
            raise Conflict(f"network with name {spec.name} already exists")
        ingress = snapshot.ingress()
        if spec.ingress and ingress is not None:
            text = f"ingress network ({ingress.id}) is already present"
            raise Conflict(f"rpc error: code = AlreadyExists desc = {text}")


def _allocated(network: SwarmNetwork | None) -> bool:
    """Has it its subnets, or a reason why not?"""
    return network is None or network.allocated or bool(network.error)


def _present(snapshot: Snapshot) -> Sequence[SwarmNetwork]:
    return [network for network in snapshot.networks.values() if not network.pending_delete]


def _find(snapshot: Snapshot, reference: str) -> SwarmNetwork:
    return find("network", reference, {one.id: one for one in _present(snapshot)}, lambda network: network.name)


def _check_words(spec: NetworkSpec) -> None:
    """What can be refused from the words alone."""
    if not spec.name:
        raise Invalid("invalid name: name is empty")
    if spec.name in (*PREDEFINED, "default"):
        raise NotAllowed(f"operation is not permitted on predefined {spec.name} network ")
    driver = spec.driver or OVERLAY
    if driver not in DRIVERS:
        raise NotFound(f'plugin "{driver}" not found')
    if DRIVERS[driver].can.singleton:
        raise NotAllowed(f'only one instance of "{driver}" network is allowed')
    if spec.scope == LOCAL and driver == OVERLAY:
        raise NotAllowed(f"cannot downgrade network scope for {driver} networks")
    if spec.ingress and driver != OVERLAY:
        raise NotAllowed("Ingress network can only be global scope network")
    if spec.config_from and (spec.pools or spec.options or spec.ipam_options):
        raise NotAllowed(DESCRIPTIVE)
    if spec.enable_ipv4 is False and not spec.enable_ipv6:
        raise Invalid("IPv4 or IPv6 must be enabled")
    DRIVERS[driver].check_options(spec.options)
    ipam.ipam_driver(spec.ipam_driver)
    request.validate(spec.pools, bool(spec.enable_ipv6))
