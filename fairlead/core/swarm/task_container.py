"""From a task to the container that this node's engine shall make of it.

The restart policy stays out: a container that ends is the end of its task, and managers decide what follows. So does
what is secret: files are given to the container when it starts (`task_files`), and its description, which is stored
and shown, knows nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fairlead.core.swarm.naming import container_labels
from fairlead.core.swarm.templates import context, expand_container
from fairlead.model.container import ContainerSpec, NetworkingSpec, Resources, RestartPolicy
from fairlead.model.endpoint import EndpointSpec, PortRequest, PublishedPort
from fairlead.model.network import PREDEFINED
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.endpoint import HOST, PortConfig
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import SECOND, ContainerTemplate, LogDriver, TaskTemplate

NO_RESTART = RestartPolicy("no")


def container_spec(task: Task, node: Node, networks: Mapping[str, SwarmNetwork]) -> ContainerSpec:
    """What `docker create` would be asked for. `networks` by id has those of the task's attachments; raises Invalid
    when a template cannot be filled in."""
    assert task.spec.container is not None
    template = expand_container(task.spec.container, context(task, node))
    log = task.spec.log_driver or LogDriver()
    return ContainerSpec(
        image=template.image,
        cmd=template.args or None,
        entrypoint=template.command or None,
        env=(*template.env, *_given_resources(task)),
        user=template.user,
        working_dir=template.dir,
        labels=container_labels(task),
        tty=template.tty,
        open_stdin=template.open_stdin,
        stop_signal=template.stop_signal,
        health=template.health,
        network=_networking(task, template, networks),
        resources=_resources(task.spec),
        restart=NO_RESTART,
        mounts=template.mounts,
        read_only=template.read_only,
        init=template.init,
        cap_add=template.cap_add,
        cap_drop=template.cap_drop,
        security_opt=_security(template),
        group_add=template.groups,
        sysctls=template.sysctls,
        oom_score_adj=template.oom_score_adj,
        log_driver=log.name,
        log_options=log.options,
        task_id=task.id,
    )


def _given_resources(task: Task) -> tuple[str, ...]:
    """What the task has of its node's generic resources, as Docker tells it: their names, or how many."""
    amounts = task.spec.reservations.generic.items()
    given = {kind: ",".join(task.resources.get(kind, ())) or str(amount) for kind, amount in amounts}
    return tuple(f"DOCKER_RESOURCE_{kind.upper()}={what}" for kind, what in given.items())


def _security(template: ContainerTemplate) -> tuple[str, ...]:
    narrowed = template.privileges is not None and template.privileges.no_new_privileges
    return ("no-new-privileges",) if narrowed else ()


def grace(task: Task) -> int | None:
    """Seconds that the container has to end; None for the engine's default."""
    asked = task.spec.container.stop_grace if task.spec.container is not None else None
    return None if asked is None else -(-asked // SECOND)


def host_ports(task: Task) -> tuple[PortConfig, ...]:
    """The ports that the task's own node publishes."""
    ports = task.endpoint.spec.ports if task.endpoint is not None else ()
    return tuple(port for port in ports if port.mode == HOST)


def bound_ports(task: Task, published: Iterable[PublishedPort]) -> tuple[PortConfig, ...]:
    """The host-mode ports with the numbers that the node bound them to."""
    taken = {port.published for port in host_ports(task)}
    numbers: dict[tuple[int, str], list[int]] = {}
    for one in published:
        known = numbers.setdefault((one.container_port, one.protocol), [])
        if one.host_port not in known and one.host_port not in taken:
            known.append(one.host_port)
    return tuple(_bound(port, numbers.get((port.target, port.protocol), [])) for port in host_ports(task))


def _bound(port: PortConfig, numbers: list[int]) -> PortConfig:
    """A port whose number the user left to the node takes the next that no other one asked for."""
    return port if port.published or not numbers else port.at(numbers.pop(0))


def _networking(task: Task, template: ContainerTemplate, networks: Mapping[str, SwarmNetwork]) -> NetworkingSpec:
    joined = {_local_name(one, networks): _endpoint(one) for one in task.attachments}
    first = next(iter(joined), "")
    ports = host_ports(task)
    return NetworkingSpec(
        mode=first if first in PREDEFINED else "default",
        endpoints=joined,
        hostname=template.hostname,
        exposed=tuple(dict.fromkeys(f"{port.target}/{port.protocol}" for port in ports)),
        ports=tuple(_published(port) for port in ports),
        dns=template.dns.nameservers,
        dns_search=template.dns.search,
        dns_options=template.dns.options,
        extra_hosts=tuple(_extra_hosts(template.hosts)),
    )


def _local_name(attachment: Attachment, networks: Mapping[str, SwarmNetwork]) -> str:
    """What the network is called on this host: its id, or the name of a network that every host has."""
    network = networks.get(attachment.network_id)
    return network.name if network is not None and network.name in PREDEFINED else attachment.network_id


def _endpoint(attachment: Attachment) -> EndpointSpec:
    def of(version: int) -> str:
        return next((str(one.ip) for one in attachment.addresses if one.version == version), "")

    return EndpointSpec(ipv4=of(4), ipv6=of(6), driver_opts=attachment.driver_opts)


def _published(port: PortConfig) -> PortRequest:
    return PortRequest(port.target, port.protocol, port.host_ip, (port.published, port.published))


def _extra_hosts(lines: Iterable[str]) -> Iterator[str]:
    """ "IP name alias" lines as name:IP pairs."""
    for line in lines:
        address, *names = line.split()
        yield from (f"{name}:{address}" for name in names)


def _resources(template: TaskTemplate) -> Resources:
    limits = template.limits
    ulimits = template.container.ulimits if template.container is not None else ()
    return Resources(
        memory=limits.memory,
        memory_reservation=template.reservations.memory,
        nano_cpus=limits.nano_cpus,
        pids=limits.pids,
        ulimits=ulimits,
    )
