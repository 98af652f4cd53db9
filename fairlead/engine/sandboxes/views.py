"""What the engine shows of a container's networks: values that the API renders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.endpoint import Endpoint, EndpointSpec, PublishedPort


@dataclass(frozen=True, slots=True)
class StartedSandbox:
    """What a runtime needs to run a process in a sandbox.

    `netns_path` is empty for the host's own network: the process then gets no network namespace. `link_env` are
    "NAME=value" lines of legacy links.
    """

    sandbox_id: str
    netns_path: str
    hosts_path: str
    hostname_path: str
    resolv_conf_path: str
    hostname: str
    domainname: str
    link_env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkView:
    """One entry of `NetworkSettings.Networks`. `endpoint` is None while the container does not run.

    `typed` tells whether the user gave an endpoint configuration. `names` is None where the API shows null.
    """

    name: str
    network_id: str
    spec: EndpointSpec
    typed: bool
    endpoint: Endpoint | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NetworkSettingsView:
    """`NetworkSettings` of a container.

    `ports` maps "80/tcp" to where it is published, None for a port that is exposed only; empty while the container
    does not run. `default_bridge` is the endpoint whose address the API repeats at its top level.
    """

    sandbox_id: str = ""
    sandbox_key: str = ""
    networks: tuple[NetworkView, ...] = ()
    ports: Mapping[str, tuple[PublishedPort, ...] | None] = field(default_factory=dict)
    default_bridge: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class AttachedContainer:
    """One entry of a network's `Containers`."""

    container_id: str
    name: str
    endpoint: Endpoint
