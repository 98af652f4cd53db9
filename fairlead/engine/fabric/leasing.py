"""Addresses that the physical network gives out: asked for before an interface is made, kept while it exists.

A lease is part of its endpoint's document, so that after a restart the daemon goes on renewing it, and gives it back
when the container has gone meanwhile. The client is named by container and network, so a container that starts again
is known to the server and gets the address that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.ipam.drivers import ipam_driver
from fairlead.engine.ports import LeaseClients
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.ids import short
from fairlead.model.lease import Lease, LeaseRequest
from fairlead.model.network import Network

PATIENCE = 10.0
"""Seconds in which a server has to answer before the container's start fails."""

OnChange = Callable[[str, Lease | None], None]


class Leasing:
    def __init__(self, clients: LeaseClients) -> None:
        self._clients = clients

    def watch(self, on_change: OnChange) -> None:
        """Hear of leases that change while their endpoints exist: (endpoint id, the lease or None for lost)."""
        self._clients.watch(on_change)

    async def acquire(self, container: Container, endpoint: Endpoint, network: Network) -> Endpoint:
        """The endpoint with a leased address, where the network's addresses are leased. Raises Failed."""
        if not ipam_driver(network.ipam_driver).asks_segment:
            return endpoint
        request = _request(container, endpoint, network)
        return leased(endpoint, await self._clients.acquire(endpoint.id, request, PATIENCE))

    def resume(self, container: Container, endpoint: Endpoint, network: Network) -> None:
        """Take up an endpoint's lease after a restart."""
        if ipam_driver(network.ipam_driver).asks_segment:
            self._clients.resume(endpoint.id, _request(container, endpoint, network), endpoint.lease)

    async def release(self, container: Container | None, endpoint: Endpoint, network: Network) -> None:
        """Give an endpoint's lease back, if it has one."""
        if ipam_driver(network.ipam_driver).asks_segment:
            await self._clients.release(endpoint.id, _request(container, endpoint, network), endpoint.lease)


def leased(endpoint: Endpoint, lease: Lease | None) -> Endpoint:
    """The endpoint with what a lease gives it, or takes from it."""
    return replace(
        endpoint, lease=lease, ipv4=lease.address if lease else None, gateway4=lease.gateway if lease else None
    )


def _request(container: Container | None, endpoint: Endpoint, network: Network) -> LeaseRequest:
    driver = DRIVERS[network.driver]
    hostname = container.spec.network.hostname if container else ""
    return LeaseRequest(
        link=driver.segment(network),
        mac=endpoint.mac if driver.can.own_mac else "",
        client_id=b"\0" + bytes.fromhex(endpoint.container_id[:32]) + sha256(network.id.encode()).digest()[:8],
        hostname=hostname or short(endpoint.container_id),
    )
