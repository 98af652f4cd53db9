"""From endpoints to plans: what the drivers say, put together for a whole sandbox. Reads the state, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fairlead.core import sandbox as routes
from fairlead.core.drivers import segments
from fairlead.core.drivers.contract import Driver, Site
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.sandbox import Leg
from fairlead.engine.host import Host
from fairlead.engine.state import State
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network
from fairlead.model.plan import HOST, Plan
from fairlead.model.sandbox import Sandbox


class Wiring:
    def __init__(self, state: State, host: Host) -> None:
        self._state = state
        self._host = host

    def network(self, endpoint: Endpoint) -> Network:
        return self._state.networks[endpoint.network_id]

    def driver(self, endpoint: Endpoint) -> Driver:
        return DRIVERS[self.network(endpoint).driver]

    def legs(self, endpoints: Iterable[Endpoint]) -> list[Leg]:
        return [self.driver(endpoint).leg(self.network(endpoint), endpoint) for endpoint in endpoints]

    def in_gateway_order(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """The order in which networks are asked for names."""
        by_id = {endpoint.id: endpoint for endpoint in endpoints}
        return [by_id[leg.endpoint_id] for leg in routes.ranked(self.legs(endpoints))]

    def carrier(self, endpoints: Sequence[Endpoint]) -> Endpoint | None:
        """The endpoint that shows the container's ports: the best gateway among those that can."""
        ranked = self.in_gateway_order(endpoints)
        return next((item for item in ranked if self._publishes(item)), None)

    def _publishes(self, endpoint: Endpoint) -> bool:
        return self.driver(endpoint).can.publishes_ports and not self.network(endpoint).internal

    def carried(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """The endpoints with all their published ports on the one that shall carry them, if any can."""
        ports = tuple(port for endpoint in endpoints for port in endpoint.published)
        carrier = self.carrier(endpoints)
        return [replace(item, published=ports if carrier and item.id == carrier.id else ()) for item in endpoints]

    def shift(self, before: Sequence[Endpoint], after: Sequence[Endpoint]) -> Plan:
        """Move published ports between endpoints that exist before and after."""
        old = {endpoint.id: endpoint for endpoint in before}
        changed = [(old[new.id], new) for new in after if new.id in old and old[new.id].published != new.published]
        taken = (self.unpublish(was) for was, _ in changed if was.published)
        given = (self.publish(now) for _, now in changed if now.published)
        return sum(given, sum(taken, Plan()))

    def attach(self, sandbox: Sandbox, endpoint: Endpoint) -> Plan:
        return self.driver(endpoint).attach(self.network(endpoint), endpoint, self._site(sandbox, endpoint))

    def detach(self, sandbox: Sandbox, endpoint: Endpoint, alive: bool) -> Plan:
        """`alive` tells whether the sandbox goes on living without it."""
        site = self._site(sandbox, endpoint)
        if not alive:
            site = Site(site.facts, HOST, site.ipv6, site.shared)
        return self.driver(endpoint).detach(self.network(endpoint), endpoint, site)

    def _site(self, sandbox: Sandbox, endpoint: Endpoint) -> Site:
        present = filter(self._stays, self._state.users_of(endpoint.network_id))
        return Site(self._host.facts, sandbox.ns, sandbox.ipv6, segments.shared(present, endpoint))

    def _stays(self, endpoint: Endpoint) -> bool:
        """Whether it exists or is being made; those of a sandbox that is being taken down are still in the state."""
        return endpoint.id in self._state.claimed_endpoints or endpoint.container_id in self._state.sandboxes

    def publish(self, endpoint: Endpoint) -> Plan:
        return self.driver(endpoint).publish(self.network(endpoint), endpoint)

    def unpublish(self, endpoint: Endpoint) -> Plan:
        return self.driver(endpoint).unpublish(self.network(endpoint), endpoint)

    def reroute(self, sandbox: Sandbox, before: Iterable[Endpoint], after: Iterable[Endpoint]) -> Plan:
        """The default routes that move when a sandbox's endpoints change."""
        return routes.route_changes(self.legs(before), self.legs(after), sandbox.ns)
