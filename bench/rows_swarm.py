"""Swarms: from a wish to running tasks, and from a loss to their replacements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import count

from bench.clusters import MACHINES, Cluster
from bench.figures import Figure, interleaved
from bench.standing import memory, spent

IDLE_SECONDS = 15.0
_numbers = count()


def measure(ours: Cluster, peer: Cluster, rounds: int) -> list[Figure]:
    times = min(rounds, 3)
    return [
        *_idle(ours, peer),
        _figure("service create, 10 replicas", ours, peer, times, lambda swarm: _create(swarm, 10), 0.5),
        _figure("service create, 30 replicas", ours, peer, times, lambda swarm: _create(swarm, 30), 0.5),
        _figure("service scale, 2 to 20", ours, peer, times, _scale, 0.5),
        _figure("drain of one node of three", ours, peer, times, _drain, 0.7),
        _figure("kill -9 of one node of three", ours, peer, 1, _kill, 0.6),
    ]


def _figure(
    row: str, ours: Cluster, peer: Cluster, rounds: int, act: Callable[[Cluster], float], goal: float
) -> Figure:
    mine, theirs = interleaved(lambda: act(ours), lambda: act(peer), rounds, warm_up=0)
    samples = {"ours": mine, "peer": theirs}
    note = "from the request to all tasks running"
    return Figure(row, statistics.median(mine), statistics.median(theirs), "s", goal, False, note, samples)


def _create(swarm: Cluster, replicas: int) -> float:
    name = f"made{next(_numbers)}"
    began = time.perf_counter()
    swarm.create(name, replicas)
    swarm.wait(lambda: swarm.running(name) == replicas, f"{replicas} tasks to run")
    taken = time.perf_counter() - began
    swarm.remove(name)
    return taken


def _scale(swarm: Cluster) -> float:
    name = f"scaled{next(_numbers)}"
    swarm.create(name, 2)
    swarm.wait(lambda: swarm.running(name) == 2, "2 tasks to run")
    began = time.perf_counter()
    swarm.scale(name, 20)
    swarm.wait(lambda: swarm.running(name) == 20, "20 tasks to run")
    taken = time.perf_counter() - began
    swarm.remove(name)
    return taken


def _drain(swarm: Cluster) -> float:
    """Of the last machine, with a third of 30 tasks."""
    name, last = f"drained{next(_numbers)}", MACHINES - 1
    swarm.create(name, 30)
    swarm.wait(lambda: swarm.running(name) == 30, "30 tasks to run")
    node = swarm.node(last)["ID"]
    began = time.perf_counter()
    swarm.set_availability(last, "drain")
    swarm.wait(lambda: swarm.running(name, without=node) == 30, "30 tasks to run elsewhere")
    taken = time.perf_counter() - began
    swarm.set_availability(last, "active")
    swarm.remove(name)
    return taken


def _kill(swarm: Cluster) -> float:
    """Of the last machine's engine; the time until its tasks run elsewhere."""
    name, last = f"lost{next(_numbers)}", swarm.engines[MACHINES - 1]
    swarm.create(name, 30)
    swarm.wait(lambda: swarm.running(name) == 30, "30 tasks to run")
    node = swarm.node(MACHINES - 1)["ID"]
    began = time.perf_counter()
    last.node.run(["kill", "-KILL", last.pidfile.read_text().strip()])
    swarm.wait(lambda: swarm.running(name, without=node) == 30, "30 tasks to run elsewhere")
    return time.perf_counter() - began


def _idle(ours: Cluster, peer: Cluster) -> list[Figure]:
    """What one manager takes while nothing happens, everything that belongs to it counted."""
    time.sleep(3)
    before = [_spent(swarm) for swarm in (ours, peer)]
    time.sleep(IDLE_SECONDS)
    cpu = [100 * (_spent(swarm) - was) / IDLE_SECONDS for swarm, was in zip((ours, peer), before, strict=True)]
    held = [sum(sum(memory(engine)) for engine in swarm.engines) / MACHINES for swarm in (ours, peer)]
    note = "per manager, the store's process with it"
    return [
        Figure("idle CPU of a swarm's manager", cpu[0], cpu[1], "% of a core", note=note),
        Figure("memory of a swarm's manager", held[0], held[1], "MiB", note=note),
    ]


def _spent(swarm: Cluster) -> float:
    return sum(spent(engine) for engine in swarm.engines) / MACHINES
