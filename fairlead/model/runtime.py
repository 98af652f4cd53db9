"""What the engine and the hands that run processes say to each other.

A `Launch` has everything that a container's first process needs, decided: the hands translate it
into an OCI bundle and look nothing up but users in the container's own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.model.container import Container, ExecSpec

STDOUT, STDERR = 1, 2
"""Stream numbers, as in the frames of the API (and of conmon plus one)."""


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount to make inside. `kind` "bind" or "tmpfs"; `options` are mount(8)'s words, as OCI takes them."""

    kind: str
    source: str
    target: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivateFile:
    """A file that a container gets for one run, kept in memory alone. `path` is its absolute path inside."""

    path: str
    data: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


@dataclass(frozen=True, slots=True)
class Launch:
    """A container about to run.

    `netns`, `ipc`, `pid` and `uts` are paths of namespaces to join; "" is the host's, None a fresh
    one. `log_path` is "" for no log; `log_size` bytes after which conmon starts it afresh (0: never). `init` is the
    helper that becomes process 1 ("" for none).
    """

    container: Container
    rootfs: str
    netns: str | None
    hostname: str
    domainname: str = ""
    env: tuple[str, ...] = ()
    mounts: tuple[MountPoint, ...] = ()
    ipc: str | None = None
    pid: str | None = None
    uts: str | None = None
    shm_path: str = ""
    log_path: str = ""
    log_size: int = 0
    init: str = ""


@dataclass(frozen=True, slots=True)
class Launched:
    """`pid` is the container's first process, which waits for `start`; `monitor_pid` its conmon."""

    pid: int
    monitor_pid: int


@dataclass(frozen=True, slots=True)
class Ended:
    """`exit_code` is None when nobody saw how the process ended (its monitor was killed)."""

    exit_code: int | None
    oom_killed: bool
    at: int


@dataclass(frozen=True, slots=True)
class Survivor:
    """A bundle found at boot. `monitor_pid` is 0 when its conmon is gone; `started`: it was let go before."""

    container_id: str
    pid: int
    monitor_pid: int
    started: bool
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class ExecLaunch:
    """A further process in a running container. `env` and `workdir` are complete."""

    exec_id: str
    container: Container
    spec: ExecSpec
    rootfs: str
    env: tuple[str, ...]
    workdir: str
    user: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A piece of output. `time` is ns since the epoch; `complete`: a line ended here (its newline is not in `data`)."""

    time: int
    stream: int
    data: bytes
    complete: bool


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of a log. `since` and `until` are ns since the epoch (0: no limit); `tail` None means all."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int | None = None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Bytes. `limit` is the host's memory when there is none; `stats` the kernel's own counters."""

    usage: int = 0
    max_usage: int = 0
    limit: int = 0
    failcnt: int = 0
    stats: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CpuUsage:
    """Nanoseconds of CPU. `system` is the whole host's."""

    total: int = 0
    user: int = 0
    kernel: int = 0
    per_cpu: tuple[int, ...] = ()
    system: int = 0
    online: int = 1
    periods: int = 0
    throttled_periods: int = 0
    throttled_time: int = 0


@dataclass(frozen=True, slots=True)
class BlockIo:
    """One line of a device's counters: `op` is "read", "write", ..., `value` bytes."""

    major: int
    minor: int
    op: str
    value: int


@dataclass(frozen=True, slots=True)
class Usage:
    cpu: CpuUsage = field(default_factory=CpuUsage)
    memory: MemoryUsage = field(default_factory=MemoryUsage)
    block_io: tuple[BlockIo, ...] = ()
    pids: int = 0
    pids_limit: int = 0


@dataclass(frozen=True, slots=True)
class InterfaceCounters:
    """Traffic of one interface of a namespace since it exists."""

    name: str
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0


@dataclass(frozen=True, slots=True)
class FileRoot:
    """A container's file system. While it runs, `pid`'s view of it; else (`pid` 0) `rootfs` with `mounts` over it."""

    pid: int
    rootfs: Path
    mounts: tuple[MountPoint, ...] = ()
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class UnpackOptions:
    """`keep_kind`: refuse to put a directory over a file or the reverse. `to_user`: it shall all belong to the
    container's user, who is `user`; else owners are the archive's."""

    keep_kind: bool = False
    to_user: bool = False
    user: str = ""


@dataclass(frozen=True, slots=True)
class PathStat:
    """A file in a container. `mode` is Go's `os.FileMode` bits, as the archive API shows them."""

    name: str
    size: int
    mode: int
    mtime: int
    link_target: str = ""


ADDED, MODIFIED, DELETED = 1, 0, 2


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path that differs from the image; `kind` is the API's number (`MODIFIED` 0, `ADDED` 1, `DELETED` 2)."""

    path: str
    kind: int
