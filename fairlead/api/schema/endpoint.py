"""`EndpointSettings`: what a client says about one attachment, and what it is told."""

from __future__ import annotations

import msgspec

from fairlead.engine.sandboxes.views import NetworkView
from fairlead.model.endpoint import Endpoint, EndpointSpec

Json = dict[str, object]


class EndpointIPAMConfig(msgspec.Struct):
    IPv4Address: str | None = None
    IPv6Address: str | None = None
    LinkLocalIPs: list[str] | None = None


class EndpointSettings(msgspec.Struct):
    """The part of `EndpointSettings` that is a wish; a client may send the rest back and it is ignored."""

    IPAMConfig: EndpointIPAMConfig | None = None
    Links: list[str] | None = None
    Aliases: list[str] | None = None
    MacAddress: str | None = None
    DriverOpts: dict[str, str] | None = None
    GwPriority: int | None = None

    @property
    def typed(self) -> bool:
        """Whether an addressing configuration was given at all, be it empty."""
        return self.IPAMConfig is not None

    def spec(self) -> EndpointSpec:
        wanted = self.IPAMConfig or EndpointIPAMConfig()
        return EndpointSpec(
            ipv4=wanted.IPv4Address or "",
            ipv6=wanted.IPv6Address or "",
            link_local=tuple(wanted.LinkLocalIPs or ()),
            mac=self.MacAddress or "",
            aliases=tuple(self.Aliases or ()),
            links=tuple(self.Links or ()),
            driver_opts=self.DriverOpts or {},
            gw_priority=self.GwPriority or 0,
        )


def endpoint_settings_json(view: NetworkView, with_names: bool = True) -> Json:
    """One value of `NetworkSettings.Networks`. Listings leave out the names and what the user wished."""
    spec, typed = view.spec, view.typed
    if not with_names:
        spec, typed = EndpointSpec(mac=spec.mac, gw_priority=spec.gw_priority), False
    return {
        "IPAMConfig": _ipam_json(spec, typed),
        "Links": list(spec.links) or None,
        "Aliases": list(spec.aliases) or ([] if typed else None),
        "MacAddress": view.endpoint.mac if view.endpoint else spec.mac,
        "DriverOpts": dict(spec.driver_opts) or ({} if typed else None),
        "GwPriority": spec.gw_priority,
        "NetworkID": view.network_id,
        "EndpointID": view.endpoint.id if view.endpoint else "",
        **address_json(view.endpoint),
        "DNSNames": list(view.names) if with_names and view.names is not None else None,
    }


def address_json(endpoint: Endpoint | None) -> Json:
    """The addresses of an endpoint, all empty without one."""
    ipv4 = endpoint.ipv4 if endpoint else None
    ipv6 = endpoint.ipv6 if endpoint else None
    return {
        "Gateway": str((endpoint and endpoint.gateway4) or ""),
        "IPAddress": str(ipv4.ip) if ipv4 else "",
        "IPPrefixLen": ipv4.network.prefixlen if ipv4 else 0,
        "IPv6Gateway": str((endpoint and endpoint.gateway6) or ""),
        "GlobalIPv6Address": str(ipv6.ip) if ipv6 else "",
        "GlobalIPv6PrefixLen": ipv6.network.prefixlen if ipv6 else 0,
    }


def _ipam_json(spec: EndpointSpec, typed: bool) -> Json | None:
    given: Json = {}
    if spec.ipv4:
        given["IPv4Address"] = spec.ipv4
    if spec.ipv6:
        given["IPv6Address"] = spec.ipv6
    if spec.link_local:
        given["LinkLocalIPs"] = list(spec.link_local)
    return given if given or typed else None
