"""A simulated host: a node, the clock it believes in, and the ways in which hosts fail."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from fairlead.core.gossip import Node

SOCKET_BUFFER = 212_992
"""Bytes of datagrams that Linux keeps for a process that does not read (net.core.rmem_default)."""


class State(enum.Enum):
    RUNNING = "running"
    STOPPED = "stopped"
    """The process stands still (SIGSTOP, no CPU); its kernel keeps packets and accepts connections for it."""
    FROZEN = "frozen"
    """The whole machine stands still (a migration); packets to it are lost."""
    KILLED = "killed"
    """The process is gone; its kernel refuses connections."""
    OFF = "off"
    """The machine is gone; nothing answers."""

    @property
    def up(self) -> bool:
        return self in (State.RUNNING, State.STOPPED, State.FROZEN)


class Host:
    """`number` is its place in the network, `life` counts its restarts."""

    __slots__ = (
        "armed", "armed_local", "backlog", "buffered", "drift", "life", "name", "node", "number", "offset", "state",
    )  # fmt: skip

    def __init__(self, number: int, offset: float, drift: float) -> None:
        self.number = number
        self.name = f"n{number:05d}"
        self.offset = offset
        self.drift = drift
        self.life = 0
        self.state = State.OFF
        self.node: Node
        self.armed: float | None = None
        self.armed_local = 0.0
        self.backlog: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.buffered = 0

    @property
    def address(self) -> tuple[str, int]:
        return address_of(self.number)

    @property
    def up(self) -> bool:
        return self.state.up

    def local(self, now: float) -> float:
        """What the host's own clock shows."""
        return self.offset + now * self.drift

    def true(self, local: float) -> float:
        return (local - self.offset) / self.drift


def address_of(number: int) -> tuple[str, int]:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 7946
