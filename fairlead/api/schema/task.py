"""Tasks as the API shows them, with the keys in the order of Docker's."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.api.schema.generic_resources import generic_json
from fairlead.api.schema.service_view import port_json
from fairlead.api.schema.swarm_network import attached_network_json
from fairlead.api.schema.swarm_object import Json, given, meta_json
from fairlead.api.schema.task_template_view import task_template_json
from fairlead.api.schema.timestamp import rfc3339
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.task import ContainerStatus, Task, TaskStatus


def task_json(task: Task, networks: Mapping[str, SwarmNetwork]) -> Json:
    """`networks` are the swarm's, by id."""
    shown = meta_json(task) | {"Labels": {}, "Spec": task_template_json(task.spec)}
    shown |= given({"ServiceID": task.service_id, "Slot": task.number, "NodeID": task.node_id})
    shown |= {"Status": _status_json(task.status), "DesiredState": task.desired.word}
    if task.attachments:
        shown["NetworksAttachments"] = [_attachment_json(one, networks) for one in task.attachments]
    shown |= given({"GenericResources": _resources_json(task)})
    if task.iteration is not None:
        shown["JobIteration"] = given({"Index": task.iteration})
    return shown | {"Volumes": None}


def _status_json(status: TaskStatus) -> Json:
    shown: Json = {"Timestamp": rfc3339(status.at), "State": status.state.word, "Message": status.message}
    if status.error:
        shown["Err"] = status.error
    if status.container is not None:
        shown["ContainerStatus"] = _container_json(status.container)
    return shown | {"PortStatus": given({"Ports": [port_json(port) for port in status.ports]})}


def _resources_json(task: Task) -> list[Json]:
    """What was set aside for the task on its node."""
    if not task.node_id:
        return []
    counted = [one for one in task.spec.reservations.generic.items() if one[0] not in task.resources]
    return generic_json(counted, task.resources.items())


def _container_json(container: ContainerStatus) -> Json:
    return {"ContainerID": container.container_id, "PID": container.pid, "ExitCode": container.exit_code}


def _attachment_json(one: Attachment, networks: Mapping[str, SwarmNetwork]) -> Json:
    network = networks.get(one.network_id)
    shown: Json = {"ID": one.network_id} if network is None else attached_network_json(network)
    return {"Network": shown} | given({"Addresses": [str(address) for address in one.addresses]})
