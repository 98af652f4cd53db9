"""Raising a sandbox: claim, hold, intend, do, commit. Whatever fails, everything before it is given back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from fairlead.core.dns.resolv import Setting
from fairlead.core.drivers.registry import DRIVERS
from fairlead.engine import journal, records
from fairlead.engine.fabric.claims import Place, gives_names
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.publish import requests_of
from fairlead.engine.fabric.resolvers import PORTS_AHEAD
from fairlead.engine.ports import Writing
from fairlead.model.attachment import Attachment, Attachments
from fairlead.model.change import Change
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Invalid
from fairlead.model.network import Network
from fairlead.model.plan import HOST, Plan
from fairlead.model.sandbox import Sandbox

Placed = Sequence[tuple[Attachment, Network]]


class SandboxStart:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    async def run(self, container: Container, placed: Placed) -> tuple[Sandbox, list[Endpoint]]:
        """The sandbox and its endpoints, wired and written down. Raises `Refusal` and leaves nothing."""
        fabric = self._fabric
        _check_combination(placed)
        async with AsyncExitStack() as undo:
            sandbox = await self._open(container, placed, undo)
            endpoints = self._claim(container, placed, sandbox, undo)
            endpoints = await self._lease(container, placed, endpoints, undo)
            endpoints = await self._publish(container, endpoints, undo)
            sandbox = await self._listen(container, sandbox, endpoints, undo)
            intents = self._intend(endpoints, undo)
            await fabric.kernel.apply(self._plan(sandbox, endpoints), intents.now)
            undo.push_async_callback(self._unwire, sandbox, endpoints)
            await fabric.store.commit(self._result(container, sandbox, placed, endpoints))
            undo.pop_all()
        fabric.state.sandboxes[container.id] = sandbox
        for endpoint in endpoints:
            fabric.claims.keep(endpoint)
        fabric.resolvers.know(sandbox, endpoints, endpoints)
        await fabric.remotes.settle(endpoint.network_id for endpoint in endpoints)
        await fabric.balancing.settle(sandbox)
        return sandbox, endpoints

    async def _open(self, container: Container, placed: Placed, undo: AsyncExitStack) -> Sandbox:
        fabric = self._fabric
        sandbox_id = fabric.entropy.local_id()
        ipv6 = any(network.ipv6 for _, network in placed)
        if not all(DRIVERS[network.driver].can.own_namespace for _, network in placed):
            return Sandbox(sandbox_id, container.id, HOST, ipv6)
        named = any(gives_names(network) for _, network in placed)
        ns = await fabric.namespaces.take(sandbox_id, ipv6, ruled=named)
        undo.push_async_callback(fabric.namespaces.release, ns)
        return Sandbox(sandbox_id, container.id, ns, ipv6, PORTS_AHEAD if named else None)

    def _claim(self, container: Container, placed: Placed, sandbox: Sandbox, undo: AsyncExitStack) -> list[Endpoint]:
        claimed: list[Endpoint] = []
        for order, (wish, network) in enumerate(placed):
            place = Place(sandbox.id, order, [endpoint.ifname for endpoint in claimed])
            claimed.append(self._fabric.claims.claim(container, wish, network, place))
            undo.callback(self._fabric.claims.abandon, claimed[-1])
        return claimed

    async def _lease(
        self, container: Container, placed: Placed, endpoints: list[Endpoint], undo: AsyncExitStack
    ) -> list[Endpoint]:
        """The endpoints with the addresses that the physical network gives them, where it does."""
        fabric, given = self._fabric, []
        for (_, network), endpoint in zip(placed, endpoints, strict=True):
            given.append(await fabric.leasing.acquire(container, endpoint, network))
            undo.push_async_callback(fabric.leasing.release, container, given[-1], network)
            fabric.claims.update(given[-1])
        return given

    async def _publish(self, container: Container, endpoints: list[Endpoint], undo: AsyncExitStack) -> list[Endpoint]:
        """The endpoints with the container's ports on the one that carries them."""
        fabric = self._fabric
        carrier = fabric.wiring.carrier(endpoints)
        requests = requests_of(container)
        if carrier is None or not requests:
            return endpoints
        ports = await fabric.publish(carrier, requests, container)
        carrier = replace(carrier, published=ports)
        undo.push_async_callback(fabric.publisher.withdraw, carrier.id, carrier.published)
        fabric.claims.update(carrier)
        return [carrier if endpoint.id == carrier.id else endpoint for endpoint in endpoints]

    async def _listen(
        self, container: Container, sandbox: Sandbox, endpoints: list[Endpoint], undo: AsyncExitStack
    ) -> Sandbox:
        """The sandbox with its resolver, if it has one."""
        fabric = self._fabric
        if fabric.resolvers.setting(sandbox, endpoints) is not Setting.EMBEDDED:
            return sandbox
        conf = fabric.etc.resolv_conf(container, Setting.EMBEDDED, sandbox.ipv6)
        undo.push_async_callback(fabric.resolvers.close, sandbox)
        return await fabric.resolvers.open(sandbox, conf.upstreams)

    def _plan(self, sandbox: Sandbox, endpoints: list[Endpoint]) -> Plan:
        wiring = self._fabric.wiring
        attached = (wiring.attach(sandbox, endpoint) for endpoint in endpoints)
        guided = Plan() if sandbox.dns == PORTS_AHEAD else self._fabric.resolvers.guide(sandbox)
        return sum(attached, guided) + wiring.reroute(sandbox, (), endpoints)

    def _intend(self, endpoints: Sequence[Endpoint], undo: AsyncExitStack) -> Writing:
        store = self._fabric.store
        undo.push_async_callback(store.commit, [journal.settle(endpoint) for endpoint in endpoints])
        return store.begin([journal.intend(endpoint) for endpoint in endpoints])

    async def _unwire(self, sandbox: Sandbox, endpoints: Sequence[Endpoint]) -> None:
        plans = (self._fabric.wiring.detach(sandbox, endpoint, alive=False) for endpoint in endpoints)
        await self._fabric.kernel.attempt(sum(plans, Plan()))

    def _result(
        self, container: Container, sandbox: Sandbox, placed: Placed, endpoints: Sequence[Endpoint]
    ) -> list[Change]:
        """What is true once the kernel has done the plan."""
        changes = [change for endpoint in endpoints for change in journal.made(endpoint)]
        changes.append(records.put(sandbox))
        fulfilled = Attachments(container.id, tuple(_fulfilled(placed, endpoints)))
        if self._fabric.state.attachments.get(container.id) != fulfilled:
            self._fabric.state.attachments[container.id] = fulfilled
            changes.append(records.put(fulfilled))
        return changes


def _fulfilled(placed: Placed, endpoints: Sequence[Endpoint]) -> Sequence[Attachment]:
    pairs = zip(placed, endpoints, strict=True)
    return [
        replace(wish, network_id=network.id, names=endpoint.names)
        for (wish, network), endpoint in pairs
        if not wish.egress
    ]


def _check_combination(placed: Placed) -> None:
    alone = [network for _, network in placed if not DRIVERS[network.driver].can.combines]
    if alone and len(placed) > 1:
        raise Invalid(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        )
