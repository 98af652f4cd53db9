"""The simulated network: what becomes of a packet."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fairlead.sim.gossip.latency import Latency

RETRANSMIT = 0.2
FIRST_RETRANSMIT = 1.0


@dataclass(slots=True)
class Weather:
    """Probabilities per packet. A reordered packet is late by up to 20 ms."""

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0


class Network:
    """Hosts are numbers. `island[i]` says on which side of the current partition host i is."""

    def __init__(self, hosts: int, latency: Latency, weather: Weather, rng: random.Random) -> None:
        self._latency = latency
        self.weather = weather
        self._rng = rng
        self.island = [0] * hosts
        self.split = False

    def reaches(self, source: int, target: int) -> bool:
        return not self.split or self.island[source] == self.island[target]

    def cut(self, fraction: float) -> None:
        """Puts a share of the hosts, drawn at random, on an island of their own."""
        count = round(len(self.island) * fraction)
        for host in self._rng.sample(range(len(self.island)), count):
            self.island[host] = 1
        self.split = True

    def heal(self) -> None:
        self.island = [0] * len(self.island)
        self.split = False

    def datagram(self, source: int, target: int) -> list[float]:
        """The delays after which copies of the packet arrive; none if it is lost."""
        weather, rng = self.weather, self._rng
        if self.split and self.island[source] != self.island[target]:
            return []
        if weather.loss and rng.random() < weather.loss:
            return []
        delays = [self._latency(source, target, rng)]
        if weather.reordering and rng.random() < weather.reordering:
            delays[0] += 0.02 * rng.random()
        if weather.duplication and rng.random() < weather.duplication:
            delays.append(self._latency(source, target, rng) + 0.005 * rng.random())
        return delays

    def segment(self, source: int, target: int, *, first: bool) -> float | None:
        """The delay of a piece of a stream, which is sent until it arrives; None across a partition."""
        if not self.reaches(source, target):
            return None
        delay, wait = self._latency(source, target, self._rng), FIRST_RETRANSMIT if first else RETRANSMIT
        while self._rng.random() < self.weather.loss:
            delay += wait
            wait *= 2
        return delay
