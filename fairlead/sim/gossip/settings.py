"""What a simulation is asked to do, and how the command line says it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

SCENARIOS = ("quiet", "writes", "churn", "crash", "partition", "pause")
NETWORK = "simnet"


@dataclass(frozen=True, slots=True)
class Partition:
    """A share of the hosts is cut off from the others at `start` for `length` seconds."""

    share: float
    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in virtual seconds, shares and probabilities from 0 to 1."""

    nodes: int = 25
    scenario: str = "quiet"
    duration: float = 60.0
    seed: int = 1
    profile: str = "lan"
    latency: str = "lan"
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    skew: float = 0.0
    """Clocks differ by up to so many seconds, and run fast or slow by up to a thousandth of that per second."""
    writes: float = 0.0
    """Table writes per second in the whole cluster."""
    churn: float = 0.0
    """Share of the hosts that is restarted per minute, half of them after a crash, half after saying goodbye."""
    crash: int = 0
    """Hosts that fail, one after another, and stay away."""
    machines: bool = False
    """Whole machines fail and stall, not processes: no kernel answers for them."""
    pause: float = 0.0
    """Share of the hosts that stands still at any time."""
    pause_length: float = 5.0
    """The longest time for which a host stands still."""
    partition: Partition | None = None
    encrypt: bool = True
    plain: bool = False
    """SWIM without Lifeguard and witnesses, for comparison."""
    push: bool = True
    cold: bool = False
    """Start with nobody knowing anybody, all joining through the first host."""


def with_scenario(settings: dict[str, object]) -> dict[str, object]:
    """Adds what the scenario implies to what was asked for; what was asked for wins."""
    nodes, duration = int(str(settings["nodes"])), float(str(settings["duration"]))
    implied: dict[str, dict[str, object]] = {
        "quiet": {},
        "writes": {"writes": 1.0},
        "churn": {"writes": 1.0, "churn": 0.5},
        "crash": {"crash": max(1, min(nodes // 10, int(duration // 10)))},
        "partition": {"writes": 0.5, "partition": Partition(0.5, duration / 6, duration / 3)},
        "pause": {"pause": 0.02},
    }
    return {
        **implied[str(settings["scenario"])],
        **{name: value for name, value in settings.items() if value is not None},
    }


def parse_share(text: str) -> float:
    """`5%` or `0.05`. Raises ValueError."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{text} is not a share; it must lie between 0% and 100%, as in 5% or 0.05")
    return value


def parse_partition(text: str, duration: float) -> Partition:
    """`30%`, or `30%@20+60`: that share, from second 20 on, for 60 seconds. Raises ValueError."""
    number = r"([0-9]+(?:\.[0-9]+)?)"
    match = re.fullmatch(rf"([0-9.]+%?)(?:@{number}(?:\+{number})?)?", text)
    if match is None:
        raise ValueError(f"{text} is not a partition; write SHARE or SHARE@START+LENGTH, as in 30%@20+60")
    share, start, length = match.groups()
    begin = float(start) if start else duration / 6
    if begin >= duration:
        raise ValueError(f"{text} begins when all is over: the simulation lasts {duration:g} seconds")
    return Partition(parse_share(share), begin, float(length) if length else duration / 3)
