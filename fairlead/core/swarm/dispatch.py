"""Between managers and nodes: what a node is told, what it reports, and when it is given up.

A node holds a session with a manager. It is told its *assignments*: its tasks and the secrets and configs that these
need; first all of them, then what changed. It reports the states of its tasks and sends heartbeats.

Given up (DOWN) is a node
- whose session broke and that opened no other within `RECONNECT` heartbeats: a process that died closes its
  connection, so this is quick;
- that was silent for `SILENCE` heartbeats: its host or its link is gone.
After a change of leader nobody knows who is well: every ready node is UNKNOWN, which moves nothing, until it opens a
session or `SILENCE` heartbeats have passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.swarm.files import Config, Secret
from fairlead.model.swarm.node import DOWN, READY, UNKNOWN, Node, NodeDescription, NodeStatus
from fairlead.model.swarm.states import TaskState, may_follow
from fairlead.model.swarm.task import Task, TaskStatus

SILENCE, RECONNECT = 2, 1
BEATS = 2
"""A node sends so many heartbeats in the time in which one is expected, so that a lost one is no alarm."""

LONGEST_TEXT = 4096
"""Characters of a task's message and error that are kept: every manager keeps them."""
LOST = "heartbeat failure"
LOST_UNKNOWN = 'heartbeat failure for node in "unknown" state'
NEW_LEADER = 'Node moved to "unknown" state due to leadership change in cluster'
BROKEN = "the node's session broke and it opened no other"


# --- sessions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """What a manager remembers of a node. `id` names the session, so that an old one's end is not taken for the new
    one's; `heard` is the last sign of life; `broken` when the connection ended (0: it stands)."""

    id: str
    heard: int
    broken: int = 0


def deadline(session: Session, heartbeat: int) -> int:
    """When the node is to be given up if nothing more is heard."""
    silent = session.heard + SILENCE * heartbeat
    return min(silent, session.broken + RECONNECT * heartbeat) if session.broken else silent


def beat_every(heartbeat: int) -> int:
    """How often a node shall send heartbeats."""
    return heartbeat // BEATS


def opened(node: Node, description: NodeDescription, address: str, now: int) -> Node:
    """The node as it is when it opened a session."""
    since = node.status.since if node.status.state == READY else now
    status = NodeStatus(READY, address=address or node.status.address, since=since)
    return replace(node, description=description, status=status)


def given_up(node: Node, session: Session | None, now: int) -> Node:
    """The node as it is when its deadline passed."""
    message = LOST_UNKNOWN if node.status.state == UNKNOWN else BROKEN if session and session.broken else LOST
    return replace(node, status=replace(node.status, state=DOWN, message=message, since=now))


def unknown(node: Node, now: int) -> Node:
    """The node as a new leader sees it; one that is down stays down."""
    if node.status.state == DOWN:
        return node
    return replace(node, status=replace(node.status, state=UNKNOWN, message=NEW_LEADER, since=now))


# --- reports --------------------------------------------------------------------------------------


def report(task: Task, status: TaskStatus, node_id: str) -> Task | None:
    """The task as its node reports it; None when the report is stale, repeated, or not this node's to make."""
    before = task.status
    if task.node_id != node_id or (status.state != before.state and not may_follow(before.state, status.state)):
        return None
    started = before.started or (status.at if status.state == TaskState.RUNNING else 0)
    merged = replace(status, started=started, message=status.message[:LONGEST_TEXT], error=status.error[:LONGEST_TEXT])
    if status.state == before.state:
        merged = replace(merged, at=before.at)
    return replace(task, status=merged) if merged != before else None


# --- assignments ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignments:
    """What a node has been told, by id. A task in it is without what only managers need."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    configs: Mapping[str, Config] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """What to tell a node so that it knows the present: objects to take over, ids to drop by kind."""

    tasks: tuple[Task, ...] = ()
    secrets: tuple[Secret, ...] = ()
    configs: tuple[Config, ...] = ()
    drop_tasks: tuple[str, ...] = ()
    drop_secrets: tuple[str, ...] = ()
    drop_configs: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return self == Difference()


def for_node(task: Task) -> Task:
    """The task as its node needs it: the wish, and nothing that the node itself reports."""
    return replace(task, status=TaskStatus(TaskState.ASSIGNED), version=0, updated=0, not_before=0, restarts=())


def concerns_node(task: Task) -> bool:
    """Is the task its node's affair? From its assignment until it is forgotten: the container of a dead task is kept
    for its log as long as the task is."""
    return bool(task.node_id) and task.status.state >= TaskState.ASSIGNED


def full(snapshot: Snapshot, node_id: str) -> Assignments:
    """All that a node must know."""
    tasks = {task.id: for_node(task) for task in snapshot.tasks_on(node_id).values() if concerns_node(task)}
    secrets, configs = _files(tasks.values(), snapshot)
    return Assignments(tasks, secrets, configs)


def _files(tasks: Iterable[Task], snapshot: Snapshot) -> tuple[dict[str, Secret], dict[str, Config]]:
    """The secrets and configs of tasks that shall run."""
    containers = [task.spec.container for task in tasks if task.wanted and task.spec.container is not None]
    secret_ids = [one.object_id for container in containers for one in container.secrets]
    config_ids = [one.object_id for container in containers for one in container.configs]
    secrets = {id_: snapshot.secrets[id_] for id_ in secret_ids if id_ in snapshot.secrets}
    return secrets, {id_: snapshot.configs[id_] for id_ in config_ids if id_ in snapshot.configs}


def difference(told: Assignments, now: Assignments) -> Difference:
    """From what a node was told to what it must know."""
    return Difference(
        tasks=tuple(task for id_, task in now.tasks.items() if told.tasks.get(id_) != task),
        secrets=tuple(one for id_, one in now.secrets.items() if told.secrets.get(id_) != one),
        configs=tuple(one for id_, one in now.configs.items() if told.configs.get(id_) != one),
        drop_tasks=tuple(told.tasks.keys() - now.tasks.keys()),
        drop_secrets=tuple(told.secrets.keys() - now.secrets.keys()),
        drop_configs=tuple(told.configs.keys() - now.configs.keys()),
    )


def step(told: Assignments, changed: Iterable[str], snapshot: Snapshot, node_id: str) -> tuple[Assignments, Difference]:
    """What the node must know after the tasks `changed` did, and what to tell it: at the cost of these alone, unless
    one of them has secrets or configs."""
    tasks, files = dict(told.tasks), False
    for task_id in changed:
        task = snapshot.tasks.get(task_id)
        mine = task is not None and task.node_id == node_id and concerns_node(task)
        old = tasks.pop(task_id, None)
        if task is not None and mine:
            tasks[task_id] = for_node(task)
        files = files or _has_files(old) or _has_files(task)
    secrets, configs = _files(tasks.values(), snapshot) if files else (told.secrets, told.configs)
    after = Assignments(tasks, secrets, configs)
    part = Assignments({id_: tasks[id_] for id_ in changed if id_ in tasks}, secrets, configs)
    before = Assignments({id_: told.tasks[id_] for id_ in changed if id_ in told.tasks}, told.secrets, told.configs)
    return after, difference(before, part)


def _has_files(task: Task | None) -> bool:
    container = task.spec.container if task is not None else None
    return container is not None and bool(container.secrets or container.configs)
