"""Discovery: the daemon's side of it, from its first endpoint in a swarm to its last.

Whatever the state of gossip (not in a swarm yet, no keys yet, port taken, nobody else there), this node's own endpoints
are known to its own views; what they are told to others as follows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace

from fairlead.core.gossip import Entry
from fairlead.engine.discovery.group import Group
from fairlead.engine.discovery.hearing import Hearing, Reactions
from fairlead.engine.discovery.heeding import Heeding
from fairlead.engine.discovery.keys import Ring
from fairlead.engine.discovery.node import GossipNode, Here
from fairlead.engine.discovery.observed import Observed
from fairlead.engine.discovery.outlets import Actors, Outlets
from fairlead.engine.discovery.ports import Sockets
from fairlead.engine.discovery.shown import ShownPeer, ShownService, shown_peers, shown_services
from fairlead.engine.fabric.fabric import Fabric
from fairlead.model.change import Put
from fairlead.model.discovery import Presence
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import Failed
from fairlead.model.network import SWARM, Address, Network
from fairlead.model.swarm.cluster import GossipKey

LIFE = "gossip"
"""Kind and id of the document that holds the number of the node's last life."""

AGAIN_SECONDS = 5.0
QUIET_SECONDS, BUSY_SECONDS = 1.5, 2.5
"""A network is wholly told when nothing was heard of it for the first, or others were heard for the second: a network
that is never quiet does not keep what is out of date."""
LOOK_SECONDS = 0.5
READY_SECONDS = 1.0
"""Others are told of an endpoint after this long even if this host is not through with it."""
INHERITANCE_SECONDS = 5.0
"""How long an earlier life's balancing goes on when others should be there, and none is heard."""
NAMES_SECONDS = 60.0
"""How long a name of an earlier life's networks may be told yet: as long as managers take that were started late."""
FIRST_INDEX = 256

_log = logging.getLogger("fairlead.engine.discovery")


class Discovery:
    """One per engine, from its birth. It is a `names.Announcer` for containers that are no tasks."""

    def __init__(self, fabric: Fabric, sockets: Sockets, actors: Actors) -> None:
        self._fabric = fabric
        self._sockets = sockets
        self._outlets = Outlets(fabric.names, actors)
        self._groups: dict[str, Group] = {}
        self._heeding = Heeding()
        reactions = Reactions(self._spread, lambda rows: self._keep(self._heed(rows)), self._begin_again)
        self._hearing = Hearing(self._groups, self._heeding, reactions)
        self._observed = Observed(fabric.state)
        self._indexes: dict[str, int] = {}
        self._life = 0
        self._here: Here | None = None
        self._node: GossipNode | None = None
        self._ring = Ring()
        self._expected: frozenset[Address] | None = None
        self._opening = asyncio.Lock()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        fabric.names.announcer = self

    def load_state(self, documents: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take over what the store holds (at boot)."""
        self._life = int(documents.get(LIFE, {}).get(LIFE, b"0"))

    # --- membership -------------------------------------------------------------------------------

    async def start(self, node_id: str, data_address: Address, cluster_id: str) -> None:
        """This node is in a swarm; gossip begins with the first keys. Idempotent; a node that has moved to another
        address announces its endpoints from there."""
        here = Here(node_id, data_address, cluster_id)
        if here == self._here:
            return
        moved = self._own() if self._here is not None and self._here.node_id == node_id else []
        await self.stop()
        self._here = here
        self._node = GossipNode(self._sockets, here, self._fabric.entropy, self._hearing.hear)
        if not moved:
            self._outlets.inherit(self._with_sandboxes())
            self._later("inherited", INHERITANCE_SECONDS, self._look_whether_alone)
            self._later("named", NAMES_SECONDS, self._outlets.name_unknown)
        for network, presence in moved:
            self._announce(network, replace(presence, vtep=data_address))
        for network, presence in self._observed.presences(here):
            self._announce(network, presence)

    def _with_sandboxes(self) -> Iterator[Network]:
        """Networks of the swarm that containers of this host are on already."""
        state = self._fabric.state
        for network in state.networks.values():
            users = (endpoint.container_id for endpoint in state.endpoints_on(network.id))
            if network.scope == SWARM and any(user in state.sandboxes for user in users):
                yield network

    def _own(self) -> list[tuple[Network, Presence]]:
        return [(group.network, presence) for group in self._groups.values() for presence in group.own.values()]

    async def tell(self, peers: Sequence[Address], keys: Sequence[GossipKey]) -> None:
        """The other nodes that are up, and the swarm's keys: all of them, each time."""
        self._ring.follow(keys)
        self._expected = frozenset(peers)
        for group in self._groups.values():
            group.view.expect(self._expected)
            self._spread(group)
        if not peers:
            self._outlets.enough()
        if self._node is not None:
            self._node.seek(peers)
            await self._open()

    async def stop(self) -> None:
        """This node is in no swarm any more: say so, and forget what others told."""
        if self._node is not None:
            await self._node.say_goodbye()
        await self.close()
        for group in list(self._groups.values()):
            self._leave(group)
        self._here, self._node, self._ring, self._expected = None, None, Ring(), None

    async def close(self) -> None:
        """The daemon stops; its containers run on. Others keep what they know of them for its return."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        self._hearing.close()
        if self._node is not None:
            await self._node.close()
        await self._outlets.close()

    # --- own endpoints ----------------------------------------------------------------------------

    async def announce(self, network_id: str, presence: Presence) -> None:
        """Set or replace an own entry. Raises NotFound for a network that this host does not know. What begins to serve
        is told to others when this host is ready for them: they connect the moment they hear of it."""
        network = self._fabric.state.network(network_id)
        group = self._follow(network, presence)
        if presence.serving:
            await self._outlets.settled(READY_SECONDS)
        if self._node is not None and group.own.get(presence.endpoint_id) is presence:
            written = self._node.write(network.id, presence)
            if written is not None and not presence.serving:
                self._heeding.told(network.id, presence.endpoint_id, written.time, self._node.others(network.id))

    async def heeded(self, network_id: str, endpoint_id: str, patience: float) -> bool:
        """Returns when every node of the network, this one too, acts by what was announced of an endpoint that serves
        no more; False when that takes more than `patience` seconds."""
        await self._outlets.settled(patience)
        return await self._heeding.heeded(network_id, endpoint_id, patience)

    async def _heed(self, rows: Sequence[Entry]) -> None:
        """Others' endpoints serve no more: they may go when nobody is sent to them from here."""
        await self._outlets.settled()
        if self._node is not None:
            self._node.heed(rows)

    async def withdraw(self, network_id: str, endpoint_id: str) -> None:
        """The endpoint is gone; unknown is fine."""
        self._withdraw(network_id, endpoint_id)

    def appeared(self, endpoint: Endpoint, network: Network) -> None:
        """A container's endpoint exists on a network of the swarm, or has changed."""
        if self._observed.add(endpoint, network) and self._here is not None:
            self._announce(network, self._observed.presence(endpoint.id, self._here))

    def gone(self, network_id: str, endpoint_id: str) -> None:
        if self._observed.drop(endpoint_id):
            self._withdraw(network_id, endpoint_id)

    def _announce(self, network: Network, presence: Presence) -> None:
        self._follow(network, presence)
        if self._node is not None:
            self._node.write(network.id, presence)

    def _follow(self, network: Network, presence: Presence) -> Group:
        """Take part in the network, and know the endpoint here."""
        if self._here is None or self._node is None:
            raise Failed(f"cannot announce an endpoint on network {network.name}: this node is in no swarm")
        group = self._groups.get(network.id)
        if group is None:
            group = self._groups[network.id] = Group(network, self._here.node_id, self._now())
            if self._expected is not None:
                group.view.expect(self._expected)
            self._node.enter(network.id)
            self._look_whether_told()
        group.announce(presence)
        self._spread(group)
        return group

    def _withdraw(self, network_id: str, endpoint_id: str) -> None:
        self._heeding.forget(network_id, endpoint_id)
        group = self._groups.get(network_id)
        if group is None or group.withdraw(endpoint_id) is None or self._node is None:
            return
        self._node.erase(network_id, endpoint_id)
        if group.own:
            self._spread(group)
        else:
            self._leave(group)

    def _leave(self, group: Group) -> None:
        """No endpoint of this node is on the network any more."""
        del self._groups[group.network.id]
        if self._node is not None:
            self._node.leave_network(group.network.id)
        group.view.clear()
        self._spread(group)
        self._outlets.forget(group.network.id)

    # --- gossip -----------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Begin to gossip if there are keys; when the port is taken, try again and again."""
        async with self._opening:
            node = self._node
            if node is None or node.open or not self._ring:
                return
            self._life = max(self._life + 1, self._fabric.clock.now() // 1_000_000_000)
            await self._fabric.store.commit([Put(LIFE, LIFE, str(self._life).encode())])
            try:
                await node.start(self._life, self._ring.keyring)
            except Failed as failed:
                _log.error("%s; trying again", failed.message)
                self._later("open", AGAIN_SECONDS, self._open_soon)
                return
            for group in self._groups.values():
                node.enter(group.network.id)
                for presence in group.own.values():
                    node.write(group.network.id, presence)
            node.join()
        self._look_whether_whole()
        self._look_whether_told()

    def _begin_again(self) -> None:
        """Another node claims our id and has lived longer, or one that was us has not been forgotten yet."""
        if self._node is not None:
            self._keep(self._node.close())
            self._later("open", AGAIN_SECONDS, self._open_soon)

    def _open_soon(self) -> None:
        self._keep(self._open())

    def _spread(self, group: Group) -> None:
        group.heard_at = self._now()
        differences = group.view.take()
        if differences:
            for change in differences.services:
                self._indexes.setdefault(change.service_id, FIRST_INDEX + len(self._indexes))
            self._outlets.spread(group.network, differences)

    def _look_whether_whole(self) -> None:
        """What this node told in an earlier life is out of date once all that has outlived it is told again."""
        if self._node is None or not self._node.open:
            return
        if all(endpoint.id in told for endpoint, told in self._swarm_endpoints()):
            self._node.complete()
        else:
            self._later("whole", 0.1, self._look_whether_whole)

    def _swarm_endpoints(self) -> Iterator[tuple[Endpoint, Collection[str]]]:
        """This node's endpoints on networks of the swarm, each with those that are told of on its network."""
        for endpoint in self._fabric.state.endpoints.values():
            group = self._groups.get(endpoint.network_id)
            if self._fabric.state.network(endpoint.network_id).scope == SWARM:
                yield endpoint, group.own if group else ()

    def _look_whether_told(self) -> None:
        """A group is wholly told when others are there and what they know has had the time to come."""
        waiting, now = [group for group in self._groups.values() if not group.told], self._now()
        if self._node is None or not waiting:
            return
        company = self._node.open and not self._node.alone
        for group in waiting:
            group.joined_at = (group.joined_at or now) if company else None
            if group.joined_at is None:
                continue
            quiet_since = max(group.heard_at, group.joined_at)
            if now - quiet_since >= QUIET_SECONDS or now - group.joined_at >= BUSY_SECONDS:
                group.told = True
                self._outlets.told(group.network.id)
        self._later("told", LOOK_SECONDS, self._look_whether_told)

    def _look_whether_alone(self) -> None:
        """Others that are heard have their time to tell, and so have the managers to say who there is."""
        if self._node is None:
            return
        listening = not self._node.alone and not all(group.told for group in self._groups.values())
        if listening or not self._node.open:
            self._later("inherited", INHERITANCE_SECONDS, self._look_whether_alone)
        else:
            self._outlets.enough()

    # --- what is shown ----------------------------------------------------------------------------

    def peers(self, network_id: str) -> tuple[ShownPeer, ...]:
        """The nodes that take part in a network, if this one does."""
        return shown_peers(self._node.peers(network_id)) if self._node and network_id in self._groups else ()

    def services(self, network_id: str) -> tuple[ShownService, ...]:
        """The services on a network as this node knows them, if it takes part."""
        group = self._groups.get(network_id)
        return shown_services(group, self._indexes) if group else ()

    def silent(self, network_id: str) -> frozenset[str]:
        """The endpoints on a network whose nodes have not been heard of for a while, by id."""
        group = self._groups.get(network_id)
        return frozenset(row.presence.endpoint_id for row in group.view.rows() if row.silent) if group else frozenset()

    def report(self) -> Mapping[str, object]:
        """Gossip as it is now, and what was refused of it, for people."""
        said = self._node.report() if self._node else {}
        return {**said, "refused": dict(self._hearing.refused)}

    async def settled(self) -> None:
        """Returns when everything heard until now has reached those who act."""
        await self._outlets.settled()

    # --- time -------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._fabric.clock.monotonic()

    def _later(self, what: str, seconds: float, action: Callable[[], None]) -> None:
        if (waiting := self._timers.pop(what, None)) is not None:
            waiting.cancel()
        self._timers[what] = asyncio.get_running_loop().call_later(seconds, action)

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
