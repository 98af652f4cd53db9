"""Key rotation under load: real processes, records all the while, every step at another moment on every node."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import tempfile

from bench.gossip import arena
from bench.gossip.cluster import until
from bench.gossip.compare import gather
from bench.gossip.fairlead_cluster import FairleadCluster

STEP_TIME = 2.0
"""Within so many seconds, at random moments, all nodes take one step."""


def run(nodes: int, rotations: int, rate: float) -> dict[str, object]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_namespace, (nodes, rotations, rate))


def _in_namespace(nodes: int, rotations: int, rate: float) -> dict[str, object]:
    arena.enter()
    return asyncio.run(_rotate(nodes, rotations, rate))


async def _rotate(nodes: int, rotations: int, rate: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as folder:
        cluster = FairleadCluster(nodes, folder)
        try:
            await cluster.start()
            await gather(cluster)
            await asyncio.sleep(3)
            writer = asyncio.create_task(_write(cluster, rate))
            old = "6b" * 32
            for number in range(rotations):
                new = f"{number + 1:02x}" * 32
                for verb, key in (("install", new), ("use", new), ("remove", old)):
                    await _step(cluster, verb, key)
                old = new
            writer.cancel()
            return await _account(cluster, rotations)
        finally:
            await cluster.stop()


async def _write(cluster: FairleadCluster, rate: float) -> None:
    rng, count = random.Random(1), 0
    while True:
        count += 1
        key = f"record{count}"
        cluster.seen.records[key] = {}
        await cluster.write(rng.randrange(cluster.size), key)
        await asyncio.sleep(1 / rate)


async def _step(cluster: FairleadCluster, verb: str, key: str) -> None:
    rng, done = random.Random(verb + key), cluster.keys_done

    async def later(number: int) -> None:
        await asyncio.sleep(rng.uniform(0, STEP_TIME))
        cluster.command(number, {"key": verb, "hex": key})

    await asyncio.gather(*(later(number) for number in range(cluster.size)))
    if not await until(lambda: cluster.keys_done == done + cluster.size, 10):
        raise RuntimeError(f"not all nodes could {verb} the key")
    await asyncio.sleep(0.5)  # what is on its way under the old state arrives


async def _account(cluster: FairleadCluster, rotations: int) -> dict[str, object]:
    records = cluster.seen.records
    await until(lambda: all(len(seen) == cluster.size for seen in records.values()), 10)
    for number in range(cluster.size):
        cluster.command(number, {"stats": True})
    await until(lambda: len(cluster.stats) == cluster.size, 10)
    counters = [stats["report"]["counters"] for stats in cluster.stats.values()]
    return {
        "nodes": cluster.size,
        "rotations": rotations,
        "records": len(records),
        "records_lost": sum(len(seen) < cluster.size for seen in records.values()),
        "packets_received": sum(counter["packets_received"] for counter in counters),
        "packets_refused_for_their_key": sum(counter["peer_errors"].get("key", 0) for counter in counters),
    }
