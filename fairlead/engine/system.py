"""The node as a whole: what it is, what it offers, what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping

from fairlead.core.drivers.registry import DRIVERS
from fairlead.engine.event_filters import wanted_by
from fairlead.engine.images.images import Images
from fairlead.engine.memory import Memory
from fairlead.engine.ports import Host
from fairlead.model.config import DaemonConfig
from fairlead.model.container import PAUSED
from fairlead.model.event import Event
from fairlead.model.system import Census, HostDescription


class System:
    def __init__(self, memory: Memory, images: Images, host: Host) -> None:
        self._memory, self._images, self._host = memory, images, host

    @property
    def host(self) -> HostDescription:
        return self._host.description

    @property
    def config(self) -> DaemonConfig:
        return self._memory.config

    def now(self) -> int:
        """Wall clock, ns since the epoch."""
        return self._memory.clock.now()

    def census(self) -> Census:
        states = [container.state for container in self._memory.state.containers.values()]
        paused = sum(state.status == PAUSED for state in states)
        running = sum(state.running for state in states) - paused
        return Census(running, paused, len(states) - running - paused, self._images.count())

    def network_drivers(self) -> list[str]:
        return sorted(DRIVERS)

    def forwards_ipv4(self) -> bool:
        return self._host.forwards_ipv4()

    def source_towards(self, address: str) -> str:
        """The local address from which packets to `address` leave, "" when there is no way."""
        return self._host.source_towards(address)

    def open_files(self) -> int:
        return self._host.open_files()

    def tasks(self) -> int:
        """Concurrent activities of the daemon."""
        return len(asyncio.all_tasks())

    def listeners(self) -> int:
        """Clients that watch events."""
        return self._memory.events.listeners

    def warnings(self) -> list[str]:
        """What an operator should know about this host, as `docker info` prints it."""
        host = self.host
        found = [
            f"WARNING: No {what} support"
            for what, offered in (
                ("memory limit", "memory" in host.controllers),
                ("swap limit", host.swap_limit),
                ("cpu shares", "cpu" in host.controllers),
                ("cpuset", "cpuset" in host.controllers),
                ("pids limit", "pids" in host.controllers),
            )
            if not offered
        ]
        if not self.forwards_ipv4():
            found.append("WARNING: IPv4 forwarding is disabled")
        return found

    def events(
        self, since: int | None, until: int | None, filters: Mapping[str, Iterable[str]]
    ) -> AsyncGenerator[Event, None]:
        """Past and coming events; times are ns since the epoch. The names of filters have been checked."""
        return self._memory.events.subscribe(since, until, wanted_by(filters))
