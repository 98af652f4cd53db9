"""From what a user typed to a packet: who asks, who is meant, by which address and port.

A name is what it is for the one that asks: the networks of its sandbox are asked first, then whom they ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

from fairlead.core.dns.resolv import Setting
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.ports import Sights
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.network import Address
from fairlead.model.trace import DROPPED, NAME, STOPS, UNSURE, Hop, Question, Trace

HOST, OUTSIDE = "host", "outside"
_PROTOCOLS = ("tcp", "udp", "sctp", "icmp")
_LOOPBACK = IPv4Address("127.0.0.1")
_RESOLVER = IPv4Address("127.0.0.11")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed; `port` 0 and `protocol` "" where nothing was said."""

    source: str
    target: str
    protocol: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """One side: a container, this host, or somebody outside of it (then perhaps with an address)."""

    name: str
    ns: str = ""
    container: Container | None = None
    outside: bool = False
    address: Address | None = None


class NoQuestionError(Exception):
    """There is no packet to follow; `trace` is the answer."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace.told)
        self.trace = trace


class Ends:
    def __init__(self, fabric: Fabric, sights: Sights) -> None:
        self._fabric, self._state, self._sights = fabric, fabric.state, sights

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
            raise _settled(DROPPED, container.name, told, "docker ps --all", f"docker start {container.name}")
        return End(container.name, container.netns, container)

    # --- to ---------------------------------------------------------------------------------------

    async def _aimed(self, source: End, name: str, protocol: str, port: int) -> Question:
        hops: tuple[Hop, ...] = ()
        goal: str | None = None
        literal = _literal(name)
        if literal is not None:
            destination = literal
        elif name == HOST:
            destination, goal = await self._host_address(source), None
        elif (container := self._container(name)) is not None and (
            source.container is None or not self._has_names(source)
        ):
            end = self._running(container, name)
            goal = end.ns
            destination, port, hops = await self._container_address(source, container, protocol, port)
        else:
            destination, hops = await self._named(source, name)
            goal = self._goal(name, destination)
        target = f"{name}:{port}/{protocol}" if port else name
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
        )

    def _container(self, name: str) -> Container | None:
        try:
            return self._state.container(name)
        except (NotFound, Invalid):
            return None

    def _goal(self, name: str, destination: Address) -> str | None:
        container = self._container(name)
        if container is None or not container.state.running:
            return None
        own = (own.ip for endpoint in self._state.endpoints_of(container.id) for own in endpoint.addresses)
        return container.netns if destination in own else None

    def _has_names(self, source: End) -> bool:
        """Whether the sandbox has the embedded resolver."""
        if source.container is None:
            return False
        sandbox = self._state.sandboxes.get(source.container.id)
        endpoints = self._state.endpoints_of(source.container.id)
        return sandbox is not None and self._fabric.resolvers.setting(sandbox, endpoints) is Setting.EMBEDDED

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
            raise _settled(
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

    # --- names ------------------------------------------------------------------------------------

    async def _named(self, source: End, name: str) -> tuple[Address, tuple[Hop, ...]]:
        if source.container is not None and self._has_names(source):
            return await self._by_resolver(source, source.container, name)
        listed = self._in_hosts(source.container, name)
        if listed:
            return listed[0], (Hop(source.name, NAME, f"{name} is {listed[0]}", "/etc/hosts"),)
        return await self._by_servers(source, name)

    async def _by_resolver(self, source: End, container: Container, name: str) -> tuple[Address, tuple[Hop, ...]]:
        """The embedded resolver: what its networks know, else whom it asks."""
        listed = self._in_hosts(container, name)
        if listed:
            return listed[0], (Hop(source.name, NAME, f"{name} is {listed[0]}", "/etc/hosts"),)
        sandbox = self._state.sandboxes[container.id]
        known, upstreams = self._fabric.names.look_up(sandbox.id, name)
        if known:
            return _first(known), (Hop(source.name, NAME, f"{name} is {_all(known)}", "resolver 127.0.0.11"),)
        there = self._container(name)
        found = await self._sights.ask(source.ns, _RESOLVER, name) if upstreams and there is None else ()
        asked = ", ".join(map(str, upstreams)) or "nobody: none of its networks leads outside"
        if found:
            return _first(found), (Hop(source.name, NAME, f"{name} is {_all(found)}", f"resolver 127.0.0.11, {asked}"),)
        raise self._unknown(source, container, name, f"resolver 127.0.0.11, which asks {asked}", found is None)

    def _unknown(self, source: End, container: Container, name: str, where: str, silent: bool) -> NoQuestionError:
        """Nobody knows the name: perhaps because it is that of a container elsewhere."""
        there = self._container(name)
        networks = ", ".join(self._state.networks[e.network_id].name for e in self._state.endpoints_of(container.id))
        told = f"no network of {container.name} ({networks}) knows the name {name}"
        if there is not None and not there.state.running:
            told += f", which does not run ({there.state.status})"
            return _settled(DROPPED, source.name, told, where, f"docker start {there.name}")
        if there is not None:
            theirs = [self._state.networks[e.network_id].name for e in self._state.endpoints_of(there.id)]
            told += f": {there.name} is on {', '.join(theirs) or 'none'}"
            shared = next((one for one in theirs if one not in ("bridge", "host", "none")), "NETWORK")
            return _settled(DROPPED, source.name, told, where, f"docker network connect {shared} {container.name}")
        told += ", and its servers do not answer" if silent else ", nor do those that it asks"
        return _settled(DROPPED, source.name, told, where, "")

    async def _by_servers(self, source: End, name: str) -> tuple[Address, tuple[Hop, ...]]:
        """Whoever has no embedded resolver asks the servers of its resolv.conf; containers' names are unknown there."""
        servers = self._servers(source)
        where = f"resolv.conf: {', '.join(map(str, servers)) or 'no server'}"
        for server in servers:
            found = await self._sights.ask(source.ns, server, name)
            if found:
                return _first(found), (Hop(source.name, NAME, f"{name} is {_all(found)}", where),)
            if found is not None:
                break
        told = f"nobody whom {source.name} asks knows the name {name}"
        remedy = ""
        if self._container(name) is not None and source.container is not None:
            told += ": names of containers are answered on user-defined networks only"
            remedy = f"docker network create NETWORK; docker network connect NETWORK {source.name} (and {name})"
        raise _settled(DROPPED if not source.outside else UNSURE, source.name, told, where, remedy)

    def _servers(self, source: End) -> tuple[Address, ...]:
        text = self._fabric.etc.resolv_text(source.container)
        words = (line.split() for line in text.splitlines())
        listed = (each[1] for each in words if len(each) > 1 and each[0] == "nameserver")
        return tuple(address for each in listed if (address := _literal(each)) is not None)

    def _in_hosts(self, container: Container | None, name: str) -> list[Address]:
        lines = (line.partition("#")[0].split() for line in self._fabric.etc.hosts_text(container).splitlines())
        found = [_literal(words[0]) for words in lines if name in words[1:]]
        return sorted(filter(None, found), key=lambda address: address.version)


def _settled(verdict: str, place: str, told: str, where: str, remedy: str) -> NoQuestionError:
    hop = Hop(place, NAME, told, where, STOPS, remedy)
    return NoQuestionError(Trace(verdict, f"{told} ({where})", (hop,), 1, remedy))


def _first(found: Iterable[Address]) -> Address:
    """As clients do that have both: IPv4 is preferred, since that is what most networks have."""
    return min(found, key=lambda address: address.version)


def _all(found: Iterable[Address]) -> str:
    return ", ".join(map(str, found))


def _split(text: str) -> tuple[str, int]:
    """`NAME:PORT`, `ADDRESS:PORT`, `[IPv6]:PORT`, or any of them without a port."""
    if _literal(text) is not None:
        return text, 0
    name, colon, digits = text.rpartition(":")
    if not colon:
        return text, 0
    if not digits.isdecimal():
        raise Invalid(f"invalid port in {text!r}: {digits!r}")
    return name.removeprefix("[").removesuffix("]"), int(digits)


def _literal(text: str) -> Address | None:
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _address(text: str) -> Address:
    found = _literal(text)
    if found is None:
        raise Invalid(f"invalid address: {text!r} (outside, or outside:ADDRESS)")
    return found
