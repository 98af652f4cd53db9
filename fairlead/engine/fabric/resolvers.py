"""The resolver at 127.0.0.11: which sandboxes have one, and the translation that leads port 53 to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fairlead.core.dns.resolv import Setting
from fairlead.core.firewall.sandbox import resolver_table
from fairlead.engine.fabric.names import Names
from fairlead.engine.fabric.wiring import Wiring
from fairlead.model.dns import DnsPorts, Upstream
from fairlead.model.endpoint import Endpoint
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import Transaction
from fairlead.model.sandbox import Sandbox

PORTS_AHEAD = DnsPorts(61053, 61053)
"""Where a resolver listens in a namespace made for it: nothing else is there yet. Outside of what the kernel gives to
sockets that ask for no port."""


def rules_ahead(ns: str) -> Plan:
    """What leads queries to a resolver at `PORTS_AHEAD`."""
    return _guide(ns, PORTS_AHEAD)


def _guide(ns: str, ports: DnsPorts) -> Plan:
    table = resolver_table(ports.udp, ports.tcp)
    return Plan((ChangeRules(Transaction(table.family, table.name, replace=table), ns),))


class Resolvers:
    def __init__(self, names: Names, wiring: Wiring) -> None:
        self._names = names
        self._wiring = wiring

    def setting(self, sandbox: Sandbox, endpoints: Iterable[Endpoint]) -> Setting:
        """What kind of resolv.conf a sandbox with these endpoints has."""
        if not sandbox.ns:
            return Setting.SHARED
        return Setting.EMBEDDED if any(endpoint.names for endpoint in endpoints) else Setting.LEGACY

    async def open(self, sandbox: Sandbox, upstreams: Sequence[Upstream]) -> Sandbox:
        """Listen in the sandbox, where it did before if it did; the sandbox with the place where it listens."""
        ports = await self._names.open_sandbox(sandbox.id, sandbox.ns, upstreams, sandbox.dns)
        return replace(sandbox, dns=ports)

    def guide(self, sandbox: Sandbox) -> Plan:
        """What leads the sandbox's queries to its resolver."""
        return _guide(sandbox.ns, sandbox.dns) if sandbox.dns else Plan()

    async def close(self, sandbox: Sandbox) -> None:
        await self._names.close_sandbox(sandbox.id)

    def know(self, sandbox: Sandbox, endpoints: Sequence[Endpoint], changed: Iterable[Endpoint]) -> None:
        """The `changed` ones among a sandbox's endpoints answer from now on; networks are asked in gateway order."""
        placed = [(endpoint, self._wiring.network(endpoint)) for endpoint in changed]
        if sandbox.ns:
            ranked = self._wiring.in_gateway_order(endpoints)
            self._names.arrange(sandbox.id, [endpoint.network_id for endpoint in ranked], placed)
            return
        for endpoint, network in placed:
            self._names.set_endpoint(endpoint, network)

    def forget(self, endpoint: Endpoint) -> None:
        self._names.drop_endpoint(endpoint.id)
