"""Names of everything that has an address, and the resolver at 127.0.0.11 in every sandbox.

The engine tells what is attached where (`set_endpoint`, `drop_endpoint`) and which sandboxes listen
(`open_sandbox`, `close_sandbox`); all else follows: which names a sandbox sees, in which order its
networks are asked, whether a query may leave.

Who is called what on a network of this host follows from its endpoints. On a network of the whole swarm it follows
from what all nodes tell (`put_shared`, `drop_shared`), this one included: its endpoints are only shown to an
`Announcer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.dns.answer import SandboxResolver
from fairlead.core.dns.directory import Directory, Sight
from fairlead.core.dns.zone import Entry
from fairlead.engine.ports import NameServer
from fairlead.model.dns import DnsPorts, Upstream
from fairlead.model.endpoint import Endpoint
from fairlead.model.ids import is_local_id, short
from fairlead.model.network import SWARM, Address, Network


class Announcer(Protocol):
    """Whoever tells other nodes of this one's endpoints (`fairlead.engine.discovery`)."""

    def appeared(self, endpoint: Endpoint, network: Network) -> None:
        """An endpoint on a network of the swarm exists, or has changed."""
        ...

    def gone(self, network_id: str, endpoint_id: str) -> None: ...


@dataclass(slots=True)
class _Sandbox:
    """What is known of a sandbox: its endpoints with their networks, by endpoint id, and the order of its networks."""

    resolver: SandboxResolver
    endpoints: dict[str, tuple[Endpoint, Network]] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    listening: bool = False


class Names:
    def __init__(self, server: NameServer) -> None:
        self.announcer: Announcer | None = None
        self._server = server
        self._directory = Directory()
        self._sandboxes: dict[str, _Sandbox] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def set_endpoint(self, endpoint: Endpoint, network: Network) -> None:
        """The endpoint exists, or has changed (renamed, other aliases, other addresses).

        Call it for every endpoint of a sandbox, also on networks without names (default bridge:
        `endpoint.names` empty), because whether a sandbox may ask outside depends on all of them.
        """
        self._put(endpoint, network)
        if endpoint.sandbox:
            self._refresh(self._sandbox(endpoint.sandbox))

    def _put(self, endpoint: Endpoint, network: Network) -> None:
        self._places[endpoint.id] = network.id, endpoint.sandbox
        if network.scope != SWARM:
            self._directory.put(network.id, network.name, _entry(endpoint))
        elif self.announcer is not None:
            self.announcer.appeared(endpoint, network)
        if endpoint.sandbox:
            self._sandbox(endpoint.sandbox).endpoints[endpoint.id] = endpoint, network

    def drop_endpoint(self, endpoint_id: str) -> None:
        """The endpoint is gone; unknown is fine."""
        network_id, sandbox_id = self._places.pop(endpoint_id, ("", ""))
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is not None:
            sandbox.endpoints.pop(endpoint_id, None)
            self._refresh(sandbox)
            self._forget_if_unused(sandbox_id, sandbox)
        self._directory.drop(network_id, endpoint_id)
        if self.announcer is not None:
            self.announcer.gone(network_id, endpoint_id)

    def put_shared(self, network: Network, entry: Entry) -> None:
        """Somebody in the swarm has these names on the network."""
        self._directory.put(network.id, network.name, entry)

    def learning(self, network: Network) -> None:
        """Others have names on the network that were known in an earlier life and will be told again."""
        self._directory.learning(network.id, network.name)

    def learned(self, network_id: str) -> None:
        """All that there is was told, or is not waited for any more."""
        self._directory.learned(network_id)

    def drop_shared(self, network_id: str, owner: str) -> None:
        """Nobody of that id has names on the network any more; unknown is fine."""
        self._directory.drop(network_id, owner)

    def arrange(
        self, sandbox_id: str, networks: Sequence[str], changed: Iterable[tuple[Endpoint, Network]] = ()
    ) -> None:
        """The order in which the sandbox's networks (ids) are asked: that of its gateways, best first. Those of its
        endpoints that have `changed` are set along with it.

        Without it, and for networks that it does not mention, the order of connection.
        """
        for endpoint, network in changed:
            self._put(endpoint, network)
        sandbox = self._sandbox(sandbox_id)
        sandbox.order = tuple(networks)
        self._refresh(sandbox)

    async def open_sandbox(
        self, sandbox_id: str, ns_path: str, upstreams: Sequence[Upstream], again: DnsPorts | None = None
    ) -> DnsPorts:
        """Listen in the namespace; the ports are for the sandbox's DNS translation (firewall). Those of an earlier
        life (`again`) are taken if they are free.

        Opening an open sandbox changes its upstreams and gives the same ports again.
        Raises Failed when the sockets cannot be made.
        """
        sandbox = self._sandbox(sandbox_id)
        sandbox.resolver.offer(tuple(upstreams))
        ports = self._server.open(sandbox_id, ns_path, sandbox.resolver, again)
        sandbox.listening = True
        return ports

    async def close_sandbox(self, sandbox_id: str) -> None:
        """Stop listening; unknown is fine. The namespace is not kept alive any longer."""
        self._server.close(sandbox_id)
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is not None:
            sandbox.listening = False
            self._forget_if_unused(sandbox_id, sandbox)

    def look_up(self, sandbox_id: str, name: str) -> tuple[tuple[Address, ...] | None, tuple[Upstream, ...]]:
        """What a name stands for in the eyes of a sandbox, None where none of its networks knows it; and whom its
        resolver asks then."""
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.listening:
            return None, ()
        return sandbox.resolver.view.addresses(name), sandbox.resolver.upstreams

    def counters(self) -> Mapping[str, int]:
        """Since the start: answered here, forwarded, refused, and how forwarding failed."""
        return self._server.counters()

    def _sandbox(self, sandbox_id: str) -> _Sandbox:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None:
            sandbox = self._sandboxes[sandbox_id] = _Sandbox(SandboxResolver(self._directory.view(()), internal=True))
        return sandbox

    def _forget_if_unused(self, sandbox_id: str, sandbox: _Sandbox) -> None:
        if not sandbox.endpoints and not sandbox.listening:
            del self._sandboxes[sandbox_id]

    def _refresh(self, sandbox: _Sandbox) -> None:
        """Give the resolver the view and the freedom that the sandbox's endpoints amount to."""
        attached = sorted(sandbox.endpoints.values(), key=lambda pair: _rank(sandbox.order, pair[0]))
        sights = tuple(Sight(network.id, network.name, _aliases(endpoint)) for endpoint, network in attached)
        sandbox.resolver.view = self._directory.view(sights)
        sandbox.resolver.confine(all(network.internal for _, network in attached))


def _entry(endpoint: Endpoint) -> Entry:
    addresses = tuple(interface.ip for interface in endpoint.addresses)
    return Entry(endpoint.id, endpoint.names, addresses, endpoint.names[0] if endpoint.names else "")


def _rank(order: tuple[str, ...], endpoint: Endpoint) -> tuple[int, int]:
    arranged = order.index(endpoint.network_id) if endpoint.network_id in order else len(order)
    return arranged, endpoint.order


def _aliases(endpoint: Endpoint) -> tuple[tuple[str, str], ...]:
    """The private aliases of `container:alias` links; a container given by its full id is known by the short one."""
    pairs = (link.rpartition(":") for link in endpoint.spec.links)
    return tuple((alias, short(target) if is_local_id(target) else target) for target, _, alias in pairs)
