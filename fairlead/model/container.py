"""Containers: what a user asked for (`ContainerSpec`, constant for life) and what became of it (`ContainerState`).

Fields follow the Docker Engine API's `Config` and `HostConfig` under Python names; sizes are bytes,
durations nanoseconds where the API has them so. Only what Fairlead honours has a field: the API
refuses the rest by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.endpoint import EndpointSpec, PortRequest

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What of the kernel an unprivileged container may not see, and may not change, unless it says otherwise."""
DEFAULT_SHM = 64 << 20
"""Bytes of /dev/shm."""


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """`test` as the API has it: ("CMD", ...), ("CMD-SHELL", line), ("NONE",), or () to inherit. Durations in ns."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """`name`: "no", "always", "unless-stopped", "on-failure"."""

    name: str = "no"
    maximum_retries: int = 0


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount of the container. `kind`: "bind", "volume", "tmpfs". `source` is a host path or a volume name."""

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    no_copy: bool = False
    create_source: bool = False
    mode: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    tmpfs_size: int = 0
    tmpfs_mode: int = 0
    tmpfs_options: str = ""
    subpath: str = ""


@dataclass(frozen=True, slots=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Device:
    host_path: str
    container_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits; 0 (or "" ) is "none". `pids` -1 is unlimited too."""

    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int = 0
    blkio_weight: int = 0
    oom_kill_disable: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    devices: tuple[Device, ...] = ()
    device_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkingSpec:
    """Everything that concerns the network, apart from the rest because another part of the engine reads it.

    `mode` is "default", "bridge", "host", "none", "container:<ref>" or a network's name.
    `endpoints` are the attachments asked for at create, by network name or id.
    `exposed` are "port/proto" strings.
    """

    mode: str = "default"
    endpoints: Mapping[str, EndpointSpec] = field(default_factory=dict)
    hostname: str = ""
    domainname: str = ""
    mac: str = ""
    exposed: tuple[str, ...] = ()
    ports: tuple[PortRequest, ...] = ()
    publish_all: bool = False
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """`docker create` as asked, merged with nothing: the image's defaults are applied at create by the engine.

    `task_id` is set by the swarm alone, for the container of one of its tasks: that is on the networks named, and on
    the default one only if none is, and its addresses were chosen by the swarm.
    """

    image: str
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    stop_signal: str = ""
    stop_timeout: int | None = None
    health: HealthSpec | None = None
    shell: tuple[str, ...] = ()
    network: NetworkingSpec = field(default_factory=NetworkingSpec)
    resources: Resources = field(default_factory=Resources)
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    mounts: tuple[Mount, ...] = ()
    binds: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    volume_driver: str = ""
    auto_remove: bool = False
    privileged: bool = False
    read_only: bool = False
    init: bool | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    shm_size: int = 0
    ipc_mode: str = ""
    pid_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroupns_mode: str = ""
    cgroup_parent: str = ""
    oom_score_adj: int = 0
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)
    console_size: tuple[int, int] = (0, 0)
    runtime: str = ""
    isolation: str = ""
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    task_id: str = ""


def security_option(text: str) -> tuple[str, str]:
    """One `--security-opt` as name and value: both "name=value" and the older "name:value" are in use."""
    name = text.split("=", 1)[0].split(":", 1)[0]
    return name, text[len(name) + 1 :]


CREATED, RUNNING, PAUSED, RESTARTING, EXITED, REMOVING, DEAD = (
    "created",
    "running",
    "paused",
    "restarting",
    "exited",
    "removing",
    "dead",
)


@dataclass(frozen=True, slots=True)
class HealthState:
    """`status`: "starting", "healthy", "unhealthy", "none". `log` holds the last five probes."""

    status: str = "none"
    failing_streak: int = 0
    log: tuple[ProbeResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    start: int
    end: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What is observed. Times are ns since the epoch, 0 for never.

    `manually_stopped` is desired state: a user's stop outlives a restart of the daemon for "unless-stopped".
    """

    status: str = CREATED
    pid: int = 0
    conmon_pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started: int = 0
    finished: int = 0
    restart_count: int = 0
    manually_stopped: bool = False
    health: HealthState | None = None

    @property
    def running(self) -> bool:
        """As Docker counts it: paused and restarting containers run."""
        return self.status in (RUNNING, PAUSED, RESTARTING)


@dataclass(frozen=True, slots=True)
class Container:
    """A container that exists.

    `name` has no leading slash. `image_id` is "sha256:<hex>". `spec` is as asked; `argv` (and its two parts
    `entrypoint` and `cmd`), `env`, `workdir`, `user`, `stop_signal`, `health`, `labels`, `exposed` and `volumes` are
    merged with the image's defaults. `mounts` are resolved: every volume has a name. `sandbox` is the id of the
    sandbox it runs in (64 hex), `netns` its namespace file; both empty while it does not run.
    """

    id: str
    name: str
    created: int
    spec: ContainerSpec
    image_id: str
    argv: tuple[str, ...]
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    stop_signal: str = "SIGTERM"
    health: HealthSpec | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    state: ContainerState = field(default_factory=ContainerState)
    sandbox: str = ""
    netns: str = ""


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """`docker exec` as asked; environment and user are on top of the container's."""

    cmd: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    tty: bool = False
    privileged: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = True
    attach_stderr: bool = True
    detach_keys: str = ""
    console_size: tuple[int, int] = (0, 0)
