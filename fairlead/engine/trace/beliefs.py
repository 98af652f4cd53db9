"""What the engine believes of networks, endpoints and ports, in the words of a trace; and what of it is not there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from fairlead.core.drivers import options, overlay_options
from fairlead.core.drivers.bridge_options import ICC
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.firewall.elements import change
from fairlead.engine.fabric.expectation import Expectation
from fairlead.engine.fabric.fabric import Fabric
from fairlead.model.network import SWARM, Network
from fairlead.model.plan import ChangeRules, Operation
from fairlead.model.ruleset import Element
from fairlead.model.sandbox import INGRESS
from fairlead.model.trace import Known, KnownEndpoint, KnownNetwork, KnownNode, KnownPort

Silent = Callable[[str], Collection[str]]
"""The endpoints on a network (id) whose nodes have not been heard of for a while, by id."""


class Beliefs:
    def __init__(self, fabric: Fabric, silent: Silent) -> None:
        self._fabric, self._state, self._silent = fabric, fabric.state, silent

    async def known(self, networks: Iterable[str]) -> Known:
        """Everything; what should be in the kernel is looked for as far as it belongs to these networks (ids)."""
        underlay = self._fabric.host.facts.underlay
        return Known(
            nodes=tuple(await self._nodes()),
            data_port=underlay.port if underlay else Known().data_port,
            places=dict(self._places()),
            endpoints=(*self._endpoints(), *self._remotes()),
            networks=tuple(self._network(network) for network in self._networks()),
            ports=tuple(self._ports()),
            missing=tuple(await self._missing([self._state.networks[each] for each in networks])),
        )

    def spaces(self) -> list[str]:
        """The files of all namespaces that belong to the engine, and the host's own."""
        sandboxes = (sandbox.ns for sandbox in self._state.sandboxes.values())
        return ["", *(ns for ns in (*sandboxes, *Expectation(self._fabric).namespaces()) if ns)]

    def _places(self) -> Iterator[tuple[str, str]]:
        for network in self._networks():
            if home := self.home(network):
                yield home, f"network {network.name}"
        for container_id, sandbox in self._state.sandboxes.items():
            if sandbox.ns:
                yield sandbox.ns, self._name(container_id)

    def _name(self, container_id: str) -> str:
        container = self._state.containers.get(container_id)
        return container.name if container else "ingress" if container_id == INGRESS else container_id[:12]

    def _networks(self) -> Iterator[Network]:
        return (network for network in self._state.networks.values() if not network.config_only)

    def home(self, network: Network) -> str:
        """The namespace that the network's bridge is in."""
        return DRIVERS[network.driver].namespace(network, self._fabric.host.facts)

    def _network(self, network: Network) -> KnownNetwork:
        icc = options.boolean(ICC, network.options.get(ICC, "true"))
        encrypted = network.scope == SWARM and overlay_options.read(network.options).encrypted
        home = self.home(network)
        return KnownNetwork(network.name, network.driver, network.link, home, icc, network.internal, encrypted)

    def _endpoints(self) -> Iterator[KnownEndpoint]:
        for endpoint in self._state.endpoints.values():
            sandbox = self._state.sandboxes.get(endpoint.container_id)
            network = self._state.networks[endpoint.network_id]
            if sandbox is not None:
                yield KnownEndpoint(
                    container=self._name(endpoint.container_id),
                    network=network.name,
                    addresses=tuple(own.ip for own in endpoint.addresses),
                    ns=sandbox.ns,
                    ifname=endpoint.ifname,
                    port=endpoint.host_ifname,
                    home=self.home(network),
                    mac=endpoint.mac,
                )

    def _remotes(self) -> Iterator[KnownEndpoint]:
        """Those of other nodes."""
        underlay = self._fabric.host.facts.underlay
        for network in self._networks():
            silent = self._silent(network.id)
            for presence in self._fabric.remotes.presences(network.id):
                if underlay is not None and presence.vtep != underlay.address:
                    yield KnownEndpoint(
                        container=presence.name or presence.kind,
                        network=network.name,
                        addresses=presence.addresses,
                        home=self.home(network),
                        mac=presence.mac,
                        node=presence.node_id,
                        vtep=presence.vtep,
                        silent=presence.endpoint_id in silent,
                    )

    async def _nodes(self) -> list[KnownNode]:
        secured = await self._fabric.encryption.of_peers()
        return [KnownNode(vtep, "established" if each.established else "down") for vtep, each in secured.items()]

    def _ports(self) -> Iterator[KnownPort]:
        for endpoint in self._state.endpoints.values():
            for port in endpoint.published:
                name = self._name(endpoint.container_id)
                yield KnownPort(name, port.host_ip, port.host_port, port.container_port, port.protocol)

    async def _missing(self, networks: Sequence[Network]) -> list[str]:
        """In words, what should be there and is not."""
        expectation = Expectation(self._fabric)
        wanted: list[Operation] = []
        for network in networks:
            expected = expectation.of_network(network)
            wanted += [*expected.operations, *(ChangeRules(change(add=(each,))) for each in expected.elements)]
        return [_words(operation) for operation in await self._fabric.kernel.missing(wanted)]


def _words(operation: Operation) -> str:
    if isinstance(operation, ChangeRules) and operation.transaction.add:
        return ", ".join(map(_element, operation.transaction.add))
    subject = getattr(operation, "name", "") or getattr(operation, "link", "") or getattr(operation, "path", "")
    kind = type(operation).__name__
    return f"{kind} {subject}".strip()


def _element(element: Element) -> str:
    key = " . ".join(map(str, element.key))
    data = "" if not isinstance(element.data, tuple) else " : " + " . ".join(map(str, element.data))
    return f"element {key}{data} of {element.set} in table inet fairlead"
