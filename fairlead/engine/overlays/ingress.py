"""The node's own end of the routing mesh: a sandbox on the ingress network and on `docker_gwbridge`.

It is a sandbox like any container's, that of a container which does not exist: it is leased, wired, written down and
found again after a restart of the daemon by the same code. The ports of the mesh are published ports of its leg on
`docker_gwbridge`; where each leads is the affair of its own table.

A port that a container of this host shows already is left to it; the mesh takes it as soon as it is told of that port
again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from fairlead.core.balance import mesh, near
from fairlead.core.balance.mesh_roster import Mesh, News
from fairlead.core.balance.service import Entrance, MeshKey, Turnover
from fairlead.core.balance.ways import FAMILY, NAME
from fairlead.engine import records
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.publish import holds
from fairlead.engine.sandboxes import egress
from fairlead.engine.sandboxes.sandboxes import Sandboxes
from fairlead.engine.sandboxes.start import SandboxStart
from fairlead.model.attachment import Attachment
from fairlead.model.container import Container, ContainerSpec
from fairlead.model.endpoint import Endpoint, EndpointSpec, PublishedPort
from fairlead.model.errors import Refusal
from fairlead.model.network import Network
from fairlead.model.plan import ChangeRules, Interface, Plan, SetSysctl
from fairlead.model.ruleset import Transaction
from fairlead.model.sandbox import INGRESS, Sandbox

_EVERYWHERE = (IPv4Address(0), IPv6Address(0))
_NAME = "ingress-endpoint"

_log = logging.getLogger("fairlead.engine.mesh")


class Ingress:
    """One per engine. It is what discovery tells of ports and entrances."""

    def __init__(self, fabric: Fabric, sandboxes: Sandboxes) -> None:
        self._fabric, self._sandboxes = fabric, sandboxes
        self._start = SandboxStart(fabric)
        self._mesh = Mesh()
        self._turn = asyncio.Lock()
        self._furnished, self._told = False, False
        fabric.upkeep.in_sandboxes.append(self._rewrite)
        fabric.upkeep.on_host[near.NAME] = self._rewrite_host
        fabric.balancing.doors.moved = self._follow_legs
        fabric.publisher.mesh = self

    # --- the node's part --------------------------------------------------------------------------

    async def open(self, network: Network, addresses: Iterable[Interface]) -> None:
        """This node has these addresses on the ingress network. Idempotent; other ones make the sandbox anew. One that
        an earlier life of the daemon has left goes on as it is until somebody tells where its ports lead.

        Raises Refusal when the sandbox cannot be made."""
        async with self._turn:
            wanted = {address.ip for address in addresses}
            found = self._endpoint(network.id)
            if found is None or {address.ip for address in found.addresses} != wanted:
                await self._sandboxes.stop(INGRESS)
                await self._make(network, wanted)
                await self._furnish()
            elif self._told and not self._furnished:
                await self._furnish()

    async def close(self) -> None:
        """This node has no end of the mesh any more (it left the swarm, or the ingress network is gone)."""
        async with self._turn:
            await self._sandboxes.stop(INGRESS)
            self._furnished = False
            gone = Transaction(FAMILY, near.NAME, destroy=True)
            await self._fabric.kernel.attempt(Plan((ChangeRules(gone),)))

    async def _make(self, network: Network, addresses: Iterable[IPv4Address | IPv6Address]) -> None:
        by_version = {address.version: str(address) for address in addresses}
        wish = Attachment(network.name, EndpointSpec(by_version.get(4, ""), by_version.get(6, "")), network.id)
        placed = ((wish, network), (egress.WISH, egress.network(self._fabric.state)))
        async with self._fabric.turns.of(INGRESS):
            await self._start.run(_stand_in(), placed)
        self._furnished = False

    async def _rewrite(self, sandbox: Sandbox) -> None:
        """Somebody else has changed the sandbox's tables."""
        async with self._turn:
            if sandbox.container_id == INGRESS and self._furnished:
                await self._write(sandbox)

    async def _rewrite_host(self) -> None:
        """Somebody else has changed the host's table."""
        async with self._turn:
            sandbox = self._fabric.state.sandboxes.get(INGRESS)
            if sandbox is not None and self._furnished:
                await self._write_host(sandbox)

    async def _furnish(self) -> None:
        sandbox = self._fabric.state.sandboxes[INGRESS]
        await self._write_host(sandbox)
        await self._write(sandbox)
        self._furnished = True
        await self._publish(self._mesh.shown)

    async def _write(self, sandbox: Sandbox) -> None:
        """All that it leads by, in place of whatever stands there."""
        inner, outer = self._legs(sandbox)
        table = mesh.ingress_table(outer.ifname, inner.ifname)
        written = Transaction(table.family, table.name, replace=table, add=tuple(self._mesh.elements(_phase(sandbox))))
        paths = ["net/ipv4/ip_forward", *(["net/ipv6/conf/all/forwarding"] if sandbox.ipv6 else [])]
        forwards = (SetSysctl(path, "1", sandbox.ns) for path in paths)
        await self._fabric.kernel.apply(Plan((ChangeRules(written, sandbox.ns), *forwards)))
        self._fabric.kernel.guard(sandbox.ns, NAME)

    async def _write_host(self, sandbox: Sandbox) -> None:
        """All that the host leads to tasks of its own by, in place of whatever stands there."""
        if near.FEATURE not in self._fabric.host.facts.features:
            return
        _, outer = self._legs(sandbox)
        own = near.sandbox_elements(address.ip for address in outer.addresses)
        elements = (*own, *self._mesh.host_elements(_phase(sandbox)))
        written = Transaction(FAMILY, near.NAME, replace=near.table(), add=elements)
        await self._fabric.kernel.apply(Plan((ChangeRules(written),)))

    def _endpoint(self, network_id: str) -> Endpoint | None:
        if INGRESS not in self._fabric.state.sandboxes:
            return None
        endpoints = self._fabric.state.endpoints_of(INGRESS)
        return next((endpoint for endpoint in endpoints if endpoint.network_id == network_id), None)

    def _legs(self, sandbox: Sandbox) -> tuple[Endpoint, Endpoint]:
        """The one on the ingress network, and the one on docker_gwbridge."""
        inner, outer = sorted(self._fabric.state.endpoints_of(sandbox.container_id), key=lambda each: each.egress)
        return inner, outer

    # --- what discovery tells ---------------------------------------------------------------------

    async def entrances(self, nodes: Mapping[str, Entrance]) -> None:
        """All nodes' ends of the mesh, this one's included: each time all of them."""
        await self._fabric.balancing.doors.entrances(nodes.values())

    async def mesh(self, told: Mapping[MeshKey, News]) -> None:
        """These ports are shown by this node and lead there from now on; None: no longer shown."""
        await self._fabric.balancing.doors.services(told)
        async with self._turn:
            self._told = True
            sandbox = await self._change(told)
            if sandbox is None:
                return
            if not self._furnished:
                await self._furnish()
            if whole := [key for key, news in told.items() if not isinstance(news, Turnover)]:
                await self._publish(whole)

    async def _follow_legs(self) -> None:
        """Tasks of this node are reached otherwise than before."""
        async with self._turn:
            await self._change({})

    async def _change(self, told: Mapping[MeshKey, News]) -> Sandbox | None:
        """Take it up, and carry it out where the tables are known. Returns the sandbox, if there is one."""
        sandbox = self._fabric.state.sandboxes.get(INGRESS)
        can = near.FEATURE in self._fabric.host.facts.features
        legs = self._fabric.balancing.doors.legs() if can else {}
        change = self._mesh.change(told, legs, _phase(sandbox) if sandbox else 0)
        if sandbox is not None and self._furnished and change:
            if change.host is None:
                await self._write_host(sandbox)
            inside = ChangeRules(change.sandbox.transaction(_phase(sandbox)), sandbox.ns)
            host = ChangeRules(change.host) if change.host else None
            rules = (each for each in (host, inside) if each is not None and each.transaction)
            await self._fabric.kernel.apply(Plan((*rules, *change.flows)))
        return sandbox

    async def complete(self) -> None:
        """All ports that are shown anywhere have been told since the start: what an earlier life showed beyond them is
        out of date."""
        async with self._turn:
            self._told = True
            sandbox = self._fabric.state.sandboxes.get(INGRESS)
            if sandbox is None:
                return
            if not self._furnished:
                await self._furnish()
            _, outer = self._legs(sandbox)
            shown = {port for key in self._mesh.shown for port in _published(key)}
            await self._withdraw(outer, [port for port in outer.published if port not in shown])

    # --- ports of this host -----------------------------------------------------------------------

    async def _publish(self, told: Iterable[MeshKey]) -> None:
        """Show what there is to show and is not shown, and stop showing what was told to be gone. After a restart what
        was not told of yet is left as it is."""
        _, outer = self._legs(self._fabric.state.sandboxes[INGRESS])
        wanted = {port for key in self._mesh.shown for port in _published(key) if self._is_ours(port)}
        concerned = {port for key in told for port in _published(key)}
        outer = await self._withdraw(outer, [port for port in outer.published if port in concerned - wanted])
        kept = outer.published
        owners = {port: service for key, service in self._mesh.shown.items() for port in _published(key)}
        for port in kept:
            self._fabric.host_ports.take(outer.id, [port], _note(owners.get(port, "")))
        new = await self._held(outer, {port: owners[port] for port in sorted(wanted - set(kept), key=str)})
        if new:
            await self._fabric.kernel.attempt(self._fabric.wiring.publish(replace(outer, published=tuple(new))))
            await self._fabric.publisher.carry(outer, new)
            await self._keep(replace(outer, published=(*kept, *new)))

    async def give_way(self, ports: Collection[int], service: str) -> None:
        """Show these of the service's ports no more: a task of its own is to have them on this node."""
        async with self._turn:
            if INGRESS not in self._fabric.state.sandboxes:
                return
            _, outer = self._legs(self._fabric.state.sandboxes[INGRESS])
            own = {port for key, name in self._mesh.shown.items() if name == service for port in _published(key)}
            await self._withdraw(outer, [one for one in outer.published if one.host_port in ports and one in own])

    async def _withdraw(self, outer: Endpoint, gone: Sequence[PublishedPort]) -> Endpoint:
        """Show these no more; what the endpoint is then."""
        if not gone:
            return outer
        await self._fabric.kernel.attempt(self._fabric.wiring.unpublish(replace(outer, published=tuple(gone))))
        await self._fabric.publisher.withdraw(outer.id, gone)
        left = replace(outer, published=tuple(port for port in outer.published if port not in gone))
        await self._keep(left)
        return left

    async def _keep(self, outer: Endpoint) -> None:
        await self._fabric.store.commit([records.put(outer)])
        self._fabric.state.put_endpoint(outer)

    def _is_ours(self, port: PublishedPort) -> bool:
        """Whether it is an address of this node at which the port is to be shown."""
        return port.host_ip.is_unspecified or port.host_ip in self._fabric.host.facts.addresses

    async def _held(self, outer: Endpoint, ports: Mapping[PublishedPort, str]) -> list[PublishedPort]:
        """Those of the ports, each a service's, that are this host's to give."""
        held = []
        for port, service in ports.items():
            if self._fabric.host_ports.overlapping(port):
                words = "port %d/%s of service %s is not shown here: a container has it"
                _log.error(words, port.host_port, port.protocol, service)
                continue
            try:
                await self._fabric.ports.hold(holds([port]))
            except Refusal as refusal:
                _log.error("a port of service %s is not shown here: %s", service, refusal.message)
                continue
            self._fabric.host_ports.take(outer.id, [port], _note(service))
            held.append(port)
        return held


def _phase(sandbox: Sandbox) -> int:
    """Where the node begins to take turns: a number of its own that stays."""
    return int(sandbox.id[:8], 16)


def _note(service: str) -> str:
    return f"by service {service}, on every node of the swarm" if service else ""


def _published(key: MeshKey) -> Iterable[PublishedPort]:
    """The host's side of a port: the sandbox has it under the same number."""
    addresses = (ip_address(key.host_ip),) if key.host_ip else _EVERYWHERE
    return (PublishedPort(key.published, key.protocol, address, key.published) for address in addresses)


def _stand_in() -> Container:
    """What the sandbox is made for: nobody."""
    return Container(INGRESS, _NAME, 0, ContainerSpec(image=""), "", ())
