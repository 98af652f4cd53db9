"""The result of a simulation: one flat record, as a table or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fairlead.core.gossip.counters import Counters
from fairlead.sim.gossip.measure import Measure
from fairlead.sim.gossip.settings import Settings


@dataclass(slots=True)
class Traffic:
    """Sums over all nodes. Bytes are payload: of datagrams, and of streams without TCP's own."""

    packets: int = 0
    bytes: int = 0
    calls: int = 0
    syncs: int = 0
    pushes: int = 0
    refutations: int = 0
    peer_errors: int = 0

    def add(self, counters: Counters) -> None:
        self.packets += counters.packets_sent
        self.bytes += counters.bytes_sent + counters.call_bytes_sent
        self.calls += counters.calls_made
        self.syncs += counters.syncs
        self.pushes += counters.pushes
        self.refutations += counters.refutations
        self.peer_errors += sum(counters.peer_errors.values())

    def since(self, before: Traffic) -> Traffic:
        mine, theirs = asdict(self), asdict(before)
        return Traffic(**{name: max(mine[name] - theirs[name], 0) for name in mine})


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds are virtual, except `cpu_s`. None: there was nothing to measure, or it never came to that."""

    nodes: int
    scenario: str
    duration_s: float
    seed: int
    converged: bool
    agreed_after_s: float | None
    writes: int
    writes_incomplete: int
    dissemination_p50_s: float | None
    dissemination_p90_s: float | None
    dissemination_p99_s: float | None
    dissemination_max_s: float | None
    arrival_p99_s: float | None
    joins: int
    join_p90_s: float | None
    join_max_s: float | None
    crashes: int
    detection_first_s: float | None
    detection_all_s: float | None
    detection_all_max_s: float | None
    false_positives: int
    false_positive_views: int
    refutations: int
    bytes_per_node_s: float
    packets_per_node_s: float
    calls_per_node_s: float
    syncs: int
    peer_errors: int
    cpu_s: float
    speed: float

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def summarise(settings: Settings, measure: Measure, traffic: Traffic, agreed_after: float | None, cpu: float) -> Result:
    times, incomplete = measure.dissemination()
    first, everybody = measure.detection()
    per_node = settings.nodes * settings.duration
    return Result(
        nodes=settings.nodes,
        scenario=settings.scenario,
        duration_s=settings.duration,
        seed=settings.seed,
        converged=agreed_after is not None,
        agreed_after_s=agreed_after,
        writes=len(measure.writes),
        writes_incomplete=incomplete,
        dissemination_p50_s=percentile(times, 0.5),
        dissemination_p90_s=percentile(times, 0.9),
        dissemination_p99_s=percentile(times, 0.99),
        dissemination_max_s=percentile(times, 1.0),
        arrival_p99_s=percentile(measure.arrivals(), 0.99),
        joins=len(measure.joins),
        join_p90_s=percentile(measure.catch_ups(), 0.9),
        join_max_s=percentile(measure.catch_ups(), 1.0),
        crashes=len(measure.crashes),
        detection_first_s=percentile(first, 0.5),
        detection_all_s=percentile(everybody, 0.5) if len(everybody) == len(measure.crashes) else None,
        detection_all_max_s=percentile(everybody, 1.0) if len(everybody) == len(measure.crashes) else None,
        false_positives=len(measure.false_deaths),
        false_positive_views=measure.false_views,
        refutations=traffic.refutations,
        bytes_per_node_s=round(traffic.bytes / per_node, 1),
        packets_per_node_s=round(traffic.packets / per_node, 3),
        calls_per_node_s=round(traffic.calls / per_node, 4),
        syncs=traffic.syncs,
        peer_errors=traffic.peer_errors,
        cpu_s=round(cpu, 2),
        speed=round(settings.duration / cpu, 2) if cpu else 0.0,
    )


def percentile(values: list[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed."""
    if not values:
        return None
    ordered = sorted(values)
    place = max(-(-len(ordered) * share // 1) - 1, 0)
    return round(ordered[min(int(place), len(ordered) - 1)], 4)
