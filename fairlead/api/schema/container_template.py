"""`ContainerSpec` of a service: the container that every task of it runs, from Docker's JSON to the model."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.api.schema.container import Healthcheck
from fairlead.api.schema.host_config import MountBody, UlimitBody
from fairlead.model.container import Ulimit
from fairlead.model.errors import Invalid, Unsupported
from fairlead.model.swarm.template import ContainerTemplate, DnsConfig, FileReference, Privileges, SecurityLabels

PERMISSIONS = 0o7777


class FileTarget(msgspec.Struct):
    """Where a secret or config lies in the container. `Mode` has Go's permission bits."""

    Name: str | None = None
    UID: str | None = None
    GID: str | None = None
    Mode: int | None = None


class SecretReference(msgspec.Struct):
    File: FileTarget | None = None
    SecretID: str | None = None
    SecretName: str | None = None

    def reference(self) -> FileReference:
        if self.File is None:
            raise _malformed("secret reference, no target provided")
        return _reference(self.SecretID, self.SecretName, self.File)


class ConfigReference(msgspec.Struct):
    File: FileTarget | None = None
    Runtime: dict[str, object] | None = None
    ConfigID: str | None = None
    ConfigName: str | None = None

    def reference(self) -> FileReference:
        if self.File is not None and self.Runtime is not None:
            raise _malformed("config reference: File and Runtime exclude each other")
        if self.Runtime is not None:
            return FileReference(self.ConfigID or "", self.ConfigName or "", runtime=True)
        if self.File is None:
            raise _malformed("config reference, no target provided")
        return _reference(self.ConfigID, self.ConfigName, self.File)


def _reference(object_id: str | None, name: str | None, file: FileTarget) -> FileReference:
    mode = 0o444 if file.Mode is None else file.Mode & PERMISSIONS
    return FileReference(object_id or "", name or "", file.Name or "", file.UID or "0", file.GID or "0", mode)


def _malformed(what: str) -> Invalid:
    return Invalid(f"rpc error: code = InvalidArgument desc = malformed {what}")


class DNSConfigBody(msgspec.Struct):
    Nameservers: list[str] | None = None
    Search: list[str] | None = None
    Options: list[str] | None = None

    def config(self) -> DnsConfig:
        return DnsConfig(tuple(self.Nameservers or ()), tuple(self.Search or ()), tuple(self.Options or ()))


class SELinuxContext(msgspec.Struct):
    Disable: bool | None = None
    User: str | None = None
    Role: str | None = None
    Type: str | None = None
    Level: str | None = None

    def labels(self) -> SecurityLabels:
        return SecurityLabels(bool(self.Disable), self.User or "", self.Role or "", self.Type or "", self.Level or "")


class SecurityMode(msgspec.Struct):
    """`Seccomp` or `AppArmor`."""

    Mode: str | None = None
    Profile: Any = None


class PrivilegesBody(msgspec.Struct):
    CredentialSpec: dict[str, object] | None = None
    SELinuxContext: SELinuxContext | None = None
    Seccomp: SecurityMode | None = None
    AppArmor: SecurityMode | None = None
    NoNewPrivileges: bool | None = None

    def privileges(self) -> Privileges:
        """Raises Unsupported."""
        if any((self.CredentialSpec or {}).values()):
            raise Unsupported("Privileges.CredentialSpec is not supported: it is for Windows")
        for name, given in (("Seccomp", self.Seccomp), ("AppArmor", self.AppArmor)):
            if given is not None and (given.Mode or "default") != "default":
                raise Unsupported(f"Privileges.{name}.Mode {given.Mode} is not supported: leave it at default")
        labels = None if self.SELinuxContext is None else self.SELinuxContext.labels()
        return Privileges(labels, bool(self.NoNewPrivileges))


class ContainerTemplateBody(msgspec.Struct):
    """`TaskTemplate.ContainerSpec`."""

    Image: str | None = None
    Labels: dict[str, str] | None = None
    Command: list[str] | None = None
    Args: list[str] | None = None
    Hostname: str | None = None
    Env: list[str] | None = None
    Dir: str | None = None
    User: str | None = None
    Groups: list[str] | None = None
    Privileges: PrivilegesBody | None = None
    Init: bool | None = None
    StopSignal: str | None = None
    TTY: bool | None = None
    OpenStdin: bool | None = None
    ReadOnly: bool | None = None
    Mounts: list[MountBody] | None = None
    StopGracePeriod: int | None = None
    Healthcheck: Healthcheck | None = None
    Hosts: list[str] | None = None
    DNSConfig: DNSConfigBody | None = None
    Secrets: list[SecretReference] | None = None
    Configs: list[ConfigReference] | None = None
    Isolation: str | None = None
    Sysctls: dict[str, str] | None = None
    CapabilityAdd: list[str] | None = None
    CapabilityDrop: list[str] | None = None
    Ulimits: list[UlimitBody] | None = None
    OomScoreAdj: int | None = None

    def template(self) -> ContainerTemplate:
        """Raises Refusal for what is malformed or not supported."""
        if self.Isolation not in (None, "", "default"):
            raise Invalid(f'invalid isolation "{self.Isolation}" on linux: must be default')
        return ContainerTemplate(
            image=self.Image or "",
            command=tuple(self.Command or ()),
            args=tuple(self.Args or ()),
            hostname=self.Hostname or "",
            env=tuple(self.Env or ()),
            dir=self.Dir or "",
            user=self.User or "",
            groups=tuple(self.Groups or ()),
            labels=self.Labels or {},
            tty=bool(self.TTY),
            open_stdin=bool(self.OpenStdin),
            read_only=bool(self.ReadOnly),
            init=self.Init,
            mounts=tuple(mount.mount() for mount in self.Mounts or ()),
            stop_signal=self.StopSignal or "",
            stop_grace=self.StopGracePeriod,
            health=None if self.Healthcheck is None else self.Healthcheck.spec(),
            hosts=tuple(self.Hosts or ()),
            dns=(self.DNSConfig or DNSConfigBody()).config(),
            secrets=tuple(one.reference() for one in self.Secrets or ()),
            configs=tuple(one.reference() for one in self.Configs or ()),
            sysctls=self.Sysctls or {},
            cap_add=tuple(self.CapabilityAdd or ()),
            cap_drop=tuple(self.CapabilityDrop or ()),
            ulimits=tuple(Ulimit(one.Name or "", one.Soft or 0, one.Hard or 0) for one in self.Ulimits or ()),
            oom_score_adj=self.OomScoreAdj or 0,
            privileges=None if self.Privileges is None else self.Privileges.privileges(),
        )
