"""How suspicion is timed, how health slows accusations, how places predict round trips."""

from __future__ import annotations

import random

import pytest

from fairlead.core.gossip import LAN, LOCAL, WAN, Config, plain_swim
from fairlead.core.gossip.awareness import Awareness
from fairlead.core.gossip.coordinates import Coordinates, Place, distance, unpack
from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.suspicion import Suspicion, silent_floor, suspicion_time
from fairlead.core.gossip.wire.messages import Verdict, Witness
from tests.core.gossip.cluster import Cluster


@pytest.mark.parametrize(
    ("confirmed", "wanted", "expected"),
    [(0, 3, 30.0), (1, 3, 17.5), (2, 3, 10.19), (3, 3, 5.0), (4, 3, 5.0), (0, 0, 5.0)],
)
def test_suspicion_shrinks_with_the_logarithm_of_the_witnesses(confirmed: int, wanted: int, expected: float) -> None:
    assert suspicion_time(confirmed, wanted, 5.0, 30.0) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("verdicts", "members", "seconds"),
    [
        ([Verdict.SILENT], 100, 27.0),
        ([Verdict.SILENT] * 4, 100, 4.5),
        ([Verdict.SILENT] * 4, 10_000, 6.0),
        ([Verdict.REFUSED], 100, 27.0),
        ([Verdict.REFUSED] * 4, 100, 0.4),
        ([Verdict.REFUSED], 2, 0.4),
        ([Verdict.REFUSED] * 3 + [Verdict.STALLED], 100, 9.0),
        ([Verdict.STALLED] * 4, 100, 9.0),
    ],
)
def test_what_the_witnesses_saw_decides_the_floor(verdicts: list[Verdict], members: int, seconds: float) -> None:
    suspicion = Suspicion(1, 0, since=100.0)
    suspicion.add(tuple(Witness(f"w{place}", verdict) for place, verdict in enumerate(verdicts)), 4)
    assert suspicion.deadline(LAN, members) - 100.0 == pytest.approx(seconds)


def test_plain_swim_waits_the_same_for_whatever_the_witnesses_say() -> None:
    suspicion = Suspicion(1, 0, since=0.0, witnesses={"a": Verdict.REFUSED, "b": Verdict.REFUSED})
    assert suspicion.deadline(plain_swim(LAN), 100) == silent_floor(LAN, 100)


def test_a_witness_counts_once_and_can_only_become_surer() -> None:
    suspicion = Suspicion(1, 0, since=0.0)
    assert suspicion.add((Witness("a", Verdict.SILENT),), 2)
    assert not suspicion.add((Witness("a", Verdict.SILENT),), 2)
    assert suspicion.add((Witness("a", Verdict.REFUSED),), 2)
    assert not suspicion.add((Witness("a", Verdict.SILENT),), 2)
    assert suspicion.add((Witness("b", Verdict.SILENT),), 2)
    assert not suspicion.add((Witness("c", Verdict.SILENT),), 2)


def test_health_scales_and_stays_within_bounds() -> None:
    health = Awareness(4)
    health.add(-3)
    assert health.scale(1.0) == 1.0
    health.add(10)
    assert health.scale(1.0) == 4.0


def test_a_node_that_was_asleep_gives_the_others_the_time_back() -> None:
    cluster = Cluster("abcde")
    sleeper = cluster["a"]
    cluster.run(5.0)
    sleeper.handle_timeout(cluster.now + 20.0)
    assert all(member.status.name == "ALIVE" for member in sleeper.members())
    assert sleeper.report(cluster.now)["health"] == 1


@pytest.mark.parametrize("config", [LOCAL, LAN, WAN])
def test_profiles_leave_time_for_what_they_wait_for(config: Config) -> None:
    assert config.probe_timeout + config.indirect_timeout < config.probe_interval
    assert config.relay_patience < config.indirect_timeout
    assert config.refused_floor < config.suspicion_floor
    assert config.push_spacing < config.gossip_interval


def test_places_learn_to_predict_round_trips() -> None:
    """Four sites on a plane, four nodes each: after some hundred pings the median error is below 10 %."""
    rng = random.Random(7)
    sites = [(0.0, 0.0), (0.03, 0.0), (0.0, 0.04), (0.03, 0.04)]

    def truth(a: int, b: int) -> float:
        (ax, ay), (bx, by) = sites[a % 4], sites[b % 4]
        return ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5 + 0.001

    nodes = [Coordinates(random.Random(number)) for number in range(16)]
    for _ in range(300):
        for number, node in enumerate(nodes):
            other = rng.randrange(16)
            if other != number:
                node.heard(str(other), nodes[other].packed)
                node.measured(str(other), truth(number, other) * rng.uniform(0.95, 1.05))
    pairs = [(a, b) for a in range(16) for b in range(a)]
    misses = sorted(abs(distance(nodes[a].place, nodes[b].place) / truth(a, b) - 1) for a, b in pairs if (a - b) % 4)
    assert misses[len(misses) // 2] < 0.1


def test_the_round_trip_between_any_two_is_estimated() -> None:
    cluster = Cluster("abc")
    cluster.run(10.0)
    node = cluster["a"]
    assert node.rtt("a", "a") is not None
    assert node.rtt("b", "c") >= 0
    assert node.rtt("b") == node.rtt("b", "a")
    assert node.rtt("nobody") is None


@pytest.mark.parametrize("place", [(float("nan"), 0, 0, 0, 0), (1e9, 0, 0, 0, 0), (0, 0, 0, -1, 0), (0, 0, 0, 0, -1)])
def test_places_that_cannot_be_are_the_peers_fault(place: tuple[float, ...]) -> None:
    import struct

    with pytest.raises(PeerError, match="position"):
        unpack(struct.pack("<5f", *place))


def test_a_place_far_away_does_not_throw_ours_out_of_bounds() -> None:
    node = Coordinates(random.Random(1))
    import struct

    node.heard("far", struct.pack("<5f", 9.0, 9.0, 9.0, 1.0, 0.0))
    for _ in range(100):
        node.measured("far", 0.001)
    assert all(abs(part) <= 10 for part in node.place)
    assert isinstance(node.place, Place)
