"""Swarms: from a wish to running tasks, and from a loss to their replacements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.clusters import MACHINES, Cluster, idle
from bench.figures import Figure, interleaved


def measure(ours: Cluster, peer: Cluster, rounds: int) -> list[Figure]:
    times = min(rounds, 3)
    return [
        *idle(ours, peer),
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
    name = swarm.fresh("made")
    began = time.perf_counter()
    swarm.create(name, replicas)
    swarm.wait(lambda: swarm.running(name) == replicas, f"{replicas} tasks to run")
    taken = time.perf_counter() - began
    swarm.remove(name)
    return taken


def _scale(swarm: Cluster) -> float:
    name = swarm.fresh("scaled")
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
    name, last = swarm.fresh("drained"), MACHINES - 1
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
    name, last = swarm.fresh("lost"), swarm.engines[MACHINES - 1]
    swarm.create(name, 30)
    swarm.wait(lambda: swarm.running(name) == 30, "30 tasks to run")
    node = swarm.node(MACHINES - 1)["ID"]
    began = time.perf_counter()
    last.node.run(["kill", "-KILL", last.pidfile.read_text().strip()])
    swarm.wait(lambda: swarm.running(name, without=node) == 30, "30 tasks to run elsewhere")
    return time.perf_counter() - began
