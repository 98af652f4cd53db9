"""How long a packet takes from one host to another: one-way delays in seconds, drawn per packet."""

from __future__ import annotations

import random
from collections.abc import Callable

Latency = Callable[[int, int, random.Random], float]

# One-way milliseconds between sites, as between data centres of one company on three continents.
_SITES = (
    (0.3, 12.0, 40.0, 75.0),
    (12.0, 0.3, 35.0, 85.0),
    (40.0, 35.0, 0.3, 110.0),
    (75.0, 85.0, 110.0, 0.3),
)


def lan(source: int, target: int, rng: random.Random) -> float:
    """One data centre: 0.1 ms of wire and switches, and a tail from queues."""
    return 0.0001 + rng.expovariate(1 / 0.0001)


def multi_region(source: int, target: int, rng: random.Random) -> float:
    """Four sites; host i is in site i mod 4."""
    base = _SITES[source % len(_SITES)][target % len(_SITES)] / 1000
    return base * (1 + 0.05 * rng.random()) + rng.expovariate(1 / 0.0001)


def wan(source: int, target: int, rng: random.Random) -> float:
    """Every host at home somewhere: a fixed distance between each two, and 10 % of jitter."""
    distance = abs(source * 2_654_435_761 - target * 2_654_435_761) % 1000 / 1000
    return (0.01 + 0.09 * distance) * (1 + 0.1 * rng.random())


MODELS: dict[str, Latency] = {"lan": lan, "multi-region": multi_region, "wan": wan}
