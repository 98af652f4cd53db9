"""Whether a spec may be taken, judged before anything is written. Refusals in Docker's words.

Each function raises and returns nothing: Invalid (400), Conflict (409), NotFound (404), Failed (500) as Docker answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from fairlead.core.swarm import constraints, labels, templates
from fairlead.core.swarm.allocator import NO_INGRESS
from fairlead.core.swarm.published import in_use
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Conflict, Failed, Invalid, NotFound, Refusal
from fairlead.model.swarm.cluster import ClusterSpec
from fairlead.model.swarm.endpoint import DNSRR, HOST, INGRESS, PROTOCOLS, VIP, EndpointSpec, PortConfig
from fairlead.model.swarm.files import FileSpec
from fairlead.model.swarm.node import AVAILABILITIES, ROLES, NodeSpec
from fairlead.model.swarm.service import FAILURE_ACTIONS, ORDERS, REPLICATED_JOB, Service, ServiceSpec, UpdateConfig
from fairlead.model.swarm.template import CONDITIONS, SECOND, ContainerTemplate, FileReference, TaskTemplate

_SERVICE_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*")
_FILE_NAME = re.compile(r"[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?")
LONGEST_NAME, LONGEST_FILE_NAME = 63, 64
LARGEST_SECRET, LARGEST_CONFIG = 500 * 1024, 1000 * 1024
MIN_CPU, MIN_MEMORY = 1_000_000, 4 << 20
SHORTEST_EXPIRY = 3600 * SECOND


def _invalid(text: str) -> Invalid:
    return Invalid(f"rpc error: code = InvalidArgument desc = {text}")


# --- services -------------------------------------------------------------------------------------


def service(spec: ServiceSpec, snapshot: Snapshot, own: Service | None = None) -> None:
    """A service to be made, or with `own` to be changed."""
    _name(spec.name, _SERVICE_NAME, LONGEST_NAME, "name must be valid as a DNS name component")
    _template(spec.template)
    _mode(spec)
    for config in (spec.update, spec.rollback):
        if config is not None:
            _update_config(config)
    _endpoint(spec.endpoint or EndpointSpec())
    labels.check_service(spec.labels, (spec.endpoint or EndpointSpec()).ports)
    _networks(spec, snapshot)
    _ports_free(spec.endpoint or EndpointSpec(), snapshot, own)
    _files_exist(spec.template, snapshot)
    taken = snapshot.named("service", spec.name)
    if taken is not None and (own is None or taken.id != own.id):
        raise already_exists("service", spec.name)
    if own is not None and own.spec.name != spec.name:
        raise Failed("rpc error: code = Unimplemented desc = renaming services is not supported")
    if own is not None and own.spec.mode.kind != spec.mode.kind:
        raise Failed("rpc error: code = Unimplemented desc = service mode change is not allowed")


def already_exists(kind: str, name: str) -> Conflict:
    text = f"name conflicts with an existing object: {kind} {name} already exists"
    return Conflict(f"rpc error: code = AlreadyExists desc = {text}")


def _name(name: str, grammar: re.Pattern[str], longest: int, complaint: str) -> None:
    if not name:
        raise _invalid("meta: name must be provided")
    if not grammar.fullmatch(name):
        raise _invalid(complaint)
    if len(name) > longest:
        raise _invalid(f"name must be {longest} characters or fewer")


def _template(template: TaskTemplate) -> None:
    if template.container is None:
        raise Invalid("mismatched Runtime and *Spec fields")
    _container(template.container)
    for amount in (template.limits, template.reservations):
        if amount.nano_cpus and amount.nano_cpus < MIN_CPU:
            raise _invalid(f"invalid cpu value {amount.nano_cpus / 1e9:g}: Must be at least {MIN_CPU / 1e9:g}")
        if amount.memory and amount.memory < MIN_MEMORY:
            raise _invalid(f"invalid memory value {amount.memory}: Must be at least 4MiB")
    if template.restart.condition not in CONDITIONS:
        raise Invalid(f'invalid RestartCondition: "{template.restart.condition}"')
    if template.restart.pause < 0 or (template.restart.window or 0) < 0:
        raise _invalid("TaskSpec: restart-delay and restart-window cannot be negative")
    constraints.parse(template.placement.constraints)


def _container(container: ContainerTemplate) -> None:
    if not container.image:
        raise _invalid("ContainerSpec: image reference must be provided")
    targets: set[str] = set()
    for mount in container.mounts:
        if mount.target in targets:
            raise _invalid(f"ContainerSpec: duplicate mount point: {mount.target}")
        targets.add(mount.target)
    if container.stop_grace is not None and container.stop_grace < 0:
        raise _invalid("ContainerSpec: stop-grace-period cannot be negative")
    _distinct_targets("secret", container.secrets)
    _distinct_targets("config", container.configs)
    templates.check(container)


def _distinct_targets(kind: str, references: Iterable[FileReference]) -> None:
    seen: dict[str, str] = {}
    for one in references:
        if not one.object_id or not one.object_name:
            raise _invalid(f"malformed {kind} reference")
        if not one.target:
            continue
        if one.target in seen:
            names = f"'{seen[one.target]}' and '{one.object_name}'"
            raise _invalid(f"{kind} references {names} have a conflicting target: '{one.target}'")
        seen[one.target] = one.object_name


def _mode(spec: ServiceSpec) -> None:
    mode = spec.mode
    if mode.replicas < 0:
        raise _invalid("Number of replicas must be non-negative")
    if mode.job and (spec.update is not None or spec.rollback is not None):
        raise _invalid("UpdateConfig and RollbackConfig are not supported for job modes")
    if mode.kind == REPLICATED_JOB and (mode.total < 0 or mode.concurrent < 0):
        raise _invalid("MaxConcurrent and TotalCompletions must be non-negative")


def _update_config(config: UpdateConfig) -> None:
    if config.failure_action not in FAILURE_ACTIONS:
        raise Invalid(f'unrecognized update failure action "{config.failure_action}"')
    if config.order not in ORDERS:
        raise Invalid(f'unrecognized update order "{config.order}"')
    if config.delay < 0:
        raise _invalid("TaskSpec: update-delay cannot be negative")
    if config.monitor < 0:
        raise _invalid("TaskSpec: update-monitor cannot be negative")
    if not 0 <= config.max_failure_ratio <= 1:
        raise _invalid("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1")


def _endpoint(spec: EndpointSpec) -> None:
    if spec.mode not in (VIP, DNSRR):
        raise Invalid(f'invalid resolution mode: "{spec.mode}"')
    for port in spec.ports:
        _port(port)
    if spec.mode == DNSRR and any(port.mode == INGRESS for port in spec.ports):
        raise _invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode")
    published = [(port.published, port.protocol, port.mode, port.host_ip) for port in spec.ports if port.published]
    if len(set(published)) < len(published):
        raise _invalid("EndpointSpec: duplicate published ports provided")


def _port(port: PortConfig) -> None:
    if port.mode not in (INGRESS, HOST):
        raise Invalid(f'invalid publish mode "{port.mode}": must be ingress or host')
    if port.protocol not in PROTOCOLS:
        raise Invalid(f'invalid protocol "{port.protocol}": must be tcp, udp or sctp')
    if not 0 < port.target <= 65535:
        raise _invalid(f"EndpointSpec: invalid target port {port.target}: must be from 1 to 65535")
    if not 0 <= port.published <= 65535:
        raise _invalid(f"EndpointSpec: invalid published port {port.published}: must be from 0 to 65535")


def _networks(spec: ServiceSpec, snapshot: Snapshot) -> None:
    for one in spec.template.networks:
        network = snapshot.networks.get(one.target)
        if network is None or network.pending_delete:
            raise NotFound(f"network {one.target} not found")
        if network.spec.ingress:
            name = network.name
            raise _invalid(f'Service cannot be explicitly attached to the ingress network "{name}"')
    publishes = any(port.mode == INGRESS for port in (spec.endpoint or EndpointSpec()).ports)
    if publishes and snapshot.ingress() is None:
        raise Invalid(f"rpc error: code = FailedPrecondition desc = {NO_INGRESS}")


def _ports_free(spec: EndpointSpec, snapshot: Snapshot, own: Service | None) -> None:
    wanted = {(port.published, port.protocol) for port in spec.ports if port.mode == INGRESS and port.published}
    if not wanted:
        return
    for other in snapshot.services.values():
        if own is not None and other.id == own.id:
            continue
        given = other.endpoint.ports if other.endpoint is not None else ()
        asked = other.spec.endpoint.ports if other.spec.endpoint is not None else ()
        for port in (*asked, *given):
            if port.mode == INGRESS and (port.published, port.protocol) in wanted:
                raise _invalid(in_use(port.published, other.id, snapshot.services))


def _files_exist(template: TaskTemplate, snapshot: Snapshot) -> None:
    container = template.container
    if container is None:
        return
    kinds = (("secret", container.secrets, snapshot.secrets), ("config", container.configs, snapshot.configs))
    for kind, references, known in kinds:
        missing = [one.object_name for one in references if one.object_id not in known]
        if missing:
            words = (
                f"{kind}s not found: {', '.join(missing)}" if len(missing) > 1 else f"{kind} not found: {missing[0]}"
            )
            raise _invalid(words)


# --- the rest -------------------------------------------------------------------------------------


def node(spec: NodeSpec) -> None:
    if spec.role not in ROLES:
        raise Invalid(f'invalid Role: "{spec.role}"')
    if spec.availability not in AVAILABILITIES:
        raise Invalid(f'invalid Availability: "{spec.availability}"')
    labels.check_node(spec.labels)


def cluster(spec: ClusterSpec) -> None:
    if spec.name != "default":
        raise _invalid("swarm spec must be named 'default'")
    if spec.heartbeat <= 0:
        raise _invalid("heartbeat time period cannot be a negative duration")
    if spec.cert_expiry < SHORTEST_EXPIRY:
        raise _invalid("minimum certificate expiry time is: 1h0m0s")
    if spec.election_tick <= spec.heartbeat_tick:
        raise _invalid("election tick must be greater than heartbeat tick")


def file(kind: str, spec: FileSpec, size: int, snapshot: Snapshot) -> None:
    """A secret or config (`kind`) with `size` bytes of data, to be made."""
    complaint = "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be "
    if not _FILE_NAME.fullmatch(spec.name) or len(spec.name) > LONGEST_FILE_NAME:
        raise _invalid(complaint + "[a-zA-Z0-9]")
    largest = LARGEST_SECRET if kind == "secret" else LARGEST_CONFIG
    if not 0 < size < largest:
        raise _invalid(f"{kind} data must be larger than 0 and less than {largest} bytes")
    if snapshot.named(kind, spec.name) is not None:
        raise file_exists(kind, spec.name)


def file_exists(kind: str, name: str) -> Conflict:
    return Conflict(f"rpc error: code = AlreadyExists desc = {kind} {name} already exists")


def file_change(old: FileSpec, new: FileSpec) -> None:
    """Only labels may change; data that is not sent again is not meant to."""
    same = replace(new, labels=old.labels, data=new.data or old.data)
    if same != old:
        raise _invalid("only updates to Labels are allowed")


def file_removal(kind: str, file_id: str, snapshot: Snapshot) -> None:
    """A secret or config that services use is not removed."""
    users = [one.spec.name for one in snapshot.services.values() if file_id in _files_of(one, kind)]
    thing = (snapshot.secrets if kind == "secret" else snapshot.configs).get(file_id)
    if users and thing is not None:
        word = "service" if len(users) == 1 else "services"
        raise _invalid(f"{kind} '{thing.spec.name}' is in use by the following {word}: {', '.join(sorted(users))}")


def _files_of(one: Service, kind: str) -> set[str]:
    container = one.spec.template.container
    if container is None:
        return set()
    return {reference.object_id for reference in (container.secrets if kind == "secret" else container.configs)}


def network_removal(network_id: str, snapshot: Snapshot) -> None:
    """A network that services or attached containers use is not removed."""
    network = snapshot.networks[network_id]
    for one in snapshot.services.values():
        published = one.spec.endpoint is not None and any(port.mode == INGRESS for port in one.spec.endpoint.ports)
        if network.spec.ingress and published:
            raise _precondition(f"ingress network cannot be removed because service {one.id} depends on it")
        if any(join.target == network_id for join in one.spec.template.networks):
            raise _precondition(f"network {network_id} is in use by service {one.id}")
    for task in snapshot.tasks.values():
        if not task.service_id and not task.dead and any(join.target == network_id for join in task.spec.networks):
            raise _precondition(f"network {network_id} is in use by task {task.id}")


def _precondition(text: str) -> Refusal:
    return Invalid(f"rpc error: code = FailedPrecondition desc = {text}")
