"""An engine's networking with real hands in a namespace of its own, which can die at any step and be started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.core.dhcp.client import Client
from fairlead.core.dns.forward import Forwarder
from fairlead.core.drivers.names import owner_of
from fairlead.core.firewall.table import FAMILY, NAME, host_table
from fairlead.effects.clock import SystemClock, SystemEntropy
from fairlead.effects.etc_files import EtcFiles
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.pool import NamespacePool
from fairlead.effects.kernel.ports import HostPorts
from fairlead.effects.kernel.reaper import DOOMED
from fairlead.effects.store.sqlite import SqliteStore
from fairlead.effects.wire.dhcp import DhcpClients
from fairlead.effects.wire.dns import DnsServer
from fairlead.engine import records
from fairlead.engine.engine import Engine
from fairlead.engine.fabric.expectation import Expectation
from fairlead.engine.fabric.resolvers import rules_ahead
from fairlead.engine.networks.default import DefaultNetworks
from fairlead.engine.reconcile import Reconcile
from fairlead.engine.world import World
from fairlead.model.config import DaemonConfig
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint, EndpointSpec
from fairlead.model.event import Event
from fairlead.model.network import NetworkSpec, PoolRequest
from fairlead.model.observed import ObservedLink
from fairlead.model.plan import Plan
from fairlead.model.ruleset import Element
from tests.engine import builders

OWNER = "fairlead-house"
PATIENCE = 30.0
HANDS = ("commit", "write", "apply", "attempt", "take", "release", "hold", "splice", "open")
"""The calls at which a daemon can die: before or after each of them the world is another."""


class Killed(Exception):  # noqa: N818 - that is what happened to it
    """The daemon died here."""


class Fuse:
    """Counts calls of hands, and when the time has come lets this and every later one fail."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.after = False
        self.burnt = False

    def set(self, calls: int, after: bool) -> None:
        """Die at call number `calls` (from 0), `after` or before it has had its effect."""
        self.left, self.after, self.burnt = calls, after, False

    def due(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left == -1

    def check(self) -> None:
        if self.burnt:
            raise Killed


class Mortal:
    """A hand whose calls end when the fuse has burnt; everything else is the hand's."""

    def __init__(self, hand: Any, fuse: Fuse) -> None:
        self._hand, self._fuse = hand, fuse

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._hand, name)
        if name not in HANDS:
            return attribute
        if name == "open":
            return self._plain(attribute)
        return self._planned(attribute) if name in ("apply", "attempt") else self._awaited(attribute)

    def _awaited(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def mortal(*args: Any, **options: Any) -> Any:
            last = self._before()
            result = await call(*args, **options)
            return self._after(last, result)

        return mortal

    def _planned(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """What is written before the plan is a step of its own."""

        async def mortal(plan: Plan, first: Callable[[], None] | None = None) -> Any:
            if first is not None:
                last = self._before()
                first()
                self._after(last, None)
            last = self._before()
            return self._after(last, await call(plan))

        return mortal

    def _plain(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*args: Any) -> Any:
            last = self._before()
            return self._after(last, call(*args))

        return mortal

    def _before(self) -> bool:
        self._fuse.check()
        last = self._fuse.due()
        if last and not self._fuse.after:
            self._fuse.burnt = True
            raise Killed
        return last

    def _after(self, last: bool, result: Any) -> Any:
        if last:
            self._fuse.burnt = True
            raise Killed
        self._fuse.check()
        return result


class House:
    def __init__(self, root: Path, **config: Any) -> None:
        self.root = root
        self.config = DaemonConfig(
            hosts=(), data_root=root / "data", exec_root=root / "exec", hostname="node1", **config
        )
        self.fuse = Fuse()
        self.events: list[Event] = []

    # --- life of the daemon -----------------------------------------------------------------------

    async def start(self) -> None:
        self.fuse = Fuse()
        self._store = SqliteStore(self.config.data_root / "state.db")
        self._parts = (LinuxKernel(OWNER), NamespacePool(self.config.netns_dir, 2, rules_ahead), HostPorts())
        for part in self._parts:
            await part.start()
        self.kernel, self.namespaces, self.ports = self._parts
        self.dns = DnsServer(Forwarder(SystemEntropy().number))
        world = World(
            clock=SystemClock(),
            entropy=SystemEntropy(),
            store=Mortal(self._store, self.fuse),
            kernel=Mortal(self.kernel, self.fuse),
            namespaces=Mortal(self.namespaces, self.fuse),
            ports=Mortal(self.ports, self.fuse),
            etc=EtcFiles(self.config.data_root / "containers"),
            name_server=Mortal(self.dns, self.fuse),
            leases=DhcpClients(lambda request, now, lease: Client(request, SystemEntropy().number, now, lease)),
        )
        self.engine = Engine(self.config, world)
        publish = self.engine.events.publish

        def heard(event: Event) -> None:
            self.events.append(event)
            publish(event)

        self.engine.events.publish = heard  # type: ignore[method-assign]
        self.state, self.fabric = self.engine.state, self.engine.fabric
        self.networks, self.sandboxes = self.engine.networks, self.engine.sandboxes
        documents = world.store.load()
        self.state.load(documents)
        self.overlays = self.engine.overlays
        self.overlays.load_state(documents)
        self.reconcile = Reconcile(self.fabric, self.sandboxes)
        await self.reconcile.prepare(documents)
        await DefaultNetworks(self.fabric, self.networks).ensure()
        await self.reconcile.complete()
        await self.overlays.resume()
        await self.reconcile.look_inside()

    async def die(self) -> None:
        """What the end of a process takes with it: its sockets and threads, and nothing else."""
        await self.reconcile.close()
        await self.overlays.close()
        for sandbox_id in list(self.dns._sandboxes):
            self.dns.close(sandbox_id)
        if self.fuse.burnt:
            self._store._posted.clear()
        for part in reversed(self._parts):
            await part.close()
        self._store.close()

    async def restart(self) -> None:
        await self.die()
        await self.start()

    async def close(self) -> None:
        """Take everything away, however the test ended."""
        if self.fuse.burnt:
            await self.restart()
        for container_id in list(self.state.sandboxes):
            await self.sandboxes.stop(container_id)
        await self.die()

    # --- verbs ------------------------------------------------------------------------------------

    async def network(self, name: str, subnet: str = "", **spec: Any) -> str:
        pools = (PoolRequest(subnet),) if subnet else ()
        network_id, _ = await self.networks.create(NetworkSpec(name, pools=pools, **spec))
        return network_id

    async def add(self, container: Container) -> Container:
        """A container that exists and does not run."""
        self.sandboxes.check(container)
        await self._store.commit([records.put(container)])
        self.state.put_container(container)
        return container

    async def run(self, name: str = "web", mode: str = "default", **network: Any) -> Container:
        """A container that runs, as far as the network is concerned."""
        container = self.state.find_container(name) or await self.add(builders.container(name, mode, **network))
        started = await self.sandboxes.start(container)
        state = replace(container.state, status="running", pid=1)
        running = replace(container, state=state, sandbox=started.sandbox_id, netns=started.netns_path)
        await self._store.commit([records.put(running)])
        self.state.put_container(running)
        return running

    async def stop(self, name: str) -> None:
        container = self.state.container(name)
        stopped = replace(container, state=replace(container.state, status="exited", pid=0), sandbox="", netns="")
        await self._store.commit([records.put(stopped)])
        self.state.put_container(stopped)
        await self.sandboxes.stop(container.id)

    async def rename(self, old: str, new: str) -> None:
        renamed = replace(self.state.container(old), name=new)
        await self._store.commit([records.put(renamed)])
        self.state.put_container(renamed)
        await self.sandboxes.rename(renamed)

    async def connect(self, network: str, container: str, **spec: Any) -> None:
        await self.networks.connect(network, container, EndpointSpec(**spec), typed=True)

    async def disconnect(self, network: str, container: str) -> None:
        await self.networks.disconnect(network, container, force=False)

    def endpoint(self, container: str, network: str) -> Endpoint:
        found, wanted = self.state.endpoints_of(self.state.container(container).id), self.state.network(network)
        return next(endpoint for endpoint in found if endpoint.network_id == wanted.id)

    def ns(self, container: str) -> str:
        return self.state.sandboxes[self.state.container(container).id].ns

    # --- the law ----------------------------------------------------------------------------------

    async def check(self) -> None:
        """Kernel, state and store say the same, and nothing is left over or leased twice."""
        expectation = Expectation(self.fabric)
        await self.fabric.host.look()
        assert not await self.kernel.missing(expectation.operations())
        sandboxes = [sandbox.ns for sandbox in self.state.sandboxes.values() if sandbox.ns]
        assert sorted(await self.namespaces.existing()) == sorted([*sandboxes, *expectation.namespaces()])
        await self._check_links()
        await self._check_elements(expectation)
        leased = [(item.network_id, address) for item in self.state.endpoints.values() for address in item.addresses]
        assert len(leased) == len(set(leased))
        self._store.begin(()).now()  # after all that was asked for before
        assert not [kind for kind, found in self._store.load().items() if kind.startswith("intended-") and found]
        assert not self.state.claimed_endpoints
        assert not self.state.claimed_networks

    async def _check_links(self) -> None:
        """Doomed links are gone within a moment."""
        async with asyncio.timeout(PATIENCE):
            while left := await self._left_over():
                assert all(link.group == DOOMED for link in left), [link.name for link in left]
                await asyncio.sleep(0.01)

    async def _left_over(self) -> list[ObservedLink]:
        existing = {*self.state.networks, *self.state.endpoints}
        tagged = ((link, owner_of(OWNER, link.alias)) for link in await self.kernel.links())
        return [link for link, owned in tagged if owned is not None and owned.id not in existing]

    async def _check_elements(self, expectation: Expectation) -> None:
        networks = self.state.networks.values()
        expected = {key for network in networks for key in map(_key, expectation.of_network(network).elements)}
        there = set()
        for listed in host_table(self.fabric.host.facts.features).sets:
            if not listed.name.startswith(("local", "held")):
                there |= {_key(element) for element in await self.kernel.elements(FAMILY, NAME, listed.name) or ()}
        assert there == expected

    def said(self, action: str) -> Iterator[str]:
        """Names of the networks that events with this action were about."""
        return (event.attributes["name"] for event in self.events if event.action == action)


def _key(element: Element) -> tuple[object, ...]:
    return element.set, element.key, element.data
