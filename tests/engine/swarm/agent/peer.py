"""A leading manager as a node's agent meets it: it says what a test lets it say, and remembers what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from fairlead.core.swarm.dispatch import Difference
from fairlead.engine import records
from fairlead.engine.swarm.messages import LogWish, News, Publish, Report, SessionRequest
from fairlead.model.errors import NotAllowed, Unavailable
from fairlead.model.swarm.errors import Elsewhere
from fairlead.model.swarm.identity import Identity
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from tests.core.swarm import builders

PATIENCE = 20.0
LEADER, FOLLOWER = "leader:2377", "follower:2377"
BEAT = 50_000_000


class ScriptedManager:
    """Implements `Caller`. `leading` is the address that answers as the leader; `deaf` answers nobody, who
    `shuts_out` says that the node was removed. Signs of life are answered while `notes_signs` is set."""

    def __init__(self) -> None:
        self.leading = LEADER
        self.deaf = False
        self.shuts_out = False
        self.notes_signs = asyncio.Event()
        self.notes_signs.set()
        self.assigned: dict[str, Task] = {}
        self.node: Node = builders.node("n1")
        self.networks: tuple[SwarmNetwork, ...] = ()
        self.told: list[tuple[str, TaskStatus]] = []
        self.published: list[Publish] = []
        self.sessions: list[SessionRequest] = []
        self.asked: list[str] = []
        self.beats = 0
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._heard = asyncio.Condition()

    # --- what the test says -----------------------------------------------------------------------

    def assign(self, *tasks: Task, **more: object) -> None:
        self.assigned |= {task.id: task for task in tasks}
        self.say(Difference(tasks=tasks, **more))  # type: ignore[arg-type]

    def wish(self, task_id: str, desired: TaskState) -> None:
        self.assign(replace(self.assigned[task_id], desired=desired))

    def drop(self, *task_ids: str) -> None:
        for task_id in task_ids:
            del self.assigned[task_id]
        self.say(Difference(drop_tasks=task_ids))

    def ask_for_log(self, wish: LogWish) -> None:
        self._put(News(logs=(wish,)))

    def say(self, difference: Difference) -> None:
        self._put(News(difference=difference))

    def say_networks(self, networks: tuple[SwarmNetwork, ...], node: Node) -> None:
        self.networks, self.node = networks, node
        self._put(News(networks=networks, node=node))

    def cut(self) -> None:
        """The connection of the session breaks."""
        self._lines.put_nowait(None)

    def _put(self, news: News) -> None:
        if self.sessions:
            self._lines.put_nowait(records.encode(news))

    # --- what the test waits for ------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        async with self._heard:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._heard.wait_for(condition)
            except TimeoutError:
                raise AssertionError(f"{what or condition} did not come; told: {self.told}") from None

    async def reach(self, task_id: str, state: TaskState) -> TaskStatus:
        """Wait until the node says that the task is in this state."""
        await self.until(lambda: self.status(task_id).state == state, f"{task_id} {state.name}")
        return self.status(task_id)

    def status(self, task_id: str) -> TaskStatus:
        return next((status for known, status in reversed(self.told) if known == task_id), TaskStatus())

    def states(self, task_id: str) -> list[TaskState]:
        return [status.state for known, status in self.told if known == task_id]

    def log_lines(self, wish_id: str) -> list[str]:
        return [line.data for one in self.published if one.wish_id == wish_id for line in one.lines]

    # --- Caller -----------------------------------------------------------------------------------

    async def call(self, address: str, name: str, body: bytes = b"", *, patience: float = 5.0) -> bytes:
        self._answer(address)
        if name == "report":
            report = records.decode(Report, body)
            assert report.token == self.sessions[-1].token
            self.told += [(one.task_id, one.status) for one in report.tasks]
        elif name == "publish":
            self.published.append(records.decode(Publish, body))
        elif name == "beat":
            await self.notes_signs.wait()
            self.beats += 1
        else:
            self.asked.append(name)
        async with self._heard:
            self._heard.notify_all()
        return b""

    async def stream(self, address: str, name: str, body: bytes = b"") -> AsyncGenerator[bytes, None]:
        self._answer(address)
        self._lines = asyncio.Queue()
        self.sessions.append(records.decode(SessionRequest, body))
        async with self._heard:
            self._heard.notify_all()
        everything = Difference(tasks=tuple(self.assigned.values()))
        yield records.encode(
            News(everything=True, difference=everything, node=self.node, networks=self.networks, beat_every=BEAT)
        )
        while (line := await self._lines.get()) is not None:
            yield line

    def _answer(self, address: str) -> None:
        if self.deaf:
            raise Unavailable(f"{address}: no answer")
        if self.shuts_out:
            raise NotAllowed("node n1 was removed from the swarm")
        if address != self.leading:
            raise Elsewhere(self.leading)

    def renew(self, identity: Identity | None) -> None:
        raise NotImplementedError

    async def root(self, address: str, digest: str) -> str:
        raise NotImplementedError

    async def join(self, address: str, trust: str, body: bytes) -> bytes:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
