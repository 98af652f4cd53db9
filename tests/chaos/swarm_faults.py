"""Random faults of a swarm's hosts: killed, paused, cut off, stopped, and mended again, by one sequence of a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fairlead.lab.machine import Machine
from tests.chaos.swarm_hosts import Swarm

MOST_AT_ONCE = 2
BOOT_SECONDS = 120.0
"""It may have much to put in order, on a machine that is busy with all the others."""
MAJORITY_RISK = 0.15
"""How often a fault may take the managers' majority away for a while."""


class Faults:
    """`strike` does one more fault; mending one is a fault too."""

    def __init__(self, swarm: Swarm, seed: int) -> None:
        self._swarm = swarm
        self._random = random.Random(seed)
        self._down: set[str] = set()
        self._paused: dict[str, list[str]] = {}
        self._apart: set[str] = set()
        self.history: list[str] = []

    def strike(self) -> None:
        verb, subject = self._choose()
        self.history.append(f"{time.strftime('%H:%M:%S')} {verb.__name__} {subject}")
        verb(subject)

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Nothing is left broken behind it."""
        try:
            yield
        finally:
            self._mend()

    def _mend(self) -> None:
        self.heal("all")
        for name in list(self._paused):
            self.resume(name)
        for name in list(self._down):
            self.start(name)

    def _choose(self) -> tuple[Callable[[str], None], str]:
        spared = [host.name for host in self._swarm.hosts if host.name not in self._hurt]
        if self._random.random() > MAJORITY_RISK and any(self._manages(name) for name in self._hurt):
            spared = [name for name in spared if not self._manages(name)]
        if len(self._hurt) >= MOST_AT_ONCE:
            spared = []
        choices: list[tuple[int, Callable[[str], None], list[str]]] = [
            (3, self.kill, spared),
            (1, self.restart, spared),
            (2, self.pause, spared),
            (2, self.isolate, spared),
            (2, self.cut, spared),
            (3, self.start, sorted(self._down)),
            (3, self.resume, sorted(self._paused)),
            (3, self.heal, ["all"] if self._apart else []),
        ]
        possible = [(weight, verb, subjects) for weight, verb, subjects in choices if subjects]
        _, verb, subjects = self._random.choices(possible, [weight for weight, _, _ in possible])[0]
        return verb, self._random.choice(subjects)

    @property
    def _hurt(self) -> set[str]:
        return self._down | set(self._paused) | self._apart

    def _manages(self, name: str) -> bool:
        return self._host(name).host.role == "manager"

    def _host(self, name: str) -> Machine:
        return self._swarm.lab.host(name)

    # --- faults -------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        self._host(name).kill()
        self._down.add(name)

    def start(self, name: str) -> None:
        self._host(name).launch()
        self._host(name).ready(BOOT_SECONDS)
        self._down.discard(name)

    def restart(self, name: str) -> None:
        self._host(name).stop()
        self.start(name)

    def pause(self, name: str) -> None:
        """The daemon alone, or with its consensus member."""
        host = self._host(name)
        self._paused[name] = host.sh("pgrep -x etcd", check=False).stdout.split() if self._random.random() < 0.5 else []
        host.pause()
        self._signal(name, "STOP")

    def resume(self, name: str) -> None:
        self._signal(name, "CONT")
        self._host(name).resume()
        del self._paused[name]

    def _signal(self, name: str, signal: str) -> None:
        if self._paused[name]:
            self._host(name).sh(f"kill -{signal} {' '.join(self._paused[name])}", check=False)

    def isolate(self, name: str) -> None:
        self._swarm.lab.isolate(name)
        self._apart.add(name)

    def cut(self, name: str) -> None:
        """From one other host only."""
        other = self._random.choice([host.name for host in self._swarm.hosts if host.name != name])
        self.history[-1] += f" from {other}"
        self._swarm.lab.cut(name, other)
        self._apart.add(name)

    def heal(self, _: str) -> None:
        self._swarm.lab.heal()
        self._apart.clear()
