"""Endpoints in the making: claimed without waiting, then kept or abandoned.

A claim leases the addresses and takes the names, so that two verbs that run at once never choose the same; nothing
of it is visible outside until it is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.core.drivers import names, segments
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.ipam import mac
from fairlead.core.ipam.drivers import ipam_driver
from fairlead.core.sandbox import next_ifname
from fairlead.engine.fabric.addresses import Addresses
from fairlead.engine.fabric.host_ports import HostPorts
from fairlead.engine.ports import Entropy
from fairlead.engine.state import State
from fairlead.model.attachment import Attachment
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import NotAllowed
from fairlead.model.ids import short
from fairlead.model.network import Address, Network
from fairlead.model.sandbox import INGRESS

IFNAME = "com.docker.network.endpoint.ifname"
IFACE_PREFIX = "com.docker.network.container_iface_prefix"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a container a new endpoint goes: its sandbox, its turn, and the interface names that are taken."""

    sandbox: str
    order: int
    taken: Collection[str]


class Claims:
    def __init__(self, state: State, entropy: Entropy, host_ports: HostPorts) -> None:
        self._state = state
        self._entropy = entropy
        self._host_ports = host_ports
        self._host_ifnames: set[str] = set()
        self.addresses = Addresses(state)

    def restore(self) -> None:
        """Take what the endpoints of the state hold, once after they were loaded."""
        for endpoint in self._state.endpoints.values():
            self._host_ifnames.add(endpoint.host_ifname)
            self._host_ports.take(endpoint.id, endpoint.published)

    def claim(self, container: Container, wish: Attachment, network: Network, place: Place) -> Endpoint:
        """An endpoint with everything but its published ports.

        Raises NotAllowed for a configuration-only network or an address in use, Failed for a full network, and
        what the driver says about the endpoint's options.
        """
        if network.config_only:
            raise NotAllowed("cannot create endpoint on configuration-only network")
        endpoint = self._addressed(container, wish, network, place)
        try:
            DRIVERS[network.driver].validate_endpoint(network, endpoint)
        except BaseException:
            self.addresses.release(endpoint)
            raise
        self._host_ifnames.add(endpoint.host_ifname)
        self._state.claimed_endpoints[endpoint.id] = endpoint
        return endpoint

    def _addressed(self, container: Container, wish: Attachment, network: Network, place: Place) -> Endpoint:
        ifname = _ifname(wish, network, place.taken)
        leased = self.addresses.lease(network, wish.spec)
        ipv4 = next((address for address in leased if isinstance(address, IPv4Interface)), None)
        ipv6 = next((address for address in leased if isinstance(address, IPv6Interface)), None)
        endpoint_id = self._entropy.local_id()
        return Endpoint(
            id=endpoint_id,
            network_id=network.id,
            container_id=container.id,
            sandbox=place.sandbox,
            name=_leg_name(container, place) if wish.egress else container.name,
            ifname=ifname,
            mac=wish.spec.mac.lower() or _mac(container, network, ipv4, ipv6),
            ipv4=ipv4,
            ipv6=ipv6,
            gateway4=_gateway(network, 4),
            gateway6=_gateway(network, 6),
            host_ifname=names.host_end(endpoint_id, self._host_ifnames),
            segment=segments.place(self._state.users_of(network.id)),
            order=place.order,
            spec=wish.spec,
            names=names_of(container, wish, network),
            egress=wish.egress,
        )

    def update(self, endpoint: Endpoint) -> None:
        """A claimed endpoint got its ports."""
        self._state.claimed_endpoints[endpoint.id] = endpoint

    def keep(self, endpoint: Endpoint) -> None:
        """It is written down: show it."""
        self._state.claimed_endpoints.pop(endpoint.id, None)
        self._state.put_endpoint(endpoint)
        self._host_ports.take(endpoint.id, endpoint.published)

    def abandon(self, endpoint: Endpoint) -> None:
        """It was not made, or is not there any more: give everything back."""
        self._state.claimed_endpoints.pop(endpoint.id, None)
        self._state.drop_endpoint(endpoint.id)
        self._host_ifnames.discard(endpoint.host_ifname)
        self._host_ports.free(endpoint.id, endpoint.published)
        self.addresses.release(endpoint)


def names_of(container: Container, wish: Attachment, network: Network) -> tuple[str, ...]:
    """The DNS names of a container on a network: its own, its aliases, its short id, its hostname."""
    if wish.egress or not gives_names(network):
        return ()
    asked = (container.name, *wish.spec.aliases, short(container.id), container.spec.network.hostname)
    return tuple(dict.fromkeys(name for name in asked if name))


def gives_names(network: Network) -> bool:
    """Whether containers on it are known by name."""
    return not network.predefined and DRIVERS[network.driver].can.names


def _leg_name(container: Container, place: Place) -> str:
    """What the endpoint on `docker_gwbridge` is called."""
    return f"gateway_{INGRESS if container.id == INGRESS else short(place.sandbox)}"


def _mac(container: Container, network: Network, ipv4: IPv4Interface | None, ipv6: IPv6Interface | None) -> str:
    if ipam_driver(network.ipam_driver).asks_segment:
        return mac.of_lease(container.id, network.id)
    return mac.of(ipv4 and ipv4.ip, ipv6 and ipv6.ip) if ipv4 or ipv6 else ""


def _gateway(network: Network, version: int) -> Address | None:
    """Internal networks have none to offer: nothing leaves them."""
    if network.internal or not DRIVERS[network.driver].can.leads_out:
        return None
    return next((pool.gateway for pool in network.pools if pool.subnet.version == version), None)


def _ifname(wish: Attachment, network: Network, taken: Collection[str]) -> str:
    """The name asked for, else the lowest free number behind the network's prefix."""
    asked = wish.spec.driver_opts.get(IFNAME)
    if not asked:
        return next_ifname(taken, network.options.get(IFACE_PREFIX, "eth"))
    if asked in taken:
        raise NotAllowed(f"the interface name {asked} is already taken in the container")
    return asked
