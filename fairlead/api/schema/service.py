"""The bodies of `/services/create` and `/services/{id}/update`, from Docker's JSON to the model."""

from __future__ import annotations

import msgspec

from fairlead.api.schema.task_template import NetworkAttachmentBody, TaskTemplateBody
from fairlead.model.errors import Invalid
from fairlead.model.swarm.endpoint import INGRESS, VIP, EndpointSpec, PortConfig
from fairlead.model.swarm.service import (
    GLOBAL,
    GLOBAL_JOB,
    PAUSE,
    REPLICATED,
    REPLICATED_JOB,
    STOP_FIRST,
    ServiceMode,
    ServiceSpec,
    UpdateConfig,
)
from fairlead.model.swarm.template import SECOND


class Replicated(msgspec.Struct):
    Replicas: int | None = None


class ReplicatedJob(msgspec.Struct):
    """`MaxConcurrent` not given is 1; `TotalCompletions` not given is as many as may run at once."""

    MaxConcurrent: int | None = None
    TotalCompletions: int | None = None

    def mode(self) -> ServiceMode:
        concurrent = 1 if self.MaxConcurrent is None else self.MaxConcurrent
        total = concurrent if self.TotalCompletions is None else self.TotalCompletions
        return ServiceMode(REPLICATED_JOB, total=total, concurrent=concurrent)


class ServiceModeBody(msgspec.Struct):
    Replicated: Replicated | None = None
    Global: dict[str, object] | None = None
    ReplicatedJob: ReplicatedJob | None = None
    GlobalJob: dict[str, object] | None = None

    def mode(self) -> ServiceMode:
        """Raises Invalid when more than one is given."""
        given = [self.Replicated, self.Global, self.ReplicatedJob, self.GlobalJob]
        if sum(one is not None for one in given) > 1:
            raise Invalid("must specify only one service mode")
        if self.Global is not None:
            return ServiceMode(GLOBAL)
        if self.GlobalJob is not None:
            return ServiceMode(GLOBAL_JOB)
        if self.ReplicatedJob is not None:
            return self.ReplicatedJob.mode()
        replicas = None if self.Replicated is None else self.Replicated.Replicas
        return ServiceMode(REPLICATED, replicas=1 if replicas is None else replicas)


class UpdateConfigBody(msgspec.Struct):
    """`UpdateConfig` or `RollbackConfig`. Durations in ns; `Parallelism` 0 is all at once."""

    Parallelism: int | None = None
    Delay: int | None = None
    FailureAction: str | None = None
    Monitor: int | None = None
    MaxFailureRatio: float | None = None
    Order: str | None = None

    def config(self) -> UpdateConfig:
        return UpdateConfig(
            self.Parallelism or 0,
            self.Delay or 0,
            self.FailureAction or PAUSE,
            self.Monitor or 5 * SECOND,
            self.MaxFailureRatio or 0.0,
            self.Order or STOP_FIRST,
        )


class PortBody(msgspec.Struct):
    """`HostIP` is Fairlead's own: the one address of the nodes at which the port is published."""

    Name: str | None = None
    Protocol: str | None = None
    TargetPort: int | None = None
    PublishedPort: int | None = None
    PublishMode: str | None = None
    HostIP: str | None = None

    def port(self) -> PortConfig:
        return PortConfig(
            self.TargetPort or 0,
            self.PublishedPort or 0,
            self.Protocol or "tcp",
            self.PublishMode or INGRESS,
            self.Name or "",
            self.HostIP or "",
        )


class EndpointSpecBody(msgspec.Struct):
    Mode: str | None = None
    Ports: list[PortBody] | None = None

    def spec(self) -> EndpointSpec:
        return EndpointSpec(self.Mode or VIP, tuple(port.port() for port in self.Ports or ()))


class ServiceSpecBody(msgspec.Struct):
    """`Networks` beside the template is where clients before API 1.25 put them, and look for them."""

    Name: str | None = None
    Labels: dict[str, str] | None = None
    TaskTemplate: TaskTemplateBody | None = None
    Mode: ServiceModeBody | None = None
    UpdateConfig: UpdateConfigBody | None = None
    RollbackConfig: UpdateConfigBody | None = None
    Networks: list[NetworkAttachmentBody] | None = None
    EndpointSpec: EndpointSpecBody | None = None

    def spec(self) -> ServiceSpec:
        """Networks are still as named. Raises Refusal for what is malformed or not supported."""
        task = self.TaskTemplate or TaskTemplateBody()
        beside = bool(self.Networks) and not task.Networks
        if beside:
            task.Networks = self.Networks
        return ServiceSpec(
            name=self.Name or "",
            template=task.template(),
            mode=(self.Mode or ServiceModeBody()).mode(),
            labels=self.Labels or {},
            update=None if self.UpdateConfig is None else self.UpdateConfig.config(),
            rollback=None if self.RollbackConfig is None else self.RollbackConfig.config(),
            endpoint=None if self.EndpointSpec is None else self.EndpointSpec.spec(),
            networks_beside=beside,
        )
