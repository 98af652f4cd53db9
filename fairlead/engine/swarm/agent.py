"""The agent: from a session with the leading manager to containers on this host, and their states back.

    managers ─ session ─ news ─┬─ membership (`Surroundings.heard`), discovery, overlays
                               └─ executor ─ a runner per task ─ containers
    managers ◀ reports ◀───────────────────────────┘

Without a manager what runs goes on running; containers that end are not started again, since managers decide that.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.executor import Executor
from fairlead.engine.swarm.leader_search import LeaderSearch
from fairlead.engine.swarm.log_reader import LogReader
from fairlead.engine.swarm.messages import Leave, News, SessionRequest
from fairlead.engine.swarm.ports import Caller
from fairlead.engine.swarm.session import BEAT_EVERY, Line, Session
from fairlead.engine.swarm.signs import Signs
from fairlead.engine.swarm.surroundings import Place, Surroundings
from fairlead.engine.swarm.task_networks import TaskNetworks
from fairlead.engine.swarm.task_reports import TaskReports
from fairlead.engine.swarm.told import Told
from fairlead.model.errors import NotAllowed, Refusal, Unavailable
from fairlead.model.swarm.cluster import IPSEC
from fairlead.model.swarm.errors import Elsewhere

NO_MANAGER = "no manager of the swarm can be reached"
TOKEN_DIGITS = 32
GOODBYE = 2.0
"""Seconds that a manager has to take note of it."""

log = logging.getLogger(__name__)


class Agent:
    """One per membership. `adopt` at boot, then `run`; `close` when the daemon goes, `leave` when the node does."""

    def __init__(self, host: OneHost, caller: Caller, place: Place, surroundings: Surroundings) -> None:
        self._host, self._caller, self._place = host, caller, place
        self._surroundings = surroundings
        self._managers = LeaderSearch(place.managers, host.entropy)
        self._told = Told(place.node_id, place.data_address)
        self._reports = TaskReports()
        self._signs = Signs(host.clock, BEAT_EVERY)
        self._executor = Executor(host, self._told, surroundings, self._reports, self._signs)
        self._signs.renewed = self._executor.wake
        self._logs = LogReader(host, self._executor.container_of)
        self.shut_out = ""
        """Why managers do not let this node in (any more), in their words; "" while they do."""
        self._line: Line | None = None
        self._said: set[tuple[str, str]] = set()
        self._holding: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def managers(self) -> tuple[str, ...]:
        """Those that are known, HOST:PORT."""
        return self._managers.addresses

    @property
    def told(self) -> Told:
        """What the managers have told this node, besides its tasks."""
        return self._told

    @property
    def networks(self) -> TaskNetworks:
        """The swarm's networks on this node."""
        return self._executor.networks

    async def adopt(self) -> None:
        """Take over what the store remembers: tasks that run are watched again, none is started anew. To be called
        after `Containers.adopt`, before the API answers; needs no manager."""
        self._executor.adopt()

    # --- sessions ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hold a session with whoever leads, for ever. Returns after `close`."""
        while not self._closing:
            self._holding = asyncio.get_running_loop().create_task(self._hold(self._managers.next()))
            try:
                await asyncio.wait([self._holding])
            finally:
                self._end_session()
            if not self._closing and not self._holding.cancelled():
                await asyncio.sleep(self._managers.pause())

    async def _hold(self, address: str) -> None:
        """A session, until it ends."""
        try:
            if not address:
                raise Unavailable(NO_MANAGER)
            line = Line(self._caller, address, self._host.entropy.local_id()[:TOKEN_DIGITS])
            await Session(line, self._reports, self._hear, self._signs).hold(self._request(line))
        except Elsewhere as elsewhere:
            self._managers.redirected(address, elsewhere.message)
        except Refusal as refusal:
            self._say(address, refusal.message)
            if isinstance(refusal, NotAllowed) and self._line is None:
                self.shut_out = refusal.message
                self._managers.refused(address)
            else:
                self._managers.failed(address)
        except Exception:
            log.exception("a session with a manager broke", extra={"manager": address})
            self._managers.failed(address)

    def _say(self, address: str, reason: str) -> None:
        """Once for each reason between two sessions."""
        if (address, reason) not in self._said:
            self._said.add((address, reason))
            log.info("no session with a manager: %s", reason, extra={"manager": address})

    def _request(self, line: Line) -> SessionRequest:
        return SessionRequest(
            self._surroundings.describe(),
            line.token,
            self._place.address,
            str(self._place.data_address),
            self._place.manager_address,
        )

    async def _hear(self, news: News, line: Line) -> None:
        if news.everything:
            log.info("session with the leading manager", extra={"manager": line.address})
            self._managers.leads(line.address)
            self._line, self.shut_out = line, ""
            self._said.clear()
        self._managers.know(news.managers)
        self._told.take(news)
        await self._tell_others(news)
        await self._executor.take(news.difference, everything=news.everything)
        if news.everything:
            self._reports.tell_again(self._executor.statuses)
        for wish in news.logs:
            self._logs.take(wish, line.publish)

    async def _tell_others(self, news: News) -> None:
        """The other parts of this node hear of it first; what they cannot do must not keep tasks from ending."""
        for follow in (self._surroundings.heard, self._tell_networks):
            try:
                await follow(news)
            except Refusal as refusal:
                log.error("news were not followed: %s", refusal.message)

    async def _tell_networks(self, news: News) -> None:
        told, overlays, discovery = self._told, self._surroundings.overlays, self._surroundings.discovery
        if overlays is not None and news.peers is not None:
            await overlays.peers(told.peers)
        if overlays is not None and news.keys:
            ipsec = [one for one in told.keys if one.key.subsystem == IPSEC]
            primary = next((one.key.lamport for one in ipsec if one.primary), 0)
            await overlays.keys([one.key for one in ipsec], primary)
        if discovery is not None and (news.peers is not None or news.keys):
            await discovery.tell(told.peers, told.keys)
        if news.networks is not None or news.node is not None:
            await self._executor.networks.ensure_ingress()
            self._executor.look_for_unused_networks()

    async def ask(self, name: str, body: bytes, patience: float = 5.0) -> bytes:
        """A call to the leading manager, found wherever it is. Raises Unavailable when there is none in time, and the
        manager's refusals."""
        managers = self._managers.fork()
        clock, refused = self._host.clock, Unavailable(NO_MANAGER)
        deadline = clock.monotonic() + patience
        while (left := deadline - clock.monotonic()) > 0:
            address = managers.next()
            try:
                if address:
                    return await self._caller.call(address, name, body, patience=left)
            except Elsewhere as elsewhere:
                managers.redirected(address, elsewhere.message)
            except Unavailable as unavailable:
                refused = unavailable
                managers.failed(address)
            await asyncio.sleep(min(left, managers.pause()))
        raise refused

    # --- the node's own changes -------------------------------------------------------------------

    def move(self, place: Place) -> None:
        """The node's role, address or managers changed: open a new session that says so."""
        self._place = place
        self._told.data_address = place.data_address
        self._managers.know(place.managers)
        self._end_session()

    async def close(self) -> None:
        """End the session; tasks run on."""
        self._closing = True
        self._end_session()
        await self._executor.close()

    async def say_goodbye(self) -> None:
        """Tell the managers that the node leaves, if they can be reached."""
        if self._line is not None:
            with suppress(Refusal):
                await self._line.say("leave", Leave(self._line.token), GOODBYE)

    async def leave(self) -> None:
        """End and remove every task of the swarm on this node."""
        self._closing = True
        self._end_session()
        await self._executor.abandon()
        await self.close()

    def _end_session(self) -> None:
        self._line = None
        self._logs.end_all()
        if self._holding is not None:
            self._holding.cancel()
