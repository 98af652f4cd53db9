"""What a client of an older API means by what it leaves out, and what it cannot have meant by what it sends."""

from __future__ import annotations

from dataclasses import replace

from fairlead.model.container import ContainerSpec, NetworkingSpec
from fairlead.model.errors import Invalid

Version = tuple[int, int]

SHAREABLE_BEFORE: Version = (1, 40)
PIDS_LIMIT_SINCE: Version = (1, 40)
ANNOTATIONS_SINCE: Version = (1, 43)
ENDPOINT_MACS_SINCE: Version = (1, 44)
_WITHOUT_MAC = ("host", "none")


def for_older_clients(spec: ContainerSpec, version: Version) -> ContainerSpec:
    """Raises Invalid for what they were refused."""
    if version < ENDPOINT_MACS_SINCE:
        spec = replace(spec, network=_with_one_mac(spec.network))
    if version < SHAREABLE_BEFORE and not spec.ipc_mode:
        spec = replace(spec, ipc_mode="shareable")
    if version < ANNOTATIONS_SINCE and spec.annotations:
        spec = replace(spec, annotations={})
    return spec


def _with_one_mac(network: NetworkingSpec) -> NetworkingSpec:
    """An endpoint's MAC is one that was shown of another container and sent back: only the container's own counts."""
    if network.mac and (network.mode in _WITHOUT_MAC or network.mode.startswith("container:")):
        raise Invalid("conflicting options: mac-address and the network mode")
    endpoints = {name: replace(endpoint, mac="") for name, endpoint in network.endpoints.items()}
    return replace(network, endpoints=endpoints)
