"""Services: a wish for tasks, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.swarm.endpoint import EndpointSpec, ServiceEndpoint
from fairlead.model.swarm.template import SECOND, TaskTemplate

REPLICATED, GLOBAL, REPLICATED_JOB, GLOBAL_JOB = "replicated", "global", "replicated-job", "global-job"

STOP_FIRST, START_FIRST = "stop-first", "start-first"
ORDERS = (STOP_FIRST, START_FIRST)
PAUSE, CONTINUE, ROLLBACK = "pause", "continue", "rollback"
FAILURE_ACTIONS = (PAUSE, CONTINUE, ROLLBACK)

UPDATING, PAUSED, COMPLETED = "updating", "paused", "completed"
ROLLBACK_STARTED, ROLLBACK_PAUSED, ROLLBACK_COMPLETED = "rollback_started", "rollback_paused", "rollback_completed"


@dataclass(frozen=True, slots=True)
class ServiceMode:
    """`replicas` counts for replicated services; `total` (completions asked for) and `concurrent` (at most so many at
    once) for replicated jobs."""

    kind: str = REPLICATED
    replicas: int = 1
    total: int = 1
    concurrent: int = 1

    @property
    def job(self) -> bool:
        return self.kind in (REPLICATED_JOB, GLOBAL_JOB)

    @property
    def per_node(self) -> bool:
        return self.kind in (GLOBAL, GLOBAL_JOB)


@dataclass(frozen=True, slots=True)
class UpdateConfig:
    """`parallelism` 0 is all at once. `monitor` is how long after its start a task's failure is the update's."""

    parallelism: int = 1
    delay: int = 0
    failure_action: str = PAUSE
    monitor: int = 5 * SECOND
    max_failure_ratio: float = 0.0
    order: str = STOP_FIRST


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """`networks_beside`: the template's networks were given beside it, and are shown there."""

    name: str
    template: TaskTemplate
    mode: ServiceMode = ServiceMode()
    labels: Mapping[str, str] = field(default_factory=dict)
    update: UpdateConfig | None = None
    rollback: UpdateConfig | None = None
    endpoint: EndpointSpec | None = None
    networks_beside: bool = False


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """`total` is how many places had to change when it began; `failures` names those in which a new task failed while
    it was watched. Their ratio decides, so both must outlive a leader."""

    state: str
    started: int = 0
    completed: int = 0
    message: str = ""
    total: int = 0
    failures: tuple[str, ...] = ()

    @property
    def in_progress(self) -> bool:
        return self.state in (UPDATING, ROLLBACK_STARTED)

    @property
    def halted(self) -> bool:
        return self.state in (PAUSED, ROLLBACK_PAUSED)

    @property
    def rolling_back(self) -> bool:
        return self.state in (ROLLBACK_STARTED, ROLLBACK_PAUSED)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """`iteration` counts runs of a job: every update of the service is a new one."""

    iteration: int = 0
    last_execution: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """`previous` is the spec before the last update (what `rollback` goes back to)."""

    id: str
    spec: ServiceSpec
    previous: ServiceSpec | None = None
    endpoint: ServiceEndpoint | None = None
    update: UpdateStatus | None = None
    job: JobStatus | None = None
    error: str = ""
    version: int = 0
    created: int = 0
    updated: int = 0
