"""A swarm: one leading manager, a store, nodes, and the time that everything takes.

Messages between the leader and a node take `LATENCY` and are lost while the node is cut off. A new leader starts from
the store alone, `ELECTION` after the last one went; what the last one had not committed is gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.control import Control
from fairlead.core.swarm.dispatch import (
    Assignments,
    Difference,
    Session,
    beat_every,
    deadline,
    difference,
    full,
    given_up,
    opened,
    report,
    step,
    unknown,
)
from fairlead.core.swarm.loop import Moment
from fairlead.model.network import NetworkSpec
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import DOWN, READY, Node, NodeDescription, Platform, Plugin
from fairlead.model.swarm.service import Service
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.sim.gossip.schedule import Schedule
from fairlead.sim.swarm.agent import NANO, Agent, Behaviour
from fairlead.sim.swarm.store import Store

LATENCY, ELECTION = 0.001, 2.0
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class World:
    """`thinking` is the processor time that the leader's decisions took, `decided` how many writes they made."""

    def __init__(self, seed: int, behaviour: Behaviour | None = None, subnet_size: int = 24) -> None:
        self.schedule = Schedule()
        self.store = Store()
        self.agents: dict[str, Agent] = {}
        self.cut: set[str] = set()
        self.thinking = 0.0
        self.decided = 0
        self._random = Random(seed)
        self._behaviour = behaviour or Behaviour()
        self._sessions: dict[str, Session] = {}
        self._told: dict[str, Assignments] = {}
        self._planned = -1.0
        self._reports: dict[str, dict[str, TaskStatus]] = {}
        ingress = NetworkSpec(name="ingress", driver="overlay", ingress=True)
        first = [Put(Cluster(self.new_id(), subnet_size=subnet_size)), Put(SwarmNetwork(self.new_id(), ingress))]
        self.store.commit(first, self.now)
        self.control: Control | None = Control(self.store.things())

    # --- what users do ------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return int(self.schedule.now * NANO)

    def new_id(self) -> str:
        return "".join(self._random.choices(_ALPHABET, k=25))

    def node(self, hostname: str, **description: object) -> str:
        """A new node joins."""
        plugins = tuple(Plugin("Network", name) for name in ("bridge", "host", "overlay"))
        facts: dict[str, object] = {"nano_cpus": 8 * NANO, "memory": 32 << 30, "plugins": plugins, **description}
        told = NodeDescription(hostname, Platform("x86_64", "linux"), **facts)  # type: ignore[arg-type]
        node_id = self.new_id()
        self.write(Put(Node(node_id, description=told, created=self.now)))
        self.agents[node_id] = Agent(node_id, self.schedule, self._random, self._behaviour, self._tell_manager)
        self._open_session(node_id)
        return node_id

    def write(self, *changes: Change) -> None:
        """What the API commits; refused without a leader."""
        self._commit(list(changes))
        self._soon()

    def change(self, thing: Node | Service) -> None:
        """Write a changed node or service over the stored one."""
        self.write(Put(thing))

    def run(self, seconds: float) -> None:
        self.schedule.run(self.schedule.now + seconds)

    # --- what goes wrong ----------------------------------------------------------------------

    def crash(self, node_id: str) -> None:
        """The node's process and all that runs on it are gone; its connection breaks."""
        self.agents[node_id].crash()
        session = self._sessions.get(node_id)
        if session is not None:
            self._sessions[node_id] = replace(session, broken=self.now)
            self.schedule.after(0.0, self._judge, node_id)

    def revive(self, node_id: str) -> None:
        self.agents[node_id].alive = True
        self._open_session(node_id)

    def sever(self, node_id: str) -> None:
        """The network between the node and the managers fails; both live on."""
        self.cut.add(node_id)

    def heal(self, node_id: str) -> None:
        self.cut.discard(node_id)
        self._open_session(node_id)

    def lose_leader(self) -> None:
        self.control = None
        self._sessions, self._told, self._planned = {}, {}, -1.0
        self.schedule.after(ELECTION, self._elect)

    def _elect(self) -> None:
        if self.control is not None:
            return
        self.control = Control(self.store.things())
        for node in list(self.control.snapshot.nodes.values()):
            changed = unknown(node, self.now)
            if changed is not node:
                self._commit([Put(changed)])
            self._sessions[node.id] = Session("", self.now)
            self.schedule.after(self._random.random(), self._open_session, node.id)
            self._judge_later(node.id)
        self._soon()

    # --- the leader ---------------------------------------------------------------------------

    def _soon(self) -> None:
        self._at(self.schedule.now)

    def _at(self, when: float) -> None:
        if self._planned < 0 or when < self._planned:
            self._planned = when
            self.schedule.at(when, self._turn, when)

    def _turn(self, planned: float) -> None:
        if self.control is None or planned != self._planned:
            return
        self._planned = -1.0
        before = time.process_time()
        changes = self.control.turn(Moment(self.now, self.new_id))
        self.thinking += time.process_time() - before
        self.decided += len(changes)
        if changes:
            self.control.committed(self.store.commit(changes, self.now))
            self._dispatch(changes)
        after = self.control.next_deadline()
        if after is not None:
            self._at(max(self.schedule.now, _seconds(after[0])))

    def _commit(self, changes: list[Change]) -> None:
        assert self.control is not None, "there is no leader"
        written = self.store.commit(changes, self.now)
        dropped = [change for change in changes if isinstance(change, Drop)]
        before = time.process_time()
        self.control.feed([*(Put(thing) for thing in written), *dropped])
        self.thinking += time.process_time() - before

    def _dispatch(self, changes: Iterable[Change]) -> None:
        """Tell nodes what concerns them, and nothing else."""
        by_node: dict[str, list[str]] = {}
        for change in changes:
            if isinstance(change.thing, Task) and change.thing.node_id:
                by_node.setdefault(change.thing.node_id, []).append(change.thing.id)
        assert self.control is not None
        for node_id, task_ids in by_node.items():
            if node_id in self._told:
                self._told[node_id], news = step(self._told[node_id], task_ids, self.control.snapshot, node_id)
                if not news.empty:
                    self._tell_node(node_id, news, self._sessions[node_id].id)

    def _tell_node(self, node_id: str, news: Difference, session: str, everything: bool = False) -> None:
        self.schedule.after(LATENCY, self._deliver, node_id, news, session, everything)

    def _deliver(self, node_id: str, news: Difference, session: str, everything: bool) -> None:
        known = self._sessions.get(node_id)
        if node_id not in self.cut and known is not None and known.id == session:
            self.agents[node_id].told(news, everything=everything)

    def _tell_manager(self, node_id: str, task_id: str, status: TaskStatus) -> None:
        """Reports that are made together arrive together."""
        waiting = self._reports.setdefault(node_id, {})
        if not waiting:
            self.schedule.after(LATENCY, self._receive, node_id)
        waiting[task_id] = status

    def _receive(self, node_id: str) -> None:
        reports = self._reports.pop(node_id, {})
        if self.control is None or node_id in self.cut or node_id not in self._told:
            return
        tasks = self.control.snapshot.tasks
        merged = [report(tasks[id_], status, node_id) for id_, status in reports.items() if id_ in tasks]
        changes: list[Change] = [Put(task) for task in merged if task is not None]
        if changes:
            self._commit(changes)
            self._soon()

    # --- sessions -----------------------------------------------------------------------------

    def _open_session(self, node_id: str) -> None:
        agent = self.agents.get(node_id)
        if self.control is None or node_id in self.cut or agent is None or not agent.alive:
            return
        node = self.control.snapshot.nodes.get(node_id)
        if node is None:
            return
        self._sessions[node_id] = Session(self.new_id(), self.now)
        if node.status.state != READY:
            self._commit([Put(opened(node, node.description, f"10.9.0.{len(self.agents)}", self.now))])
        self._told[node_id] = full(self.control.snapshot, node_id)
        everything = difference(Assignments(), self._told[node_id])
        self._tell_node(node_id, everything, self._sessions[node_id].id, True)
        agent.tell_again()
        self._beat(node_id, self._sessions[node_id].id)
        self._judge_later(node_id)
        self._soon()

    def _heartbeat(self) -> int:
        assert self.control is not None
        assert self.control.snapshot.cluster is not None
        return self.control.snapshot.cluster.spec.heartbeat

    def _beat(self, node_id: str, session_id: str) -> None:
        session, agent = self._sessions.get(node_id), self.agents.get(node_id)
        if session is None or session.id != session_id or agent is None or not agent.alive:
            return
        if node_id not in self.cut and self.control is not None:
            self._sessions[node_id] = replace(session, heard=self.now)
        if self.control is not None:
            self.schedule.after(beat_every(self._heartbeat()) / NANO, self._beat, node_id, session_id)

    def _judge_later(self, node_id: str) -> None:
        due = deadline(self._sessions[node_id], self._heartbeat())
        self.schedule.at(max(self.schedule.now, _seconds(due)), self._judge, node_id)

    def _judge(self, node_id: str) -> None:
        session = self._sessions.get(node_id)
        if self.control is None or session is None:
            return
        node = self.control.snapshot.nodes.get(node_id)
        if node is None or node.status.state == DOWN:
            return
        if deadline(session, self._heartbeat()) > self.now:
            self._judge_later(node_id)
            return
        del self._sessions[node_id]
        self._told.pop(node_id, None)
        self._commit([Put(given_up(node, session, self.now))])
        self._soon()


def _seconds(moment: int) -> float:
    """When to wake for a moment: never before it, which rounding to a float could be."""
    return moment / NANO + 1e-6
