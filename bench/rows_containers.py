"""Containers: run -d and rm -f, one at a time and fifty at once, and what stands beside each of them in memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from bench.client import Client
from bench.engines import Engine
from bench.figures import Figure, interleaved, milliseconds
from bench.standing import memory

PARALLEL = 50


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    a, b = ours.client(), peer.client()
    figures = _one_at_a_time(a, b, rounds)
    before = [memory(ours), memory(peer)]
    figures.append(_at_once(a, b))
    figures += _standing(ours, peer, before)
    for client in (a, b):
        for number in range(PARALLEL):
            client.remove(f"p{number}")
    return figures


def _one_at_a_time(a: Client, b: Client, rounds: int) -> list[Figure]:
    serial = count()
    started: list[float] = []
    removed: list[float] = []

    def run_and_remove(client: Client) -> tuple[float, float]:
        name = f"one{next(serial)}"
        begin = time.perf_counter()
        client.run(name)
        middle = time.perf_counter()
        client.remove(name)
        return middle - begin, time.perf_counter() - middle

    pairs = interleaved(lambda: _keep(run_and_remove(a), removed), lambda: _keep(run_and_remove(b), started), rounds)
    ours, peer = removed[-rounds:], started[-rounds:]
    return [milliseconds("run -d", pairs, 0.4), milliseconds("rm -f", (ours, peer), 0.5)]


def _keep(pair: tuple[float, float], seconds: list[float]) -> float:
    seconds.append(pair[1])
    return pair[0]


def _at_once(a: Client, b: Client) -> Figure:
    def burst(client: Client) -> float:
        clients = [client.another() for _ in range(PARALLEL)]
        begin = time.perf_counter()
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda pair: pair[1].run(f"p{pair[0]}"), enumerate(clients)))
        taken = time.perf_counter() - begin
        for each in clients:
            each.close()
        return taken

    return milliseconds(f"{PARALLEL} run -d at once", ([burst(a)], [burst(b)]), 0.4)


def _standing(ours: Engine, peer: Engine, before: list[tuple[float, float]]) -> list[Figure]:
    now = [memory(ours), memory(peer)]
    per_container = [(now[i][0] + now[i][1] - before[i][0] - before[i][1]) / PARALLEL for i in (0, 1)]
    return [
        Figure("memory per container", per_container[0], per_container[1], "MiB", 0.5, note="PSS, daemons and shims"),
        Figure("memory of the daemons", now[0][0], now[1][0], "MiB", note=f"with {PARALLEL} containers"),
    ]
