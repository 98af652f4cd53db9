"""The node itself: what `docker info` and `docker version` tell about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HostDescription:
    """What stays the same while the daemon runs.

    `engine_id` is a UUID that belongs to the data root. `memory` is bytes. `controllers` are the cgroup controllers
    that can limit containers ("memory", "cpu", "pids", ...). `tools` maps the programs that run containers
    to their versions, "" for one that is not installed.
    """

    engine_id: str
    name: str
    kernel: str
    operating_system: str
    os_version: str
    architecture: str
    cpus: int
    memory: int
    cgroup_version: str
    controllers: frozenset[str] = frozenset()
    swap_limit: bool = False
    backing_filesystem: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Census:
    """How many containers there are, by what `docker info` distinguishes, and images."""

    running: int
    paused: int
    stopped: int
    images: int

    @property
    def containers(self) -> int:
        return self.running + self.paused + self.stopped
