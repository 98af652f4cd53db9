"""The swarm in `/info` and `/_ping`: what every node, also one in no swarm, says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.schema.swarm_object import Json
from fairlead.engine.swarm.standing import ACTIVE, Standing
from fairlead.model.errors import Refusal

if TYPE_CHECKING:
    from fairlead.engine.swarm.swarm import Swarm

_TAIL = (
    "This configuration provides\n"
    "         no fault tolerance, and poses a high risk to lose control over the cluster.\n"
    "         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the\n"
    "         Swarm for fault-tolerance."
)
TWO_MANAGERS = f"WARNING: Running Swarm in a two-manager configuration. {_TAIL}"


def swarm_info_json(swarm: Swarm) -> Json:
    standing = swarm.standing
    shown: Json = {
        "NodeID": standing.node_id,
        "NodeAddr": "",
        "LocalNodeState": standing.state,
        "ControlAvailable": standing.seated,
        "Error": standing.error if standing.state != ACTIVE else "",
        "RemoteManagers": None,
    }
    return shown | (_member_json(swarm, standing) if swarm.formed else {})


def _member_json(swarm: Swarm, standing: Standing) -> Json:
    membership = swarm.membership
    managers = [{"NodeID": node_id, "Addr": address} for node_id, address in membership.remote_managers]
    shown: Json = {"NodeAddr": membership.address, "RemoteManagers": managers or None}
    return shown | (_control_json(swarm) if standing.seated else {})


def _control_json(swarm: Swarm) -> Json:
    """What only managers know; while they cannot decide, why."""
    from fairlead.api.schema.swarm import cluster_json
    from fairlead.model.swarm.node import MANAGER

    try:
        nodes, cluster = swarm.nodes.list({}), swarm.settings.get()
    except Refusal as refusal:
        return {"Error": refusal.message}
    managers = sum(node.role == MANAGER for node in nodes)
    warnings = {"Warnings": [TWO_MANAGERS]} if managers == 2 else {}
    shown = cluster_json(cluster, swarm.settings.trust)
    return {"Nodes": len(nodes), "Managers": managers, "Cluster": shown, **warnings}


def swarm_header(swarm: Swarm) -> str:
    """The `Swarm` header of `/_ping`."""
    standing = swarm.standing
    if standing.state != ACTIVE:
        return standing.state
    return f"{ACTIVE}/manager" if standing.seated else f"{ACTIVE}/worker"
