"""One simulation from settings to result."""

from __future__ import annotations

import random
import time
from dataclasses import replace

from fairlead.core.gossip import PROFILES, plain_swim
from fairlead.sim.gossip.host import Host, State
from fairlead.sim.gossip.latency import MODELS
from fairlead.sim.gossip.measure import Measure, converged
from fairlead.sim.gossip.network import Network, Weather
from fairlead.sim.gossip.result import Result, Traffic, summarise
from fairlead.sim.gossip.settings import NETWORK, Settings
from fairlead.sim.gossip.workload import Workload
from fairlead.sim.gossip.world import World

SETTLE = 60.0
"""Virtual seconds that a cluster is given after the end to agree."""

COLD_GAP = 0.01
"""Seconds between the starts of two hosts of a cold cluster."""

DRIFT_PER_SKEW = 0.001


def build(settings: Settings) -> World:
    """A world with its hosts, none of them started."""
    rng = random.Random(settings.seed)
    config = PROFILES[settings.profile]
    if settings.plain:
        config = plain_swim(config)
    if not settings.push:
        config = replace(config, push_fanout=0)
    weather = Weather(settings.loss, settings.duplication, settings.reordering)
    network = Network(settings.nodes, MODELS[settings.latency], weather, random.Random(rng.random()))
    hosts = [Host(number, *_clock(rng, settings.skew)) for number in range(settings.nodes)]
    key = rng.randbytes(32) if settings.encrypt else None
    return World(network, hosts, config, key, rng)


def simulate(settings: Settings, *, sample_load: bool = False) -> tuple[Result, Measure]:
    """Runs to the end and on until the nodes agree, or for `SETTLE` seconds."""
    started = time.process_time()
    world = build(settings)
    measure = Measure(world)
    if settings.cold:
        for host in world.hosts:
            world.schedule.at(host.number * COLD_GAP, _cold_start, world, host)
        world.schedule.run(settings.nodes * COLD_GAP)
    else:
        world.warm_start([NETWORK] if settings.writes else [])
    setup = time.process_time() - started
    workload = Workload(world, measure, settings)
    begin = world.now
    before = _traffic(world)
    workload.begin()
    if sample_load:
        measure.sample_load(before.bytes)
    world.schedule.run(begin + settings.duration)
    spent = time.process_time() - started - setup
    traffic = _traffic(world).since(before)
    workload.end()
    agreed_after = _settle(world)
    return summarise(settings, measure, traffic, agreed_after, spent), measure


def _cold_start(world: World, host: Host) -> None:
    world.start(host, [0] if host.number else None)
    host.node.join_network(NETWORK, host.local(world.now))
    world.flush(host)


def _clock(rng: random.Random, skew: float) -> tuple[float, float]:
    """Offset and rate of a host's clock."""
    return 1000.0 + skew * rng.uniform(-1, 1), 1.0 + DRIFT_PER_SKEW * skew * rng.uniform(-1, 1)


def _traffic(world: World) -> Traffic:
    total = Traffic()
    for host in world.hosts:
        if host.state is not State.OFF or host.life:
            total.add(host.node.counters)
    return total


def _settle(world: World) -> float | None:
    """Seconds until all agree, None if they do not."""
    end = world.now
    while world.now <= end + SETTLE:
        if converged(world):
            return world.now - end
        world.schedule.run(world.now + 0.5)
    return None
