"""Restart of the daemon with 300 running containers, and how soon the API answers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bench.engines import Engine
from bench.figures import Figure

CONTAINERS = 300


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    empty = [_restart(engine) for engine in (ours, peer)]
    for engine in (ours, peer):
        clients = [engine.client() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(clients[n % 4].another().run, f"r{n}") for n in range(CONTAINERS)]
            for job in jobs:
                job.result()
    full = [_restart(engine) for engine in (ours, peer)]
    per_container = [max(1000 * (full[i] - empty[i]) / CONTAINERS, 0.001) for i in (0, 1)]
    for engine in (ours, peer):
        _check_alive(engine)
    return [
        Figure("restart, empty", 1000 * empty[0], 1000 * empty[1], "ms"),
        Figure(f"restart with {CONTAINERS}", 1000 * full[0], 1000 * full[1], "ms"),
        Figure("restart, per container", per_container[0], per_container[1], "ms", 0.1),
    ]


def _restart(engine: Engine) -> float:
    """Seconds from the start of the program to its first answer that lists the containers."""
    engine.stop()
    begin = time.perf_counter()
    engine.start()
    client = engine.client()
    client.get("/containers/json")
    taken = time.perf_counter() - begin
    client.close()
    return taken


def _check_alive(engine: Engine) -> None:
    client = engine.client()
    alive = len(client.get("/containers/json"))
    client.close()
    if alive != CONTAINERS:
        raise RuntimeError(f"{engine.name}: {alive} of {CONTAINERS} containers survived the restart")
