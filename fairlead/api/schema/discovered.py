"""What `docker network inspect` adds for a network of the swarm: the nodes on it, and with --verbose its services."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.engine.discovery.discovery import Discovery
    from fairlead.engine.discovery.shown import ShownService, ShownTask

Json = dict[str, object]

NO_ADDRESS = "<nil>"


def discovered_json(discovery: Discovery, network_id: str, *, verbose: bool) -> Json:
    """`Peers` and `Services`; neither where this node has no endpoint on the network."""
    peers = discovery.peers(network_id)
    if not peers:
        return {}
    shown: Json = {"Peers": [{"Name": peer.name, "IP": peer.address} for peer in peers]}
    if verbose:
        shown["Services"] = {service.name: _service_json(service) for service in discovery.services(network_id)}
    return shown


def _service_json(service: ShownService) -> Json:
    return {
        "VIP": service.vip or NO_ADDRESS,
        "Ports": list(service.ports),
        "LocalLBIndex": service.index,
        "Tasks": [_task_json(task) for task in service.tasks],
    }


def _task_json(task: ShownTask) -> Json:
    return {
        "Name": task.name,
        "EndpointID": task.endpoint_id,
        "EndpointIP": task.address,
        "Info": {"Host IP": task.host},
    }
