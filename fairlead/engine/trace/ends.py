"""From what a user typed to a packet: who asks, who is meant, by which address and port.

A name is what it is for the one that asks: the networks of its sandbox are asked first, then whom they ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.ports import Sights
from fairlead.engine.trace.naming import EMBEDDED, End, Naming, literal, settled
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid
from fairlead.model.network import Address
from fairlead.model.trace import DROPPED, NAME, Hop, Question

HOST, OUTSIDE = "host", "outside"
_PROTOCOLS = ("tcp", "udp", "sctp", "icmp")
_LOOPBACK = IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed; `port` 0 and `protocol` "" where nothing was said."""

    source: str
    target: str
    protocol: str = ""
    port: int = 0


class Ends:
    def __init__(self, fabric: Fabric, sights: Sights) -> None:
        self._fabric, self._state, self._naming = fabric, fabric.state, Naming(fabric, sights)

    async def question(self, asked: Asked) -> Question:
        """Raises NoQuestionError with the answer where no packet could be sent, and a Refusal for what makes no
        sense."""
        name, port = _split(asked.target)
        port = asked.port or port
        if not 0 <= port <= 65535:
            raise Invalid(f"invalid port: {port} (from 1 to 65535)")
        protocol = asked.protocol or ("tcp" if port else "icmp")
        if protocol not in _PROTOCOLS:
            raise Invalid(f"invalid protocol: {protocol!r} (one of {', '.join(_PROTOCOLS)})")
        if protocol in ("tcp", "udp", "sctp") and not port:
            raise Invalid(f"which port? Say --port, or {name}:PORT")
        source = self._source(asked.source)
        return await self._aimed(source, name, protocol, 0 if protocol == "icmp" else port)

    # --- from -------------------------------------------------------------------------------------

    def _source(self, text: str) -> End:
        if text == HOST:
            return End(HOST)
        if text == OUTSIDE or text.startswith(f"{OUTSIDE}:"):
            address = text.partition(":")[2]
            return End(text, outside=True, address=_address(address) if address else None)
        return self._running(self._state.container(text), text)

    def _running(self, container: Container, target: str) -> End:
        if not container.state.running:
            told = f"{container.name} does not run ({container.state.status}): it has no network now"
            raise settled(DROPPED, container.name, told, "docker ps --all", f"docker start {container.name}")
        return End(container.name, container.netns, self._naming.owner(container))

    # --- to ---------------------------------------------------------------------------------------

    async def _aimed(self, source: End, name: str, protocol: str, port: int) -> Question:
        target = f"{name}:{port}/{protocol}" if port else name
        hops: tuple[Hop, ...] = ()
        goal: str | None = None
        address = literal(name)
        if address is not None:
            destination = address
        elif name == HOST:
            destination, goal = await self._host_address(source), None
        elif (container := self._naming.container(name)) is not None and (
            source.container is None or not self._naming.has_names(source)
        ):
            goal = self._running(container, name).ns
            container = self._naming.owner(container)
            destination, port, hops = await self._container_address(source, container, protocol, port)
        else:
            destination, hops = await self._naming.named(source, name)
            goal = self._goal(name, destination)
        return Question(
            source=source.name,
            target=target,
            ns=source.ns,
            destination=destination,
            protocol=protocol,
            port=port,
            outside=source.outside,
            address=source.address,
            goal=goal,
            before=hops,
            resolver=any(hop.where.startswith(EMBEDDED) for hop in hops),
        )

    def _goal(self, name: str, destination: Address) -> str | None:
        container = self._naming.container(name)
        if container is None or not container.state.running:
            return None
        own = (own.ip for endpoint in self._state.endpoints_of(container.id) for own in endpoint.addresses)
        return container.netns if destination in own else None

    async def _host_address(self, source: End) -> Address:
        """The address by which this host is known to whoever asks."""
        if source.container is not None and source.ns:
            gateways = (each.gateway4 or each.gateway6 for each in self._state.endpoints_of(source.container.id))
            for gateway in gateways:
                if gateway is not None:
                    return gateway
        if not source.outside and not source.container:
            return _LOOPBACK
        return await self._uplink_address(source.address.version if source.address else 4)

    async def _uplink_address(self, version: int) -> Address:
        facts = await self._fabric.host.look()
        held = [(link, own) for link, own in facts.held if own.version == version and not own.is_loopback]
        best = [own for link, own in held if link == facts.uplink] or [own for _, own in held]
        if not best:
            raise Invalid(f"this host has no address of IPv{version} that could be reached from outside")
        return best[0]

    async def _container_address(
        self, source: End, container: Container, protocol: str, port: int
    ) -> tuple[Address, int, tuple[Hop, ...]]:
        """(address, port, hops): from outside by what is published, else by an address on a network of both."""
        endpoints = self._state.endpoints_of(container.id)
        if source.outside:
            published = self._published(endpoints, protocol, port)
            if published is not None:
                return await self._by_published(source, container, published)
        if not container.netns:
            return await self._host_address(source), port, ()
        mine = self._state.endpoints_of(source.container.id) if source.container else []
        shared = {endpoint.network_id for endpoint in mine}
        ordered = sorted(endpoints, key=lambda endpoint: endpoint.network_id not in shared)
        addresses = [own.ip for endpoint in ordered for own in endpoint.addresses]
        if not addresses:
            told = f"{container.name} has no address"
            raise settled(
                DROPPED, container.name, told, "docker inspect", f"docker network connect NETWORK {container.name}"
            )
        network = next(self._state.networks[each.network_id].name for each in ordered if each.addresses)
        hop = Hop(
            source.name, NAME, f"{container.name} has {addresses[0]} on network {network}", "docker network inspect"
        )
        return addresses[0], port, (hop,)

    def _published(self, endpoints: Iterable[Endpoint], protocol: str, port: int) -> tuple[Address, int] | None:
        """The host's side of a port: `port` may be either number."""
        shown = [each for endpoint in endpoints for each in endpoint.published if each.protocol == protocol]
        fitting = [each for each in shown if port in (each.host_port, each.container_port)]
        return (fitting[0].host_ip, fitting[0].host_port) if fitting else None

    async def _by_published(
        self, source: End, container: Container, published: tuple[Address, int]
    ) -> tuple[Address, int, tuple[Hop, ...]]:
        address, port = published
        told = f"{container.name} is published at {address}:{port}"
        hops = (Hop(source.name, NAME, told, f"docker port {container.name}"),)
        if address.is_unspecified or address.is_loopback:
            version = source.address.version if source.address else address.version
            return await self._uplink_address(version), port, hops
        return address, port, hops


def _split(text: str) -> tuple[str, int]:
    """`NAME:PORT`, `ADDRESS:PORT`, `[IPv6]:PORT`, or any of them without a port."""
    if literal(text) is not None:
        return text, 0
    name, colon, digits = text.rpartition(":")
    if not colon:
        return text, 0
    if not digits.isdecimal():
        raise Invalid(f"invalid port in {text!r}: {digits!r}")
    return name.removeprefix("[").removesuffix("]"), int(digits)


def _address(text: str) -> Address:
    found = literal(text)
    if found is None:
        raise Invalid(f"invalid address: {text!r} (outside, or outside:ADDRESS)")
    return found
