"""What a client of an older API means by what it leaves out, what it cannot have meant by what it sends, and what it
looks for in the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fairlead.model.container import ContainerSpec, NetworkingSpec
from fairlead.model.errors import Invalid
from fairlead.model.network import PREDEFINED

Version = tuple[int, int]

SHAREABLE_BEFORE: Version = (1, 40)
PIDS_LIMIT_SINCE: Version = (1, 40)
ANNOTATIONS_SINCE: Version = (1, 43)
ENDPOINT_MACS_SINCE: Version = (1, 44)
START_INTERVAL_SINCE: Version = (1, 44)
NAMES_BESIDE_ALIASES_SINCE: Version = (1, 45)
_WITHOUT_MAC = ("host", "none")


def for_older_clients(spec: ContainerSpec, version: Version) -> ContainerSpec:
    """Raises Invalid for what they were refused."""
    if version < ENDPOINT_MACS_SINCE:
        spec = replace(spec, network=_with_one_mac(spec.network))
    if version < SHAREABLE_BEFORE and not spec.ipc_mode:
        spec = replace(spec, ipc_mode="shareable")
    if version < ANNOTATIONS_SINCE and spec.annotations:
        spec = replace(spec, annotations={})
    if version < START_INTERVAL_SINCE and spec.health is not None:
        spec = replace(spec, health=replace(spec.health, start_interval=0))
    return spec


def own_names_as_aliases(shown: dict[str, Any]) -> None:
    """Add to a container's endpoints (of inspect's answer) what was an alias of every container before `DNSNames`: its
    short id and its host name. docker-compose 1 connects a container anew where it does not find its short id."""
    own = [shown["Id"][:12], shown["Config"]["Hostname"]]
    for network, endpoint in shown["NetworkSettings"]["Networks"].items():
        if network not in PREDEFINED:
            endpoint["Aliases"] = list(dict.fromkeys([*(endpoint["Aliases"] or ()), *own]))


def _with_one_mac(network: NetworkingSpec) -> NetworkingSpec:
    """An endpoint's MAC is one that was shown of another container and sent back: only the container's own counts."""
    if network.mac and (network.mode in _WITHOUT_MAC or network.mode.startswith("container:")):
        raise Invalid("conflicting options: mac-address and the network mode")
    endpoints = {name: replace(endpoint, mac="") for name, endpoint in network.endpoints.items()}
    return replace(network, endpoints=endpoints)
