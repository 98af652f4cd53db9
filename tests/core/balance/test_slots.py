"""Shares are fair, rounds are complete, and a change moves little."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.balance.service import RANDOM, ROUND_ROBIN, SOURCE
from fairlead.core.balance.slots import FEW, SIZES, SLOTS_EACH, share_out, shares

Named = list[tuple[bytes, int]]
FIRST = int(IPv4Address("10.0.0.2"))
algorithms = st.sampled_from([ROUND_ROBIN, RANDOM, SOURCE])
hosts = st.sets(st.integers(2, 60_000), min_size=1, max_size=120)


def named(numbers: set[int] | range, weight: int = 1) -> Named:
    return [(IPv4Address(FIRST + number).packed, weight) for number in sorted(numbers)]


def owners(backends: Named, algorithm: str) -> list[bytes]:
    return [backends[index][0] for index in share_out(backends, algorithm)]


@settings(max_examples=60, deadline=None)
@given(numbers=hosts, algorithm=algorithms)
def test_every_backend_has_its_share(numbers: set[int], algorithm: str) -> None:
    held = Counter(owners(named(numbers), algorithm))
    assert len(held) == len(numbers)
    assert max(held.values()) - min(held.values()) <= 1
    assert min(held.values()) >= SLOTS_EACH


@settings(max_examples=40, deadline=None)
@given(weights=st.lists(st.integers(1, 10), min_size=1, max_size=20), algorithm=algorithms)
def test_weights_are_shares_of_slots(weights: list[int], algorithm: str) -> None:
    backends = [(name, weight) for (name, _), weight in zip(named(range(len(weights))), weights, strict=True)]
    held = Counter(owners(backends, algorithm))
    slots = sum(held.values())
    for name, weight in backends:
        assert abs(held[name] / slots - weight / sum(weights)) <= max(weights) / slots


@given(numbers=st.sets(st.integers(2, 60_000), min_size=1, max_size=FEW), start=st.integers(0, 10_000))
def test_few_backends_are_all_met_in_two_rounds(numbers: set[int], start: int) -> None:
    dealt = owners(named(numbers), ROUND_ROBIN)
    met = {dealt[(start + turn) % len(dealt)] for turn in range(2 * len(numbers))}
    cut_short = (start % len(dealt)) + 2 * len(numbers) > len(dealt)
    assert cut_short or met == {name for name, _ in named(numbers)}


def test_two_services_asked_alternately_do_not_fall_into_step() -> None:
    dealt = owners(named(range(2)), ROUND_ROBIN)
    seen = Counter(dealt[(2 * turn) % len(dealt)] for turn in range(len(dealt)))
    assert max(seen.values()) - min(seen.values()) <= 1
    assert len({dealt[2 * turn] for turn in range(8)}) == 2


@settings(max_examples=40, deadline=None)
@given(numbers=st.sets(st.integers(2, 60_000), min_size=2, max_size=80))
def test_a_source_keeps_its_backend_when_another_goes(numbers: set[int]) -> None:
    before = named(numbers)
    gone = before[len(before) // 2]
    after = [backend for backend in before if backend != gone]
    had, has = owners(before, SOURCE), owners(after, SOURCE)
    if len(had) != len(has):
        return
    moved = sum(one != other for one, other in zip(had, has, strict=True))
    theirs = had.count(gone[0])
    assert theirs <= moved <= theirs + 0.3 * len(had)


@pytest.mark.parametrize("count", [3, 5, 12, 50, 80])
def test_on_average_one_source_in_twenty_moves_without_need(count: int) -> None:
    needless = []
    for first in range(0, 2000, 100):
        before = named(range(first, first + count))
        gone = before[count // 2]
        had, has = owners(before, SOURCE), owners([one for one in before if one != gone], SOURCE)
        moved = sum(one != other for one, other in zip(had, has, strict=True))
        needless.append((moved - had.count(gone[0])) / len(had))
    assert sum(needless) / len(needless) <= 0.07


def test_one_of_five_hundred_moves_a_hundredth_of_the_slots() -> None:
    before, after = owners(named(range(500)), ROUND_ROBIN), owners(named(range(499)), ROUND_ROBIN)
    assert len(before) == len(after) == SIZES[-1]
    assert sum(one != other for one, other in zip(before, after, strict=True)) <= len(before) / 50


@given(numbers=hosts, algorithm=algorithms, seed=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_backends_changes_nothing(numbers: set[int], algorithm: str, seed: object) -> None:
    backends = named(numbers)
    shuffled = list(backends)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert owners(backends, algorithm) == owners(shuffled, algorithm)


def test_who_has_no_weight_gets_nothing() -> None:
    idle, busy = named(range(1), weight=0), [(name, 3) for name, _ in named(range(1, 3))]
    assert set(owners([*idle, *busy], ROUND_ROBIN)) == {name for name, _ in busy}
    assert share_out(idle, ROUND_ROBIN) == ()
    assert share_out([], ROUND_ROBIN) == ()


@pytest.mark.parametrize(
    ("weights", "lowest"), [((2, 4), (1, 2)), ((0, 5), (0, 1)), ((), ()), ((1, 60_000), (1, 4095))]
)
def test_weights_in_lowest_terms(weights: tuple[int, ...], lowest: tuple[int, ...]) -> None:
    assert shares(weights) == lowest
