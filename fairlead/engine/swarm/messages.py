"""What nodes and managers say to each other: one value per call, written down by `engine.records`.

Calls are `POST /<name>` over mutual TLS; `root` and `join` are the two that a stranger may make. A refusal comes back
as its HTTP status and text. Only the leading manager answers `session`, `beat`, `report`, `attach`, `detach`, `leave`;
another manager refuses them with `Elsewhere` (status 421, `model.swarm.errors`), whose text is the leader's address,
or "" while none leads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.core.swarm.dispatch import Difference
from fairlead.model.network import Address
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.cluster import GossipKey
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node, NodeDescription
from fairlead.model.swarm.task import Task, TaskStatus


@dataclass(frozen=True, slots=True)
class RootAnswer:
    """`root`: the certificates of the swarm's authority (PEM). The asker checks them against its token's digest."""

    certificates: str


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """`join`: the token decides the role. `csr` is a PEM certificate request; its subject is ignored."""

    token: str
    csr: str
    availability: str = "active"


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """`managers` are HOST:PORT of the managers' listeners."""

    node_id: str
    cluster_id: str
    role: str
    certificate: str
    root: str
    managers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenewRequest:
    """`renew`: a new certificate for the same node, in the role that the store says it has now.

    `consensus_csr`, of a manager, asks for the certificate of its consensus member too."""

    csr: str
    consensus_csr: str = ""


@dataclass(frozen=True, slots=True)
class RenewAnswer:
    role: str
    certificate: str
    root: str
    consensus_certificate: str = ""


@dataclass(frozen=True, slots=True)
class SeatRequest:
    """`seat`: a new manager asks to be made a member of the consensus. `address` is where it will listen for nodes,
    HOST:PORT as others reach it; `consensus_csr` asks for its consensus member's certificate."""

    address: str
    consensus_csr: str


@dataclass(frozen=True, slots=True)
class SeatAnswer:
    """`initial_cluster` is "name=url,..." of all members, the asker among them. `key` is the one with which managers
    seal what they put into the consensus."""

    initial_cluster: str
    key: str
    consensus_certificate: str


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """`session`: opened by a node, answered by a stream of `News`, one JSON document per line. `manager_address` is a
    manager's HOST:PORT for nodes, `data_address` where its overlay packets arrive. `token` makes a session's calls its
    own: 32 hex digits drawn by the node."""

    description: NodeDescription
    token: str
    address: str
    data_address: str
    manager_address: str = ""


@dataclass(frozen=True, slots=True)
class LogWish:
    """A manager wants the log lines of a task from its node, sent by `publish` under this id; `end` takes it back.
    `tail` -1 is all; times are ns since the epoch, 0 for none."""

    id: str
    task_id: str
    follow: bool = False
    tail: int = -1
    since: int = 0
    until: int = 0
    stdout: bool = True
    stderr: bool = True
    end: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What a session tells a node. The first tells everything (`everything`); later ones what changed.

    `node` is the node itself (role, availability, labels, own attachments); None: unchanged. `networks` are all swarm
    networks that its tasks and itself are attached to, None: unchanged. `managers` HOST:PORT, whoever leads first, and
    `manager_ids` their node ids, (): unchanged. `peers` are the data addresses of all other nodes that are up, the
    seeds of gossip; None: unchanged. `keys` (), `root` "" and `beat_every` 0 (ns): unchanged. `data_path_port` is the
    swarm's VXLAN port. `force_renew`: the node's certificate is of a root on its way out."""

    everything: bool = False
    difference: Difference = field(default_factory=Difference)
    node: Node | None = None
    networks: tuple[SwarmNetwork, ...] | None = None
    managers: tuple[str, ...] = ()
    manager_ids: tuple[str, ...] = ()
    peers: tuple[Address, ...] | None = None
    keys: tuple[GossipKey, ...] = ()
    root: str = ""
    beat_every: int = 0
    data_path_port: int = 0
    cluster_id: str = ""
    logs: tuple[LogWish, ...] = ()
    force_renew: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """`beat`: a sign of life of the session with this token."""

    token: str


@dataclass(frozen=True, slots=True)
class TaskReport:
    task_id: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Report:
    """`report`: states of the node's tasks, in order. Answered (empty) once the store has them."""

    token: str
    tasks: tuple[TaskReport, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """`leave`: the node ends its membership by itself; it is down at once."""

    token: str


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """`attach`: a user's own container wants a place on an attachable network (id or name); `addresses` are those
    that the user asked for. Answered when the allocator has given the addresses."""

    network: str
    container_id: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachAnswer:
    """The network-attachment task that stands for the container."""

    network: SwarmNetwork
    task: Task
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class DetachRequest:
    """`detach`: the container is gone from the network; its attachment task with it."""

    task_id: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """`stream` is "stdout" or "stderr"; `time` ns since the epoch; `data` one line with its end."""

    time: int
    stream: str
    data: str


@dataclass(frozen=True, slots=True)
class Publish:
    """`publish`: lines of a task's log for a wish; `last` when no more will come."""

    wish_id: str
    lines: tuple[LogLine, ...]
    last: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class LogsRequest:
    """`logs`: a manager that does not lead has a user who wants the log lines of tasks, or of all tasks of services.
    Answered by a stream of `TaskLines`. `tail` and the rest as in `LogWish`."""

    services: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    follow: bool = False
    tail: int = -1
    since: int = 0
    until: int = 0
    stdout: bool = True
    stderr: bool = True


@dataclass(frozen=True, slots=True)
class TaskLines:
    """Lines of one task, in order. `error`: why there are no (more) of them."""

    task_id: str
    service_id: str
    node_id: str
    lines: tuple[LogLine, ...] = ()
    error: str = ""
