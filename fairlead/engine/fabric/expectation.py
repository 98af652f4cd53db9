"""What must be in the kernel for everything that the state says exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fairlead.core import sandbox as routes
from fairlead.core.containers.rights import may_change_network
from fairlead.core.drivers.contract import Attachment, Expected
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.firewall import ground
from fairlead.core.firewall.elements import local_elements
from fairlead.core.firewall.table import FAMILY, NAME, USER_NAME, host_table, user_table
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.upkeep import written_anew
from fairlead.model.network import Network
from fairlead.model.plan import AddMacvlan, AddVeth, ChangeRules, Operation, Plan
from fairlead.model.ruleset import Element, Transaction

FIB = "nft_fib"


class Expectation:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._state = fabric.state

    def of_network(self, network: Network) -> Expected:
        """Of one network and all its endpoints."""
        sandboxes = self._state.sandboxes
        attachments = (
            Attachment(endpoint, sandboxes[endpoint.container_id].ns, sandboxes[endpoint.container_id].ipv6)
            for endpoint in self._state.endpoints_on(network.id)
            if endpoint.container_id in sandboxes
        )
        return DRIVERS[network.driver].expected(network, tuple(attachments), self._fabric.host.facts)

    def namespaces(self) -> Iterator[str]:
        """Those that networks have for themselves."""
        for network in self._networks():
            home = DRIVERS[network.driver].namespace(network, self._fabric.host.facts)
            if home and self._state.endpoints_on(network.id):
                yield home

    def of_sandboxes(self) -> Iterator[Operation]:
        """The default routes of every sandbox."""
        for sandbox in self._state.sandboxes.values():
            if sandbox.ns:
                legs = self._fabric.wiring.legs(self._state.endpoints_of(sandbox.container_id))
                yield from routes.default_routes(legs, sandbox.ns).operations

    def host_table(self) -> Plan:
        """The whole table with all its elements, in one transaction, and the administrator's if it is missing; before
        them what the host's own parameters must be."""
        facts = self._fabric.host.facts
        elements = [element for network in self._networks() for element in self.of_network(network).elements]
        elements += self.local_elements()
        table = Transaction(FAMILY, NAME, replace=host_table(facts.features), add=tuple(elements))
        user = Transaction(FAMILY, USER_NAME, ensure=user_table())
        return Plan((*ground.settings(facts.features), ChangeRules(user), ChangeRules(table)))

    def local_elements(self) -> tuple[Element, ...]:
        """The host's addresses, for kernels that cannot look them up."""
        facts = self._fabric.host.facts
        return () if FIB in facts.features else local_elements(facts.held)

    def operations(self) -> list[Operation]:
        """Everything but the table, networks first."""
        listed = [operation for network in self._networks() for operation in self.of_network(network).operations]
        told = [*self._fabric.remotes.expected(), *self._fabric.encryption.expected()]
        return [*ground.settings(self._fabric.host.facts.features), *listed, *self.of_sandboxes(), *told]

    def at_home(self, ns: str) -> Sequence[Operation]:
        """Of the network whose own namespace that is; nothing when it is no network's."""
        for network in self._networks():
            if ns == DRIVERS[network.driver].namespace(network, self._fabric.host.facts):
                return self.of_network(network).operations
        return ()

    def rules_of(self, ns: str) -> Plan:
        """The table in a network's own namespace, written anew; nothing when it is no network's."""
        anew = written_anew(self.at_home(ns), ns, NAME)
        return Plan((ChangeRules(anew, ns),)) if anew else Plan()

    def is_self_governed(self, ns: str) -> bool:
        """Whether some container is master of the network in this namespace."""
        return ns in self._self_governed()

    def still_due(self, missing: Sequence[Operation]) -> list[Operation]:
        """Those of `missing` that are expected now.

        A container with NET_ADMIN may take its addresses and routes away (VPN clients do); what is inside its
        namespace is its own business unless the link itself is gone.
        """
        expected = self.operations()
        gone = {operation.peer_ns for operation in missing if isinstance(operation, AddVeth | AddMacvlan)}
        free = self._self_governed() - gone
        return [operation for operation in missing if operation in expected and operation.ns not in free]

    def _self_governed(self) -> set[str]:
        """Namespaces in which some container is master of the network."""
        return {
            container.netns
            for container in self._state.containers.values()
            if container.netns and may_change_network(container.spec)
        }

    def _networks(self) -> Iterable[Network]:
        return (network for network in self._state.networks.values() if not network.config_only)
