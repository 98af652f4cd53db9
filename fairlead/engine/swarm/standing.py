"""How this node stands to a swarm, and Docker's refusals for who asks it what only another standing can answer."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.errors import Failed, Unavailable

INACTIVE, PENDING, ACTIVE, ERROR, LOCKED = "inactive", "pending", "active", "error", "locked"

NO_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)
WORKER = (
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. "
    "Please run this command on a manager node or promote the current node to a manager."
)
STARTING = "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster."
SEALED = (
    'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.'
)
MEMBER = 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.'
NO_MEMBER = "This node is not part of a swarm"
NO_LEADER = (
    "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are "
    "online. Make sure more than half of the managers are online."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """`state` in the words of `docker info`. `manager`: its certificate says so; `seated`: it reads and writes the
    swarm's store. `error` is what keeps it from being `ACTIVE` (or a manager from its seat)."""

    state: str = INACTIVE
    node_id: str = ""
    manager: bool = False
    seated: bool = False
    error: str = ""


OUTSIDE = Standing()
"""In no swarm."""


def must_manage(standing: Standing) -> None:
    """Raises Unavailable (503) unless the node is a manager at work."""
    if standing.seated:
        return
    if standing.state == LOCKED:
        raise Unavailable(SEALED)
    if standing.state == INACTIVE:
        raise Unavailable(NO_SWARM)
    raise Unavailable(STARTING if standing.manager else WORKER)


def must_be_outside(standing: Standing) -> None:
    """Raises Unavailable (503) unless the node may make or join a swarm."""
    if standing.state == LOCKED:
        raise Unavailable(SEALED)
    if standing.state != INACTIVE:
        raise Unavailable(MEMBER)


def leaderless() -> Failed:
    """The refusal (500) of a manager that sees no majority."""
    return Failed(NO_LEADER)
