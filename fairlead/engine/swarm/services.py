"""Services: one method per verb of `docker service`, on the managers' store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fairlead.core.balance import service as balance
from fairlead.core.containers import names
from fairlead.core.swarm import revise, validate
from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.jobs import completed, current
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock, Entropy
from fairlead.engine.swarm import filtering
from fairlead.engine.swarm.filtering import Filters
from fairlead.engine.swarm.lookup import find
from fairlead.engine.swarm.manager_node import Manager
from fairlead.engine.swarm.writing import settled, write
from fairlead.model.config import NFT
from fairlead.model.image import RegistryAuth
from fairlead.model.swarm.node import DOWN
from fairlead.model.swarm.service import GLOBAL, GLOBAL_JOB, REPLICATED, Service, ServiceSpec
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import NetworkAttachmentSpec

FILTERS = frozenset({"id", "label", "mode", "name", "runtime"})


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """How many tasks run, are wanted, and (of a job's present run) have completed. Of a global job those that have
    completed are not wanted any more."""

    running: int = 0
    desired: int = 0
    completed: int = 0


class Services:
    """`balancer` is what this node's daemon leads clients with."""

    def __init__(self, manager: Manager, clock: Clock, entropy: Entropy, balancer: str = NFT) -> None:
        self._manager, self._clock, self._entropy, self._balancer = manager, clock, entropy, balancer

    # --- reading ------------------------------------------------------------------------------

    def list(self, filters: Filters) -> Sequence[Service]:
        """By name. Raises Invalid for filters that do not exist."""
        services = self._manager.snapshot.services.values()
        filtering.check(filters, FILTERS)
        return sorted((one for one in services if _matches(one, filters)), key=lambda one: one.spec.name)

    def get(self, reference: str) -> Service:
        return _find(self._manager.snapshot, reference)

    def status(self, service: Service) -> ServiceStatus:
        snapshot = self._manager.snapshot
        tasks = [task for task in snapshot.tasks_of(service.id) if current(task, service)]
        return ServiceStatus(
            running=sum(_runs(task, snapshot) for task in tasks),
            desired=_desired(service, tasks),
            completed=sum(completed(task, service) for task in tasks) if service.spec.mode.job else 0,
        )

    # --- changing -----------------------------------------------------------------------------

    async def create(self, spec: ServiceSpec, pull_auth: RegistryAuth | None = None) -> str:
        """The new service's id. `pull_auth` is what its nodes show to the image's registry. Raises `Refusal`."""
        service_id, now = self._entropy.swarm_id(), self._clock.now()

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            named = spec if spec.name else replace(spec, name=self._name(snapshot))
            wanted = _with_auth(_with_networks(named, snapshot), pull_auth)
            self._check(wanted, snapshot)
            return [Put(revise.created(service_id, wanted, now))]

        await write(self._manager, decide)
        await settled(self._manager, lambda snapshot: _allocated(snapshot.services.get(service_id)))
        return service_id

    async def update(
        self,
        reference: str,
        version: int,
        spec: ServiceSpec,
        pull_auth: RegistryAuth | None = None,
        auth_from: str = "spec",
    ) -> None:
        """Give the service that the user saw at `version` another spec. Without a new `pull_auth` that of the present
        spec is kept, or with `auth_from` "previous-spec" that of the one before. Raises `Refusal`."""

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            service = _find(snapshot, reference)
            kept = service.previous if auth_from == "previous-spec" else service.spec
            wanted = _with_auth(_with_networks(spec, snapshot), pull_auth or _auth_of(kept))
            revise.in_sequence(service, version)
            self._check(wanted, snapshot, service)
            return [Put(revise.updated(service, wanted, version, self._clock.now()))]

        await write(self._manager, decide)

    async def roll_back(self, reference: str, version: int) -> None:
        """Send the service that the user saw at `version` back to its previous spec. Raises `Refusal`."""

        def decide(snapshot: Snapshot) -> Iterable[Change]:
            return [Put(revise.rolled(_find(snapshot, reference), version, self._clock.now()))]

        await write(self._manager, decide)

    async def remove(self, reference: str) -> None:
        """Forget the service; its tasks are stopped by the loops."""
        await write(self._manager, lambda snapshot: [Drop(_find(snapshot, reference))])

    def _check(self, spec: ServiceSpec, snapshot: Snapshot, own: Service | None = None) -> None:
        validate.service(spec, snapshot, own)
        balance.algorithm(spec.labels.get(balance.LABEL, ""), self._balancer)

    def _name(self, snapshot: Snapshot) -> str:
        return names.suggest(self._entropy.number, lambda name: snapshot.named("service", name) is not None)


def _allocated(service: Service | None) -> bool:
    """Has it its ports and addresses, or a reason why not?"""
    return service is None or service.endpoint is not None or bool(service.error)


def _find(snapshot: Snapshot, reference: str) -> Service:
    return find("service", reference, snapshot.services, lambda service: service.spec.name)


def _runs(task: Task, snapshot: Snapshot) -> bool:
    """What a lost node reported last says nothing of what runs there."""
    node = snapshot.nodes.get(task.node_id)
    return task.status.state == TaskState.RUNNING and node is not None and node.status.state != DOWN


def _matches(service: Service, filters: Filters) -> bool:
    return (
        filtering.begins(filters, "id", service.id)
        and filtering.begins(filters, "name", service.spec.name)
        and filtering.among(filters, "mode", service.spec.mode.kind)
        and filtering.among(filters, "runtime", "container")
        and filtering.labelled(filters, service.spec.labels)
    )


def _desired(service: Service, tasks: Sequence[Task]) -> int:
    mode = service.spec.mode
    if mode.kind == REPLICATED:
        return mode.replicas
    if mode.kind == GLOBAL:
        return sum(task.desired == TaskState.RUNNING for task in tasks)
    if mode.kind == GLOBAL_JOB:
        return sum(task.desired == TaskState.COMPLETE != task.status.state for task in tasks)
    return mode.concurrent


# --- what a spec names --------------------------------------------------------------------------------


def _with_networks(spec: ServiceSpec, snapshot: Snapshot) -> ServiceSpec:
    """With networks by id, each once. Raises NotFound."""
    joins: dict[str, NetworkAttachmentSpec] = {}
    for join in spec.template.networks:
        network_id = _network_id(join.target, snapshot)
        known = joins.get(network_id, NetworkAttachmentSpec(network_id))
        aliases = tuple(dict.fromkeys((*known.aliases, *join.aliases)))
        joins[network_id] = replace(known, aliases=aliases, driver_opts={**known.driver_opts, **join.driver_opts})
    return replace(spec, template=replace(spec.template, networks=tuple(joins.values())))


def _network_id(target: str, snapshot: Snapshot) -> str:
    present = {network.id: network for network in snapshot.networks.values() if not network.pending_delete}
    return find("network", target, present, lambda network: network.name).id


def _auth_of(spec: ServiceSpec | None) -> RegistryAuth | None:
    container = spec.template.container if spec is not None else None
    return container.pull_auth if container is not None else None


def _with_auth(spec: ServiceSpec, pull_auth: RegistryAuth | None) -> ServiceSpec:
    template = spec.template
    assert template.container is not None
    container = replace(template.container, pull_auth=pull_auth)
    return replace(spec, template=replace(template, container=container))
