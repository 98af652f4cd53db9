"""What tasks, their containers and their hosts are called."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.model.swarm.task import Task

PREFIX = "com.docker.swarm."


def task_name(task: Task) -> str:
    """`web.3` or, without a number, `web.<node id>`: as `docker service ps` shows it."""
    return f"{task.service_name}.{task.number or task.node_id}"


def container_name(task: Task) -> str:
    """`web.3.<task id>`: unique in the swarm, and what `docker ps` shows on its node."""
    return f"{task_name(task)}.{task.id}"


def container_labels(task: Task) -> Mapping[str, str]:
    """The labels of a task's container: the template's, and those by which the swarm knows its own."""
    own = {
        f"{PREFIX}node.id": task.node_id,
        f"{PREFIX}service.id": task.service_id,
        f"{PREFIX}service.name": task.service_name,
        f"{PREFIX}task": "",
        f"{PREFIX}task.id": task.id,
        f"{PREFIX}task.name": container_name(task),
    }
    template = task.spec.container.labels if task.spec.container is not None else {}
    return {**template, **own}
