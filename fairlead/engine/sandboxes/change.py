"""Networks coming and going under a running container.

Both verbs compare the sandbox's endpoints before and after: what changes in between (an interface, the default routes,
the place of the published ports, whether there is a resolver) follows from the two lists.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from fairlead.core.dns.resolv import Setting
from fairlead.engine import journal, records
from fairlead.engine.fabric.claims import Place
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.publish import requests_of
from fairlead.model.attachment import Attachment, Attachments
from fairlead.model.change import Change, Delete
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.network import Network
from fairlead.model.plan import Plan
from fairlead.model.sandbox import Sandbox

_log = logging.getLogger("fairlead.engine.sandboxes")


class SandboxChange:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._vacated: dict[str, Endpoint] = {}
        """The endpoint that a sandbox lost last: its interface goes behind the answer."""

    # --- connect ----------------------------------------------------------------------------------

    async def connect(self, container: Container, wanted: Attachments, wish: Attachment, network: Network) -> Endpoint:
        """Put the running container on one more network; `wanted` are its wishes so far. The endpoint is intended until
        the caller settles it, when all that belongs to the verb is done. Raises `Refusal`."""
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
            undo.push_async_callback(self._take_back, container, before, after)
            written = [change for endpoint in _changed(before, after) for change in _begun(endpoint, claimed)]
            listens = [records.put(sandbox)] if sandbox != fabric.state.sandboxes[container.id] else []
            writing = fabric.store.begin([*written, records.put(wishes), *listens])
            await self._wire(sandbox, before, after, writing.now)
            await writing.durable
            undo.pop_all()
        fabric.state.attachments[container.id] = wishes
        fabric.state.sandboxes[container.id] = sandbox
        await self._show(sandbox, before, after)
        await fabric.remotes.settle((network.id,))
        await fabric.balancing.settle(sandbox)
        fabric.etc.add_lines(container, after[-1])
        return claimed

    async def _with_ports(
        self, container: Container, endpoints: Sequence[Endpoint], undo: AsyncExitStack
    ) -> list[Endpoint]:
        """The endpoints with the ports where they belong now; published if nothing could carry them before."""
        fabric = self._fabric
        after = fabric.wiring.carried(endpoints)
        carrier, requests = fabric.wiring.carrier(after), requests_of(container)
        if carrier is None or carrier.published or not requests:
            return after
        ports = await fabric.publish(carrier, requests, container)
        undo.push_async_callback(fabric.publisher.withdraw, carrier.id, ports)
        return [replace(item, published=ports) if item.id == carrier.id else item for item in after]

    async def _take_back(self, container: Container, before: Sequence[Endpoint], after: Sequence[Endpoint]) -> None:
        """A connection was written and could not be made."""
        state, added = self._fabric.state, after[-1]
        former = {endpoint.id: endpoint for endpoint in before}
        changed = [records.put(former[item.id]) for item in _changed(before, after) if item.id in former]
        known = state.attachments.get(container.id)
        wishes = records.put(known) if known else Delete(records.kind_of(Attachments), container.id)
        gone = [records.delete(added), journal.settle(added)]
        await self._fabric.store.commit([*gone, *changed, wishes, records.put(state.sandboxes[container.id])])

    async def _wire(
        self, sandbox: Sandbox, before: Sequence[Endpoint], after: Sequence[Endpoint], first: Callable[[], None]
    ) -> None:
        """Make the last endpoint of `after` in the kernel, after `first`."""
        fabric = self._fabric
        moved, attached = fabric.wiring.shift(before, after), fabric.wiring.attach(sandbox, after[-1])
        guided = fabric.resolvers.guide(sandbox) if sandbox != fabric.state.sandboxes[sandbox.container_id] else Plan()
        await fabric.kernel.apply(guided + moved + attached + fabric.wiring.reroute(sandbox, before, after), first)

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
        fabric.etc.replace_resolv_conf(container, old, conf, sandbox.ipv6)
        return listening

    # --- disconnect -------------------------------------------------------------------------------

    async def disconnect(self, container: Container, wanted: Attachments, endpoint: Endpoint) -> None:
        """Take the running container off a network. Only the store can refuse."""
        fabric = self._fabric
        sandbox = fabric.state.sandboxes[container.id]
        before = fabric.state.endpoints_of(container.id)
        remaining = [item for item in before if item.id != endpoint.id]
        after = self._with_inherited_ports(remaining, endpoint)
        changed = map(records.put, _changed(remaining, after))
        writing = fabric.store.begin([*journal.unmade(endpoint), *changed, records.put(wanted)])
        plan = fabric.wiring.detach(sandbox, endpoint, alive=True) + fabric.wiring.shift(remaining, after)
        faults = await fabric.kernel.attempt(plan + fabric.wiring.reroute(sandbox, before, after), writing.now)
        self._vacated[sandbox.id] = endpoint
        fabric.state.attachments[container.id] = wanted
        fabric.resolvers.forget(endpoint)
        await fabric.leasing.release(container, endpoint, fabric.wiring.network(endpoint))
        if not any(item.published for item in after) and endpoint.published:
            await fabric.publisher.withdraw(endpoint.id, endpoint.published)
        fabric.claims.abandon(endpoint)
        await self._show(sandbox, remaining, after)
        await fabric.remotes.settle((endpoint.network_id,))
        await fabric.balancing.settle(sandbox)
        fabric.etc.drop_lines(container, endpoint)
        await writing.durable
        if faults:
            _log.error("an endpoint was not wholly removed: %s", faults[0], extra={"endpoint": endpoint.id})
        else:
            fabric.store.post([journal.settle(endpoint)])

    async def settled(self, sandbox_id: str) -> None:
        """Returns when no interface of an endpoint that it lost is left in a sandbox."""
        if lost := self._vacated.get(sandbox_id):
            await self._fabric.kernel.flush_deletions()
            if self._vacated.get(sandbox_id) is lost:
                del self._vacated[sandbox_id]

    def forget(self, sandbox: Sandbox) -> None:
        self._vacated.pop(sandbox.id, None)

    def _with_inherited_ports(self, remaining: Sequence[Endpoint], leaving: Endpoint) -> list[Endpoint]:
        """The endpoints that stay, the best of them with the ports of the one that goes."""
        carrier = self._fabric.wiring.carrier(remaining)
        if carrier is None or not leaving.published:
            return list(remaining)
        return [replace(i, published=leaving.published) if i.id == carrier.id else i for i in remaining]

    async def _show(self, sandbox: Sandbox, before: Sequence[Endpoint], after: Sequence[Endpoint]) -> None:
        """What was written becomes visible."""
        changed = _changed(before, after)
        for endpoint in changed:
            self._fabric.claims.keep(endpoint)
        self._fabric.resolvers.know(sandbox, after, changed)
        for endpoint in changed:
            await self._fabric.publisher.carry(endpoint, endpoint.published)


def _place(sandbox: Sandbox, endpoints: Sequence[Endpoint]) -> Place:
    order = max((endpoint.order for endpoint in endpoints), default=-1) + 1
    return Place(sandbox.id, order, [endpoint.ifname for endpoint in endpoints])


def _changed(before: Sequence[Endpoint], after: Sequence[Endpoint]) -> list[Endpoint]:
    """Those of `after` that are new or not what they were."""
    return [endpoint for endpoint in after if endpoint not in before]


def _begun(endpoint: Endpoint, added: Endpoint) -> list[Change]:
    """Written as it will be; of the one that is added also that it may be half made."""
    return journal.begun(endpoint) if endpoint.id == added.id else [records.put(endpoint)]
