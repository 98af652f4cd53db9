"""What a user's change makes of a service: the new value, to be written on the version that the user saw."""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.swarm.changes import Thing
from fairlead.core.swarm.rollout import rolled_back
from fairlead.model.errors import Failed, Invalid
from fairlead.model.swarm.service import JobStatus, Service, ServiceSpec

OUT_OF_SEQUENCE = "rpc error: code = Unknown desc = update out of sequence"


def created(service_id: str, spec: ServiceSpec, now: int) -> Service:
    job = JobStatus(0, now) if spec.mode.job else None
    return Service(service_id, spec, job=job, created=now, updated=now)


def updated(service: Service, spec: ServiceSpec, version: int, now: int) -> Service:
    """The service with a new spec; a job starts its next run. Raises Failed when `version` is not the service's."""
    in_sequence(service, version)
    job = JobStatus(service.job.iteration + 1, now) if service.job is not None else None
    return replace(service, spec=spec, previous=service.spec, update=None, job=job)


def rolled(service: Service, version: int, now: int) -> Service:
    """The service on its way back to its previous spec. Raises Invalid when it has none."""
    in_sequence(service, version)
    if service.previous is None:
        text = f"service {service.id} does not have a previous spec"
        raise Invalid(f"rpc error: code = FailedPrecondition desc = {text}")
    return rolled_back(service, "manually requested rollback", now)


def in_sequence(thing: Thing, version: int) -> None:
    """Raises Failed when `version`, which the user saw, is not the object's last."""
    if version != thing.version:
        raise Failed(OUT_OF_SEQUENCE)
