"""What a health check's results mean, as Docker counts them."""

from __future__ import annotations

from dataclasses import replace

from fairlead.model.container import ContainerState, HealthSpec, HealthState, ProbeResult

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
KEPT_RESULTS = 5
MAX_OUTPUT = 4096
_SECOND = 1_000_000_000
DEFAULT_INTERVAL, DEFAULT_TIMEOUT, DEFAULT_START_INTERVAL, DEFAULT_RETRIES = 30 * _SECOND, 30 * _SECOND, 5 * _SECOND, 3


def enabled(spec: HealthSpec | None) -> bool:
    return spec is not None and bool(spec.test) and spec.test[0] != "NONE"


def command(spec: HealthSpec, shell: tuple[str, ...]) -> tuple[str, ...]:
    """The probe's argv: CMD runs as it is, CMD-SHELL in the image's shell."""
    kind, *words = spec.test
    if kind == "CMD-SHELL":
        return (*(shell or ("/bin/sh", "-c")), " ".join(words))
    return tuple(words) if kind == "CMD" else spec.test


def timeout(spec: HealthSpec) -> float:
    """Seconds that a probe may take."""
    return (spec.timeout or DEFAULT_TIMEOUT) / _SECOND


def too_slow(spec: HealthSpec, output: str) -> str:
    """What is kept of a probe that took too long, with what it had printed."""
    said = f"Health check exceeded timeout ({_duration(spec.timeout or DEFAULT_TIMEOUT)})"
    return f"{said}: {output}" if output else said


def _duration(nanoseconds: int) -> str:
    """As Go writes it: "50ms", "1.5s", "2m0s"."""
    for unit, name in ((1, "ns"), (1_000, "µs"), (1_000_000, "ms")):
        if nanoseconds < unit * 1_000:
            return f"{nanoseconds / unit:.12g}{name}"
    minutes, rest = divmod(nanoseconds, 60 * _SECOND)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / _SECOND:.12g}s"
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds


def pause_before_probe(spec: HealthSpec, state: ContainerState, now: int) -> float:
    """Seconds until the next probe: shorter while the container is still in its start period and not healthy yet."""
    starting = state.health is None or state.health.status == STARTING
    in_start_period = starting and now - state.started < spec.start_period
    if in_start_period:
        return (spec.start_interval or DEFAULT_START_INTERVAL) / _SECOND
    return (spec.interval or DEFAULT_INTERVAL) / _SECOND


def after(spec: HealthSpec, state: ContainerState, result: ProbeResult) -> HealthState:
    """The health after one more probe. Failures within the start period do not count."""
    health = state.health or HealthState(STARTING)
    log = (*health.log, result)[-KEPT_RESULTS:]
    if result.exit_code == 0:
        return HealthState(HEALTHY, 0, log)
    if health.status == STARTING and result.start - state.started < spec.start_period:
        return replace(health, log=log)
    streak = health.failing_streak + 1
    failed = streak >= (spec.retries or DEFAULT_RETRIES)
    return HealthState(UNHEALTHY if failed else health.status, streak, log)
