"""Task templates: what every task of a service is made from (`TaskTemplate` of the API)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.container import HealthSpec, Mount, Ulimit
from fairlead.model.image import RegistryAuth
from fairlead.model.swarm.node import Platform

SECOND = 1_000_000_000
NONE, ON_FAILURE, ANY = "none", "on-failure", "any"
CONDITIONS = (NONE, ON_FAILURE, ANY)
RESTART_DELAY = 5 * SECOND


@dataclass(frozen=True, slots=True)
class FileReference:
    """A secret or config in a container: object `object_id` (its name at the time: `object_name`) as file `target`.

    `mode` are permission bits. `runtime` is true for a config that the engine itself reads (no file).
    """

    object_id: str
    object_name: str
    target: str = ""
    uid: str = "0"
    gid: str = "0"
    mode: int = 0o444
    runtime: bool = False


@dataclass(frozen=True, slots=True)
class DnsConfig:
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecurityLabels:
    """SELinux's. Without SELinux on the node they are kept and shown, and mean nothing, as `label=` of containers."""

    disable: bool = False
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class Privileges:
    labels: SecurityLabels | None = None
    no_new_privileges: bool = False


@dataclass(frozen=True, slots=True)
class ContainerTemplate:
    """`ContainerSpec` of a service. Hostname, environment and mount sources may hold templates ({{.Task.Slot}}).

    `stop_grace` is None for the engine's default (10 s). `hosts` are lines of the hosts file ("IP name [alias]").
    `pull_auth` is what nodes show to the image's registry.
    """

    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    hostname: str = ""
    env: tuple[str, ...] = ()
    dir: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    open_stdin: bool = False
    read_only: bool = False
    init: bool | None = None
    mounts: tuple[Mount, ...] = ()
    stop_signal: str = ""
    stop_grace: int | None = None
    health: HealthSpec | None = None
    hosts: tuple[str, ...] = ()
    dns: DnsConfig = DnsConfig()
    secrets: tuple[FileReference, ...] = ()
    configs: tuple[FileReference, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    oom_score_adj: int = 0
    privileges: Privileges | None = None
    pull_auth: RegistryAuth | None = None


@dataclass(frozen=True, slots=True)
class ResourceAmount:
    """0 is "none asked for" (or "no limit"). `generic` says how many of a kind, `named` (kind, name) one in particular:
    users may write that, as they may in Docker, but no node is ever found for it."""

    nano_cpus: int = 0
    memory: int = 0
    pids: int = 0
    generic: Mapping[str, int] = field(default_factory=dict)
    named: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """`preferences` are node attributes to spread over, outermost first, such as "node.labels.zone".

    `max_replicas` 0 is no limit. `platforms` are those that the image exists for; () when that is not known.
    """

    constraints: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    max_replicas: int = 0
    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """`attempts` 0 is without end; they are counted within `window` (0: for ever). None is what nobody said."""

    condition: str = ANY
    delay: int | None = None
    attempts: int = 0
    window: int | None = None

    @property
    def pause(self) -> int:
        """How long an ended task's place stays empty."""
        return RESTART_DELAY if self.delay is None else self.delay


@dataclass(frozen=True, slots=True)
class NetworkAttachmentSpec:
    """A network that tasks join, by id. `addresses` are those asked for (only for a user's own container)."""

    target: str
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    driver_opts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogDriver:
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """`container` is None for a network-attachment task, which stands for the container `attached_container` that a
    user runs on an attachable network. `force_update` is a counter: a change of it replaces all tasks."""

    container: ContainerTemplate | None = None
    attached_container: str = ""
    reservations: ResourceAmount = ResourceAmount()
    limits: ResourceAmount = ResourceAmount()
    placement: Placement = Placement()
    restart: RestartPolicy = RestartPolicy()
    networks: tuple[NetworkAttachmentSpec, ...] = ()
    log_driver: LogDriver | None = None
    force_update: int = 0
