"""The states of a task, as a law: which may follow which.

A task is one attempt to run one container; it moves forward only. Who moves it:

- NEW, PENDING: managers. An allocator gives it addresses (PENDING), the scheduler a node (ASSIGNED).
- ASSIGNED to RUNNING: the node's agent, which reports and may skip states when it is quick.
- after RUNNING: nothing comes back. COMPLETE, SHUTDOWN, FAILED, REJECTED are told by the agent; ORPHANED is the
  managers' word for a task whose node has been lost too long.

REMOVE is never observed; it is a wish: shut the task down, then forget it. Numbers are those of SwarmKit's protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class TaskState(IntEnum):
    NEW = 0
    PENDING = 64
    ASSIGNED = 192
    ACCEPTED = 256
    PREPARING = 320
    READY = 384
    STARTING = 448
    RUNNING = 512
    COMPLETE = 576
    SHUTDOWN = 640
    FAILED = 704
    REJECTED = 768
    REMOVE = 800
    ORPHANED = 832

    @property
    def word(self) -> str:
        """As the API writes it."""
        return self.name.lower()

    @property
    def ended(self) -> bool:
        """No container of this task runs or will ever run."""
        return self > TaskState.RUNNING


_AGENT = (
    TaskState.ASSIGNED,
    TaskState.ACCEPTED,
    TaskState.PREPARING,
    TaskState.READY,
    TaskState.STARTING,
    TaskState.RUNNING,
)
_ENDS = frozenset(
    {TaskState.COMPLETE, TaskState.SHUTDOWN, TaskState.FAILED, TaskState.REJECTED, TaskState.ORPHANED},
)

TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.NEW: frozenset({TaskState.PENDING}),
    TaskState.PENDING: frozenset({TaskState.ASSIGNED}),
    **{state: frozenset(_AGENT[place + 1 :]) | _ENDS for place, state in enumerate(_AGENT)},
    **{state: frozenset() for state in (*sorted(_ENDS), TaskState.REMOVE)},
}
"""Observed state -> the states that may be observed next."""

DESIRED = (TaskState.READY, TaskState.RUNNING, TaskState.COMPLETE, TaskState.SHUTDOWN, TaskState.REMOVE)
"""What may be wished for a task; a wish too moves only rightward. COMPLETE is a job's RUNNING."""


def may_follow(before: TaskState, after: TaskState) -> bool:
    """May `after` be observed of a task that was observed in `before`?"""
    return after in TRANSITIONS[before]


def parse_state(word: str) -> TaskState | None:
    """The state that the API calls `word`."""
    return TaskState.__members__.get(word.upper())
