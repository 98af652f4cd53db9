"""What a request may ask of a container: combinations that make no sense are refused before anything is touched."""

from __future__ import annotations

import re
import signal

from fairlead.model.container import ContainerSpec, Resources, RestartPolicy
from fairlead.model.errors import Conflict, Invalid, Unsupported

MINIMUM_MEMORY = 6 << 20
_POLICIES = frozenset({"", "no", "always", "unless-stopped", "on-failure"})
_LOG_DRIVERS = frozenset({"", "json-file", "local", "none", "k8s-file"})
_DOCKERS_LOG_DRIVERS = frozenset({"awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "splunk", "syslog"})
_LOG_OPTIONS = frozenset(
    {"max-size", "max-file", "labels", "labels-regex", "env", "env-regex", "tag", "compress", "mode"}
)
_NANO = 1_000_000_000
_CPUS = re.compile(r"\s*\d+(-\d+)?(,\d+(-\d+)?)*\s*")
_SUFFIXES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def check(spec: ContainerSpec, init_available: bool) -> None:
    """Raises Invalid for contradictions, Unsupported for what Docker has and Fairlead does not offer."""
    _check_restart(spec)
    _check_resources(spec.resources)
    _check_namespaces(spec)
    _check_log(spec)
    if spec.stop_signal:
        signal_number(spec.stop_signal)
    if spec.working_dir and not spec.working_dir.startswith("/"):
        raise Invalid(f"the working directory '{spec.working_dir}' is invalid, it needs to be an absolute path")
    if spec.shm_size < 0:
        raise Invalid("SHM size can not be less than 0")
    if not -1000 <= spec.oom_score_adj <= 1000:
        raise Invalid(f"Invalid value {spec.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if spec.init and not init_available:
        raise Unsupported("--init needs a static init program: install the package tini")
    if spec.runtime not in ("", "runc"):
        raise Invalid(f"unknown or invalid runtime name: {spec.runtime}")
    if "" in spec.annotations:
        raise Invalid("invalid Annotations: the empty string is not permitted as an annotation key")


def _check_restart(spec: ContainerSpec) -> None:
    check_policy(spec.restart)
    if spec.auto_remove and spec.restart.name not in ("", "no"):
        raise Invalid("can't create 'AutoRemove' container with restart policy")


def check_policy(policy: RestartPolicy) -> None:
    if policy.name not in _POLICIES:
        raise Invalid(
            f"invalid restart policy: unknown policy '{policy.name}'; use one of 'no', 'always', 'on-failure', "
            "or 'unless-stopped'"
        )
    if policy.maximum_retries < 0:
        raise Invalid("invalid restart policy: maximum retry count cannot be negative")
    if policy.maximum_retries and policy.name != "on-failure":
        raise Invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'")


def _check_resources(wanted: Resources) -> None:
    if 0 < wanted.memory < MINIMUM_MEMORY:
        raise Invalid("Minimum memory limit allowed is 6MB")
    if 0 < wanted.memory_swap < wanted.memory:
        raise Invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
    if wanted.memory_swap > 0 and not wanted.memory:
        raise Invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < wanted.memory < wanted.memory_reservation:
        raise Invalid("Minimum memory limit can not be less than memory reservation limit, see usage")
    if wanted.memory_swappiness is not None and not -1 <= wanted.memory_swappiness <= 100:
        raise Invalid(f"Invalid value: {wanted.memory_swappiness}, valid memory swappiness range is 0-100")
    if wanted.nano_cpus and (wanted.cpu_period or wanted.cpu_quota):
        other = "CPU Period" if wanted.cpu_period else "CPU Quota"
        raise Invalid(f"Conflicting options: Nano CPUs and {other} cannot both be set.")
    if wanted.nano_cpus < 0:
        raise Invalid("range of CPUs is from 0.01 upwards")
    if wanted.cpu_period and not 1000 <= wanted.cpu_period <= 1_000_000:
        raise Invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < wanted.cpu_quota < 1000:
        raise Invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    for name, given in (("cpus", wanted.cpuset_cpus), ("mems", wanted.cpuset_mems)):
        if given and not _CPUS.fullmatch(given):
            raise Invalid(f"Invalid value {given} for cpuset {name}")
    if wanted.blkio_weight and not 10 <= wanted.blkio_weight <= 1000:
        raise Invalid("Range of blkio weight is from 10 to 1000")
    for limit in wanted.ulimits:
        if limit.hard != -1 and limit.soft > limit.hard:
            raise Invalid(f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}")


def check_processors(wanted: Resources, present: int) -> None:
    """A container cannot have more processors than the host. Raises Invalid."""
    if wanted.nano_cpus > present * _NANO:
        raise Invalid(f"range of CPUs is from 0.01 to {present}.00, as there are only {present} CPUs available")
    if any(int(number) >= present for number in re.findall(r"\d+", wanted.cpuset_cpus)):
        available = "0" if present == 1 else f"0-{present - 1}"
        raise Invalid(f"Requested CPUs are not available - requested {wanted.cpuset_cpus}, available: {available}")


def check_update(before: Resources, after: Resources) -> None:
    """What `docker update` may not do to limits that were set before. Raises Conflict with Docker's words."""
    for name, number in (("CPU Period", "cpu_period"), ("CPU Quota", "cpu_quota")):
        if after.nano_cpus and getattr(after, number):
            if before.nano_cpus:
                raise Conflict(f"Conflicting options: {name} cannot be updated as NanoCPUs has already been set")
            raise Conflict(f"Conflicting options: Nano CPUs cannot be updated as {name} has already been set")
    same_swap = after.memory_swap == before.memory_swap
    if after.memory != before.memory and same_swap and after.memory > (before.memory_swap or 2 * before.memory):
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
        )


def _check_namespaces(spec: ContainerSpec) -> None:
    for name, value, own in (
        ("IPC", spec.ipc_mode, ("", "none", "private", "shareable", "host")),
        ("PID", spec.pid_mode, ("", "host")),
    ):
        if value not in own and not (value.startswith("container:") and value != "container:"):
            raise Invalid(f"invalid {name} mode: {value}")
    if spec.uts_mode not in ("", "host"):
        raise Invalid(f"invalid UTS mode: {spec.uts_mode}")
    if spec.uts_mode == "host" and (spec.network.hostname or spec.network.domainname):
        raise Invalid("conflicting options: hostname and the UTS mode")
    if spec.cgroupns_mode not in ("", "private", "host"):
        raise Invalid(f"invalid cgroup namespace mode: {spec.cgroupns_mode}")
    if spec.userns_mode not in ("", "host"):
        raise Invalid(f"invalid USER mode: {spec.userns_mode}")


def _check_log(spec: ContainerSpec) -> None:
    if spec.log_driver not in _LOG_DRIVERS | _DOCKERS_LOG_DRIVERS:
        raise Invalid(f'error looking up logging plugin {spec.log_driver}: plugin "{spec.log_driver}" not found')
    if spec.log_driver not in _LOG_DRIVERS:
        raise Unsupported(
            f"logger: no log driver named '{spec.log_driver}' is registered; use json-file, local or none"
        )
    for name in spec.log_options:
        if name not in _LOG_OPTIONS:
            raise Invalid(f"unknown log opt '{name}' for {spec.log_driver or 'json-file'} log driver")
    log_limits(spec)


def log_limits(spec: ContainerSpec) -> tuple[int, int]:
    """(bytes of one log file, number of files); size 0 means no limit. Raises Invalid."""
    size_text, files_text = spec.log_options.get("max-size", "0"), spec.log_options.get("max-file", "1")
    number = size_text.rstrip("bBkKmMgG")
    suffix = size_text[len(number) :].lower()
    try:
        size = int(float(number) * _SUFFIXES[suffix]) if size_text != "-1" else 0
        files = int(files_text)
    except (ValueError, KeyError):
        raise Invalid(f"failed to create logger: invalid size or number: '{size_text}', '{files_text}'") from None
    if files < 1:
        raise Invalid("max-file cannot be less than 1")
    return size, files


def warnings(spec: ContainerSpec) -> tuple[str, ...]:
    """What is accepted with a remark."""
    result = []
    if spec.resources.oom_kill_disable and not spec.resources.memory:
        result.append(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system "
            "running out of resources."
        )
    if spec.network.mode == "host" and spec.network.ports:
        result.append("Published ports are discarded when using host network mode")
    return tuple(result)


def signal_number(text: str) -> int:
    """A signal by number or name, with or without SIG. Raises Invalid."""
    if text.isdigit():
        number = int(text)
        if 0 < number <= signal.SIGRTMAX:
            return number
        raise Invalid(f"invalid signal: {text}")
    name = text.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    try:
        number = int(signal.Signals[base])
    except KeyError:
        raise Invalid(f"invalid signal: {text}") from None
    if not sign:
        return number
    if not offset.isdigit() or base not in ("SIGRTMIN", "SIGRTMAX"):
        raise Invalid(f"invalid signal: {text}")
    return number + (int(offset) if sign == "+" else -int(offset))
