"""Published ports: a hundred on one container, and one more when ten thousand are published."""

from __future__ import annotations

import statistics
import time
from itertools import count
from typing import Any

from bench.client import Client
from bench.engines import Engine
from bench.figures import Figure, interleaved, milliseconds

HUNDRED, MANY, FEW = 100, 10_000, 10


def measure(ours: Engine, peer: Engine, rounds: int) -> list[Figure]:
    a, b = ours.client(), peer.client()
    serial = count()

    def hundred(client: Client) -> float:
        name = f"h{next(serial)}"
        begin = time.perf_counter()
        client.run(name, PortBindings=bindings(21_000, HUNDRED))
        taken = time.perf_counter() - begin
        client.remove(name)
        return taken

    samples = interleaved(lambda: hundred(a), lambda: hundred(b), min(rounds, 3), warm_up=0)
    figure = milliseconds(f"run -d with {HUNDRED} ports", samples, 0.1)
    return [figure, _one_more(a, rounds)]


def bindings(first: int, number: int) -> dict[str, list[dict[str, Any]]]:
    return {f"{port}/tcp": [{"HostPort": str(port)}] for port in range(first, first + number)}


def _one_more(client: Client, rounds: int) -> Figure:
    """Ours against ourselves: a container with one port beside 10 and beside 10,000 published ones."""

    def one() -> float:
        begin = time.perf_counter()
        client.run("one-more", PortBindings=bindings(45_000, 1))
        taken = time.perf_counter() - begin
        client.remove("one-more")
        return taken

    client.run("few", PortBindings=bindings(22_000, FEW))
    beside_few = [1000 * one() for _ in range(rounds)]
    client.run("many", PortBindings=bindings(23_000, MANY))
    beside_many = [1000 * one() for _ in range(rounds)]
    client.remove("many")
    client.remove("few")
    return Figure(
        f"one more port beside {MANY}",
        statistics.median(beside_many),
        statistics.median(beside_few),
        "ms",
        1.5,
        note=f"base: beside {FEW}",
    )
