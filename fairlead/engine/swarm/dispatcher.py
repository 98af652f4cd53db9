"""The leader's side of the sessions with nodes: what they are told, what they report, and when they are given up.

There is one dispatcher per reign. A node opens a session and is told its part of the store, then each change of it;
its other calls name the session's token. Nodes that open none in time are given up like those that fall silent, so a
new leader ends with the same picture as the one before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush

from fairlead.core.swarm import dispatch
from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.sessions import Sessions
from fairlead.engine.ports import Clock
from fairlead.engine.records import encode
from fairlead.engine.swarm.briefing import CLUSTER, MANAGERS, NETWORKS, PEERS, SELF, Briefing
from fairlead.engine.swarm.hearing import heard, heard_report, heard_session
from fairlead.engine.swarm.messages import Beat, Leave, LogWish
from fairlead.engine.swarm.mirror import Mirror
from fairlead.engine.swarm.ports import Answerer, Call
from fairlead.engine.swarm.reign import Decision
from fairlead.engine.swarm.session_outcomes import given_up, left, opened, reported
from fairlead.engine.swarm.waiting import first_of
from fairlead.model.errors import NotAllowed, Unavailable
from fairlead.model.swarm.cluster import Cluster, ClusterSpec
from fairlead.model.swarm.identity import Peer
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import DOWN, ManagerStatus, Node
from fairlead.model.swarm.task import Task

_log = logging.getLogger("fairlead.swarm.dispatcher")

Propose = Callable[[Decision], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Line:
    """What there is of a node: its session (`token` "": none was opened yet) and what it must be told. `due` is when
    it is looked at next, to be given up if it fell silent."""

    node_id: str
    token: str
    session: dispatch.Session
    briefing: Briefing
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    due: int = 0

    def end(self) -> None:
        self.ended = True
        self.awake.set()


class Dispatcher:
    """Invariant: every node that is not down has one line, and every line its `due` in the heap; what else is in the
    heap is out of date."""

    def __init__(self, mirror: Mirror, propose: Propose, clock: Clock) -> None:
        self._mirror, self._propose, self._clock = mirror, propose, clock
        self._sessions = Sessions()
        self._lines: dict[str, Line] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._sooner = asyncio.Event()
        self._known: dict[str, tuple[object, ...]] = {}
        self.calls: Mapping[str, Answerer] = {
            "session": self.session,
            "beat": self.beat,
            "report": self.report,
            "leave": self.leave,
        }

    # --- calls of nodes -----------------------------------------------------------------------

    async def session(self, call: Call) -> AsyncIterator[bytes]:
        """Raises NotAllowed for a node that the swarm does not know."""
        request, peer = heard_session(call), caller(call)
        self._sessions.open(request.token, peer)
        line = self._open_line(peer.node_id, request.token)
        try:
            await self._propose(partial(opened, request, peer.node_id, self._clock.now()))
        except NotAllowed:
            self._forget(peer.node_id)
            raise
        except BaseException:
            self._broke(line)
            raise
        _log.info("a node opened a session", extra={"node": peer.node_id, "address": request.address})
        return self._tell(line)

    async def beat(self, call: Call) -> bytes:
        self._heard(heard(Beat, call).token, caller(call))
        return b""

    async def report(self, call: Call) -> bytes:
        report, peer = heard_report(call), caller(call)
        self._heard(report.token, peer)
        await self._propose(partial(reported, report.tasks, peer.node_id))
        return b""

    async def leave(self, call: Call) -> bytes:
        token, peer = heard(Leave, call).token, caller(call)
        self._heard(token, peer)
        await self._propose(partial(left, peer.node_id, self._clock.now()))
        self._forget(peer.node_id)
        _log.info("a node left", extra={"node": peer.node_id})
        return b""

    def wish(self, node_id: str, wish: LogWish) -> None:
        """Ask a node for a task's log. Raises Unavailable while it has no session."""
        line = self._lines.get(node_id)
        if line is None or not line.token:
            raise Unavailable(f"node {node_id} has no session: its logs cannot be read now")
        line.briefing.wish(wish)
        line.awake.set()

    # --- following the store ------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled: pass on what changes, and give up who falls silent."""
        subscription = self._mirror.changes()
        try:
            for node in self._mirror.snapshot.nodes.values():
                self._note_node(Put(node), node)
            while True:
                self._note(subscription.drain())
                await self._give_up()
                seconds = (self._deadlines[0][0] - self._now()) / 1e9 if self._deadlines else None
                await first_of(subscription.wait(), self._sooner.wait(), seconds=seconds)
                self._sooner.clear()
        finally:
            subscription.close()
            for line in list(self._lines.values()):
                line.end()

    def _note(self, changes: Iterable[Change]) -> None:
        for change in changes:
            thing = change.thing
            if isinstance(thing, Task):
                self._mark(thing.node_id, thing.id)
            elif isinstance(thing, Node):
                self._note_node(change, thing)
            elif isinstance(thing, Cluster):
                self._mark_all(CLUSTER)
            elif isinstance(thing, SwarmNetwork):
                for line in self._lines.values():
                    if line.briefing.mark_network(thing.id):
                        line.awake.set()

    def _mark(self, node_id: str, task_id: str) -> None:
        if (line := self._lines.get(node_id)) is not None:
            line.briefing.mark_task(task_id)
            line.awake.set()

    def _mark_all(self, *parts: str) -> None:
        for line in self._lines.values():
            line.briefing.mark(*parts)
            line.awake.set()

    def _note_node(self, change: Change, node: Node) -> None:
        """Tell the node itself, and the others what they need of it: where it is, and whether it manages."""
        gone = isinstance(change, Drop)
        facts = () if gone else (node.data_address, node.status.state == DOWN, node.role, _reached(node.manager))
        if self._known.get(node.id) != facts:
            self._known[node.id] = facts
            self._mark_all(PEERS, MANAGERS)
        if gone:
            self._known.pop(node.id, None)
            self._forget(node.id)
            return
        if node.id not in self._lines and node.status.state != DOWN:
            self._add(Line(node.id, "", dispatch.Session("", self._now()), Briefing(node.id)))
        if (line := self._lines.get(node.id)) is not None:
            line.briefing.mark(SELF, NETWORKS)
            line.awake.set()

    # --- sessions -----------------------------------------------------------------------------

    def _now(self) -> int:
        """For deadlines: a clock that nobody sets."""
        return int(self._clock.monotonic() * 1e9)

    def _open_line(self, node_id: str, token: str) -> Line:
        if (old := self._lines.get(node_id)) is not None:
            old.end()
        line = Line(node_id, token, dispatch.Session(token, self._now()), Briefing(node_id))
        self._add(line)
        return line

    def _add(self, line: Line) -> None:
        self._lines[line.node_id] = line
        self._expect(line)

    def _expect(self, line: Line) -> None:
        line.due = dispatch.deadline(line.session, self._heartbeat())
        heappush(self._deadlines, (line.due, line.node_id))
        if self._deadlines[0][1] == line.node_id:
            self._sooner.set()

    def _forget(self, node_id: str) -> None:
        if (line := self._lines.pop(node_id, None)) is not None:
            self._sessions.close(line.token)
            line.end()

    def _heard(self, token: str, peer: Peer) -> None:
        """Raises NotAllowed when the session is not the peer's present one."""
        self._sessions.check(token, peer)
        line = self._lines[peer.node_id]
        line.session = replace(line.session, heard=self._now())

    async def _tell(self, line: Line) -> AsyncIterator[bytes]:
        try:
            while not line.ended:
                line.awake.clear()
                news = line.briefing.next(self._mirror.snapshot)
                if news is not None:
                    yield encode(news)
                else:
                    await line.awake.wait()
        finally:
            self._broke(line)

    def _broke(self, line: Line) -> None:
        """The connection ended: there is less time than for one that only fell silent."""
        if self._lines.get(line.node_id) is line:
            line.session = replace(line.session, broken=self._now())
            self._expect(line)

    def _heartbeat(self) -> int:
        cluster = self._mirror.snapshot.cluster
        return (cluster.spec if cluster is not None else ClusterSpec()).heartbeat

    async def _give_up(self) -> None:
        """Nodes whose deadline passed are down. A deadline that moved meanwhile is set again."""
        lost = []
        while self._deadlines and self._deadlines[0][0] <= self._now():
            at, node_id = heappop(self._deadlines)
            line = self._lines.get(node_id)
            if line is None or line.due != at:
                continue
            if dispatch.deadline(line.session, self._heartbeat()) > self._now():
                self._expect(line)
            else:
                lost.append(line)
        for line in lost:
            self._forget(line.node_id)
            _log.warning("a node is lost", extra={"node": line.node_id})
        if lost:
            sessions = {line.node_id: line.session for line in lost}
            await self._propose(partial(given_up, sessions, self._clock.now()))


def caller(call: Call) -> Peer:
    if call.peer is None:
        raise NotAllowed(f"{call.name} is for nodes of the swarm")
    return call.peer


def _reached(manager: ManagerStatus | None) -> tuple[str, bool]:
    return (manager.address, manager.leader) if manager is not None else ("", False)
