"""Values for tests of the engine, with only what a test cares about spelled out."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from fairlead.model.container import Container, ContainerSpec, ContainerState, NetworkingSpec
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.network import Network, Pool


def container(name: str = "web", mode: str = "default", running: bool = False, **network: Any) -> Container:
    spec = ContainerSpec(image="busybox", network=NetworkingSpec(mode=mode, **network))
    state = ContainerState(status="running" if running else "created")
    return Container(hexed(name), name, 1, spec, "sha256:0", ("top",), state=state)


def network(name: str, subnet: str = "10.1.0.0/24", requested: bool = True, **fields: Any) -> Network:
    pool = Pool(ip_network(subnet), ip_network(subnet)[1], requested=requested)
    fields.setdefault("driver", "bridge")
    return Network(hexed(name), name, created=1, pools=(pool,), **fields)


def endpoint(owner: Container, where: Network, address: str = "10.1.0.2/24", **fields: Any) -> Endpoint:
    fields.setdefault("ifname", "eth0")
    gateway = fields.pop("gateway", str(ip_interface(address).network[1]))
    return Endpoint(
        id=hexed(f"{owner.name} on {where.name}"),
        network_id=where.id,
        container_id=owner.id,
        sandbox=hexed(f"sandbox of {owner.name}"),
        name=owner.name,
        mac="02:42:0a:01:00:02",
        ipv4=ip_interface(address),  # type: ignore[arg-type]
        gateway4=ip_address(gateway) if gateway else None,
        spec=fields.pop("spec", EndpointSpec()),
        **fields,
    )


def hexed(text: str) -> str:
    """A 64-digit id that belongs to `text`."""
    return text.encode().hex().ljust(64, "0")[:64]
