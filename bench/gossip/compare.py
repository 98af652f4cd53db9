"""Fairlead's gossip beside Debian's `serf` agents: real processes, the same machine, the same schedule.

Each round starts a cluster in a namespace of its own, waits until all know all, and measures four things:
how long a record takes to 99 % of the nodes, and what that costs; what idling costs; how often stopped processes are
buried (SIGSTOP for up to five seconds); and how long it takes until all know of a killed one. Rounds alternate.
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sized
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from bench.gossip import arena
from bench.gossip.cluster import Cluster, name_of, until
from bench.gossip.fairlead_cluster import FairleadCluster
from bench.gossip.serf_cluster import SerfCluster

SYSTEMS: dict[str, type[Cluster]] = {"serf": SerfCluster, "fairlead": FairleadCluster}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one round does. Seconds."""

    size: int
    seed: int
    records: int = 20
    record_gap: float = 1.0
    idle: float = 10.0
    crashes: int = 2
    stall_time: float = 30.0
    stall_longest: float = 5.0


@dataclass(slots=True)
class Round:
    system: str
    size: int
    load_before: float
    record_99: list[float] = field(default_factory=list)
    records_lost: int = 0
    datagrams_per_record_node: float = 0.0
    idle_bytes_node_s: float = 0.0
    idle_cpu_share_node: float = 0.0
    stalls: int = 0
    false_deaths: int = 0
    crash_first: list[float] = field(default_factory=list)
    crash_all: list[float] = field(default_factory=list)


def run_round(system: str, plan: Plan) -> Round:
    """One round in a child process, whose namespace ends with it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_namespace, (system, plan))


def _in_namespace(system: str, plan: Plan) -> Round:
    result = Round(system, plan.size, arena.load())
    arena.enter()
    asyncio.run(_round(SYSTEMS[system], plan, result))
    return result


async def _round(kind: type[Cluster], plan: Plan, result: Round) -> None:
    rng = random.Random(plan.seed)
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as folder:
        cluster = kind(plan.size, folder)
        try:
            await cluster.start()
            await gather(cluster)
            await asyncio.sleep(5)  # let the news of the joins die away
            await _idle(cluster, plan, result)
            await _records(cluster, plan, result, rng)
            await _stalls(cluster, plan, result, rng)
            await _crashes(cluster, plan, result, rng)
        finally:
            await cluster.stop()


async def gather(cluster: Cluster) -> None:
    """Waits until all agents know all others."""
    for _ in range(60):
        cluster.ask_members()
        if await until(lambda: _complete(cluster), 1):
            return
    raise RuntimeError(f"{cluster.system}: not all {cluster.size} nodes found each other")


def _complete(cluster: Cluster) -> bool:
    others = [len(set(cluster.seen.joined.get(name_of(number), {})) | {number}) for number in range(cluster.size)]
    return min(others) == cluster.size


async def _idle(cluster: Cluster, plan: Plan, result: Round) -> None:
    traffic, cpu = arena.traffic(), cluster.cpu_seconds()
    await asyncio.sleep(plan.idle)
    per_node = plan.size * plan.idle
    result.idle_bytes_node_s = (arena.traffic()["bytes"] - traffic["bytes"]) / per_node
    result.idle_cpu_share_node = (cluster.cpu_seconds() - cpu) / per_node


async def _records(cluster: Cluster, plan: Plan, result: Round, rng: random.Random) -> None:
    quorum = math.ceil(0.99 * plan.size)
    before = arena.traffic()["datagrams"]
    started = time.monotonic()
    for count in range(plan.records):
        key, at = f"record{count}", time.monotonic()
        await cluster.write(rng.randrange(plan.size), key)
        seen = cluster.seen.records.setdefault(key, {})
        if await until(partial(_enough, seen.keys, quorum), 10):
            result.record_99.append(sorted(seen.values())[quorum - 1] - at)
        else:
            result.records_lost += 1
        await asyncio.sleep(max(at + plan.record_gap - time.monotonic(), 0))
    spent = time.monotonic() - started
    sent = arena.traffic()["datagrams"] - before
    # Two datagrams per probe and second go out anyway.
    result.datagrams_per_record_node = (sent - 2 * spent * plan.size) / plan.records / plan.size


async def _stalls(cluster: Cluster, plan: Plan, result: Round, rng: random.Random) -> None:
    """About a fifth of the nodes, but at least one, is stopped at any time."""
    before = len(cluster.seen.failed)
    end = time.monotonic() + plan.stall_time
    lanes = max(plan.size // 10, 1)

    async def lane(numbers: list[int], rng: random.Random) -> None:
        while time.monotonic() < end:
            number = rng.choice(numbers)
            cluster.signal(number, signal.SIGSTOP)
            result.stalls += 1
            await asyncio.sleep(rng.uniform(0, plan.stall_longest))
            cluster.signal(number, signal.SIGCONT)
            await asyncio.sleep(rng.uniform(0, 1))

    numbers = list(range(plan.size))
    await asyncio.gather(*(lane(numbers[place::lanes], random.Random(rng.random())) for place in range(lanes)))
    await asyncio.sleep(5)
    result.false_deaths = len({name for name, _, _ in cluster.seen.failed[before:]})


async def _crashes(cluster: Cluster, plan: Plan, result: Round, rng: random.Random) -> None:
    victims = rng.sample(range(1, plan.size), min(plan.crashes, plan.size - 2))
    await asyncio.sleep(10)  # let those come back who were buried alive
    for place, victim in enumerate(victims):
        gone = set(victims[: place + 1])
        name, at, before = name_of(victim), time.monotonic(), len(cluster.seen.failed)
        cluster.signal(victim, signal.SIGKILL)
        knows = partial(_knowing, cluster, name, before, gone)
        if await until(partial(_enough, knows, plan.size - len(gone)), 60):
            times = sorted(knows().values())
            result.crash_first.append(times[0] - at)
            result.crash_all.append(times[-1] - at)
        await asyncio.sleep(2)


def _knowing(cluster: Cluster, name: str, before: int, gone: set[int]) -> dict[int, float]:
    """When each of the others first said that this one has failed, among what was said after the first `before`."""
    told: dict[int, float] = {}
    for dead, number, when in cluster.seen.failed[before:]:
        if dead == name and number not in gone:
            told.setdefault(number, when)
    return told


def _enough(known: Callable[[], Sized], number: int) -> bool:
    return len(known()) >= number


def compare(sizes: list[int], rounds: int, **changes: Any) -> dict[str, Any]:
    """All rounds, and the ratios of medians."""
    results: list[Round] = []
    for size in sizes:
        for number in range(rounds):
            for system in SYSTEMS:
                plan = Plan(size, seed=100 * size + number, **changes)
                results.append(run_round(system, plan))
    return {"rounds": [asdict(result) for result in results], "summary": [_summary(results, size) for size in sizes]}


def _summary(results: list[Round], size: int) -> dict[str, Any]:
    summary: dict[str, Any] = {"size": size}
    for system in SYSTEMS:
        mine = [result for result in results if result.system == system and result.size == size]
        summary[system] = {
            "record_99_s": _median([value for result in mine for value in result.record_99]),
            "records_lost": sum(result.records_lost for result in mine),
            "datagrams_per_record_node": _median([result.datagrams_per_record_node for result in mine]),
            "crash_first_s": _median([value for result in mine for value in result.crash_first]),
            "crash_all_s": _median([value for result in mine for value in result.crash_all]),
            "stalls": sum(result.stalls for result in mine),
            "false_deaths": sum(result.false_deaths for result in mine),
            "idle_bytes_node_s": _median([result.idle_bytes_node_s for result in mine]),
            "idle_cpu_share_node": _median([result.idle_cpu_share_node for result in mine]),
        }
    for figure in ("record_99_s", "crash_all_s"):
        ours, theirs = summary["fairlead"][figure], summary["serf"][figure]
        summary[f"{figure}_ratio"] = round(ours / theirs, 3) if ours and theirs else None
    return summary


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 5) if values else None


def show(outcome: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Fairlead beside serf: real processes, medians")
    table.add_column("nodes")
    table.add_column("measure")
    for column in ("serf", "fairlead", "ratio"):
        table.add_column(column, justify="right")
    for summary in outcome["summary"]:
        for figure, theirs in summary["serf"].items():
            ours = summary["fairlead"][figure]
            ratio = "" if not theirs or ours is None else f"{ours / theirs:.2f}"
            table.add_row(str(summary["size"]), figure, f"{theirs}", f"{ours}", ratio)
        table.add_section()
    Console().print(table)


def write_json(outcome: dict[str, Any], path: str) -> None:
    with open(path, "w") as file:
        json.dump(outcome, file, indent=1)
