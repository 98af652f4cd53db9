"""Short ways to say "a node", "a service", "a task", and a control over them with ids that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

from fairlead.core.swarm.changes import Change, Changes, Drop, Thing
from fairlead.core.swarm.loop import Moment
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.network import NetworkSpec
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import READY, Node, NodeDescription, NodeSpec, NodeStatus, Platform, Plugin
from fairlead.model.swarm.service import Service, ServiceMode, ServiceSpec
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import SECOND, ContainerTemplate, TaskTemplate

NOW = 1_000_000 * SECOND
GIB = 1 << 30
PLUGINS = tuple(Plugin("Network", name) for name in ("bridge", "host", "macvlan", "null", "overlay"))


def ids(prefix: str = "t") -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers)}"


def moment(seconds: float = 0.0, prefix: str = "new") -> Moment:
    return Moment(NOW + int(seconds * SECOND), ids(prefix))


def node(node_id: str, *, cpus: float = 4, memory: int = 8 * GIB, **over: object) -> Node:
    """A ready, active worker. `over`: fields of Node, or labels, availability, role, state, arch."""
    spec = NodeSpec(
        role=str(over.pop("role", "worker")),
        availability=str(over.pop("availability", "active")),
        labels=over.pop("labels", {}),  # type: ignore[arg-type]
    )
    description = NodeDescription(
        hostname=node_id,
        platform=Platform(str(over.pop("arch", "x86_64")), "linux"),
        nano_cpus=int(cpus * SECOND),
        memory=memory,
        engine_labels=over.pop("engine_labels", {}),  # type: ignore[arg-type]
        plugins=PLUGINS,
    )
    status = NodeStatus(str(over.pop("state", READY)), address=str(over.pop("address", "192.168.1.1")), since=NOW)
    return Node(node_id, spec, description, status, role=spec.role, created=NOW, **over)  # type: ignore[arg-type]


def template(image: str = "nginx:1", **over: object) -> TaskTemplate:
    return TaskTemplate(ContainerTemplate(image), **over)  # type: ignore[arg-type]


def service(name: str = "web", replicas: int = 1, **over: object) -> Service:
    """A service with id `name`. `over`: fields of ServiceSpec, or of Service (update_status for its `update`)."""
    fields = {key: over.pop(key) for key in ("previous", "endpoint_given", "job", "created") if key in over}
    status = over.pop("update_status", None)
    spec = ServiceSpec(
        name,
        over.pop("template", template()),  # type: ignore[arg-type]
        over.pop("mode", ServiceMode(replicas=replicas)),  # type: ignore[arg-type]
        **over,  # type: ignore[arg-type]
    )
    endpoint = fields.pop("endpoint_given", None)
    return Service(name, spec, update=status, endpoint=endpoint, **{"created": NOW, **fields})  # type: ignore[arg-type]


def task(task_id: str, of: Service, slot: int = 1, **over: object) -> Task:
    """A running task on node "n1", made a minute ago. `state` and `at` go into its status."""
    state = over.pop("state", TaskState.RUNNING)
    assert isinstance(state, TaskState)
    at = over.pop("at", NOW - 60 * SECOND)
    assert isinstance(at, int)
    started = over.pop("started", at if state == TaskState.RUNNING else 0)
    given: dict[str, object] = {"node_id": "n1", "created": NOW - 60 * SECOND, **over}
    return Task(
        task_id,
        of.id,
        of.spec.template if "spec" not in given else given.pop("spec"),  # type: ignore[arg-type]
        service_name=of.spec.name,
        slot=slot,
        status=TaskStatus(state, at=at, started=started),  # type: ignore[arg-type]
        **given,  # type: ignore[arg-type]
    )


def network(name: str, **over: object) -> SwarmNetwork:
    return SwarmNetwork(name, NetworkSpec(name=name, driver="overlay", **over), created=NOW)  # type: ignore[arg-type]


CLUSTER = Cluster("cluster")
INGRESS = network("ingress", ingress=True)


def seen(snapshot: Snapshot, changes: Iterable[Change]) -> Snapshot:
    """The snapshot after the changes."""
    for change in changes:
        snapshot.apply(change)
    return snapshot


def written(changes: Changes | Iterable[Change], kind: type = Task) -> list[Thing]:
    return [change.thing for change in changes if not isinstance(change, Drop) and isinstance(change.thing, kind)]


def dropped(changes: Changes | Iterable[Change]) -> list[str]:
    return [change.thing.id for change in changes if isinstance(change, Drop)]


def wishes(changes: Changes | Iterable[Change]) -> dict[str, TaskState]:
    """Task id -> what is wished for it now."""
    return {one.id: one.desired for one in written(changes) if isinstance(one, Task)}


def observed(one: Task, state: TaskState, seconds: float = 0.0, error: str = "") -> Task:
    at = NOW + int(seconds * SECOND)
    started = at if state == TaskState.RUNNING else one.status.started
    return replace(one, status=TaskStatus(state, at=at, started=started, error=error))
