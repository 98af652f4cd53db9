"""Services as the API shows them, with the keys in the order of Docker's."""

from __future__ import annotations

from fairlead.api.schema.swarm_object import Json, given, meta_json
from fairlead.api.schema.task_template import CONTAINER
from fairlead.api.schema.task_template_view import task_template_json
from fairlead.api.schema.timestamp import rfc3339
from fairlead.model.swarm.endpoint import EndpointSpec, PortConfig, ServiceEndpoint, VirtualIp
from fairlead.model.swarm.service import (
    GLOBAL,
    GLOBAL_JOB,
    REPLICATED,
    JobStatus,
    Service,
    ServiceMode,
    ServiceSpec,
    UpdateConfig,
    UpdateStatus,
)


def service_json(service: Service, defaults: bool = False) -> Json:
    shown = meta_json(service) | {"Spec": spec_json(service.spec, defaults)}
    if service.previous is not None:
        shown["PreviousSpec"] = spec_json(service.previous)
    shown["Endpoint"] = _endpoint_json(service.endpoint)
    if service.update is not None:
        shown["UpdateStatus"] = _update_status_json(service.update)
    if service.job is not None:
        shown["JobStatus"] = _job_json(service.job)
    return shown


def spec_json(spec: ServiceSpec, defaults: bool = False) -> Json:
    usual = UpdateConfig() if defaults and not spec.mode.job else None
    update, rollback = spec.update or usual, spec.rollback or usual
    endpoint = spec.endpoint or (EndpointSpec() if defaults else None)
    template = task_template_json(spec.template, defaults)
    networks = {"Networks": template.pop("Networks")} if spec.networks_beside else {}
    shown: Json = {
        "Name": spec.name,
        "Labels": dict(spec.labels),
        "TaskTemplate": template | {"Runtime": CONTAINER},
        "Mode": _mode_json(spec.mode),
    }
    if update is not None:
        shown["UpdateConfig"] = _update_json(update)
    if rollback is not None:
        shown["RollbackConfig"] = _update_json(rollback)
    shown |= networks
    if endpoint is not None:
        shown["EndpointSpec"] = endpoint_spec_json(endpoint)
    return shown


def _mode_json(mode: ServiceMode) -> Json:
    if mode.kind == REPLICATED:
        return {"Replicated": {"Replicas": mode.replicas}}
    if mode.kind == GLOBAL:
        return {"Global": {}}
    if mode.kind == GLOBAL_JOB:
        return {"GlobalJob": {}}
    return {"ReplicatedJob": {"MaxConcurrent": mode.concurrent, "TotalCompletions": mode.total}}


def _update_json(config: UpdateConfig) -> Json:
    ratio = float(config.max_failure_ratio)
    shown: Json = {"Parallelism": config.parallelism}
    if config.delay:
        shown["Delay"] = config.delay
    return shown | {
        "FailureAction": config.failure_action,
        "Monitor": config.monitor,
        "MaxFailureRatio": int(ratio) if ratio.is_integer() else ratio,
        "Order": config.order,
    }


def endpoint_spec_json(spec: EndpointSpec) -> Json:
    return given({"Mode": spec.mode, "Ports": [port_json(port) for port in spec.ports]})


def port_json(port: PortConfig) -> Json:
    return given(
        {
            "Name": port.name,
            "Protocol": port.protocol,
            "TargetPort": port.target,
            "PublishedPort": port.published,
            "PublishMode": port.mode,
            "HostIP": port.host_ip,
        }
    )


def _endpoint_json(endpoint: ServiceEndpoint | None) -> Json:
    """A service that the allocator has not seen yet has none."""
    if endpoint is None:
        return {"Spec": {}}
    ips = [shown for one in endpoint.virtual_ips for shown in _virtual_ip_json(one)]
    rest = given({"Ports": [port_json(port) for port in endpoint.ports], "VirtualIPs": ips})
    return {"Spec": endpoint_spec_json(endpoint.spec), **rest}


def _virtual_ip_json(ip: VirtualIp) -> list[Json]:
    """An entry for each family; one without address where the name resolves to the tasks."""
    return [{"NetworkID": ip.network_id, "Addr": str(address)} for address in ip.addresses] or [
        {"NetworkID": ip.network_id}
    ]


def _update_status_json(status: UpdateStatus) -> Json:
    shown: Json = {"State": status.state}
    if status.started:
        shown["StartedAt"] = rfc3339(status.started)
    if status.completed:
        shown["CompletedAt"] = rfc3339(status.completed)
    return shown | {"Message": status.message}


def _job_json(job: JobStatus) -> Json:
    return {"JobIteration": given({"Index": job.iteration}), "LastExecution": rfc3339(job.last_execution)}
