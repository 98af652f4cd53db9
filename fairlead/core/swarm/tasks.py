"""The birth and the wishes of tasks, for all loops that make or replace them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fairlead.core.swarm.constraints import satisfies
from fairlead.core.swarm.loop import Moment
from fairlead.model.swarm.endpoint import EndpointSpec
from fairlead.model.swarm.node import DOWN, Node
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus


def goal(service: Service) -> TaskState:
    """What is wished for a task of this service that shall do its work."""
    return TaskState.COMPLETE if service.spec.mode.job else TaskState.RUNNING


def make(service: Service, slot: int, node_id: str, moment: Moment) -> Task:
    """A new task for slot `slot`, or for node `node_id` of a global service."""
    return Task(
        id=moment.new_id(),
        service_id=service.id,
        service_name=service.spec.name,
        spec=service.spec.template,
        slot=slot,
        node_id=node_id,
        status=TaskStatus(TaskState.NEW, at=moment.now, message="created"),
        desired=goal(service),
        labels=service.spec.labels,
        iteration=service.job.iteration if service.job is not None else None,
        created=moment.now,
    )


def wish(task: Task, desired: TaskState) -> Task:
    """The task with a stronger wish; the same task when it has that wish already or a stronger one."""
    return replace(task, desired=desired) if desired > task.desired else task


def newest(tasks: Iterable[Task]) -> Task:
    """The last that was made."""
    return max(tasks, key=lambda task: (task.created, task.id))


def gone(task: Task, nodes: Mapping[str, Node]) -> bool:
    """Nothing of the task runs, as far as the swarm can ever know: it is dead, or its node is declared lost."""
    if task.dead:
        return True
    node = nodes.get(task.node_id)
    return bool(task.node_id) and (node is None or node.status.state == DOWN)


def outdated(task: Task, service: Service, nodes: Mapping[str, Node]) -> bool:
    """Would the service make this task differently today? A change of placement alone does not count while the task's
    node still fits, and neither does the restart policy, which is read from the service."""
    wanted = service.spec.template
    if task.spec is not wanted and task.spec != wanted:
        moved = replace(task.spec, placement=wanted.placement, restart=wanted.restart)
        if moved != wanted:
            return True
        node = nodes.get(task.node_id)
        if node is not None and not satisfies(node, wanted.placement.constraints):
            return True
    return task.endpoint is not None and task.endpoint.spec != (service.spec.endpoint or EndpointSpec())
