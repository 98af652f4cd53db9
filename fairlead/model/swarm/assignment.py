"""A task as its own node remembers it."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.swarm.task import Task, TaskStatus


@dataclass(frozen=True, slots=True)
class Assignment:
    """`task` is what the node was told last, `status` how far it came. `id` is the task's."""

    id: str
    task: Task
    status: TaskStatus
