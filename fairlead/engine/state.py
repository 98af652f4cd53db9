"""The working copy of everything that exists on this host: objects by id, and the indexes to find them.

What stands here has been committed to the store first. What is being made is *claimed*: a claimed endpoint or
network counts against leases, names and "active endpoints" but is not shown to anybody. Claims are
made and checked without ever waiting in between; since one event loop owns the state, that is what makes an
address unique without a lock. They are not stored: a crash ends them, and the intents in the store tell
reconcile what they may have left in the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fairlead.engine import records
from fairlead.model.attachment import Attachments
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid, NotFound
from fairlead.model.ids import with_prefix
from fairlead.model.network import Network
from fairlead.model.sandbox import Sandbox


class State:
    """`attachments` and `sandboxes` are by container id, everything else by its own."""

    def __init__(self) -> None:
        self.networks: dict[str, Network] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.containers: dict[str, Container] = {}
        self.attachments: dict[str, Attachments] = {}
        self.sandboxes: dict[str, Sandbox] = {}
        self.claimed_endpoints: dict[str, Endpoint] = {}
        self.claimed_networks: dict[str, Network] = {}
        self._network_names: dict[str, str] = {}
        self._container_names: dict[str, str] = {}
        self._by_network: dict[str, dict[str, None]] = {}
        self._by_container: dict[str, dict[str, None]] = {}

    def load(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over what the store holds."""
        for network in records.load(Network, documents):
            # Docker shows a gateway that it chose itself only once it has been restarted.
            shown = tuple(replace(pool, gateway_shown=True) for pool in network.pools)
            self.put_network(replace(network, pools=shown))
        for endpoint in records.load(Endpoint, documents):
            self.put_endpoint(endpoint)
        for container in records.load(Container, documents):
            self.put_container(container)
        for attachments in records.load(Attachments, documents):
            self.attachments[attachments.id] = attachments
        for sandbox in records.load(Sandbox, documents):
            self.sandboxes[sandbox.container_id] = sandbox

    # --- networks ---------------------------------------------------------------------------------

    def put_network(self, network: Network) -> None:
        self.networks[network.id] = network
        self._network_names[network.name] = network.id

    def drop_network(self, network_id: str) -> None:
        network = self.networks.pop(network_id, None)
        if network is not None and self._network_names.get(network.name) == network_id:
            del self._network_names[network.name]

    def find_network(self, reference: str) -> Network | None:
        """By full id or name; None if there is none."""
        return self.networks.get(reference) or self.networks.get(self._network_names.get(reference, ""))

    def network(self, reference: str) -> Network:
        """By full id, name or unique id prefix, in that order. Raises `NotFound`, or `Invalid` if ambiguous."""
        if (found := self.find_network(reference)) is not None:
            return found
        matches = with_prefix(reference, self.networks)
        if len(matches) > 1:
            raise Invalid(f"{len(matches)} matches found based on ID prefix: network {reference} is ambiguous")
        if not matches:
            raise NotFound(f"network {reference} not found")
        return self.networks[matches[0]]

    # --- endpoints --------------------------------------------------------------------------------

    def put_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoints[endpoint.id] = endpoint
        self._by_network.setdefault(endpoint.network_id, {})[endpoint.id] = None
        self._by_container.setdefault(endpoint.container_id, {})[endpoint.id] = None

    def drop_endpoint(self, endpoint_id: str) -> None:
        endpoint = self.endpoints.pop(endpoint_id, None)
        if endpoint is None:
            return
        for index, key in ((self._by_network, endpoint.network_id), (self._by_container, endpoint.container_id)):
            index[key].pop(endpoint_id)
            if not index[key]:
                del index[key]

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        """Those that exist, without the claimed ones."""
        return [self.endpoints[key] for key in self._by_network.get(network_id, ())]

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        """A container's endpoints in the order of their connection."""
        return sorted(
            (self.endpoints[key] for key in self._by_container.get(container_id, ())), key=lambda item: item.order
        )

    def users_of(self, network_id: str) -> list[Endpoint]:
        """Every endpoint that stands in the way of removing the network, claimed ones too."""
        claimed = (item for item in self.claimed_endpoints.values() if item.network_id == network_id)
        return [*self.endpoints_on(network_id), *claimed]

    # --- containers -------------------------------------------------------------------------------

    def put_container(self, container: Container) -> None:
        """Insert or replace; a changed name moves in the index."""
        old = self.containers.get(container.id)
        if old is not None and self._container_names.get(old.name) == old.id:
            del self._container_names[old.name]
        self.containers[container.id] = container
        self._container_names[container.name] = container.id

    def drop_container(self, container_id: str) -> None:
        container = self.containers.pop(container_id, None)
        if container is not None and self._container_names.get(container.name) == container_id:
            del self._container_names[container.name]

    def find_container(self, reference: str) -> Container | None:
        """By full id or name; None if there is none."""
        return self.containers.get(reference) or self.containers.get(
            self._container_names.get(reference.removeprefix("/"), "")
        )

    def container(self, reference: str) -> Container:
        """By full id, name (with or without its slash) or unique id prefix. Raises `NotFound` or `Invalid`."""
        if not reference:
            raise Invalid('invalid name or ID supplied: ""')
        if (found := self.find_container(reference)) is not None:
            return found
        matches = with_prefix(reference, self.containers)
        if len(matches) > 1:
            raise Invalid(f"multiple IDs found with provided prefix: {reference}")
        if not matches:
            raise NotFound(f"No such container: {reference}")
        return self.containers[matches[0]]

    def name_taken_by(self, name: str) -> Container | None:
        """The container that has this name now."""
        return self.containers.get(self._container_names.get(name, ""))
