"""How fast a swarm decides, and what its cost grows with.

`simulate` makes a swarm of the size asked for and places its tasks; then it makes small changes, one after another, to
it and to a swarm of a tenth of the size. A change that costs the same in both grows with what changed, not with what
exists. Cost is counted twice: in keys that the loops looked at, which is exact, and in processor time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from fairlead.core.swarm.changes import Put
from fairlead.core.swarm.revise import created, updated
from fairlead.model.swarm.endpoint import EndpointSpec, PortConfig
from fairlead.model.swarm.service import Service, ServiceMode, ServiceSpec, UpdateConfig
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.template import ContainerTemplate, TaskTemplate
from fairlead.sim.swarm.world import World

REPLICAS, SMALLER, SETTLE, PATIENCE = 100, 10, 5.0, 600.0
FEWEST = 5
"""Nodes: one is drained and one lost, and the rest must hold the tasks."""
SUBNET = 16
"""The ingress network has an address for every node and published task: a /24 ends at 253."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one change: `writes` decided, `looks` of the loops, `cpu_ms` of deciding, `took_s` of virtual time."""

    writes: int
    looks: int
    cpu_ms: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A swarm of one size. `placing` is from nothing to all tasks running."""

    nodes: int
    tasks: int
    placing: Cost
    changes: dict[str, Cost] = field(default_factory=dict)

    @property
    def placed_per_s(self) -> float:
        """Tasks brought from their service to running, per second of deciding."""
        return round(self.tasks / max(self.placing.cpu_ms / 1000, 1e-9), 1)


@dataclass(frozen=True, slots=True)
class Result:
    seed: int
    large: Measured
    small: Measured

    def as_dict(self) -> dict[str, object]:
        """JSON: both sizes, and for each change by how much it costs more in the larger swarm."""
        growth = {
            name: {
                "looks": round(cost.looks / max(self.small.changes[name].looks, 1), 2),
                "cpu": round(cost.cpu_ms / max(self.small.changes[name].cpu_ms, 1e-6), 2),
            }
            for name, cost in self.large.changes.items()
        }
        sizes = {name: {**asdict(one), "placed_per_s": one.placed_per_s} for name, one in self._sizes()}
        return {"seed": self.seed, **sizes, "growth": growth}

    def _sizes(self) -> list[tuple[str, Measured]]:
        return [("large", self.large), ("small", self.small)]


def simulate(nodes: int, tasks: int, seed: int) -> Result:
    small = measure(max(nodes // SMALLER, FEWEST), max(tasks // SMALLER, 1), seed)
    return Result(seed, measure(nodes, tasks, seed), small)


def measure(nodes: int, tasks: int, seed: int) -> Measured:
    world = World(seed, subnet_size=SUBNET)
    members = [world.node(f"node{number}") for number in range(nodes)]
    world.run(SETTLE)
    per_service = min(REPLICAS, tasks)
    sizes = [per_service] * (tasks // per_service) + [tasks % per_service] * bool(tasks % per_service)
    services = [_service(world, number, size) for number, size in enumerate(sizes)]
    placing = _cost(world, lambda: world.write(*(Put(one) for one in services)))
    first = services[0].id
    changes: dict[str, Callable[[], None]] = {
        "scale one service by one": lambda: _scale(world, first, +1),
        "create a service of ten": lambda: world.write(Put(_service(world, len(sizes), 10))),
        "update ten tasks": lambda: _update(world, first, 10),
        "drain one node": lambda: _drain(world, members[0]),
        "lose one node": lambda: world.crash(members[1]),
        "one container fails": lambda: _fail(world, first),
    }
    return Measured(nodes, tasks, placing, {name: _cost(world, change) for name, change in changes.items()})


def _cost(world: World, change: Callable[[], None]) -> Cost:
    """Make a change and let the swarm come to rest."""
    control = world.control
    assert control is not None
    before = world.thinking, world.decided, sum(control.looks.values()), world.schedule.now
    change()
    waited = 0.0
    while waited < SETTLE * 2 or not settled(world):
        world.run(1.0)
        waited += 1.0
        if waited > PATIENCE:
            raise RuntimeError("the swarm did not come to rest within ten minutes")
    looks = sum(control.looks.values()) - before[2]
    cpu = round((world.thinking - before[0]) * 1000, 3)
    return Cost(world.decided - before[1], looks, cpu, round(world.schedule.now - before[3], 3))


def settled(world: World) -> bool:
    """Does every service have what it asks for, and nothing be under way?"""
    control = world.control
    if control is None:
        return False
    running: dict[str, int] = {}
    for task in control.snapshot.tasks.values():
        if task.live and (task.status.state != TaskState.RUNNING or task.desired != TaskState.RUNNING):
            return False
        running[task.service_id] = running.get(task.service_id, 0) + task.live
    return all(
        running.get(service.id, 0) == service.spec.mode.replicas
        and not (service.update is not None and service.update.in_progress)
        for service in control.snapshot.services.values()
    )


def _service(world: World, number: int, replicas: int) -> Service:
    spec = ServiceSpec(
        f"service{number}",
        TaskTemplate(ContainerTemplate("nginx:1")),
        ServiceMode(replicas=replicas),
        update=UpdateConfig(parallelism=10),
        endpoint=EndpointSpec(ports=(PortConfig(80),)) if number == 0 else None,
    )
    return created(world.new_id(), spec, world.now)


def _current(world: World, service_id: str) -> Service:
    assert world.control is not None
    return world.control.snapshot.services[service_id]


def _scale(world: World, service_id: str, by: int) -> None:
    service = _current(world, service_id)
    mode = replace(service.spec.mode, replicas=service.spec.mode.replicas + by)
    world.change(updated(service, replace(service.spec, mode=mode), service.version, world.now))


def _update(world: World, service_id: str, tasks: int) -> None:
    """Replace the tasks of a service of `tasks`, made for it."""
    service = _service(world, 10_000, tasks)
    world.write(Put(service))
    world.run(SETTLE)
    now = _current(world, service.id)
    template = replace(now.spec.template, force_update=1)
    world.change(updated(now, replace(now.spec, template=template), now.version, world.now))


def _drain(world: World, node_id: str) -> None:
    assert world.control is not None
    node = world.control.snapshot.nodes[node_id]
    world.change(replace(node, spec=replace(node.spec, availability="drain")))


def _fail(world: World, service_id: str) -> None:
    assert world.control is not None
    tasks = world.control.snapshot.tasks_of(service_id)
    task = next(task for task in tasks if task.live and task.status.state == TaskState.RUNNING)
    world.agents[task.node_id].fail(task.id)
