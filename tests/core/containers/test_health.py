"""What a health check's results mean."""

from __future__ import annotations

import pytest

from fairlead.core.containers import health
from fairlead.model.container import ContainerState, HealthSpec, HealthState, ProbeResult

SECOND = 1_000_000_000
SPEC = HealthSpec(("CMD", "probe"), interval=10 * SECOND, start_period=60 * SECOND, retries=2)
LATE = 100 * SECOND


def probed(code: int, at: int = LATE) -> ProbeResult:
    return ProbeResult(at, at + 1, code, "")


def test_one_success_is_health() -> None:
    state = ContainerState(health=HealthState(health.UNHEALTHY, 7))
    assert health.after(SPEC, state, probed(0)) == HealthState(health.HEALTHY, 0, (probed(0),))


def test_it_takes_as_many_failures_as_retries() -> None:
    state = ContainerState(health=HealthState(health.HEALTHY))
    once = health.after(SPEC, state, probed(1))
    assert (once.status, once.failing_streak) == (health.HEALTHY, 1)
    twice = health.after(SPEC, ContainerState(health=once), probed(1))
    assert (twice.status, twice.failing_streak) == (health.UNHEALTHY, 2)


def test_failures_in_the_start_period_do_not_count() -> None:
    state = ContainerState(health=HealthState(health.STARTING))
    assert health.after(SPEC, state, probed(1, at=SECOND)).failing_streak == 0


def test_only_the_last_five_results_are_kept() -> None:
    state = ContainerState(health=HealthState(health.HEALTHY))
    for second in range(8):
        state = ContainerState(health=health.after(SPEC, state, probed(0, at=LATE + second)))
    assert state.health is not None
    assert [result.start - LATE for result in state.health.log] == [3, 4, 5, 6, 7]


def test_probes_are_closer_while_it_starts() -> None:
    starting = ContainerState(started=0, health=HealthState(health.STARTING))
    assert health.pause_before_probe(SPEC, starting, now=SECOND) == 5
    assert health.pause_before_probe(SPEC, starting, now=LATE) == 10
    assert health.pause_before_probe(SPEC, ContainerState(health=HealthState(health.HEALTHY)), now=SECOND) == 10


@pytest.mark.parametrize(
    ("test", "argv"),
    [
        (("CMD", "a", "b"), ("a", "b")),
        (("CMD-SHELL", "a b"), ("/bin/sh", "-c", "a b")),
    ],
)
def test_commands(test: tuple[str, ...], argv: tuple[str, ...]) -> None:
    assert health.command(HealthSpec(test), ()) == argv
    assert health.enabled(HealthSpec(test))


def test_none_turns_it_off() -> None:
    assert not health.enabled(HealthSpec(("NONE",)))
    assert not health.enabled(None)


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (50_000_000, "50ms"),
        (1_500_000_000, "1.5s"),
        (0, "30s"),
        (120_000_000_000, "2m0s"),
        (3_661_000_000_000, "1h1m1s"),
        (1_500, "1.5µs"),
    ],
)
def test_a_probe_that_is_too_slow_says_what_it_was_given_and_what_it_said(nanoseconds: int, shown: str) -> None:
    spec = HealthSpec(("CMD", "x"), timeout=nanoseconds)
    assert health.too_slow(spec, "") == f"Health check exceeded timeout ({shown})"
    assert health.too_slow(spec, "so far") == f"Health check exceeded timeout ({shown}): so far"
