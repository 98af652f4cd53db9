"""What happens to the cluster while it is watched: writes, restarts, crashes, stalls, a partition."""

from __future__ import annotations

import random

from fairlead.sim.gossip.host import Host, State
from fairlead.sim.gossip.measure import Measure
from fairlead.sim.gossip.settings import NETWORK, Settings
from fairlead.sim.gossip.world import World

AWAY = (1.0, 15.0)
"""How long a restarted host is away."""


class Workload:
    """Plans its next action as it carries out the last, until the end."""

    def __init__(self, world: World, measure: Measure, settings: Settings) -> None:
        self._world = world
        self._measure = measure
        self._settings = settings
        self._rng = random.Random(world.rng.random())
        self._over = False
        self._writes = 0

    def begin(self) -> None:
        settings, schedule = self._settings, self._world.schedule
        if settings.writes:
            self._later(1 / settings.writes, self._write)
        if settings.churn:
            self._later(60 / (settings.churn * settings.nodes), self._restart)
        if settings.pause:
            self._later(self._pause_gap, self._pause)
        victims = self._rng.sample(self._world.hosts[1:], min(settings.crash, len(self._world.hosts) - 1))
        for place, victim in enumerate(victims):
            # The last one leaves half of its share of the time to be noticed.
            schedule.after(settings.duration * (place + 0.5) / (len(victims) + 1), self._crash, victim)
        if settings.partition is not None:
            part = settings.partition
            schedule.after(part.start, self._cut, part.share, part.length)
            schedule.after(part.start + part.length, self._world.network.heal)

    def end(self) -> None:
        self._over = True

    @property
    def _pause_gap(self) -> float:
        """Mean seconds between the starts of two stalls."""
        mean = self._settings.pause_length / 2
        return mean / (self._settings.pause * self._settings.nodes)

    def _later(self, mean: float, action: object) -> None:
        self._world.schedule.after(self._rng.expovariate(1 / mean), action)  # type: ignore[arg-type]

    def _write(self) -> None:
        if self._over:
            return
        self._later(1 / self._settings.writes, self._write)
        running = [host for host in self._world.hosts if host.state is State.RUNNING]
        if running:
            self._write_on(self._rng.choice(running))

    def _write_on(self, host: Host) -> None:
        self._writes += 1
        key = f"key{self._writes}"
        now = host.local(self._world.now)
        host.node.set_entry(NETWORK, "endpoints", key, b"10.0.0.7/24 02:42:0a:00:00:07", now)
        self._measure.wrote(host, key)
        self._world.flush(host)

    def _restart(self) -> None:
        if self._over:
            return
        self._later(60 / (self._settings.churn * self._settings.nodes), self._restart)
        host = self._rng.choice(self._world.hosts)
        if host.state is not State.RUNNING:
            return
        self._measure.went(host)
        if self._rng.random() < 0.5:
            host.node.leave(host.local(self._world.now))
            self._world.flush(host)
            self._world.schedule.after(1.0, self._take_down, host, host.life)
        else:
            self._take_down(host, host.life)

    def _take_down(self, host: Host, life: int) -> None:
        if host.life == life:
            self._world.stop(host, self._failure)
            self._world.schedule.after(self._rng.uniform(*AWAY), self._bring_up, host)

    def _bring_up(self, host: Host) -> None:
        """The host joins through some other, and writes at once."""
        running = [other.number for other in self._world.up() if other is not host]
        seeds = self._rng.sample(running, min(3, len(running)))
        self._world.start(host, seeds)
        host.node.join_network(NETWORK, host.local(self._world.now))
        self._measure.joined(host)
        if self._settings.writes:
            self._write_on(host)
        self._world.flush(host)

    @property
    def _failure(self) -> State:
        return State.OFF if self._settings.machines else State.KILLED

    def _crash(self, host: Host) -> None:
        if host.up:
            self._measure.went(host)
            self._measure.crashed(host)
            self._world.stop(host, self._failure)

    def _pause(self) -> None:
        if self._over:
            return
        self._later(self._pause_gap, self._pause)
        host = self._rng.choice(self._world.hosts)
        if host.state is not State.RUNNING:
            return
        self._world.stop(host, State.FROZEN if self._settings.machines else State.STOPPED)
        self._world.schedule.after(
            self._rng.uniform(0, self._settings.pause_length), self._world.resume, host, host.life
        )

    def _cut(self, share: float, length: float) -> None:
        self._world.network.cut(share)
        # A death may be declared late by those who could not hear the refutation.
        self._measure.partitioned(self._world.now + length + 30.0)
