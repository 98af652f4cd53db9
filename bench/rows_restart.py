"""Restart of the daemon with 300 running containers, and how soon the API answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from bench.engines import Engine
from bench.figures import Figure
from bench.standing import spent

CONTAINERS, CROWD = 300, 400
IDLE_SECONDS = 15.0


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    times = min(rounds, 5)
    empty = _restarts(ours, peer, times)
    for engine in (ours, peer):
        _run(engine, range(CONTAINERS))
    full = _restarts(ours, peer, times)
    per_container = [max(1000 * (full[i] - empty[i]) / CONTAINERS, 0.001) for i in (0, 1)]
    for engine in (ours, peer):
        _check_alive(engine)
        _run(engine, range(CONTAINERS, CROWD))
    idle = _idle(ours, peer)
    return [
        Figure("restart, empty", 1000 * empty[0], 1000 * empty[1], "ms"),
        Figure(f"restart with {CONTAINERS}", 1000 * full[0], 1000 * full[1], "ms"),
        Figure("restart, per container", per_container[0], per_container[1], "ms", 0.1),
        Figure(f"API up with {CONTAINERS}", full[0], 1.0, "s", 0.5, note="base: one second, from the exec on"),
        Figure("idle CPU", idle[0], idle[1], "% of a core", note=f"with {CROWD} containers"),
        Figure("idle CPU", idle[0], 1.0, "% of a core", 2.0, note="base: one percent"),
    ]


def _restarts(ours: Engine, peer: Engine, times: int) -> tuple[float, float]:
    """The medians of both, taken in turn."""
    pairs = [(_restart(ours), _restart(peer)) for _ in range(times)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def _run(engine: Engine, numbers: Iterable[int]) -> None:
    def run(number: int) -> None:
        client = engine.client()
        client.run(f"r{number}")
        client.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, numbers))


def _idle(ours: Engine, peer: Engine) -> list[float]:
    """Per cent of a core that the engines take while nothing happens."""
    time.sleep(2)
    before = [spent(engine) for engine in (ours, peer)]
    time.sleep(IDLE_SECONDS)
    return [100 * (spent(engine) - was) / IDLE_SECONDS for engine, was in zip((ours, peer), before, strict=True)]


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
