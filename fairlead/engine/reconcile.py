"""Bringing kernel and state together: at boot, and whenever somebody else has changed what is ours.

At boot the state wins over everything that a crash may have left:

1. what was intended and does not exist is removed (what was intended and exists, step 5 finishes);
2. sandboxes whose namespace or container is gone are taken down;
3. the host's table is written whole, with exactly the elements that the state calls for;
4. links and namespaces that carry our mark and belong to nothing are removed;
5. what must be on the host and is not is made again; ports are held and names answered as before;
6. the same inside the sandboxes, once the API answers: entering hundreds of namespaces takes a fraction of a second.

Verification asks the kernel about everything at once and costs microseconds per object; only what is missing costs
more. While the daemon runs, the monitor reports drift; bursts are gathered for a moment and answered by steps 3 or 5.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from fairlead.core.dns.resolv import Setting
from fairlead.core.drivers import names
from fairlead.core.drivers.contract import Neighbourhood, Site
from fairlead.core.drivers.registry import DRIVERS
from fairlead.core.firewall.table import NAME, USER_NAME
from fairlead.engine import journal, records
from fairlead.engine.fabric.expectation import Expectation
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.networks import forwarding
from fairlead.engine.sandboxes.sandboxes import Sandboxes
from fairlead.model.change import Change
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Refusal
from fairlead.model.network import Network
from fairlead.model.observed import Drift
from fairlead.model.plan import AddMacvlan, AddVeth, DelLink, Operation, Plan
from fairlead.model.sandbox import INGRESS, Sandbox

INSIDE, RULES, ENTRY = "address-gone", "rules-gone", "entry-gone"
GATHERING, GATHERING_INSIDE = 0.05, 0.5
"""Seconds in which drifts are gathered before they are answered; who may change his routes does so often."""

INSIDE_AT_ONCE = 8
"""Namespaces that are looked into while nothing else may be asked of the kernel: a few milliseconds."""

_log = logging.getLogger("fairlead.engine.reconcile")


class Reconcile:
    def __init__(self, fabric: Fabric, sandboxes: Sandboxes) -> None:
        self._fabric = fabric
        self._state = fabric.state
        self._sandboxes = sandboxes
        self._expectation = Expectation(fabric)
        self._drifts: set[Drift] = set()
        self._repairing: asyncio.Task[None] | None = None
        self._unfinished: list[Endpoint] = []

    # --- boot -------------------------------------------------------------------------------------

    async def prepare(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Steps 1 to 4; `documents` are the store's, as the state was loaded from."""
        fabric = self._fabric
        await fabric.host.look()
        await forwarding.turn_on(fabric, self._state.networks.values())
        await self._remove_dead_sandboxes()
        fabric.claims.restore()
        await self._undo_intents(documents)
        await fabric.kernel.attempt(self._expectation.host_table())
        await self._collect_garbage()

    async def complete(self) -> None:
        """Step 5, once the default networks stand, and from then on the watch."""
        await self._fabric.host.look()
        await self._make("boot", await self._missing_outside())
        await self._resume()
        await self._finish()
        self._fabric.kernel.watch(self._on_drift)

    async def look_inside(self) -> None:
        """Step 6. Verbs go on meanwhile: namespaces are looked at a few at a time."""
        sandboxes = self._namespaces()
        inside = sorted((item for item in self._expectation.operations() if _home(item) in sandboxes), key=_home)
        by_namespace = [list(operations) for _, operations in groupby(inside, _home)]
        for at in range(0, len(by_namespace), INSIDE_AT_ONCE):
            some = [operation for operations in by_namespace[at : at + INSIDE_AT_ONCE] for operation in operations]
            try:
                await self._make("boot", await self._fabric.kernel.missing(some))
            except Exception:
                _log.exception("looking into sandboxes failed")

    async def _missing_outside(self) -> Sequence[Operation]:
        """What is missing on the host, and in those sandboxes into which a link is missing."""
        operations, kernel, sandboxes = self._expectation.operations(), self._fabric.kernel, self._namespaces()
        missing = await kernel.missing([item for item in operations if _home(item) not in sandboxes])
        cut = {operation.peer_ns for operation in missing if isinstance(operation, AddVeth)}
        if not cut:
            return missing
        sandboxes -= cut
        return await kernel.missing([item for item in operations if _home(item) not in sandboxes])

    def _namespaces(self) -> set[str]:
        """Those of sandboxes; what networks have for themselves belongs to the host."""
        return {sandbox.ns for sandbox in self._state.sandboxes.values() if sandbox.ns}

    async def _remove_dead_sandboxes(self) -> None:
        """A reboot takes namespaces away; a crash may leave the sandbox of a container that never ran."""
        existing = set(await self._fabric.namespaces.existing())
        for sandbox in tuple(self._state.sandboxes.values()):
            container = self._state.containers.get(sandbox.container_id)
            runs = sandbox.container_id == INGRESS or (container is not None and container.state.running)
            if not runs or (sandbox.ns and sandbox.ns not in existing):
                _log.info("removing the sandbox of a container that does not run", extra={"sandbox": sandbox.id})
                await self._sandboxes.stop(sandbox.container_id)

    async def _undo_intents(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        endpoints = journal.unsettled(Endpoint, documents)
        networks = journal.unsettled(Network, documents)
        known = {network.id: network for network in networks} | self._state.networks
        settled: list[Change] = []
        self._unfinished = [endpoint for endpoint in endpoints if endpoint.id in self._state.endpoints]
        for endpoint in endpoints:
            if endpoint.id in self._state.endpoints:
                continue
            await self._undo_endpoint(endpoint, known.get(endpoint.network_id))
            settled.append(journal.settle(endpoint))
        for network in networks:
            await self._undo_network(network)
            settled.append(journal.settle(network))
        await self._fabric.store.commit(settled)

    async def _undo_endpoint(self, endpoint: Endpoint, network: Network | None) -> None:
        _log.info("undoing an endpoint that was left unfinished", extra={"endpoint": endpoint.id})
        plan = Plan((DelLink(endpoint.host_ifname),)) if endpoint.host_ifname else Plan()
        if network is not None and not network.config_only:
            plan = DRIVERS[network.driver].detach(network, endpoint, Site(self._fabric.host.facts, shared=True))
            await self._fabric.leasing.release(None, endpoint, network)
        await self._fabric.kernel.attempt(plan)

    async def _undo_network(self, network: Network) -> None:
        _log.info("undoing a network that was left unfinished", extra={"network": network.id})
        if network.config_only:
            return
        facts = await self._fabric.host.look()
        around = Neighbourhood(facts, tuple(self._state.networks.values()))
        if any(other.link == network.link for other in around.others if network.link):
            return
        for fault in await self._fabric.kernel.attempt(DRIVERS[network.driver].remove(network, around)):
            _log.error("an unfinished network was not wholly removed: %s", fault, extra={"network": network.id})

    async def _collect_garbage(self) -> None:
        """Links and namespaces with our mark that belong to nothing that exists."""
        tag = self._fabric.host.facts.owner
        owned = ((link.name, names.owner_of(tag, link.alias)) for link in await self._fabric.kernel.links())
        stray = [name for name, owner in owned if owner and not self._exists(owner)]
        if stray:
            _log.info("removing links that belong to nothing", extra={"links": ",".join(sorted(stray))})
            await self._fabric.kernel.attempt(Plan(tuple(DelLink(name, deferred=True) for name in stray)))
        alive = {sandbox.ns for sandbox in self._state.sandboxes.values()} | set(self._expectation.namespaces())
        for path in await self._fabric.namespaces.existing():
            if path not in alive:
                _log.info("removing a namespace that belongs to nothing", extra={"path": path})
                await self._clear(path)
                await self._fabric.namespaces.release(path)

    async def _clear(self, path: str) -> None:
        """Links that would go on using something of the host until the kernel takes the namespace down."""
        vxlans = [link.name for link in await self._fabric.kernel.links(path) if link.kind == "vxlan"]
        await self._fabric.kernel.attempt(Plan(tuple(DelLink(name, path) for name in vxlans)))

    def _exists(self, owned: names.Owned) -> bool:
        return owned.id in (self._state.networks if owned.kind == names.NETWORK else self._state.endpoints)

    async def _resume(self) -> None:
        """Hold the ports and answer the names of containers that ran on without us."""
        for sandbox in tuple(self._state.sandboxes.values()):
            endpoints = self._state.endpoints_of(sandbox.container_id)
            self._fabric.resolvers.know(sandbox, endpoints, endpoints)
            if sandbox.container_id == INGRESS:
                await self._show_again(endpoints)
                continue
            container = self._state.containers[sandbox.container_id]
            try:
                for endpoint in endpoints:
                    self._fabric.leasing.resume(container, endpoint, self._state.networks[endpoint.network_id])
                    if endpoint.published:
                        await self._fabric.publisher.restore(endpoint)
                if self._fabric.resolvers.setting(sandbox, endpoints) is Setting.EMBEDDED:
                    await self._answer_again(container, sandbox)
                await self._sandboxes.complete(container)
            except Refusal as refusal:
                _log.error("a sandbox could not be resumed: %s", refusal.message, extra={"container": container.name})

    async def _show_again(self, endpoints: Iterable[Endpoint]) -> None:
        """What the node's end of the mesh shows of the host's ports."""
        for endpoint in endpoints:
            try:
                await self._fabric.publisher.restore(endpoint)
            except Refusal as refusal:
                _log.error("a port of the mesh is not shown here: %s", refusal.message)

    async def _finish(self) -> None:
        """What a connection that was cut short lacks besides what every endpoint must have."""
        for endpoint in self._unfinished:
            _log.info("finishing an endpoint", extra={"endpoint": endpoint.id})
            try:
                await self._sandboxes.finish(endpoint)
            except Refusal as refusal:
                _log.error("an endpoint was not wholly made: %s", refusal.message, extra={"endpoint": endpoint.id})
        await self._fabric.store.commit([journal.settle(endpoint) for endpoint in self._unfinished])
        self._unfinished.clear()

    async def _answer_again(self, container: Container, sandbox: Sandbox) -> None:
        """Listen where the sandbox's rules lead; if something else listens there now, lead them elsewhere."""
        fabric = self._fabric
        conf = fabric.etc.resolv_conf(container, Setting.EMBEDDED, sandbox.ipv6)
        listening = await fabric.resolvers.open(sandbox, conf.upstreams)
        if listening != sandbox:
            await fabric.kernel.apply(fabric.resolvers.guide(listening))
            await fabric.store.commit([records.put(listening)])
            self._state.sandboxes[container.id] = listening

    # --- drift ------------------------------------------------------------------------------------

    async def repair(self, reason: str) -> None:
        """Make again whatever must be there and is not."""
        await self._fabric.host.look()
        await self._make(reason, await self._fabric.kernel.missing(self._expectation.operations()))

    async def _make(self, reason: str, missing: Sequence[Operation]) -> None:
        if missing:
            # What has gone by a verb in the meantime must not come back, and what a container may do it may.
            missing = self._expectation.still_due(missing)
        if missing:
            _log.warning("repairing", extra={"reason": reason, "missing": "; ".join(_summary(missing))})
            for fault in await self._fabric.kernel.attempt(Plan(tuple(missing))):
                _log.error("repair failed: %s", fault)

    async def _rewrite_table(self) -> None:
        _log.warning("repairing", extra={"reason": "somebody changed our nftables", "missing": "table inet fairlead"})
        await self._fabric.host.look()
        for fault in await self._fabric.kernel.attempt(self._expectation.host_table()):
            _log.error("repair failed: %s", fault)

    def _on_drift(self, drift: Drift) -> None:
        if drift.what == "link-new" and not self._is_needed(drift.name):
            return
        self._drifts.add(drift)
        if self._repairing is None or self._repairing.done():
            self._repairing = asyncio.get_running_loop().create_task(self._answer())

    def _is_needed(self, link: str) -> bool:
        networks = (network for network in self._state.networks.values() if not network.config_only)
        return any(link in DRIVERS[network.driver].stands_on(network) for network in networks)

    async def _answer(self) -> None:
        while self._drifts:
            quick = any(drift.what not in (INSIDE, RULES, ENTRY) for drift in self._drifts)
            await asyncio.sleep(GATHERING if quick else GATHERING_INSIDE)
            drifts, self._drifts = self._drifts, set()
            try:
                await self._answer_to(drifts)
            except Exception:
                _log.exception("repairing failed")

    async def _answer_to(self, drifts: set[Drift]) -> None:
        tables = {drift.name for drift in drifts if drift.what in ("table-gone", "element-gone")}
        lost = any(drift.what == "messages-lost" for drift in drifts)
        if lost or tables & {NAME, USER_NAME, ""}:
            await self._rewrite_table()
        await self._fabric.upkeep.host(self._fabric.upkeep.on_host if lost or "" in tables else tables)
        for drift in drifts:
            await self._answer_inside(drift)
        links = {drift for drift in drifts if drift.what.startswith("link") and self._concerns_us(drift)}
        inside = {drift for drift in drifts if drift.what == INSIDE}
        if links or inside or lost:
            await self.repair(", ".join(sorted(f"{drift.what} {drift.name}".strip() for drift in links | inside)))

    async def _answer_inside(self, drift: Drift) -> None:
        """What is inside the namespace of a container that may change it is that container's business."""
        if drift.what == ENTRY:
            await self._fabric.remotes.look_again(drift.name)
            expected = self._expectation.at_home(drift.name)
            await self._make(drift.what, await self._fabric.kernel.missing(expected))
        elif drift.what == RULES:
            rules = self._expectation.rules_of(drift.name)
            if rules:
                _log.warning("repairing", extra={"reason": drift.what, "missing": f"rules in {drift.name}"})
                await self._fabric.kernel.attempt(rules)
            elif not self._expectation.is_self_governed(drift.name):
                await self._fabric.upkeep.sandbox(drift.name)

    def _concerns_us(self, drift: Drift) -> bool:
        """Whether a link has to be there; what we took away ourselves goes down before it goes."""
        if drift.what == "link-new":
            return True
        if drift.what == "link-cut":
            return any(endpoint.host_ifname == drift.name for endpoint in self._state.endpoints.values())
        return any(getattr(operation, "name", "") == drift.name for operation in self._expectation.operations())

    async def close(self) -> None:
        if self._repairing is not None:
            self._repairing.cancel()
            await asyncio.gather(self._repairing, return_exceptions=True)


def _home(operation: Operation) -> str:
    """The namespace in which its effect is seen."""
    return operation.peer_ns if isinstance(operation, AddMacvlan) else operation.ns


def _summary(missing: Iterable[Operation]) -> list[str]:
    """What is missing, in a few words each."""
    words = []
    for operation in missing:
        subject = getattr(operation, "name", "") or getattr(operation, "link", "") or getattr(operation, "path", "")
        words.append(f"{type(operation).__name__} {subject}")
    return list(dict.fromkeys(words))
