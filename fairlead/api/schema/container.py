"""Bodies of `/containers/...` requests, as values of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from fairlead.api.schema.endpoint import EndpointSettings
from fairlead.api.schema.host_config import HostConfigBody, ResourcesBody, RestartPolicyBody
from fairlead.api.schema.ports import parse_port
from fairlead.model.container import (
    ContainerSpec,
    ExecSpec,
    HealthSpec,
    NetworkingSpec,
    Resources,
)
from fairlead.model.errors import Invalid

Words = list[str] | str | None


class Healthcheck(msgspec.Struct):
    Test: list[str] | None = None
    Interval: int | None = None
    Timeout: int | None = None
    StartPeriod: int | None = None
    StartInterval: int | None = None
    Retries: int | None = None

    def spec(self) -> HealthSpec:
        """Raises Invalid for durations below a millisecond and negative retries."""
        for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
            value = getattr(self, name) or 0
            if value and value < 1_000_000:
                raise Invalid(f"{name} in Healthcheck cannot be less than 1ms")
        if (self.Retries or 0) < 0:
            raise Invalid(f"Retries in Healthcheck cannot be negative ({self.Retries})")
        return HealthSpec(
            tuple(self.Test or ()),
            self.Interval or 0,
            self.Timeout or 0,
            self.StartPeriod or 0,
            self.StartInterval or 0,
            self.Retries or 0,
        )


NO_LIMIT = -1
"""A limit of processes that was lifted, where 0 is one that was never set."""
SEVERAL_NETWORKS = (1, 44)
"""The API version from which a container may be created on more than one network."""


class NetworkingConfig(msgspec.Struct):
    EndpointsConfig: dict[str, EndpointSettings | None] | None = None


class ContainerCreate(msgspec.Struct):
    """The body of `POST /containers/create`: a `Config` with `HostConfig` and `NetworkingConfig`."""

    Hostname: str | None = None
    Domainname: str | None = None
    User: str | None = None
    AttachStdin: bool | None = None
    AttachStdout: bool | None = None
    AttachStderr: bool | None = None
    ExposedPorts: dict[str, dict[str, object] | None] | None = None
    Tty: bool | None = None
    OpenStdin: bool | None = None
    StdinOnce: bool | None = None
    Env: list[str] | None = None
    Cmd: Words = None
    Healthcheck: Healthcheck | None = None
    Image: str | None = None
    Volumes: dict[str, dict[str, object] | None] | None = None
    WorkingDir: str | None = None
    Entrypoint: Words = None
    NetworkDisabled: bool | None = None
    MacAddress: str | None = None
    Labels: dict[str, str] | None = None
    StopSignal: str | None = None
    StopTimeout: int | None = None
    Shell: list[str] | None = None
    HostConfig: HostConfigBody | None = None
    NetworkingConfig: NetworkingConfig | None = None

    def check(self, version: tuple[int, int]) -> None:
        """What Docker refuses before it looks closer. Raises Invalid."""
        if self == ContainerCreate(HostConfig=self.HostConfig, NetworkingConfig=self.NetworkingConfig):
            raise Invalid("config cannot be empty in order to create a container")
        networks = (self.NetworkingConfig or NetworkingConfig()).EndpointsConfig or {}
        if version < SEVERAL_NETWORKS and len(networks) > 1:
            raise Invalid(f"Container cannot be created with multiple network endpoints: {', '.join(sorted(networks))}")

    def spec(self) -> ContainerSpec:
        """Raises Refusal for what is malformed or not supported."""
        host = self.HostConfig or HostConfigBody()
        host.refuse_unsupported()
        _check_env(self.Env or ())
        log = host.LogConfig
        size = host.ConsoleSize or [0, 0]
        return ContainerSpec(
            image=self.Image or "",
            cmd=_words(self.Cmd),
            entrypoint=_words(self.Entrypoint),
            env=tuple(self.Env or ()),
            user=self.User or "",
            working_dir=self.WorkingDir or "",
            labels=self.Labels or {},
            volumes=tuple(self.Volumes or ()),
            tty=bool(self.Tty),
            open_stdin=bool(self.OpenStdin),
            stdin_once=bool(self.StdinOnce),
            attach_stdin=bool(self.AttachStdin),
            attach_stdout=bool(self.AttachStdout),
            attach_stderr=bool(self.AttachStderr),
            stop_signal=self.StopSignal or "",
            stop_timeout=self.StopTimeout,
            health=self.Healthcheck.spec() if self.Healthcheck else None,
            shell=tuple(self.Shell or ()),
            network=self._network(host),
            resources=host.resources(),
            restart=(host.RestartPolicy or RestartPolicyBody()).policy(),
            mounts=tuple(item.mount() for item in host.Mounts or ()),
            binds=tuple(host.Binds or ()),
            volumes_from=tuple(host.VolumesFrom or ()),
            tmpfs=host.Tmpfs or {},
            volume_driver=host.VolumeDriver or "",
            auto_remove=bool(host.AutoRemove),
            privileged=bool(host.Privileged),
            read_only=bool(host.ReadonlyRootfs),
            init=host.Init,
            cap_add=tuple(host.CapAdd or ()),
            cap_drop=tuple(host.CapDrop or ()),
            security_opt=tuple(host.SecurityOpt or ()),
            group_add=tuple(host.GroupAdd or ()),
            sysctls=host.Sysctls or {},
            shm_size=host.ShmSize or 0,
            ipc_mode=host.IpcMode or "",
            pid_mode=host.PidMode or "",
            uts_mode=host.UTSMode or "",
            userns_mode=host.UsernsMode or "",
            cgroupns_mode=host.CgroupnsMode or "",
            cgroup_parent=host.CgroupParent or "",
            oom_score_adj=host.OomScoreAdj or 0,
            log_driver=(log and log.Type) or "",
            log_options=(log and log.Config) or {},
            console_size=(size[0], size[1]) if len(size) == 2 else (0, 0),
            runtime=host.Runtime or "",
            isolation=host.Isolation or "",
            masked_paths=None if host.MaskedPaths is None else tuple(host.MaskedPaths),
            readonly_paths=None if host.ReadonlyPaths is None else tuple(host.ReadonlyPaths),
            annotations=host.Annotations or {},
        )

    def _network(self, host: HostConfigBody) -> NetworkingSpec:
        endpoints = (self.NetworkingConfig or NetworkingConfig()).EndpointsConfig or {}
        for port in self.ExposedPorts or ():
            parse_port(port)
        return NetworkingSpec(
            mode=host.NetworkMode or "default",
            endpoints={name: (wanted or EndpointSettings()).spec() for name, wanted in endpoints.items()},
            hostname=self.Hostname or "",
            domainname=self.Domainname or "",
            mac=self.MacAddress or "",
            exposed=tuple(port if "/" in port else f"{port}/tcp" for port in self.ExposedPorts or ()),
            ports=host.ports(),
            publish_all=bool(host.PublishAllPorts),
            dns=tuple(host.Dns or ()),
            dns_search=tuple(host.DnsSearch or ()),
            dns_options=tuple(host.DnsOptions or ()),
            extra_hosts=tuple(host.ExtraHosts or ()),
            links=tuple(host.Links or ()),
            disabled=bool(self.NetworkDisabled),
        )


def _words(value: Words) -> tuple[str, ...] | None:
    """A command as a list, or as one word; an empty list says nothing."""
    if not value:
        return None
    return (value,) if isinstance(value, str) else tuple(value)


def _check_env(env: list[str] | tuple[str, ...]) -> None:
    for line in env:
        if not line or line.startswith("="):
            raise Invalid(f"invalid environment variable: {line}")


class ContainerUpdate(ResourcesBody):
    """The body of `POST /containers/{id}/update`: what is absent or zero stays, but for `PidsLimit`, whose zero lifts
    the limit."""

    RestartPolicy: RestartPolicyBody | None = None

    def change(self, current: Resources) -> Resources:
        wanted = self.resources()
        given: dict[str, Any] = {
            name: getattr(wanted, name)
            for name in Resources.__dataclass_fields__
            if getattr(wanted, name) not in (0, "", None, (), False)
        }
        if self.PidsLimit is not None:
            given["pids"] = self.PidsLimit if self.PidsLimit > 0 else NO_LIMIT
        return replace(current, **given)


class ExecCreate(msgspec.Struct):
    """The body of `POST /containers/{id}/exec`."""

    User: str | None = None
    Privileged: bool | None = None
    Tty: bool | None = None
    ConsoleSize: list[int] | None = None
    AttachStdin: bool | None = None
    AttachStderr: bool | None = None
    AttachStdout: bool | None = None
    DetachKeys: str | None = None
    Env: list[str] | None = None
    WorkingDir: str | None = None
    Cmd: Words = None

    def spec(self) -> ExecSpec:
        size = self.ConsoleSize or [0, 0]
        return ExecSpec(
            cmd=_words(self.Cmd) or (),
            env=tuple(self.Env or ()),
            user=self.User or "",
            working_dir=self.WorkingDir or "",
            tty=bool(self.Tty),
            privileged=bool(self.Privileged),
            attach_stdin=bool(self.AttachStdin),
            attach_stdout=bool(self.AttachStdout),
            attach_stderr=bool(self.AttachStderr),
            detach_keys=self.DetachKeys or "",
            console_size=(size[0], size[1]) if len(size) == 2 else (0, 0),
        )


class ExecStart(msgspec.Struct):
    """The body of `POST /exec/{id}/start`."""

    Detach: bool | None = None
    Tty: bool | None = None
    ConsoleSize: list[int] | None = None
