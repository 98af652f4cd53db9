"""What `docker network inspect` adds for a network of the swarm: the nodes on it, and with --verbose its services."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.engine.discovery.discovery import Discovery
    from fairlead.engine.discovery.shown import ShownPeer, ShownService, ShownTask
    from fairlead.engine.fabric.encryption import Secured
    from fairlead.engine.overlays.overlays import Way
    from fairlead.model.network import Address

Json = dict[str, object]

NO_ADDRESS = "<nil>"


def discovered_json(discovery: Discovery, network_id: str, ways: Callable[[Address], Way] | None) -> Json:
    """`Peers` and `Services`; neither where this node has no endpoint on the network. With `ways` (--verbose) in full.

    Docker's peers have a name and an address. `MTU` (of a way narrower than the link) and `Encryption` are ours.
    """
    peers = discovery.peers(network_id)
    if not peers:
        return {}
    shown: Json = {"Peers": [_peer_json(peer, ways) for peer in peers]}
    if ways is not None:
        shown["Services"] = {service.name: _service_json(service) for service in discovery.services(network_id)}
    return shown


def _peer_json(peer: ShownPeer, ways: Callable[[Address], Way] | None) -> Json:
    shown: Json = {"Name": peer.name, "IP": peer.address}
    if ways is None:
        return shown
    way = ways(ip_address(peer.address))
    if way.mtu:
        shown["MTU"] = way.mtu
    if way.encryption is not None:
        shown["Encryption"] = _secured_json(way.encryption)
    return shown


def _secured_json(secured: Secured) -> Json:
    """Without an association nothing passes."""
    if not secured.established:
        return {"State": "down"}
    sent, heard = secured.sent, secured.heard
    return {
        "State": "established",
        "SPI": f"{secured.spi:#010x}",
        "Packets": sent.packets,
        "Bytes": sent.bytes,
        "ReceivedPackets": heard.packets,
        "ReceivedBytes": heard.bytes,
        "RejectedPackets": heard.rejected,
    }


def _service_json(service: ShownService) -> Json:
    return {
        "VIP": service.vip or NO_ADDRESS,
        "Ports": list(service.ports),
        "LocalLBIndex": service.index,
        "Tasks": [_task_json(task) for task in service.tasks],
    }


def _task_json(task: ShownTask) -> Json:
    return {
        "Name": task.name,
        "EndpointID": task.endpoint_id,
        "EndpointIP": task.address,
        "Info": {"Host IP": task.host},
    }
