"""From the flags of `run` to the body of `/containers/create`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from fairlead.cli.command import Flags
from fairlead.cli.faults import USAGE, Fault
from fairlead.cli.fields import Json
from fairlead.cli.format.units import parse_duration, parse_size
from fairlead.cli.mounts import mounts_of, split_volumes, tmpfs_of
from fairlead.cli.networks import networks_of
from fairlead.cli.pairs import environment_of, labels_of, pairs_of
from fairlead.cli.publish import exposed_ports, port_bindings
from fairlead.cli.terminal import size_for

T = TypeVar("T")


def create_body(image: str, words: Sequence[str], flags: Flags, detached: bool) -> Json:
    """Raises `Fault` with docker's complaint for flags that contradict each other or say nothing."""
    if flags.given("rm") and flags.text("restart") not in ("", "no"):
        raise Fault("conflicting options: cannot specify both --restart and --rm", USAGE)
    mode, endpoints = networks_of(flags)
    bindings = port_bindings(flags.words("publish"))
    exposed: Json = {port: {} for port in [*exposed_ports(flags.words("expose")), *bindings]}
    binds, anonymous = split_volumes(flags.words("volume"))
    return {
        **_process(words, flags),
        **_attached(flags, detached),
        "Image": image,
        "Hostname": flags.text("hostname"),
        "Domainname": flags.text("domainname"),
        "Labels": labels_of(flags.words("label"), flags.words("label_file")),
        "ExposedPorts": exposed,
        "Volumes": anonymous,
        "Healthcheck": _health(flags),
        "HostConfig": {
            **_resources(flags),
            **_isolation(flags),
            "Binds": binds,
            "Mounts": mounts_of(flags.words("mount")),
            "Tmpfs": tmpfs_of(flags.words("tmpfs")),
            "VolumesFrom": flags.words("volumes_from"),
            "NetworkMode": mode,
            "PortBindings": bindings,
            "PublishAllPorts": flags.given("publish_all"),
            "Dns": flags.words("dns"),
            "DnsOptions": flags.words("dns_option"),
            "DnsSearch": flags.words("dns_search"),
            "ExtraHosts": _extra_hosts(flags.words("add_host")),
            "Links": flags.words("link") if mode in ("default", "bridge") else [],
            "AutoRemove": flags.given("rm"),
            "ConsoleSize": list(size_for(flags.given("tty"))),
            "RestartPolicy": restart_policy(flags.text("restart")),
            "LogConfig": {"Type": flags.text("log_driver"), "Config": pairs_of(flags.words("log_opt"))},
        },
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def _process(words: Sequence[str], flags: Flags) -> Json:
    entrypoint = flags.text("entrypoint")
    return {
        "Cmd": list(words) or None,
        "Entrypoint": [entrypoint] if entrypoint else None,
        "Env": environment_of(flags.words("env"), flags.words("env_file")),
        "User": flags.text("user"),
        "WorkingDir": flags.text("workdir"),
        "StopSignal": flags.text("stop_signal"),
        "StopTimeout": flags.optional("stop_timeout"),
        "Tty": flags.given("tty"),
    }


def _attached(flags: Flags, detached: bool) -> Json:
    """Which streams the client will be attached to; input stays open as long as somebody may type."""
    named = {stream.lower() for stream in flags.words("attach")}
    if unknown := named - {"stdin", "stdout", "stderr"}:
        raise Fault(f"valid streams are STDIN, STDOUT and STDERR: {sorted(unknown)[0]}", USAGE)
    interactive = flags.given("interactive")
    return {
        "AttachStdin": not detached and (interactive if not named else "stdin" in named),
        "AttachStdout": not detached and (not named or "stdout" in named),
        "AttachStderr": not detached and (not named or "stderr" in named),
        "OpenStdin": interactive,
        "StdinOnce": interactive and not detached,
    }


def _health(flags: Flags) -> Json | None:
    if flags.given("no_healthcheck"):
        return {"Test": ["NONE"]}
    durations = {
        key: _nanoseconds(flags, name)
        for key, name in (
            ("Interval", "health_interval"),
            ("Timeout", "health_timeout"),
            ("StartPeriod", "health_start_period"),
            ("StartInterval", "health_start_interval"),
        )
    }
    retries, probe = flags.number("health_retries"), flags.text("health_cmd")
    if not (probe or retries or any(durations.values())):
        return None
    return {**durations, "Retries": retries, **({"Test": ["CMD-SHELL", probe]} if probe else {})}


def _resources(flags: Flags) -> Json:
    swappiness = flags.number("memory_swappiness")
    return {
        "Memory": _bytes(flags, "memory"),
        "MemoryReservation": _bytes(flags, "memory_reservation"),
        "MemorySwap": -1 if flags.text("memory_swap") == "-1" else _bytes(flags, "memory_swap"),
        "MemorySwappiness": None if swappiness < 0 else swappiness,
        "NanoCpus": _nano_cpus(flags.text("cpus")),
        "CpuShares": flags.number("cpu_shares"),
        "CpuPeriod": flags.number("cpu_period"),
        "CpuQuota": flags.number("cpu_quota"),
        "CpusetCpus": flags.text("cpuset_cpus"),
        "CpusetMems": flags.text("cpuset_mems"),
        "PidsLimit": flags.number("pids_limit") or None,
        "BlkioWeight": flags.number("blkio_weight"),
        "OomKillDisable": flags.given("oom_kill_disable"),
        "OomScoreAdj": flags.number("oom_score_adj"),
        "ShmSize": _bytes(flags, "shm_size"),
        "Ulimits": [_ulimit(spec) for spec in flags.words("ulimit")],
        "Devices": [_device(spec) for spec in flags.words("device")],
        "DeviceCgroupRules": flags.words("device_cgroup_rule"),
        "CgroupParent": flags.text("cgroup_parent"),
    }


def _isolation(flags: Flags) -> Json:
    return {
        "Privileged": flags.given("privileged"),
        "ReadonlyRootfs": flags.given("read_only"),
        "Init": flags.given("init") or None,
        "CapAdd": flags.words("cap_add"),
        "CapDrop": flags.words("cap_drop"),
        "SecurityOpt": flags.words("security_opt"),
        "GroupAdd": flags.words("group_add"),
        "Sysctls": pairs_of(flags.words("sysctl")),
        "StorageOpt": pairs_of(flags.words("storage_opt")),
        "Annotations": pairs_of(flags.words("annotation")),
        "IpcMode": flags.text("ipc"),
        "PidMode": flags.text("pid"),
        "UTSMode": flags.text("uts"),
        "UsernsMode": flags.text("userns"),
        "CgroupnsMode": flags.text("cgroupns"),
        "Runtime": flags.text("runtime"),
    }


def restart_policy(written: str) -> Json:
    """ "on-failure:3" in the API's form."""
    name, separator, count = written.partition(":")
    if separator and not count.isdecimal():
        raise Fault(f"invalid restart policy format: maximum retry count must be an integer: {written}", USAGE)
    return {"Name": name or "no", "MaximumRetryCount": int(count or 0)}


def _extra_hosts(words: Iterable[str]) -> list[str]:
    for word in words:
        if ":" not in word and "=" not in word:
            raise Fault(f'invalid argument "{word}" for "--add-host" flag: bad format for add-host: "{word}"', USAGE)
    return [word.replace("=", ":", 1) if "=" in word.partition(":")[0] else word for word in words]


def _ulimit(spec: str) -> Json:
    name, separator, limits = spec.partition("=")
    soft, _, hard = limits.partition(":")
    if not separator or not all(_is_limit(limit) for limit in (soft, hard or soft)):
        raise Fault(f'invalid argument "{spec}" for "--ulimit" flag: invalid ulimit argument: {spec}', USAGE)
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def _is_limit(written: str) -> bool:
    return written.removeprefix("-").isdecimal()


def _device(spec: str) -> Json:
    host, *rest = spec.split(":")
    inside = rest[0] if rest and rest[0].startswith("/") else host
    permissions = rest[-1] if rest and not rest[-1].startswith("/") else "rwm"
    return {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions}


def _nano_cpus(written: str) -> int:
    try:
        return int(Decimal(written or 0) * 10**9)
    except InvalidOperation as error:
        raise Fault(f'invalid argument "{written}" for "--cpus" flag: failed to parse {written}', USAGE) from error


def _bytes(flags: Flags, name: str) -> int:
    return _parsed(flags, name, parse_size) or 0


def _nanoseconds(flags: Flags, name: str) -> int:
    return int((_parsed(flags, name, parse_duration) or 0) * 1e9)


def _parsed(flags: Flags, name: str, parse: Callable[[str], T]) -> T | None:
    written = flags.text(name)
    try:
        return parse(written) if written else None
    except ValueError as error:
        flag = "--" + name.replace("_", "-")
        raise Fault(f'invalid argument "{written}" for "{flag}" flag: {error}', USAGE) from error
