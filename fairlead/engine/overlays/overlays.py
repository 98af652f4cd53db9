"""Swarm networks on this host: known here while a container of this host is on them, and where the others' lie.

The swarm decides about networks and addresses; what it says is kept (a network as an ordinary `Network` of scope
swarm, the underlay as a document), so that after a restart everything stands before the swarm is heard again. The
remote endpoints are not kept: discovery tells them anew, and until it has told all of them (`told`), what the kernel
forwards to stays as it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fairlead.core.drivers import overlay_options, overlay_underlay
from fairlead.core.drivers.contract import Neighbourhood
from fairlead.core.drivers.registry import DRIVERS
from fairlead.engine import records
from fairlead.engine.fabric.encryption import Secured
from fairlead.engine.fabric.expectation import Expectation
from fairlead.engine.fabric.fabric import Fabric
from fairlead.engine.fabric.upkeep import written_anew
from fairlead.engine.networks.networks import Networks
from fairlead.engine.overlays.path_mtu import Paths
from fairlead.engine.sandboxes import egress
from fairlead.model.change import Delete, Put
from fairlead.model.discovery import Presence
from fairlead.model.errors import Conflict, Failed, Refusal
from fairlead.model.host import Underlay
from fairlead.model.network import SWARM, Address, Network
from fairlead.model.plan import HOST, ChangeRules, DelLink, Plan
from fairlead.model.ruleset import Element, Key, Transaction

if TYPE_CHECKING:
    from fairlead.model.swarm.cluster import EncryptionKey
    from fairlead.model.swarm.network import SwarmNetwork

_KIND = "underlay"

_log = logging.getLogger("fairlead.engine.overlay")


@dataclass(frozen=True, slots=True)
class Way:
    """To another node: the largest packet of the underlay that arrives there where that is less than the link takes
    (else 0), and how encryption stands where the network has it."""

    mtu: int
    encryption: Secured | None


class Overlays:
    """One per engine, from its birth. Nothing of it needs a swarm to be there."""

    def __init__(self, fabric: Fabric, networks: Networks) -> None:
        self._fabric, self._networks = fabric, networks
        self._state, self._remotes = fabric.state, fabric.remotes
        self.paths = Paths(fabric.host, self._path_changed)
        self._peers: set[Address] | None = None
        fabric.upkeep.on_host[overlay_underlay.NAME] = self._protect
        self._following: asyncio.Task[None] | None = None
        self._astray = False

    def load_state(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over what the store holds; before anything looks at the host."""
        for document in documents.get(_KIND, {}).values():
            self._fabric.host.underlay = records.decode(Underlay, document)

    async def resume(self) -> None:
        """After the kernel was brought in line at boot: take up what stands there of other nodes' endpoints."""
        await self._remotes.settle(tuple(self._state.networks))

    # --- what the swarm decides -------------------------------------------------------------------

    async def enter(self, data_address: Address, port: int) -> None:
        """This host is in a swarm: its overlay packets arrive at this address and UDP port. Makes `docker_gwbridge`.
        Idempotent; a changed address or port moves every network over."""
        host, wanted = self._fabric.host, Underlay(data_address, port)
        if host.underlay != wanted:
            before, host.underlay = host.underlay, wanted
            await self._fabric.store.commit([Put(_KIND, _KIND, records.encode(wanted))])
            await host.look()
            if before is not None:
                await self._move()
        if self._state.find_network(egress.NAME) is None:
            try:
                await self._networks.create(egress.SPEC)
            except Conflict:
                _log.debug("somebody else makes %s", egress.NAME)

    async def _move(self) -> None:
        """VXLAN devices are bound to their address and port: make them anew."""
        kernel = self._fabric.kernel
        for network in self._present():
            home = DRIVERS[network.driver].namespace(network, self._fabric.host.facts)
            devices = [link.name for link in await kernel.links(home) if link.kind == "vxlan"]
            await kernel.attempt(Plan(tuple(DelLink(device, home) for device in devices)))
            await self._complete(network)
            self._remotes.renew(network)
        await self._remotes.settle([network.id for network in self._overlays()])

    async def _path_changed(self) -> None:
        """Other packets arrive whole at all nodes than did."""
        await self._fabric.host.look()
        for network in self._present():
            await self._complete(network)

    async def _complete(self, network: Network) -> None:
        """Make what has to be there of a network and is not."""
        kernel = self._fabric.kernel
        missing = await kernel.missing(Expectation(self._fabric).of_network(network).operations)
        for fault in await kernel.attempt(Plan(tuple(missing))):
            _log.error("a network was not changed: %s", fault, extra={"network": network.id})

    async def leave(self) -> None:
        """No swarm any more: every swarm network is forgotten, and packets of all peers are refused. Containers of
        users that are still on one lose it."""
        for network in self._overlays():
            await self._vacate(network)
        self._remotes.forget()
        await self._fabric.encryption.end()
        self._peers = None
        self.paths.follow(())
        self._fabric.host.underlay, self._fabric.host.paths = None, {}
        await self._fabric.store.commit([Delete(_KIND, _KIND)])
        await self._fabric.host.look()
        gone = Transaction(overlay_underlay.FAMILY, overlay_underlay.NAME, destroy=True)
        await self._fabric.kernel.attempt(Plan((ChangeRules(gone),)))

    async def _vacate(self, network: Network) -> None:
        """Nothing that goes wrong with one network keeps the others."""
        try:
            for user in self._state.endpoints_on(network.id):
                if user.container_id in self._state.containers:
                    await self._networks.disconnect(network.id, user.container_id, force=True)
            await self.release(network.id)
        except Refusal as refusal:
            _log.error("a network could not be left: %s", refusal.message, extra={"network": network.id})

    async def ensure(self, network: SwarmNetwork, data_address: Address, port: int) -> None:
        """From now on containers can be put on it by its id or name. Idempotent; nothing is in the kernel before its
        first endpoint. Raises Refusal with the reason when this host cannot have such a network."""
        await self.enter(data_address, port)
        wanted = _local(network)
        there = self._state.networks.get(network.id)
        if there == wanted:
            return
        driver = DRIVERS.get(wanted.driver)
        if driver is None or driver.scope != SWARM:
            raise Failed(f"network {wanted.name} has the driver {wanted.driver}, which does not span hosts")
        await self._fabric.host.look()
        for warning in driver.validate(wanted, self._around()):
            _log.warning(warning, extra={"network": wanted.id})
        await self._fabric.store.commit([records.put(wanted)])
        self._state.put_network(wanted)
        self._remotes.known(wanted)
        await self._fabric.encryption.follow()

    async def release(self, network_id: str) -> None:
        """No container of this host is on it any more: it is forgotten and everything of it removed."""
        network = self._state.networks.get(network_id)
        if network is None:
            return
        users = self._state.users_of(network_id)
        if users:
            raise Conflict(f"network {network.name} still has endpoints here: {', '.join(user.name for user in users)}")
        await self._fabric.store.commit([records.delete(network)])
        self._state.drop_network(network_id)
        self._fabric.claims.addresses.forget(network_id)
        plan = DRIVERS[network.driver].remove(network, self._around())
        await self._fabric.encryption.follow()
        for fault in await self._fabric.kernel.attempt(plan):
            _log.error("a network was not wholly removed: %s", fault, extra={"network": network_id})

    def _overlays(self) -> list[Network]:
        return [network for network in self._state.networks.values() if DRIVERS[network.driver].scope == SWARM]

    def _present(self) -> list[Network]:
        """Those that are in the kernel, in namespaces of their own."""
        there = [network for network in self._overlays() if self._state.endpoints_on(network.id)]
        return [each for each in there if DRIVERS[each.driver].namespace(each, self._fabric.host.facts)]

    def _around(self) -> Neighbourhood:
        return Neighbourhood(self._fabric.host.facts, tuple(self._state.networks.values()))

    # --- whom to trust ----------------------------------------------------------------------------

    async def peers(self, addresses: Iterable[Address]) -> None:
        """The data addresses of all other nodes, each time all of them: only from there overlay packets are taken."""
        self._peers = set(addresses)
        await self._trust()

    async def _follow(self) -> None:
        """Other nodes are on our networks than were before."""
        while self._astray:
            self._astray = False
            await self._trust()
            await self._fabric.encryption.follow()

    def _follow_soon(self) -> None:
        self._astray = True
        if self._following is None or self._following.done():
            self._following = asyncio.get_running_loop().create_task(self._follow())

    async def _trust(self) -> None:
        """Let in the nodes that the managers name, and those from which endpoints are announced: what reaches gossip
        is a node of ours even while no manager knows. After a start nobody is put out before the managers spoke."""
        nodes = (self._peers or set()) | self._remotes.vteps()
        self.paths.follow(nodes)
        wanted = {element.key: element for element in overlay_underlay.peer_elements(nodes)}
        family, name = overlay_underlay.FAMILY, overlay_underlay.NAME
        kernel = self._fabric.kernel
        there: dict[Key, Element] = {}
        for each in ("peers4", "peers6"):
            there |= {element.key: element for element in await kernel.elements(family, name, each) or ()}
        added = tuple(wanted[key] for key in wanted.keys() - there.keys())
        strangers = there.keys() - wanted.keys() if self._peers is not None else ()
        removed = tuple(there[key] for key in strangers)
        ensured = ChangeRules(overlay_underlay.ensure(self._fabric.host.facts.features))
        if added or removed:
            await kernel.apply(Plan((ensured, ChangeRules(Transaction(family, name, add=added, remove=removed)))))

    async def _protect(self) -> None:
        """Write the table that looks at all overlay packets, in place of whatever somebody left of it."""
        if self._fabric.host.underlay is None:
            return
        expectation = Expectation(self._fabric)
        operations = [each for network in self._present() for each in expectation.of_network(network).operations]
        anew = written_anew(operations, HOST, overlay_underlay.NAME)
        if anew is not None:
            peers = overlay_underlay.peer_elements((self._peers or set()) | self._remotes.vteps())
            await self._fabric.kernel.attempt(Plan((ChangeRules(replace(anew, add=(*anew.add, *peers))),)))

    async def keys(self, keys: Sequence[EncryptionKey], primary: int) -> None:
        """The swarm's IPsec keys, all of them each time; `primary` is the Lamport time of the one to send with."""
        await self._fabric.encryption.use(keys, primary)

    async def ways(self, network: Network) -> Callable[[Address], Way]:
        """What there is to say of the way to each node on the network; of the way to ourselves nothing."""
        encrypted = overlay_options.read(network.options).encrypted
        secured = await self._fabric.encryption.of_peers() if encrypted else {}
        underlay, paths = self._fabric.host.facts.underlay, self._fabric.host.paths
        own, link = (underlay.address, underlay.mtu) if underlay else (None, 0)

        def to(peer: Address) -> Way:
            sealed, size = encrypted and peer != own, paths.get(peer, 0)
            return Way(size if size < link else 0, secured.get(peer, Secured()) if sealed else None)

        return to

    # --- what the other nodes tell ----------------------------------------------------------------

    def remote(self, network_id: str, presence: Presence) -> None:
        """An endpoint on another node: new, or changed. Written to the kernel in batches, within milliseconds."""
        if self._remotes.put(network_id, presence):
            self._follow_soon()

    def remote_gone(self, network_id: str, endpoint_id: str) -> None:
        """It is not there any more."""
        if self._remotes.drop(network_id, endpoint_id):
            self._follow_soon()

    def told(self, network_id: str) -> None:
        """Every remote endpoint that is known anywhere has been told since the start: what the kernel still forwards
        beyond them is stale and goes. To be called once the network's table has been compared with another node's."""
        self._remotes.complete(network_id)
        self._follow_soon()

    async def settled(self) -> None:
        """Returns when everything that was told until now is in the kernel."""
        if self._following is not None:
            await asyncio.wait([self._following])
        await self._remotes.written()

    async def close(self) -> None:
        await self.paths.close()
        await self._remotes.close()
        await self._fabric.encryption.close()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)


def _local(network: SwarmNetwork) -> Network:
    """The network as this host knows it. Its addresses are all asked for: the swarm has chosen each."""
    spec, versions = network.spec, {pool.subnet.version for pool in network.pools}
    return Network(
        id=network.id,
        name=network.name,
        driver=network.driver,
        created=network.created,
        scope=SWARM,
        internal=spec.internal,
        attachable=spec.attachable,
        ingress=spec.ingress,
        ipv4=4 in versions,
        ipv6=6 in versions,
        ipam_driver=spec.ipam_driver or "default",
        ipam_options=spec.ipam_options or None,
        pools=tuple(replace(pool, requested=True) for pool in network.pools),
        options=network.options,
        labels=spec.labels,
    )
