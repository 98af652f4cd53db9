"""Networks in the words of the API: the bodies of `/networks/...` and `NetworkSettings` of a container."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fairlead.api.schema.endpoint import EndpointSettings, address_json, endpoint_settings_json
from fairlead.api.schema.timestamp import rfc3339
from fairlead.engine.sandboxes.views import AttachedContainer, NetworkSettingsView
from fairlead.model.endpoint import PublishedPort
from fairlead.model.network import Network, NetworkSpec, Pool, PoolRequest

Json = dict[str, object]


# --- requests -------------------------------------------------------------------------------------


class IPAMConfig(msgspec.Struct):
    Subnet: str | None = None
    IPRange: str | None = None
    Gateway: str | None = None
    AuxiliaryAddresses: dict[str, str] | None = None

    def request(self) -> PoolRequest:
        return PoolRequest(self.Subnet or "", self.IPRange or "", self.Gateway or "", self.AuxiliaryAddresses or {})


class IPAM(msgspec.Struct):
    Driver: str | None = None
    Options: dict[str, str] | None = None
    Config: list[IPAMConfig] | None = None


class ConfigReference(msgspec.Struct):
    Network: str | None = None


class NetworkCreate(msgspec.Struct):
    """The body of `POST /networks/create`."""

    Name: str | None = None
    CheckDuplicate: bool | None = None
    Driver: str | None = None
    Scope: str | None = None
    EnableIPv4: bool | None = None
    EnableIPv6: bool | None = None
    IPAM: IPAM | None = None
    Internal: bool | None = None
    Attachable: bool | None = None
    Ingress: bool | None = None
    ConfigOnly: bool | None = None
    ConfigFrom: ConfigReference | None = None
    Options: dict[str, str] | None = None
    Labels: dict[str, str] | None = None

    def spec(self) -> NetworkSpec:
        ipam = self.IPAM or IPAM()
        return NetworkSpec(
            name=self.Name or "",
            driver=self.Driver or "",
            scope=self.Scope or "",
            internal=bool(self.Internal),
            attachable=bool(self.Attachable),
            ingress=bool(self.Ingress),
            enable_ipv4=self.EnableIPv4,
            enable_ipv6=self.EnableIPv6,
            ipam_driver=ipam.Driver or "",
            ipam_options=ipam.Options,
            pools=tuple(config.request() for config in ipam.Config or ()),
            options=self.Options or {},
            labels=self.Labels or {},
            config_only=bool(self.ConfigOnly),
            config_from=(self.ConfigFrom and self.ConfigFrom.Network) or "",
        )


class NetworkConnect(msgspec.Struct):
    """The body of `POST /networks/{id}/connect`."""

    Container: str | None = None
    EndpointConfig: EndpointSettings | None = None


class NetworkDisconnect(msgspec.Struct):
    """The body of `POST /networks/{id}/disconnect`."""

    Container: str | None = None
    Force: bool | None = None


# --- answers --------------------------------------------------------------------------------------


def network_json(network: Network, attached: Iterable[AttachedContainer] = ()) -> Json:
    """A network as `GET /networks/{id}` shows it; in listings nothing is attached."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": network.ipam_driver,
            "Options": None if network.ipam_options is None else dict(network.ipam_options),
            "Config": [_pool_json(pool) for pool in sorted(network.pools, key=lambda pool: not pool.requested)] or None,
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": network.ingress,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {item.container_id: _attached_json(item) for item in attached},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _pool_json(pool: Pool) -> Json:
    shown: Json = {"Subnet": str(pool.subnet)}
    if pool.ip_range is not None:
        shown["IPRange"] = str(pool.ip_range)
    if pool.gateway is not None and pool.gateway_shown:
        shown["Gateway"] = str(pool.gateway)
    if pool.aux:
        shown["AuxiliaryAddresses"] = {name: str(address) for name, address in pool.aux.items()}
    return shown


def _attached_json(attached: AttachedContainer) -> Json:
    endpoint = attached.endpoint
    return {
        "Name": attached.name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": str(endpoint.ipv4 or ""),
        "IPv6Address": str(endpoint.ipv6 or ""),
    }


def network_settings_json(view: NetworkSettingsView) -> Json:
    """`NetworkSettings` of `docker inspect`; its top level repeats the default bridge's addresses."""
    return {
        "Bridge": "",
        "SandboxID": view.sandbox_id,
        "SandboxKey": view.sandbox_key,
        "Ports": _port_map_json(view.ports),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": view.default_bridge.id if view.default_bridge else "",
        **address_json(view.default_bridge),
        "MacAddress": view.default_bridge.mac if view.default_bridge else "",
        "Networks": networks_json(view, with_names=True),
    }


def networks_json(view: NetworkSettingsView, with_names: bool = False) -> Json:
    """`NetworkSettings.Networks`, by name; listings show no names."""
    shown = sorted(view.networks, key=lambda network: network.name)
    return {network.name: endpoint_settings_json(network, with_names) for network in shown}


def _port_map_json(ports: Mapping[str, tuple[PublishedPort, ...] | None]) -> Json:
    return {
        port: None
        if published is None
        else [{"HostIp": str(one.host_ip), "HostPort": str(one.host_port)} for one in published]
        for port, published in sorted(ports.items())
    }


def ports_json(view: NetworkSettingsView) -> list[Json]:
    """`Ports` of a listed container."""
    shown: list[Json] = []
    for exposed, published in sorted(view.ports.items()):
        port, protocol = exposed.split("/")
        shown.extend(
            {"IP": str(one.host_ip), "PrivatePort": int(port), "PublicPort": one.host_port, "Type": protocol}
            for one in published or ()
        )
        if published is None:
            shown.append({"PrivatePort": int(port), "Type": protocol})
    return shown
