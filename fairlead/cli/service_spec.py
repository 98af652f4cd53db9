"""From the flags of `service create` and `service update` to a service's spec.

To create is to change an empty spec: a flag that was given sets its place, one that was not leaves it alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from fairlead.cli.command import Flags
from fairlead.cli.faults import USAGE, Fault
from fairlead.cli.fields import Json, mapping
from fairlead.cli.format.units import parse_duration, parse_size

CONTAINER = ("TaskTemplate", "ContainerSpec")
RESOURCES = ("TaskTemplate", "Resources")
RESTART = ("TaskTemplate", "RestartPolicy")
Path = tuple[str, ...]


def place(spec: Json, path: Path) -> Json:
    """The object at `path`, made where it is not there."""
    for key in path:
        inner = spec.get(key)
        if not isinstance(inner, dict):
            inner = spec[key] = {}
        spec = inner
    return spec


def _nanoseconds(written: str) -> int:
    return int(parse_duration(written) * 1e9)


def _nano_cpus(written: str) -> int:
    try:
        return int(Decimal(written) * 10**9)
    except InvalidOperation:
        raise ValueError(f"failed to parse {written} as a rational number") from None


_TEXTS: Mapping[str, tuple[Path, Callable[[str], object]]] = {
    "endpoint_mode": (("EndpointSpec", "Mode"), str),
    "entrypoint": ((*CONTAINER, "Command"), shlex.split),
    "hostname": ((*CONTAINER, "Hostname"), str),
    "isolation": ((*CONTAINER, "Isolation"), str),
    "limit_cpu": ((*RESOURCES, "Limits", "NanoCPUs"), _nano_cpus),
    "limit_memory": ((*RESOURCES, "Limits", "MemoryBytes"), parse_size),
    "log_driver": (("TaskTemplate", "LogDriver", "Name"), str),
    "reserve_cpu": ((*RESOURCES, "Reservations", "NanoCPUs"), _nano_cpus),
    "reserve_memory": ((*RESOURCES, "Reservations", "MemoryBytes"), parse_size),
    "restart_condition": ((*RESTART, "Condition"), str),
    "restart_delay": ((*RESTART, "Delay"), _nanoseconds),
    "restart_window": ((*RESTART, "Window"), _nanoseconds),
    "stop_grace_period": ((*CONTAINER, "StopGracePeriod"), _nanoseconds),
    "stop_signal": ((*CONTAINER, "StopSignal"), str),
    "user": ((*CONTAINER, "User"), str),
    "workdir": ((*CONTAINER, "Dir"), str),
}
_VALUES: Mapping[str, Path] = {
    "init": (*CONTAINER, "Init"),
    "limit_pids": (*RESOURCES, "Limits", "Pids"),
    "oom_score_adj": (*CONTAINER, "OomScoreAdj"),
    "read_only": (*CONTAINER, "ReadOnly"),
    "replicas_max_per_node": ("TaskTemplate", "Placement", "MaxReplicas"),
    "restart_max_attempts": (*RESTART, "MaxAttempts"),
    "tty": (*CONTAINER, "TTY"),
}
_ROLLOUT = ("delay", "failure_action", "max_failure_ratio", "monitor", "order", "parallelism")
_HEALTH = {
    "health_interval": "Interval",
    "health_start_interval": "StartInterval",
    "health_start_period": "StartPeriod",
    "health_timeout": "Timeout",
}


def apply_flags(spec: Json, flags: Flags) -> None:
    """What `create` and `update` have in common. Raises `Fault` for what cannot be."""
    for name, (path, parse) in _TEXTS.items():
        if (written := flags.value(name)) is not None:
            place(spec, path[:-1])[path[-1]] = parsed(name, str(written), parse)
    for name, path in _VALUES.items():
        if (value := flags.value(name)) is not None:
            place(spec, path[:-1])[path[-1]] = value
    for word in ("Update", "Rollback"):
        _apply_rollout(spec, flags, word)
    _apply_health(spec, flags)
    _apply_capabilities(spec, flags)
    _apply_replicas(spec, flags)


def parsed(name: str, written: str, parse: Callable[[str], object]) -> object:
    try:
        return parse(written)
    except ValueError as error:
        flag = "--" + name.replace("_", "-")
        raise Fault(f'invalid argument "{written}" for "{flag}" flag: {error}', USAGE) from error


def _apply_rollout(spec: Json, flags: Flags, word: str) -> None:
    """Whoever sets one of them has docker's defaults for the others: one at a time, not all at once."""
    given = {one: flags.value(f"{word.lower()}_{one}") for one in _ROLLOUT}
    given = {one: value for one, value in given.items() if value is not None}
    if not given:
        return
    config = place(spec, (f"{word}Config",))
    config.setdefault("Parallelism", 1)
    for one, value in given.items():
        key = "".join(part.capitalize() for part in one.split("_"))
        timed = one in ("delay", "monitor")
        config[key] = parsed(f"{word.lower()}_{one}", str(value), _nanoseconds) if timed else value


def _apply_health(spec: Json, flags: Flags) -> None:
    container = place(spec, CONTAINER)
    command, retries = flags.value("health_cmd"), flags.value("health_retries")
    given: Json = {
        key: parsed(name, str(flags.value(name)), _nanoseconds)
        for name, key in _HEALTH.items()
        if flags.value(name) is not None
    }
    if retries is not None:
        given["Retries"] = retries
    if command is not None:
        given["Test"] = ["CMD-SHELL", command]
    if flags.given("no_healthcheck"):
        if given:
            raise Fault("--no-healthcheck conflicts with --health-* options")
        container["Healthcheck"] = {"Test": ["NONE"]}
    elif given:
        kept = mapping(container, "Healthcheck")
        if kept.get("Test") == ["NONE"]:
            kept = {}
        container["Healthcheck"] = {**kept, **given}


def _apply_capabilities(spec: Json, flags: Flags) -> None:
    """The one word takes back the other."""
    container = place(spec, CONTAINER)
    added, dropped = flags.words("cap_add"), flags.words("cap_drop")
    for key, more, less in (("CapabilityAdd", added, dropped), ("CapabilityDrop", dropped, added)):
        kept = [one for one in _list(container, key) if one not in less]
        if more or kept != _list(container, key):
            container[key] = [*kept, *(one for one in more if one not in kept)]


def _list(document: Json, key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _apply_replicas(spec: Json, flags: Flags) -> None:
    written, concurrent = flags.value("replicas"), flags.value("max_concurrent")
    mode = place(spec, ("Mode",))
    if written is None and concurrent is None:
        return
    if "ReplicatedJob" in mode:
        job = place(mode, ("ReplicatedJob",))
        if written is not None:
            job["TotalCompletions"] = unsigned("--replicas", str(written))
            job.setdefault("MaxConcurrent", job["TotalCompletions"])
        if concurrent is not None:
            job["MaxConcurrent"] = concurrent
        return
    if concurrent is not None:
        raise Fault("max-concurrent can only be used with replicated-job mode")
    if "Replicated" not in mode:
        raise Fault("replicas can only be used with replicated or replicated-job mode")
    place(mode, ("Replicated",))["Replicas"] = unsigned("--replicas", str(written))


def unsigned(flag: str, written: str) -> int:
    if not (written.isdecimal() and written.isascii()):
        reason = f'strconv.ParseUint: parsing "{written}": invalid syntax'
        raise Fault(f'invalid argument "{written}" for "{flag}" flag: {reason}', USAGE)
    return int(written)
