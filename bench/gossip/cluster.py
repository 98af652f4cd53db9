"""What both contenders have in common: processes with names, and what they report, with the time it came."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

PORT = 7946


def ip_of(number: int) -> str:
    return f"127.0.1.{number + 1}"


def name_of(number: int) -> str:
    return f"m{number:03d}"


@dataclass(slots=True)
class Seen:
    """When each node reported something, by what and by node."""

    records: dict[str, dict[int, float]] = field(default_factory=dict)
    joined: dict[str, dict[int, float]] = field(default_factory=dict)
    failed: list[tuple[str, int, float]] = field(default_factory=list)


class Cluster(ABC):
    """Agents 0 to `size` - 1, each on its own loopback address, inside the current network namespace."""

    system: str

    def __init__(self, size: int, folder: str) -> None:
        self.size = size
        self.folder = folder
        self.seen = Seen()
        self.processes: dict[int, asyncio.subprocess.Process] = {}

    @abstractmethod
    async def start(self) -> None:
        """Starts all agents, joined through agent 0, and connects to them."""

    @abstractmethod
    async def write(self, number: int, key: str) -> None:
        """Has this agent tell all others a record."""

    @abstractmethod
    def ask_members(self) -> None:
        """Has every agent report its members as joined, where they do not do so by themselves."""

    async def stop(self) -> None:
        for process in self.processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()

    def signal(self, number: int, what: signal.Signals) -> None:
        process = self.processes[number]
        if process.returncode is None:
            process.send_signal(what)

    def cpu_seconds(self) -> float:
        """User and system time of all agents since they started."""
        ticks = 0
        for process in self.processes.values():
            try:
                with open(f"/proc/{process.pid}/stat") as stat:
                    fields = stat.read().rpartition(") ")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    # What came from an agent.

    def record(self, number: int, key: str) -> None:
        self.seen.records.setdefault(key, {}).setdefault(number, time.monotonic())

    def member_joined(self, number: int, name: str) -> None:
        self.seen.joined.setdefault(name, {})[number] = time.monotonic()

    def member_failed(self, number: int, name: str) -> None:
        self.seen.failed.append((name, number, time.monotonic()))


async def until(condition: Callable[[], bool], patience: float) -> bool:
    """Waits for a condition; False when it did not come true in time."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True
