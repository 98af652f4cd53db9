"""Networks coming and going under a running container.

Both verbs compare the sandbox's endpoints before and after: what changes in between (an interface, the default routes,
the place of the published ports, whether there is a resolver) follows from the two lists.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from fairlead.core.dns.resolv import Setting
from fairlead.engine import journal, records
from fairlead.engine.claims import Place
from fairlead.engine.fabric import Fabric
from fairlead.engine.publish import requests_of
from fairlead.model.attachment import Attachment, Attachments
from fairlead.model.change import Change
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network
from fairlead.model.plan import Plan
from fairlead.model.sandbox import Sandbox

_log = logging.getLogger("fairlead.engine.sandboxes")


class SandboxChange:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    # --- connect ----------------------------------------------------------------------------------

    async def connect(self, container: Container, wanted: Attachments, wish: Attachment, network: Network) -> None:
        """Put the running container on one more network; `wanted` are its wishes so far. Raises `Refusal`."""
        fabric = self._fabric
        sandbox = fabric.state.sandboxes[container.id]
        before = fabric.state.endpoints_of(container.id)
        async with AsyncExitStack() as undo:
            claimed = fabric.claims.claim(container, wish, network, _place(sandbox, before))
            undo.callback(fabric.claims.abandon, claimed)
            claimed = await fabric.leasing.acquire(container, claimed, network)
            undo.push_async_callback(fabric.leasing.release, container, claimed, network)
            after = await self._with_ports(container, [*before, claimed], undo)
            fulfilled = replace(wish, network_id=network.id, names=claimed.names)
            wishes = wanted if wish.egress else wanted.put(fulfilled)
            sandbox = await self._listen(container, sandbox, before, after)
            await self._wire(sandbox, before, after, undo)
            await fabric.store.commit([*_written(before, after), records.put(wishes), records.put(sandbox)])
            undo.pop_all()
        fabric.state.attachments[container.id] = wishes
        fabric.state.sandboxes[container.id] = sandbox
        await self._show(sandbox, before, after)
        await fabric.remotes.settle((network.id,))
        await fabric.balancing.settle(sandbox)
        fabric.etc.add_lines(container, after[-1])

    async def _with_ports(
        self, container: Container, endpoints: Sequence[Endpoint], undo: AsyncExitStack
    ) -> list[Endpoint]:
        """The endpoints with the ports where they belong now; published if nothing could carry them before."""
        fabric = self._fabric
        after = fabric.wiring.carried(endpoints)
        carrier, requests = fabric.wiring.carrier(after), requests_of(container)
        if carrier is None or carrier.published or not requests:
            return after
        ports = await fabric.publish(carrier, requests)
        undo.push_async_callback(fabric.publisher.withdraw, carrier.id, ports)
        return [replace(item, published=ports) if item.id == carrier.id else item for item in after]

    async def _wire(
        self, sandbox: Sandbox, before: Sequence[Endpoint], after: Sequence[Endpoint], undo: AsyncExitStack
    ) -> None:
        """Intend the last endpoint of `after`, and make it in the kernel."""
        fabric, added = self._fabric, after[-1]
        undo.push_async_callback(fabric.store.commit, [journal.settle(added)])
        await fabric.store.commit([journal.intend(added)])
        moved, attached = fabric.wiring.shift(before, after), fabric.wiring.attach(sandbox, added)
        guided = fabric.resolvers.guide(sandbox) if sandbox != fabric.state.sandboxes[sandbox.container_id] else Plan()
        await fabric.kernel.apply(guided + moved + attached + fabric.wiring.reroute(sandbox, before, after))
        detached = fabric.wiring.detach(sandbox, added, alive=True)
        back = detached + fabric.wiring.shift(after, before) + fabric.wiring.reroute(sandbox, after, before)
        undo.push_async_callback(fabric.kernel.attempt, back)

    async def _listen(
        self, container: Container, sandbox: Sandbox, before: Sequence[Endpoint], after: Sequence[Endpoint]
    ) -> Sandbox:
        """The sandbox; the first network with names brings a resolver, and a resolv.conf that points at it."""
        fabric = self._fabric
        old, new = fabric.resolvers.setting(sandbox, before), fabric.resolvers.setting(sandbox, after)
        if new is not Setting.EMBEDDED or old is new:
            return sandbox
        conf = fabric.etc.resolv_conf(container, new, sandbox.ipv6)
        listening = await fabric.resolvers.open(sandbox, conf.upstreams)
        fabric.etc.replace_resolv_conf(container, fabric.etc.resolv_conf(container, old, sandbox.ipv6), conf)
        return listening

    # --- disconnect -------------------------------------------------------------------------------

    async def disconnect(self, container: Container, wanted: Attachments, endpoint: Endpoint) -> None:
        """Take the running container off a network. Only the store can refuse."""
        fabric = self._fabric
        sandbox = fabric.state.sandboxes[container.id]
        before = fabric.state.endpoints_of(container.id)
        remaining = [item for item in before if item.id != endpoint.id]
        after = self._with_inherited_ports(remaining, endpoint)
        await fabric.store.commit([*journal.unmade(endpoint), *_written(remaining, after), records.put(wanted)])
        fabric.state.attachments[container.id] = wanted
        plan = fabric.wiring.detach(sandbox, endpoint, alive=True) + fabric.wiring.shift(remaining, after)
        faults = await fabric.kernel.attempt(plan + fabric.wiring.reroute(sandbox, before, after))
        fabric.resolvers.forget(endpoint)
        await fabric.leasing.release(container, endpoint, fabric.wiring.network(endpoint))
        if not any(item.published for item in after) and endpoint.published:
            await fabric.publisher.withdraw(endpoint.id, endpoint.published)
        fabric.claims.abandon(endpoint)
        await self._show(sandbox, remaining, after)
        await fabric.remotes.settle((endpoint.network_id,))
        await fabric.balancing.settle(sandbox)
        fabric.etc.drop_lines(container, endpoint)
        if faults:
            _log.error("an endpoint was not wholly removed: %s", faults[0], extra={"endpoint": endpoint.id})
        else:
            await fabric.store.commit([journal.settle(endpoint)])

    def _with_inherited_ports(self, remaining: Sequence[Endpoint], leaving: Endpoint) -> list[Endpoint]:
        """The endpoints that stay, the best of them with the ports of the one that goes."""
        carrier = self._fabric.wiring.carrier(remaining)
        if carrier is None or not leaving.published:
            return list(remaining)
        return [replace(i, published=leaving.published) if i.id == carrier.id else i for i in remaining]

    async def _show(self, sandbox: Sandbox, before: Sequence[Endpoint], after: Sequence[Endpoint]) -> None:
        """What was written becomes visible."""
        changed = [endpoint for endpoint in after if endpoint not in before]
        for endpoint in changed:
            self._fabric.claims.keep(endpoint)
        self._fabric.resolvers.know(sandbox, after, changed)
        for endpoint in changed:
            await self._fabric.publisher.carry(endpoint, endpoint.published)


def _place(sandbox: Sandbox, endpoints: Sequence[Endpoint]) -> Place:
    order = max((endpoint.order for endpoint in endpoints), default=-1) + 1
    return Place(sandbox.id, order, [endpoint.ifname for endpoint in endpoints])


def _written(before: Sequence[Endpoint], after: Sequence[Endpoint]) -> list[Change]:
    """The endpoints of `after` that are new or changed, as changes of the store."""
    old = {endpoint.id: endpoint for endpoint in before}
    made = [change for endpoint in after if endpoint.id not in old for change in journal.made(endpoint)]
    changed = [endpoint for endpoint in after if endpoint.id in old and endpoint != old[endpoint.id]]
    return [*made, *map(records.put, changed)]
