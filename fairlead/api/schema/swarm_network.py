"""Swarm networks as the API shows them: among a node's networks, and in what a task is attached to."""

from __future__ import annotations

from fairlead.api.schema.swarm_object import Json, given, meta_json
from fairlead.api.schema.timestamp import rfc3339
from fairlead.model.network import Pool, PoolRequest
from fairlead.model.swarm.network import SwarmNetwork


def swarm_network_json(network: SwarmNetwork) -> Json:
    """`GET /networks/{id}` of a network that has no endpoint on this node: what the swarm knows of it."""
    spec = network.spec
    return {
        "Name": spec.name,
        "Id": network.id,
        "Created": rfc3339(network.created),
        "Scope": "swarm",
        "Driver": network.driver,
        "EnableIPv4": False if spec.enable_ipv4 is None else spec.enable_ipv4,
        "EnableIPv6": bool(spec.enable_ipv6),
        "IPAM": {
            "Driver": _ipam_driver(network),
            "Options": None if spec.ipam_options is None else dict(spec.ipam_options) or None,
            "Config": _pools_json(network),
        },
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": spec.ingress,
        "ConfigFrom": {"Network": spec.config_from},
        "ConfigOnly": False,
        "Containers": None,
        "Options": dict(network.options) or None,
        "Labels": dict(spec.labels) or None,
    }


def attached_network_json(network: SwarmNetwork) -> Json:
    """`NetworksAttachments[].Network` of a task."""
    shown = meta_json(network) | {"Spec": _spec_json(network)}
    driver = given({"Name": network.driver, "Options": dict(network.options)})
    ipam: Json = {"Driver": given({"Name": _ipam_driver(network)})}
    return shown | {"DriverState": driver, "IPAMOptions": ipam | given({"Configs": _pools_json(network)})}


def _spec_json(network: SwarmNetwork) -> Json:
    spec = network.spec
    shown: Json = {"Name": spec.name, "Labels": dict(spec.labels)}
    shown["DriverConfiguration"] = given({"Name": spec.driver, "Options": dict(spec.options)})
    shown |= given({"IPv6Enabled": spec.enable_ipv6, "Internal": spec.internal})
    shown |= given({"Attachable": spec.attachable, "Ingress": spec.ingress})
    if spec.ipam_driver or spec.pools or spec.ingress:
        asked = [_request_json(request) for request in spec.pools]
        shown["IPAMOptions"] = {"Driver": given({"Name": spec.ipam_driver})} | given({"Configs": asked})
    if spec.config_from:
        shown["ConfigFrom"] = {"Network": spec.config_from}
    return shown | {"Scope": "swarm"}


def _ipam_driver(network: SwarmNetwork) -> str:
    """Who gives out addresses; "" where each host does."""
    return (network.spec.ipam_driver or "default") if network.leases_addresses else ""


def _pools_json(network: SwarmNetwork) -> list[Json]:
    """What the allocator gave; what was asked for until then."""
    if network.pools:
        return [_pool_json(pool) for pool in network.pools]
    return [_request_json(request) for request in network.spec.pools]


def _pool_json(pool: Pool) -> Json:
    return given(
        {
            "Subnet": str(pool.subnet),
            "IPRange": "" if pool.ip_range is None else str(pool.ip_range),
            "Gateway": "" if pool.gateway is None else str(pool.gateway),
        }
    )


def _request_json(request: PoolRequest) -> Json:
    return given({"Subnet": request.subnet, "IPRange": request.ip_range, "Gateway": request.gateway})
