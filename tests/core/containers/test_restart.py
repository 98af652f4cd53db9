"""Restart policies and their back-off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.containers.restart import Ending, delay_before_restart, wanted_at_boot
from fairlead.model.container import RestartPolicy


def ended(code: int = 1, stopped: bool = False, lasted: float = 1, restarts: int = 0, last: float = 0) -> Ending:
    return Ending(code, stopped, lasted, restarts, last)


@pytest.mark.parametrize(
    ("policy", "ending", "runs_again"),
    [
        (RestartPolicy("no"), ended(), False),
        (RestartPolicy("always"), ended(code=0), True),
        (RestartPolicy("always"), ended(stopped=True), False),
        (RestartPolicy("unless-stopped"), ended(code=0), True),
        (RestartPolicy("on-failure"), ended(code=0), False),
        (RestartPolicy("on-failure"), ended(code=1), True),
        (RestartPolicy("on-failure", 2), ended(restarts=1), True),
        (RestartPolicy("on-failure", 2), ended(restarts=2), False),
    ],
)
def test_whether_it_runs_again(policy: RestartPolicy, ending: Ending, runs_again: bool) -> None:
    assert (delay_before_restart(policy, ending) is not None) == runs_again


def test_the_delay_doubles_up_to_a_minute_and_is_forgotten_after_ten_seconds() -> None:
    always, delays, last = RestartPolicy("always"), [], 0.0
    for _ in range(12):
        delay = delay_before_restart(always, ended(last=last))
        assert delay is not None
        delays.append(delay)
        last = delay
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == 60
    assert delay_before_restart(always, ended(last=60, lasted=10)) == 0.1


@given(st.floats(0, 1000), st.floats(0, 60))
def test_the_delay_is_never_out_of_bounds(lasted: float, last: float) -> None:
    delay = delay_before_restart(RestartPolicy("always"), ended(lasted=lasted, last=last))
    assert delay is not None
    assert 0 < delay <= 60


@pytest.mark.parametrize(
    ("name", "stopped", "was_running", "runs"),
    [
        ("no", False, True, False),
        ("always", True, False, True),
        ("unless-stopped", True, True, False),
        ("unless-stopped", False, False, True),
        ("on-failure", False, True, True),
        ("on-failure", False, False, False),
    ],
)
def test_what_a_new_daemon_brings_back(name: str, stopped: bool, was_running: bool, runs: bool) -> None:
    assert wanted_at_boot(RestartPolicy(name), stopped, was_running) == runs
