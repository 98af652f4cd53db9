"""Random histories of a swarm: services made, scaled, updated and removed while nodes flap and leaders change.

At every moment nothing is given twice and no slot has two tasks wished running; at the end, when faults have healed,
everything is as wished. The histories run on virtual time through the managers' own loops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from hypothesis import given, note, settings
from hypothesis import strategies as st

from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.constraints import satisfies
from fairlead.core.swarm.revise import created, updated
from fairlead.model.network import NetworkSpec
from fairlead.model.swarm.endpoint import INGRESS, EndpointSpec, PortConfig
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import DOWN, DRAIN
from fairlead.model.swarm.service import (
    GLOBAL,
    REPLICATED_JOB,
    START_FIRST,
    STOP_FIRST,
    Service,
    ServiceMode,
    ServiceSpec,
    UpdateConfig,
)
from fairlead.model.swarm.states import TaskState, may_follow
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import ContainerTemplate, NetworkAttachmentSpec, RestartPolicy, TaskTemplate
from fairlead.sim.swarm.agent import Behaviour
from fairlead.sim.swarm.world import World

STEPS = (
    "create",
    "create global",
    "create job",
    "scale",
    "update",
    "update badly",
    "remove",
    "drain",
    "activate",
    "crash",
    "revive",
    "sever",
    "heal",
    "lose the leader",
    "wait",
)


@dataclass
class History:
    """One swarm and the random choices of its users and of fate."""

    world: World
    random: Random

    def step(self, verb: str) -> None:
        control = self.world.control
        if control is None:
            return
        services, nodes = list(control.snapshot.services.values()), list(control.snapshot.nodes.values())
        if verb.startswith("create"):
            self._create(verb)
        elif verb in ("scale", "update", "update badly", "remove") and services:
            self._change(verb, self.random.choice(services))
        elif verb in ("drain", "activate"):
            node = self.random.choice(nodes)
            availability = "drain" if verb == "drain" else "active"
            self.world.change(replace(node, spec=replace(node.spec, availability=availability)))
        elif verb == "lose the leader":
            self.world.lose_leader()
        else:
            self._fate(verb, self.random.choice(nodes).id)

    def _fate(self, verb: str, node_id: str) -> None:
        alive = self.world.agents[node_id].alive
        verbs: dict[str, Callable[[str], None]] = {"sever": self.world.sever, "heal": self.world.heal}
        if alive:
            verbs["crash"] = self.world.crash
        else:
            verbs["revive"] = self.world.revive
        if verb in verbs:
            verbs[verb](node_id)

    def _create(self, verb: str) -> None:
        mode = ServiceMode(replicas=self.random.randrange(6))
        if verb == "create global":
            mode = ServiceMode(GLOBAL)
        elif verb == "create job":
            mode = ServiceMode(REPLICATED_JOB, total=3, concurrent=2)
        control = self.world.control
        assert control is not None
        networks = [one.id for one in control.snapshot.networks.values() if not one.spec.ingress]
        joins = tuple(NetworkAttachmentSpec(one) for one in self.random.sample(networks, self.random.randrange(2)))
        order = self.random.choice((STOP_FIRST, START_FIRST))
        action = self.random.choice(("pause", "continue", "rollback"))
        template = TaskTemplate(
            ContainerTemplate("good:1"),
            networks=joins,
            restart=RestartPolicy(delay=self.random.choice((10**9, 5 * 10**9))),
        )
        spec = ServiceSpec(
            f"s{self.world.store.revision}",
            template,
            mode,
            update=None if mode.job else UpdateConfig(order=order, failure_action=action, parallelism=2),
            endpoint=EndpointSpec(ports=(PortConfig(80),)) if self.random.random() < 0.4 else None,
        )
        self.world.write(Put(created(self.world.new_id(), spec, self.world.now)))

    def _change(self, verb: str, service: Service) -> None:
        spec = service.spec
        if verb == "remove":
            self.world.write(Drop(service))
            return
        if verb == "scale":
            spec = replace(spec, mode=replace(spec.mode, replicas=self.random.randrange(6)))
        else:
            image = "bad:1" if verb == "update badly" and not spec.mode.job else f"good:{self.random.randrange(9)}"
            template = replace(spec.template, container=ContainerTemplate(image))
            spec = replace(spec, template=template)
        self.world.change(updated(service, spec, service.version, self.world.now))

    def heal_everything(self) -> None:
        self.world.run(5.0)
        assert self.world.control is not None
        self.world.cut.clear()
        for node_id, agent in self.world.agents.items():
            self.world.heal(node_id) if agent.alive else self.world.revive(node_id)
        for node in list(self.world.control.snapshot.nodes.values()):
            current = self.world.control.snapshot.nodes[node.id]
            self.world.change(replace(current, spec=replace(current.spec, availability="active")))


def begin(seed: int, failing: float) -> History:
    world = World(seed, Behaviour(start=0.3, stop=0.7, failing=failing))
    for number in range(4):
        world.node(f"n{number}")
    for name in ("red", "blue"):
        spec = NetworkSpec(name=name, driver="overlay")
        world.write(Put(SwarmNetwork(world.new_id(), spec, created=world.now)))
    world.run(1.0)
    return History(world, Random(seed))


def watch_commits(world: World) -> None:
    """Judge every commit as it is made: what tasks become, and how many of a slot are wished running."""
    commit = world.store.commit

    def judged(changes: list[Change], now: int) -> list[object]:
        changes = list(changes)
        for change in changes:
            old = world.store.find(Task, change.thing.id)
            if isinstance(change, Put) and isinstance(change.thing, Task) and isinstance(old, Task):
                judge(old, change.thing)
        return list(commit(changes, now))

    world.store.commit = judged  # type: ignore[method-assign, assignment]


def judge(old: Task, new: Task) -> None:
    """One task, as two commits had it. A whole turn lies between: NEW may have become ASSIGNED."""
    state, after = old.status.state, new.status.state
    at_once = state == TaskState.NEW and after == TaskState.ASSIGNED
    assert state == after or may_follow(state, after) or at_once, f"{state.name} became {after.name}"
    assert new.desired >= old.desired, f"{old.desired.name} was weakened to {new.desired.name}"


def nothing_is_given_twice(world: World) -> None:
    """Addresses, virtual addresses, VXLAN ids and ingress ports, out of the store and not of anybody's memory."""
    given: list[tuple[object, ...]] = []
    for thing in world.store.things():
        if isinstance(thing, Task):
            attachments = () if thing.dead else thing.attachments
            given += [(one.network_id, address) for one in attachments for address in one.addresses]
        elif isinstance(thing, SwarmNetwork):
            given += [("vni", number) for number in thing.vnis]
            given += [("subnet", pool.subnet) for pool in thing.pools]
            given += [(thing.id, f"{pool.gateway}/{pool.subnet.prefixlen}") for pool in thing.pools]
        elif isinstance(thing, Service) and thing.endpoint is not None:
            given += [(vip.network_id, address) for vip in thing.endpoint.virtual_ips for address in vip.addresses]
            given += [("port", port.text) for port in thing.endpoint.ports if port.mode == INGRESS]
        elif hasattr(thing, "attachments"):
            given += [(one.network_id, address) for one in thing.attachments for address in one.addresses]
    doubled = [one for one, count in Counter(tuple(map(str, one)) for one in given).items() if count > 1]
    assert not doubled, f"given twice: {doubled}"


def no_slot_has_two(world: World) -> None:
    services = {one.id: one for one in world.store.things() if isinstance(one, Service)}
    running: dict[tuple[str, str], list[Task]] = {}
    for one in world.store.things():
        if isinstance(one, Task) and one.live and one.desired in (TaskState.RUNNING, TaskState.COMPLETE):
            running.setdefault((one.service_id, one.place), []).append(one)
    for (service_id, place), tasks in running.items():
        service = services.get(service_id)
        update = service.spec.update if service is not None else None
        allowed = 2 if update is not None and update.order == START_FIRST else 1
        assert len(tasks) <= allowed, f"place {place} has {len(tasks)} tasks"


def as_wished(world: World) -> list[str]:
    """What is not yet as wished, in words."""
    assert world.control is not None
    snapshot, wrong = world.control.snapshot, list[str]()
    for service in snapshot.services.values():
        good = service.spec.template.container
        if good is not None and good.image.startswith("bad"):
            continue
        tasks = [one for one in snapshot.tasks_of(service.id) if one.live]
        running = [one for one in tasks if one.status.state == one.desired == TaskState.RUNNING]
        wanted = service.spec.mode.replicas
        if service.spec.mode.kind == GLOBAL:
            fitting = [node for node in snapshot.nodes.values() if satisfies(node, ())]
            wanted = len(fitting)
        if service.spec.mode.job:
            mine = [
                one for one in snapshot.tasks_of(service.id) if service.job and one.iteration == service.job.iteration
            ]
            done = sum(one.status.state == TaskState.COMPLETE for one in mine)
            if done != service.spec.mode.total:
                wrong.append(f"{service.spec.name}: {done} of {service.spec.mode.total} completed")
        elif len(running) != wanted or len(tasks) != wanted:
            found = [(one.place, one.status.state.name, one.desired.name, one.status.error) for one in tasks]
            wrong.append(
                f"{service.spec.name}: {len(running)} of {wanted} run: {found} {service.update} {service.error}"
            )
        elif service.update is None or service.update.state == "completed":
            stale = [one for one in running if one.spec != service.spec.template and not _placement_only(one, service)]
            wrong += [f"{service.spec.name}: {one.place} is of an old template" for one in stale]
    for one in snapshot.tasks.values():
        if one.service_id not in snapshot.services:
            wrong.append(f"{one.service_name}.{one.place} outlived its service: {one.status.state.name}")
        node = snapshot.nodes.get(one.node_id)
        if one.live and node is not None and (node.status.state == DOWN or node.spec.availability == DRAIN):
            wrong.append(f"{one.service_name}.{one.place} is on a node that may not have it")
    return wrong


def _placement_only(one: Task, service: Service) -> bool:
    return one.spec.container == service.spec.template.container


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.floats(0, 4)), min_size=3, max_size=25),
)
def test_whatever_happens_the_swarm_becomes_as_wished(seed: int, steps: list[tuple[str, float]]) -> None:
    history = begin(seed, failing=0.0)
    world = history.world
    watch_commits(world)
    for verb, pause in steps:
        history.step(verb)
        world.run(pause)
        nothing_is_given_twice(world)
        no_slot_has_two(world)
    history.heal_everything()
    wrong = ["not looked yet"]
    for _ in range(30):
        world.run(5.0)
        if not (wrong := as_wished(world)):
            break
    note(f"after {world.schedule.now:.0f} s")
    assert not wrong, "\n".join(wrong)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=20))
def test_a_slot_never_has_two_containers_while_its_nodes_are_known(seed: int, steps: list[str]) -> None:
    """What really runs, on nodes that are not cut off: one container per slot, but for start-first updates."""
    history = begin(seed, failing=0.1)
    world = history.world
    stop_first = [step for step in steps if step not in ("sever", "create job")]
    for verb in stop_first:
        if verb in ("update", "update badly"):
            _update_stop_first(history)
        else:
            history.step(verb)
        world.run(1.5)
    world.run(10.0)
    containers = [one for agent in world.agents.values() for one in (*agent.past, *agent.containers.values())]
    by_place: dict[tuple[str, str], list[int]] = {}
    for index, one in enumerate(containers):
        by_place.setdefault((one.task.service_id, one.task.place), []).append(index)
    for place, indexes in by_place.items():
        for left in indexes:
            for right in indexes:
                if left < right:
                    assert not containers[left].overlaps(containers[right]), place


def _update_stop_first(history: History) -> None:
    control = history.world.control
    if control is None or not control.snapshot.services:
        return
    service = history.random.choice(list(control.snapshot.services.values()))
    if service.spec.mode.job:
        return
    config = UpdateConfig(order=STOP_FIRST, failure_action="continue", parallelism=2)
    template = replace(service.spec.template, force_update=service.spec.template.force_update + 1)
    spec = replace(service.spec, template=template, update=config)
    history.world.change(updated(service, spec, service.version, history.world.now))
