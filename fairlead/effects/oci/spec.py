"""The OCI runtime spec of a container, as Docker would write it: a `Launch` and the host's traits in, JSON out.

Sources: OCI runtime-spec 1.0.2 (config.md, config-linux.md); the defaults (mounts, masked paths,
capabilities, sysctls) are those users of Docker know from inside a container.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.effects.oci import capabilities, devices, resources
from fairlead.effects.oci.seccomp import Profiles
from fairlead.effects.oci.users import Identity
from fairlead.model.container import (
    DEFAULT_SHM,
    MASKED_PATHS,
    READONLY_PATHS,
    Container,
    ContainerSpec,
    security_option,
)
from fairlead.model.runtime import Launch, MountPoint

Json = dict[str, Any]

INIT_PATH = "/sbin/docker-init"


@dataclass(frozen=True, slots=True)
class HostTraits:
    """What the spec depends on: seccomp profiles, capabilities that can be given, and the kind of cgroup mount."""

    seccomp: Profiles
    capabilities: tuple[str, ...] = capabilities.KNOWN
    unified_cgroups: bool = False
    cgroup_parent: str = "/fairlead"


def build(launch: Launch, identity: Identity, host: HostTraits) -> Json:
    """`config.json` of the bundle. Raises Invalid or Failed for options that cannot be translated."""
    spec = launch.container.spec
    config: Json = {
        "ociVersion": "1.0.2",
        "process": _first_process(launch, identity, host),
        "root": {"path": launch.rootfs, "readonly": spec.read_only},
        "mounts": _mounts(launch),
        "linux": _linux(launch, host),
        "annotations": dict(spec.annotations),
    }
    if launch.uts is None:
        config["hostname"] = launch.hostname
    return config


def process(container: Container, identity: Identity, host: HostTraits, privileged: bool) -> Json:
    """The part of a process that its container decides: identity, capabilities, limits. The caller adds what runs."""
    spec = container.spec
    granted = list(capabilities.effective(spec.cap_add, spec.cap_drop, privileged, host.capabilities))
    return {
        "user": {"uid": identity.uid, "gid": identity.gid, "additionalGids": list(identity.groups)},
        "capabilities": {"bounding": granted, "effective": granted, "permitted": granted},
        "noNewPrivileges": _no_new_privileges(spec.security_opt),
        "rlimits": [
            {"type": f"RLIMIT_{limit.name.upper()}", "soft": limit.soft, "hard": limit.hard}
            for limit in spec.resources.ulimits
        ],
    }


def _first_process(launch: Launch, identity: Identity, host: HostTraits) -> Json:
    container, spec = launch.container, launch.container.spec
    argv = list(container.argv)
    described = process(container, identity, host, spec.privileged)
    described |= {
        "terminal": spec.tty,
        "args": [INIT_PATH, "--", *argv] if launch.init else argv,
        "env": list(launch.env),
        "cwd": container.workdir or "/",
        "oomScoreAdj": spec.oom_score_adj,
    }
    height, width = spec.console_size
    if spec.tty and (height or width):
        described["consoleSize"] = {"height": height, "width": width}
    return described


def cgroup_path(container: Container, parent: str) -> str:
    """The container's cgroup below every controller; `--cgroup-parent` comes before the daemon's own."""
    return f"/{(container.spec.cgroup_parent or parent).strip('/')}/{container.id}"


def _no_new_privileges(options: Sequence[str]) -> bool:
    """`no-new-privileges`, with `=true`, `:true` or nothing behind it."""
    for option in options:
        name, value = security_option(option)
        if name == "no-new-privileges":
            return value in ("", "true", "1")
    return False


def _linux(launch: Launch, host: HostTraits) -> Json:
    container, spec = launch.container, launch.container.spec
    wanted = spec.resources
    section: Json = {
        "namespaces": _namespaces(launch, host),
        "cgroupsPath": cgroup_path(container, host.cgroup_parent),
        "resources": resources.limits(wanted)
        | {"devices": devices.rules(wanted.devices, wanted.device_rules, spec.privileged)},
        "sysctl": sysctls(launch),
        "devices": devices.nodes(wanted.devices, spec.privileged),
    }
    if not spec.privileged:
        section["maskedPaths"] = list(MASKED_PATHS if spec.masked_paths is None else spec.masked_paths)
        section["readonlyPaths"] = list(READONLY_PATHS if spec.readonly_paths is None else spec.readonly_paths)
        granted = capabilities.effective(spec.cap_add, spec.cap_drop, False, host.capabilities)
        profile = host.seccomp.chosen(spec.security_opt, frozenset(granted))
        if profile is not None:
            section["seccomp"] = profile
    propagation = _root_propagation(launch.mounts)
    if propagation:
        section["rootfsPropagation"] = propagation
    return section


def _namespaces(launch: Launch, host: HostTraits) -> list[Json]:
    """A fresh mount namespace always; the others fresh (None), joined by path, or the host's ("": left out)."""
    result: list[Json] = [{"type": "mount"}]
    for kind, path in (("network", launch.netns), ("uts", launch.uts), ("pid", launch.pid), ("ipc", launch.ipc)):
        if path is None:
            result.append({"type": kind})
        elif path:
            result.append({"type": kind, "path": path})
    if private_cgroup(launch.container.spec, host.unified_cgroups):
        result.append({"type": "cgroup"})
    return result


def private_cgroup(spec: ContainerSpec, unified: bool) -> bool:
    """Docker's default: a cgroup namespace of its own on cgroup v2, the host's on v1 and for privileged ones."""
    if spec.cgroupns_mode:
        return spec.cgroupns_mode == "private"
    return unified and not spec.privileged


def sysctls(launch: Launch) -> dict[str, str]:
    """What was asked for, and what every container with a network of its own gets: low ports and ping for everyone."""
    values = dict(launch.container.spec.sysctls)
    if launch.netns and not launch.container.spec.network.mode.startswith("container:"):
        values.setdefault("net.ipv4.ip_unprivileged_port_start", "0")
        values.setdefault("net.ipv4.ping_group_range", "0 2147483647")
    if launch.domainname and launch.uts is None:
        values.setdefault("kernel.domainname", launch.domainname)
    return values


def _mounts(launch: Launch) -> list[Json]:
    """The standard file systems, then the user's: the shallow ones first, so that none hides another."""
    own = sorted(launch.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
    taken = {mount.target.rstrip("/") for mount in own}
    standard = [mount for mount in _standard_mounts(launch) if mount["destination"] not in taken]
    if launch.init:
        own.append(MountPoint("bind", launch.init, INIT_PATH, ("bind", "ro")))
    return standard + [_mount(point) for point in own]


def _mount(point: MountPoint) -> Json:
    return {
        "destination": point.target,
        "type": point.kind,
        "source": point.source,
        "options": list(point.options),
    }


def _standard_mounts(launch: Launch) -> list[Json]:
    spec = launch.container.spec
    locked = ["nosuid", "noexec", "nodev"]
    access = [] if spec.privileged else ["ro"]
    mounts: list[Json] = [
        _pseudo("/proc", "proc", "proc", locked),
        _pseudo("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _pseudo(
            "/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
        ),
        _pseudo("/sys", "sysfs", "sysfs", locked + access),
        _pseudo("/sys/fs/cgroup", "cgroup", "cgroup", locked + access),
        _pseudo("/dev/mqueue", "mqueue", "mqueue", locked),
    ]
    return mounts + _shm(launch, locked)


def _shm(launch: Launch, locked: list[str]) -> list[Json]:
    if launch.shm_path:
        return [{"destination": "/dev/shm", "type": "bind", "source": launch.shm_path, "options": ["rbind"]}]
    if launch.ipc is not None:
        return []
    size = launch.container.spec.shm_size or DEFAULT_SHM
    return [_pseudo("/dev/shm", "tmpfs", "shm", [*locked, "mode=1777", f"size={size}"])]


def _pseudo(target: str, kind: str, source: str, options: list[str]) -> Json:
    return {"destination": target, "type": kind, "source": source, "options": options}


def _root_propagation(mounts: Sequence[MountPoint]) -> str:
    """A shared or slave bind needs a root that lets events through."""
    options = {option for mount in mounts for option in mount.options}
    if options & {"shared", "rshared"}:
        return "shared"
    if options & {"slave", "rslave"}:
        return "slave"
    return ""
