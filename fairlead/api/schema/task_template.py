"""`TaskTemplate` of a service, from Docker's JSON to the model."""

from __future__ import annotations

import msgspec

from fairlead.api.schema.container_template import ContainerTemplateBody
from fairlead.api.schema.generic_resources import GenericResource, asked_for
from fairlead.model.errors import Invalid, Unsupported
from fairlead.model.swarm.node import Platform
from fairlead.model.swarm.template import (
    ANY,
    LogDriver,
    NetworkAttachmentSpec,
    Placement,
    ResourceAmount,
    RestartPolicy,
    TaskTemplate,
)

CONTAINER = "container"


class ResourceAmountBody(msgspec.Struct):
    """`Limits` or `Reservations`."""

    NanoCPUs: int | None = None
    MemoryBytes: int | None = None
    Pids: int | None = None
    GenericResources: list[GenericResource] | None = None

    def amount(self) -> ResourceAmount:
        counted, named = asked_for(self.GenericResources or ())
        return ResourceAmount(self.NanoCPUs or 0, self.MemoryBytes or 0, self.Pids or 0, counted, named)


class ResourcesBody(msgspec.Struct):
    Limits: ResourceAmountBody | None = None
    Reservations: ResourceAmountBody | None = None


class RestartPolicyBody(msgspec.Struct):
    """Durations in ns."""

    Condition: str | None = None
    Delay: int | None = None
    MaxAttempts: int | None = None
    Window: int | None = None

    def policy(self) -> RestartPolicy:
        return RestartPolicy(self.Condition or ANY, self.Delay, self.MaxAttempts or 0, self.Window)


class Spread(msgspec.Struct):
    SpreadDescriptor: str | None = None


class Preference(msgspec.Struct):
    Spread: Spread | None = None


class PlatformBody(msgspec.Struct):
    Architecture: str | None = None
    OS: str | None = None


_SPREADABLE = ("node.labels.", "engine.labels.")


class PlacementBody(msgspec.Struct):
    Constraints: list[str] | None = None
    Preferences: list[Preference] | None = None
    MaxReplicas: int | None = None
    Platforms: list[PlatformBody] | None = None

    def warnings(self) -> list[str]:
        """Preferences that spread nothing: they are taken, as Docker takes them, but not in silence."""
        return [
            f"placement preference 'spread={one}' spreads nothing: only node.labels.NAME and engine.labels.NAME do"
            for one in self._preferences()
            if not one.lower().startswith(_SPREADABLE)
        ]

    def _preferences(self) -> list[str]:
        return [(one.Spread and one.Spread.SpreadDescriptor) or "" for one in self.Preferences or ()]

    def placement(self) -> Placement:
        return Placement(
            tuple(self.Constraints or ()),
            tuple(self._preferences()),
            self.MaxReplicas or 0,
            tuple(Platform(one.Architecture or "", one.OS or "") for one in self.Platforms or ()),
        )


class NetworkAttachmentBody(msgspec.Struct):
    """`Target` is a network's id or name."""

    Target: str | None = None
    Aliases: list[str] | None = None
    DriverOpts: dict[str, str] | None = None

    def attachment(self) -> NetworkAttachmentSpec:
        return NetworkAttachmentSpec(self.Target or "", (), tuple(self.Aliases or ()), self.DriverOpts or {})


class LogDriverBody(msgspec.Struct):
    Name: str | None = None
    Options: dict[str, str] | None = None


class TaskTemplateBody(msgspec.Struct):
    ContainerSpec: ContainerTemplateBody | None = None
    PluginSpec: dict[str, object] | None = None
    NetworkAttachmentSpec: dict[str, object] | None = None
    Resources: ResourcesBody | None = None
    RestartPolicy: RestartPolicyBody | None = None
    Placement: PlacementBody | None = None
    Networks: list[NetworkAttachmentBody] | None = None
    LogDriver: LogDriverBody | None = None
    ForceUpdate: int | None = None
    Runtime: str | None = None

    def template(self) -> TaskTemplate:
        """Raises Refusal for what is malformed or not supported."""
        self._check_runtime()
        assert self.ContainerSpec is not None
        resources = self.Resources or ResourcesBody()
        log = self.LogDriver
        return TaskTemplate(
            container=self.ContainerSpec.template(),
            reservations=(resources.Reservations or ResourceAmountBody()).amount(),
            limits=(resources.Limits or ResourceAmountBody()).amount(),
            placement=(self.Placement or PlacementBody()).placement(),
            restart=(self.RestartPolicy or RestartPolicyBody()).policy(),
            networks=tuple(one.attachment() for one in self.Networks or ()),
            log_driver=None if log is None else LogDriver(log.Name or "", log.Options or {}),
            force_update=self.ForceUpdate or 0,
        )

    def _check_runtime(self) -> None:
        runtime = self.Runtime or CONTAINER
        if runtime == "plugin" or self.PluginSpec:
            raise Unsupported("services of plugins are not supported: Runtime must be container")
        if runtime == "attachment" or self.NetworkAttachmentSpec:
            raise Invalid("a network attachment is not created as a service: run a container on the network")
        if runtime != CONTAINER:
            raise Invalid(f'unsupported runtime "{runtime}": must be container')
        if self.ContainerSpec is None:
            raise Invalid("mismatched Runtime and *Spec fields")
