"""What the other nodes are told about a task's endpoint on a swarm network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fairlead.core.swarm.labels import translated
from fairlead.model.discovery import TASK, MeshPort, Presence
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Address
from fairlead.model.swarm.endpoint import INGRESS, VIP, ServiceEndpoint
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.task import Task

NO_ENDPOINT = ServiceEndpoint()


@dataclass(frozen=True, slots=True)
class Host:
    """The node that speaks. `vtep` is where its overlay packets arrive, `weight` the share of each of its tasks."""

    node_id: str
    vtep: Address
    weight: int = 1


def presence(task: Task, endpoint: Endpoint, network: SwarmNetwork, host: Host, *, serving: bool) -> Presence:
    of_service = task.endpoint or NO_ENDPOINT
    attachment = next((one for one in task.attachments if one.network_id == network.id), None)
    return Presence(
        endpoint_id=endpoint.id,
        kind=TASK,
        node_id=host.node_id,
        vtep=host.vtep,
        mac=endpoint.mac,
        addresses=tuple(address.ip for address in endpoint.addresses),
        name=endpoint.name,
        service_id=task.service_id,
        service=task.service_name,
        service_aliases=attachment.aliases if attachment is not None else (),
        vips=_vips(of_service, network.id),
        mesh=_mesh(of_service, task.labels) if network.spec.ingress else (),
        serving=serving,
        weight=host.weight,
    )


def _vips(endpoint: ServiceEndpoint, network_id: str) -> tuple[Address, ...]:
    if endpoint.spec.mode != VIP:
        return ()
    own = next((one for one in endpoint.virtual_ips if one.network_id == network_id), None)
    return tuple(address.ip for address in own.addresses) if own is not None else ()


def _mesh(endpoint: ServiceEndpoint, labels: Mapping[str, str]) -> tuple[MeshPort, ...]:
    return tuple(
        MeshPort(port.published, port.target, port.protocol, port.host_ip, translated(labels, port))
        for port in endpoint.ports
        if port.mode == INGRESS
    )
