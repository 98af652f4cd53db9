"""Tasks: one attempt to run one container of a service. What is wished and what is seen are different fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import PortConfig, ServiceEndpoint
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.template import TaskTemplate


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    container_id: str = ""
    pid: int = 0
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """What is observed. `at` is when the state was entered and `started` when RUNNING was, by the clock of who observed
    it; `error` is for the ERROR column; `ports` are host-mode ports as the node bound them."""

    state: TaskState = TaskState.NEW
    at: int = 0
    started: int = 0
    message: str = ""
    error: str = ""
    container: ContainerStatus | None = None
    ports: tuple[PortConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """`slot` numbers the replicas of a service from 1; tasks of global services have slot 0 and a node from birth.
    To users a job's tasks are numbered from 0 (`number`): docker's CLI waits for just these.

    `spec` is the template that the task was made from and never changes. `iteration` is the run of a job that it
    belongs to, None where the service is no job. A task wished READY is prepared while its predecessor in the same
    place still stops; it is wished RUNNING when that has ended and `not_before` (a restart's delay) has come.
    `restarts` are the times of the earlier restarts in this place that count against `RestartPolicy.attempts`.
    `resources` are, by kind, the names of those generic resources of its node that it was given, where they have
    names.
    """

    id: str
    service_id: str
    spec: TaskTemplate
    service_name: str = ""
    slot: int = 0
    node_id: str = ""
    status: TaskStatus = field(default_factory=TaskStatus)
    desired: TaskState = TaskState.RUNNING
    endpoint: ServiceEndpoint | None = None
    attachments: tuple[Attachment, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    iteration: int | None = None
    not_before: int = 0
    restarts: tuple[int, ...] = ()
    resources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = 0
    created: int = 0
    updated: int = 0

    @property
    def place(self) -> str:
        """What a service has one task of at a time: the slot, or for global services the node."""
        return str(self.slot) if self.slot else self.node_id

    @property
    def number(self) -> int:
        """The slot as users see it; 0 for tasks of global services, and for the first of a job."""
        return self.slot - 1 if self.slot and self.iteration is not None else self.slot

    @property
    def wanted(self) -> bool:
        """Somebody wants it to run (or to be ready for that, or to complete)."""
        return self.desired <= TaskState.COMPLETE

    @property
    def live(self) -> bool:
        """Wanted, and it has not ended."""
        return self.desired <= TaskState.COMPLETE and self.status.state <= TaskState.RUNNING

    @property
    def dead(self) -> bool:
        """No container of it runs or will: it ended, or was given up before a node had it."""
        state = self.status.state
        return state.ended or (state < TaskState.ASSIGNED and self.desired > TaskState.COMPLETE)

    @property
    def holds_resources(self) -> bool:
        """Something of its node is set aside for it: until it has ended, whatever is wished."""
        return TaskState.ASSIGNED <= self.status.state <= TaskState.RUNNING
