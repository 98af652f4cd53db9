"""What a name is for the one that asks: its hosts file, its networks, then whom they ask.

Everything is looked up as the asker's own resolver would; a question that leaves is really put, from where it would be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

from fairlead.core.dns.name import encode_name
from fairlead.core.dns.resolv import Setting
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.ports import Sights
from fairlead.model.container import Container
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.network import PREDEFINED, Address
from fairlead.model.trace import DROPPED, NAME, STOPS, UNSURE, Hop, Trace

_RESOLVER = IPv4Address("127.0.0.11")
EMBEDDED = f"resolver {_RESOLVER}"


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


class Naming:
    def __init__(self, fabric: Fabric, sights: Sights) -> None:
        self._fabric, self._state, self._sights = fabric, fabric.state, sights

    def container(self, name: str) -> Container | None:
        try:
            return self._state.container(name)
        except (NotFound, Invalid):
            return None

    def has_names(self, source: End) -> bool:
        """Whether the sandbox has the embedded resolver."""
        if source.container is None:
            return False
        sandbox = self._state.sandboxes.get(source.container.id)
        endpoints = self._state.endpoints_of(source.container.id)
        return sandbox is not None and self._fabric.resolvers.setting(sandbox, endpoints) is Setting.EMBEDDED

    def owner(self, container: Container) -> Container:
        """Whose network it is: that of another container for those that joined its stack."""
        owners = (
            each for each, sandbox in self._state.sandboxes.items() if sandbox.ns and sandbox.ns == container.netns
        )
        return self._state.containers.get(next(owners, ""), container)

    async def named(self, source: End, name: str) -> tuple[Address, tuple[Hop, ...]]:
        """The address, and the hop that tells where it comes from. Raises NoQuestionError where nobody knows the name,
        Invalid where nobody could."""
        if encode_name(name) is None:
            raise Invalid(f"invalid name: {name!r}")
        if source.container is not None and self.has_names(source):
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
            return _first(known), (Hop(source.name, NAME, f"{name} is {_all(known)}", EMBEDDED),)
        there = self.container(name)
        found = await self._sights.ask(source.ns, _RESOLVER, name) if upstreams and there is None else ()
        asked = ", ".join(map(str, upstreams)) or "nobody: none of its networks leads outside"
        if found:
            return _first(found), (Hop(source.name, NAME, f"{name} is {_all(found)}", f"{EMBEDDED}, {asked}"),)
        raise self._unknown(source, container, name, f"{EMBEDDED}, which asks {asked}", found is None)

    def _unknown(self, source: End, container: Container, name: str, where: str, silent: bool) -> NoQuestionError:
        """Nobody knows the name: perhaps because it is that of a container elsewhere."""
        there = self.container(name)
        networks = [self._state.networks[e.network_id].name for e in self._state.endpoints_of(container.id)]
        told = f"no network of {container.name} ({', '.join(networks)}) knows the name {name}"
        if there is not None and not there.state.running:
            told += f", which does not run ({there.state.status})"
            return settled(DROPPED, source.name, told, where, f"docker start {there.name}")
        if there is not None and (owner := self.owner(there)) != there:
            told += f": {there.name} is in the network stack of {owner.name}"
            return settled(DROPPED, source.name, told, where, f"ask for {owner.name} in place of {there.name}")
        if there is not None:
            theirs = [self._state.networks[e.network_id].name for e in self._state.endpoints_of(there.id)]
            told += f": {there.name} is on {', '.join(theirs) or 'none'}"
            return settled(DROPPED, source.name, told, where, _joining(theirs, container, networks, there))
        told += ", and its servers do not answer" if silent else ", nor do those that it asks"
        return settled(DROPPED, source.name, told, where, "")

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
        remedy = "" if source.container else "names of containers and services are known on their networks only"
        if self.container(name) is not None and source.container is not None:
            told += ": names of containers are answered on user-defined networks only"
            remedy = f"docker network create NETWORK; docker network connect NETWORK {source.name} (and {name})"
        raise settled(DROPPED if not source.outside else UNSURE, source.name, told, where, remedy)

    def _servers(self, source: End) -> tuple[Address, ...]:
        text = self._fabric.etc.resolv_text(source.container)
        words = (line.split() for line in text.splitlines())
        listed = (each[1] for each in words if len(each) > 1 and each[0] == "nameserver")
        return tuple(address for each in listed if (address := literal(each)) is not None)

    def _in_hosts(self, container: Container | None, name: str) -> list[Address]:
        lines = (line.partition("#")[0].split() for line in self._fabric.etc.hosts_text(container).splitlines())
        found = [literal(words[0]) for words in lines if name in words[1:]]
        return sorted(filter(None, found), key=lambda address: address.version)


def settled(verdict: str, place: str, told: str, where: str, remedy: str) -> NoQuestionError:
    hop = Hop(place, NAME, told, where, STOPS, remedy)
    return NoQuestionError(Trace(verdict, f"{told} ({where})", (hop,), 1, remedy))


def _joining(theirs: list[str], container: Container, networks: list[str], there: Container) -> str:
    """How two containers come to share a network on which names are answered."""
    named = [one for one in theirs if one not in PREDEFINED]
    if named:
        return f"docker network connect {named[0]} {container.name}"
    mine = next((one for one in networks if one not in PREDEFINED), "NETWORK")
    return f"docker network connect {mine} {there.name}"


def _first(found: Iterable[Address]) -> Address:
    """As clients do that have both: IPv4 is preferred, since that is what most networks have."""
    return min(found, key=lambda address: address.version)


def _all(found: Iterable[Address]) -> str:
    return ", ".join(map(str, found))


def literal(text: str) -> Address | None:
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
