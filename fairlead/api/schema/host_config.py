"""`HostConfig`: how a container meets its host, in the words of the API.

`HostConfigBody` is read leniently (Go's clients send null for anything) and turned into parts of a `ContainerSpec`.
What Docker has and Fairlead does not offer is refused by name as soon as it is given a value.
"""

from __future__ import annotations

import posixpath
from typing import Any

import msgspec

from fairlead.api.schema.ports import port_requests
from fairlead.model.container import (
    Device,
    Mount,
    Resources,
    RestartPolicy,
    Ulimit,
    security_option,
)
from fairlead.model.endpoint import PortRequest
from fairlead.model.errors import Failed, Invalid, Unsupported


class LogConfig(msgspec.Struct):
    Type: str | None = None
    Config: dict[str, str] | None = None


class RestartPolicyBody(msgspec.Struct):
    Name: str | None = None
    MaximumRetryCount: int | None = None

    def policy(self) -> RestartPolicy:
        return RestartPolicy(self.Name or "no", self.MaximumRetryCount or 0)


class DeviceMapping(msgspec.Struct):
    PathOnHost: str | None = None
    PathInContainer: str | None = None
    CgroupPermissions: str | None = None

    def device(self) -> Device:
        host = self.PathOnHost or ""
        return Device(host, self.PathInContainer or host, self.CgroupPermissions or "rwm")


class DeviceRequest(msgspec.Struct):
    Capabilities: list[list[str]] | None = None


class UlimitBody(msgspec.Struct):
    Name: str | None = None
    Soft: int | None = None
    Hard: int | None = None


class PortBinding(msgspec.Struct):
    HostIp: str | None = None
    HostPort: str | None = None


class DriverConfig(msgspec.Struct):
    Name: str | None = None
    Options: dict[str, str] | None = None


class BindOptions(msgspec.Struct):
    Propagation: str | None = None
    NonRecursive: bool | None = None
    CreateMountpoint: bool | None = None
    ReadOnlyNonRecursive: bool | None = None
    ReadOnlyForceRecursive: bool | None = None


class VolumeOptions(msgspec.Struct):
    NoCopy: bool | None = None
    Labels: dict[str, str] | None = None
    Subpath: str | None = None
    DriverConfig: DriverConfig | None = None


class TmpfsOptions(msgspec.Struct):
    SizeBytes: int | None = None
    Mode: int | None = None
    Options: list[list[str]] | None = None


class MountBody(msgspec.Struct):
    Type: str | None = None
    Source: str | None = None
    Target: str | None = None
    ReadOnly: bool | None = None
    Consistency: str | None = None
    BindOptions: BindOptions | None = None
    VolumeOptions: VolumeOptions | None = None
    TmpfsOptions: TmpfsOptions | None = None

    def check(self) -> None:
        """Raises Invalid with Docker's words."""
        kind, target, source = self.Type or "", self.Target or "", self.Source or ""
        if kind in ("image", "cluster", "npipe"):
            raise Unsupported(f"mounts of type {kind} are not supported")
        if kind not in ("bind", "volume", "tmpfs"):
            raise Invalid(f'mount type unknown: "{kind}"')
        if not target:
            raise _bad_mount(kind, "field Target must not be empty")
        if not target.startswith("/"):
            raise _bad_mount(kind, f"invalid mount path: '{target}' mount path must be absolute")
        if kind == "bind" and not source:
            raise _bad_mount(kind, "field Source must not be empty")
        if kind == "bind" and not source.startswith("/"):
            raise _bad_mount(kind, f"invalid mount path: '{source}' mount path must be absolute")
        if kind == "tmpfs" and source:
            raise _bad_mount(kind, "field Source must not be specified")
        if self.VolumeOptions and not _is_within(self.VolumeOptions.Subpath or "."):
            raise _bad_mount(kind, "subpath must be a relative path within the volume")

    def mount(self) -> Mount:
        """Raises Invalid with Docker's words."""
        self.check()
        bind, volume, tmpfs = (
            self.BindOptions or BindOptions(),
            self.VolumeOptions or VolumeOptions(),
            self.TmpfsOptions or TmpfsOptions(),
        )
        driver = volume.DriverConfig or DriverConfig()
        return Mount(
            kind=self.Type or "",
            target=posixpath.normpath(self.Target or ""),
            source=self.Source or "",
            read_only=bool(self.ReadOnly),
            propagation=bind.Propagation or "",
            create_source=bool(bind.CreateMountpoint),
            no_copy=bool(volume.NoCopy),
            driver=driver.Name or "",
            driver_opts=driver.Options or {},
            labels=volume.Labels or {},
            subpath=volume.Subpath or "",
            tmpfs_size=tmpfs.SizeBytes or 0,
            tmpfs_mode=tmpfs.Mode or 0,
        )


def _is_within(path: str) -> bool:
    """Whether a path by its words alone stays below where it is looked up."""
    clean = posixpath.normpath(path)
    return not clean.startswith("/") and clean != ".." and not clean.startswith("../")


def _bad_mount(kind: str, reason: str) -> Invalid:
    return Invalid(f'invalid mount config for type "{kind}": {reason}')


class ResourcesBody(msgspec.Struct):
    """The limits, as `create` and `update` have them."""

    CpuShares: int | None = None
    Memory: int | None = None
    NanoCpus: int | None = None
    CgroupParent: str | None = None
    BlkioWeight: int | None = None
    BlkioWeightDevice: list[Any] | None = None
    BlkioDeviceReadBps: list[Any] | None = None
    BlkioDeviceWriteBps: list[Any] | None = None
    BlkioDeviceReadIOps: list[Any] | None = None
    BlkioDeviceWriteIOps: list[Any] | None = None
    CpuPeriod: int | None = None
    CpuQuota: int | None = None
    CpuRealtimePeriod: int | None = None
    CpuRealtimeRuntime: int | None = None
    CpusetCpus: str | None = None
    CpusetMems: str | None = None
    Devices: list[DeviceMapping] | None = None
    DeviceCgroupRules: list[str] | None = None
    DeviceRequests: list[DeviceRequest] | None = None
    KernelMemory: int | None = None
    KernelMemoryTCP: int | None = None
    MemoryReservation: int | None = None
    MemorySwap: int | None = None
    MemorySwappiness: int | None = None
    OomKillDisable: bool | None = None
    PidsLimit: int | None = None
    Ulimits: list[UlimitBody] | None = None
    CpuCount: int | None = None
    CpuPercent: int | None = None
    IOMaximumIOps: int | None = None
    IOMaximumBandwidth: int | None = None

    def refuse_unsupported_limits(self) -> None:
        for name in _UNSUPPORTED_LIMITS:
            if getattr(self, name):
                raise Unsupported(f"{name} is not supported")
        if self.DeviceRequests:
            raise Failed(f'could not select device driver "" with capabilities: {_capabilities(self.DeviceRequests)}')

    def resources(self) -> Resources:
        self.refuse_unsupported_limits()
        swappiness = self.MemorySwappiness
        return Resources(
            memory=self.Memory or 0,
            memory_reservation=self.MemoryReservation or 0,
            memory_swap=self.MemorySwap or 0,
            memory_swappiness=None if swappiness == -1 else swappiness,
            nano_cpus=self.NanoCpus or 0,
            cpu_shares=self.CpuShares or 0,
            cpu_period=self.CpuPeriod or 0,
            cpu_quota=self.CpuQuota or 0,
            cpuset_cpus=self.CpusetCpus or "",
            cpuset_mems=self.CpusetMems or "",
            pids=max(self.PidsLimit or 0, 0),
            blkio_weight=self.BlkioWeight or 0,
            oom_kill_disable=bool(self.OomKillDisable),
            ulimits=tuple(Ulimit(item.Name or "", item.Soft or 0, item.Hard or 0) for item in self.Ulimits or ()),
            devices=tuple(item.device() for item in self.Devices or ()),
            device_rules=tuple(self.DeviceCgroupRules or ()),
        )


_UNSUPPORTED_LIMITS = (
    "BlkioWeightDevice",
    "BlkioDeviceReadBps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteIOps",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "KernelMemory",
    "KernelMemoryTCP",
    "CpuCount",
    "CpuPercent",
    "IOMaximumIOps",
    "IOMaximumBandwidth",
)


def _capabilities(requests: list[DeviceRequest]) -> str:
    """Go's way to print a list of lists of words."""
    groups = [group for request in requests for group in request.Capabilities or ()]
    return "[" + " ".join(f"[{' '.join(group)}]" for group in groups) + "]"


class HostConfigBody(ResourcesBody):
    Binds: list[str] | None = None
    LogConfig: LogConfig | None = None
    NetworkMode: str | None = None
    PortBindings: dict[str, list[PortBinding] | None] | None = None
    RestartPolicy: RestartPolicyBody | None = None
    AutoRemove: bool | None = None
    VolumeDriver: str | None = None
    VolumesFrom: list[str] | None = None
    ConsoleSize: list[int] | None = None
    Annotations: dict[str, str] | None = None
    CapAdd: list[str] | None = None
    CapDrop: list[str] | None = None
    CgroupnsMode: str | None = None
    Dns: list[str] | None = None
    DnsOptions: list[str] | None = None
    DnsSearch: list[str] | None = None
    ExtraHosts: list[str] | None = None
    GroupAdd: list[str] | None = None
    IpcMode: str | None = None
    Cgroup: str | None = None
    Links: list[str] | None = None
    OomScoreAdj: int | None = None
    PidMode: str | None = None
    Privileged: bool | None = None
    PublishAllPorts: bool | None = None
    ReadonlyRootfs: bool | None = None
    SecurityOpt: list[str] | None = None
    StorageOpt: dict[str, str] | None = None
    Tmpfs: dict[str, str] | None = None
    UTSMode: str | None = None
    UsernsMode: str | None = None
    ShmSize: int | None = None
    Sysctls: dict[str, str] | None = None
    Runtime: str | None = None
    Isolation: str | None = None
    Init: bool | None = None
    Mounts: list[MountBody] | None = None
    MaskedPaths: list[str] | None = None
    ReadonlyPaths: list[str] | None = None

    def refuse_unsupported(self) -> None:
        """Raises Unsupported or Invalid for what has no meaning here."""
        if self.StorageOpt:
            raise Unsupported("--storage-opt is not supported: the storage driver has no quotas")
        if self.Isolation not in (None, "", "default"):
            raise Invalid(f'invalid isolation "{self.Isolation}" on linux: must be default')
        if self.Cgroup:
            raise Unsupported("HostConfig.Cgroup is not supported")
        for option in self.SecurityOpt or ():
            _check_security_option(option)

    def ports(self) -> tuple[PortRequest, ...]:
        """Raises Invalid for malformed ports."""
        return tuple(
            request
            for port, bindings in (self.PortBindings or {}).items()
            for request in port_requests(port, [(item.HostIp or "", item.HostPort or "") for item in bindings or ()])
        )


def _check_security_option(option: str) -> None:
    name, value = security_option(option)
    if name in ("no-new-privileges", "seccomp", "label", "disable"):
        return
    if name == "apparmor":
        if value in ("", "unconfined"):
            return
        raise Unsupported(f"apparmor={value}: AppArmor profiles are not supported; use apparmor=unconfined")
    if name == "systempaths" and value == "unconfined":
        return
    raise Invalid(f'invalid --security-opt 2: "{option}"')
