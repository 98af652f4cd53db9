"""Restart policies, with Docker's back-off: 100 ms, doubled up to a minute, forgotten after 10 s of running."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.model.container import RestartPolicy

FIRST_DELAY, LONGEST_DELAY = 0.1, 60.0
"""Seconds."""
SETTLED = 10.0

ALWAYS, UNLESS_STOPPED, ON_FAILURE = "always", "unless-stopped", "on-failure"
"""All others, as "no", mean never."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `lasted` seconds; `last_delay` what this container waited before that run (0: it did not)."""

    exit_code: int
    stopped_by_user: bool
    lasted: float
    restarts: int
    last_delay: float = 0.0


def delay_before_restart(policy: RestartPolicy, ending: Ending) -> float | None:
    """Seconds until the container shall run again; None when it shall not."""
    if not wants_restart(policy, ending):
        return None
    if ending.lasted >= SETTLED or ending.last_delay == 0:
        return FIRST_DELAY
    return min(ending.last_delay * 2, LONGEST_DELAY)


def wants_restart(policy: RestartPolicy, ending: Ending) -> bool:
    if ending.stopped_by_user:
        return False
    if policy.name in (ALWAYS, UNLESS_STOPPED):
        return True
    if policy.name == ON_FAILURE and ending.exit_code != 0:
        return policy.maximum_retries == 0 or ending.restarts < policy.maximum_retries
    return False


def wanted_at_boot(policy: RestartPolicy, stopped_by_user: bool, was_running: bool) -> bool:
    """Whether a container that is found ended when the daemon comes up shall run.

    `always` runs even if a user stopped it before; `unless-stopped` and `on-failure` only if it ran when the
    host went down.
    """
    if policy.name == ALWAYS:
        return True
    if policy.name == UNLESS_STOPPED:
        return not stopped_by_user
    return policy.name == ON_FAILURE and was_running
