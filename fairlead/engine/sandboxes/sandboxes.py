"""Sandboxes: a container's whole network, from its namespace to the names it answers to.

What a container wants (its attachments) outlives its runs; a sandbox and its endpoints exist while it runs. Verbs on
the sandbox of one container take turns; those of different containers meet only in the kernel's queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address

from fairlead.engine import journal, records
from fairlead.engine.blame import blamed
from fairlead.engine.fabric.etc import Written
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.legacy_links import Link
from fairlead.engine.sandboxes import egress
from fairlead.engine.sandboxes.change import SandboxChange
from fairlead.engine.sandboxes.lease import SandboxLease
from fairlead.engine.sandboxes.linking import Linking
from fairlead.engine.sandboxes.start import Placed, SandboxStart
from fairlead.engine.sandboxes.stop import SandboxStop
from fairlead.engine.sandboxes.views import NetworkSettingsView, NetworkView, StartedSandbox
from fairlead.engine.sandboxes.wishes import DEFAULT_BRIDGE, check_conflicts, check_endpoint, first_attachments, mode_of
from fairlead.model.attachment import Attachment, Attachments
from fairlead.model.change import Change, Delete
from fairlead.model.container import Container
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.errors import Conflict, Failed, NotFound, Refusal
from fairlead.model.network import Address, Network
from fairlead.model.sandbox import Sandbox

SETTING_UP = "failed to set up container networking: "
_SOME_GATEWAY = (IPv4Address("127.0.0.1"),)


class Sandboxes:
    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._state = fabric.state
        self._start = SandboxStart(fabric)
        self._stop = SandboxStop(fabric)
        self._change = SandboxChange(fabric)
        self._linking = Linking(fabric)
        self._views: dict[str, tuple[object, NetworkSettingsView]] = {}
        self._lease = SandboxLease(fabric)

    # --- what a container wants -------------------------------------------------------------------

    def check(self, container: Container) -> None:
        """Check everything a container wants of the network; changes nothing.

        Raises `Refusal` with Docker's words for conflicting options, bad addresses and missing links.
        """
        check_conflicts(container.spec.network)
        for wish in self.attachments(container).wishes:
            network = self._state.find_network(wish.network)
            if not container.spec.task_id:
                with blamed(f"invalid config for network {wish.network}: "):
                    check_endpoint(wish.spec, network)
        self._linking.check(container)
        self._fabric.etc.extra_lines(container, self._host_gateway() or _SOME_GATEWAY)
        self._fabric.etc.wishes(container)

    def attachments(self, container: Container) -> Attachments:
        """What the container wants now, with networks by name as far as they exist."""
        known = self._state.attachments.get(container.id)
        if known is not None:
            return known
        first = first_attachments(container)
        return replace(first, wishes=tuple(replace(wish, network=self._name(wish.network)) for wish in first.wishes))

    def _name(self, reference: str) -> str:
        try:
            return self._state.network(reference).name
        except NotFound:
            return reference

    # --- verbs ------------------------------------------------------------------------------------

    async def start(self, container: Container) -> StartedSandbox:
        """Make the sandbox of a container that is about to run.

        When this returns, addresses are leased, interfaces up, ports published, names answer, and the three files
        under `<data_root>/containers/<id>` are written. On failure nothing is left. Raises `Refusal`
        with the prefix "failed to set up container networking: ".
        """
        mode = mode_of(container.spec.network)
        if mode.container:
            return self._join(mode.container, container.id)
        async with self._fabric.turns.of(container.id):
            links = self._linking.resolve(container)
            with blamed(SETTING_UP):
                async with self._placed(container) as placed:
                    sandbox, endpoints = await self._start.run(container, placed)
            await self._fabric.kernel.attempt(self._linking.opened(container))
            written = self._write_files(container, sandbox, endpoints, links)
        for wish, network in placed:
            if not wish.egress:
                self._fabric.announce(network, "connect", container=container.id)
        return _started(sandbox, written, _environment(links))

    async def forget_link(self, container: Container, alias: str) -> None:
        """Take a link out of a running container's hosts file, and shut its doors: `reopen_links` opens the others."""
        if container.state.running:
            with suppress(Refusal):
                gone = [link for link in self._linking.resolve(container) if link.alias == alias]
                self._fabric.etc.drop_links(container, gone)
            await self._fabric.kernel.attempt(self._linking.closed(container))

    async def reopen_links(self, container: Container) -> None:
        if container.state.running:
            await self._fabric.kernel.attempt(self._linking.opened(container))

    def linked_names(self) -> dict[str, list[str]]:
        """What containers are called by those that are linked to them ("parent/alias"), by id."""
        return self._linking.names()

    def link_environment(self, container: Container) -> tuple[str, ...]:
        """The variables that `--link` gives a container now. Raises `Failed` when a linked one does not run."""
        return _environment(self._linking.resolve(container))

    async def settled(self, container: Container) -> None:
        """Returns when no interface of a network that was disconnected is left where the container runs."""
        await self._change.settled(container.sandbox)

    async def stop(self, container_id: str) -> None:
        """Take everything of a container's sandbox away again. Idempotent; only the store can refuse."""
        async with self._fabric.turns.of(container_id):
            sandbox = self._state.sandboxes.get(container_id)
            if sandbox is None:
                return
            container = self._state.containers.get(container_id)
            if container is not None:
                await self._fabric.kernel.attempt(self._linking.closed(container))
            endpoints = await self._stop.run(sandbox)
            self._change.forget(sandbox)
            wanted = self._state.attachments.get(container_id, Attachments(container_id))
            self._fabric.lodgings.leave(wanted.wishes)
        for endpoint in endpoints:
            network = self._state.networks.get(endpoint.network_id)
            if network is not None and not endpoint.egress:
                self._fabric.announce(network, "disconnect", container=container_id)

    async def rename(self, container: Container) -> None:
        """The container (already renamed in the state) answers to its new name at once."""
        async with self._fabric.turns.of(container.id):
            before = self._state.endpoints_of(container.id)
            old = next((endpoint.name for endpoint in before if not endpoint.egress), "")
            renamed = [_renamed(endpoint, old, container.name) for endpoint in before if not endpoint.egress]
            await self._fabric.store.commit([records.put(endpoint) for endpoint in renamed])
            for endpoint in renamed:
                self._state.put_endpoint(endpoint)
            if renamed:
                self._fabric.resolvers.know(self._state.sandboxes[container.id], renamed, renamed)

    def removal(self, container_id: str) -> list[Change]:
        """What to commit together with the removal of the container's own document."""
        self._state.attachments.pop(container_id, None)
        self._views.pop(container_id, None)
        return [Delete(records.kind_of(Attachments), container_id)]

    async def connect(self, container: Container, wish: Attachment, network: Network) -> None:
        """Put a container on a network: at once if it has a sandbox, else from its next start."""
        async with self._fabric.turns.of(container.id):
            wanted = self.attachments(container)
            if container.id in self._state.sandboxes:
                endpoint = await self._change.connect(container, wanted, wish, network)
                await self._keep_way_out(container)
                self._fabric.store.post([journal.settle(endpoint)])
            else:
                await self._want(wanted.put(wish))

    async def finish(self, endpoint: Endpoint) -> None:
        """Of a connection that a crash cut short, what no other step of a boot makes. Raises `Refusal`."""
        container = self._state.containers[endpoint.container_id]
        async with self._fabric.turns.of(container.id):
            sandbox = self._state.sandboxes[container.id]
            await self._fabric.kernel.apply(self._fabric.resolvers.guide(sandbox))
            self._fabric.etc.add_lines(container, endpoint)
            await self._keep_way_out(container)

    async def disconnect(self, container: Container, network: Network) -> bool:
        """Take a container off a network; False when it was not on it."""
        async with self._fabric.turns.of(container.id):
            wanted = self.attachments(container)
            endpoints = [item for item in self._state.endpoints_of(container.id) if not item.egress]
            endpoint = next((item for item in endpoints if item.network_id == network.id), None)
            if endpoint is not None:
                await self._change.disconnect(container, wanted.without(network.name), endpoint)
                await self._keep_way_out(container)
                self._fabric.lodgings.leave(wish for wish in wanted.wishes if wish.network == network.name)
            elif wanted.find(network.name) is not None and container.id not in self._state.sandboxes:
                await self._want(wanted.without(network.name))
            else:
                return False
            return True

    async def complete(self, container: Container) -> None:
        """Do what the last daemon may have left undone of a container that runs: its way out."""
        async with self._fabric.turns.of(container.id):
            if container.id in self._state.sandboxes:
                await self._keep_way_out(container)

    async def _keep_way_out(self, container: Container) -> None:
        """The networks of a running container changed: bring or take the leg that leads outside besides."""
        endpoints, wanted = self._state.endpoints_of(container.id), self.attachments(container)
        leg = next((endpoint for endpoint in endpoints if endpoint.egress), None)
        others = (self._state.networks[endpoint.network_id] for endpoint in endpoints if not endpoint.egress)
        if egress.needed(others):
            if leg is None:
                leg = await self._change.connect(container, wanted, egress.WISH, egress.network(self._state))
                self._fabric.store.post([journal.settle(leg)])
        elif leg is not None:
            await self._change.disconnect(container, wanted, leg)

    async def _want(self, wanted: Attachments) -> None:
        await self._fabric.store.commit([records.put(wanted)])
        self._state.attachments[wanted.id] = wanted

    # --- parts of start ---------------------------------------------------------------------------

    @asynccontextmanager
    async def _placed(self, container: Container) -> AsyncIterator[Placed]:
        """Each wish with its network; places on the swarm's are given back if the body fails. Without a default bridge,
        containers that would be on it are on none."""
        placed: list[tuple[Attachment, Network]] = []
        try:
            for wish in self.attachments(container).wishes:
                if wish.network != DEFAULT_BRIDGE or self._state.find_network(DEFAULT_BRIDGE) is not None:
                    placed.append(await self._fabric.lodgings.take(container, wish))
            if egress.needed(network for _, network in placed):
                placed.append((egress.WISH, egress.network(self._state)))
            yield placed
        except BaseException:
            self._fabric.lodgings.leave(wish for wish, _ in placed)
            raise

    def _join(self, reference: str, joining: str) -> StartedSandbox:
        """The sandbox of another container, which must run."""
        with blamed("joining network namespace of container: "):
            try:
                owner = self._state.container(reference)
            except NotFound as missing:
                raise Failed(missing.message) from missing
            if owner.id == joining:
                raise Failed("cannot join own network namespace")
        if not owner.state.running:
            raise Conflict(
                "cannot join network namespace of a non running container: "
                f"container {owner.name} is {owner.state.status}"
            )
        mode = mode_of(owner.spec.network)
        if mode.container:
            return self._join(mode.container, joining)
        sandbox = self._state.sandboxes[owner.id]
        return _started(sandbox, self._fabric.etc.written(owner, shared=not sandbox.ns))

    def _write_files(
        self, container: Container, sandbox: Sandbox, endpoints: list[Endpoint], links: list[Link]
    ) -> Written:
        etc, setting = self._fabric.etc, self._fabric.resolvers.setting(sandbox, endpoints)
        lines = [
            *etc.extra_lines(container, self._host_gateway()),
            *etc.linked_lines(links),
            *etc.own_lines(container, endpoints),
        ]
        return etc.write(container, setting, lines, etc.resolv_conf(container, setting, sandbox.ipv6))

    def _host_gateway(self) -> tuple[Address, ...]:
        """What `host-gateway` stands for: the default bridge's own addresses."""
        bridge = self._state.find_network(DEFAULT_BRIDGE)
        return tuple(pool.gateway for pool in bridge.pools if pool.gateway) if bridge else ()

    # --- what is shown ----------------------------------------------------------------------------

    def settings(self, container: Container) -> NetworkSettingsView:
        """What inspect and ls show of the container's networks."""
        endpoints = tuple(self._state.endpoints_of(container.id))
        networks = tuple([self._state.networks[item.network_id] for item in endpoints])
        wanted, sandbox = self.attachments(container), self._state.sandboxes.get(container.id)
        # Comparing is quick: what did not change is the same object.
        shown = container, wanted, sandbox, endpoints, networks
        known = self._views.get(container.id)
        if known is None or known[0] != shown:
            known = self._views[container.id] = shown, self._describe(container, wanted, sandbox, endpoints)
        return known[1]

    def _describe(
        self, container: Container, wanted: Attachments, sandbox: Sandbox | None, endpoints: Sequence[Endpoint]
    ) -> NetworkSettingsView:
        by_name = {self._state.networks[item.network_id].name: item for item in endpoints}
        views = [_view(wish, by_name.get(wish.network)) for wish in wanted.wishes]
        return NetworkSettingsView(
            sandbox_id=sandbox.id if sandbox else "",
            sandbox_key=(sandbox.ns or self._host_key()) if sandbox else "",
            networks=tuple(views),
            ports=self._ports(container, endpoints),
            default_bridge=by_name.get(DEFAULT_BRIDGE),
        )

    def _host_key(self) -> str:
        return str(self._fabric.config.netns_dir / "default")

    def _ports(
        self, container: Container, endpoints: Sequence[Endpoint]
    ) -> Mapping[str, tuple[PublishedPort, ...] | None]:
        """Exposed ports with where they are published; none for a container whose networks publish nothing."""
        carrier = self._fabric.wiring.carrier(endpoints)
        if carrier is None:
            return {}
        shown: dict[str, tuple[PublishedPort, ...] | None] = dict.fromkeys(container.exposed)
        for port in carrier.published:
            key = f"{port.container_port}/{port.protocol}"
            shown[key] = (*(shown.get(key) or ()), port)
        return shown


def _environment(links: Iterable[Link]) -> tuple[str, ...]:
    return tuple(line for link in links for line in link.environment())


def _started(sandbox: Sandbox, written: Written, link_env: tuple[str, ...] = ()) -> StartedSandbox:
    return StartedSandbox(
        sandbox_id=sandbox.id,
        netns_path=sandbox.ns,
        hosts_path=written.hosts,
        hostname_path=written.hostname_path,
        resolv_conf_path=written.resolv_conf,
        hostname=written.hostname,
        domainname=written.domainname,
        link_env=link_env,
    )


def _renamed(endpoint: Endpoint, old: str, new: str) -> Endpoint:
    names = tuple(dict.fromkeys(new if name == old else name for name in endpoint.names))
    return replace(endpoint, name=new, names=names)


def _view(wish: Attachment, endpoint: Endpoint | None) -> NetworkView:
    names = (endpoint.names if endpoint else wish.names) or None
    network_id = endpoint.network_id if endpoint else wish.network_id
    return NetworkView(wish.network, network_id, wish.spec, wish.typed, endpoint, names)
