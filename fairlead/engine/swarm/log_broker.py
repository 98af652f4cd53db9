"""The leader's part in `service logs`: it asks the tasks' nodes for lines and passes on what they send.

Only the leader has sessions with nodes, so only it can ask. A reader is a queue that is fed by the nodes' `publish`
calls; a full queue keeps the call waiting, and with it the node, so a slow reader costs no memory anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

from fairlead.core.swarm.changes import Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Entropy
from fairlead.engine.swarm.messages import LogsRequest, LogWish, Publish, TaskLines
from fairlead.engine.swarm.mirror import Mirror, Subscription
from fairlead.model.errors import NotFound, Unavailable
from fairlead.model.swarm.node import DOWN
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task

BACKLOG = 64
"""Messages of nodes that may wait for one reader."""
SILENCE = 10.0
"""Seconds after which the rest of a log that is not followed is given up."""

Ask = Callable[[str, LogWish], None]
"""Tell a node of a wish. Raises Unavailable while it has no session."""


class LogBroker:
    """One per reign."""

    def __init__(self, mirror: Mirror, ask: Ask, entropy: Entropy) -> None:
        self._mirror, self._ask, self._entropy = mirror, ask, entropy
        self._readers: dict[str, _Reader] = {}

    async def published(self, publish: Publish, node_id: str) -> None:
        """A node's answer to a wish. Raises NotFound when nobody reads it any more, so that the node stops."""
        reader = self._readers.get(publish.wish_id)
        task = reader.wishes.get(publish.wish_id) if reader is not None else None
        if reader is None or task is None or task.node_id != node_id:
            raise NotFound(f"nobody reads log {publish.wish_id}")
        await reader.feed(publish, task)

    async def read(self, request: LogsRequest) -> AsyncIterator[TaskLines]:
        """Lines as they come; ends when all have been read, or with `follow` never."""
        reader = _Reader()
        changes = self._mirror.changes()
        following = asyncio.create_task(self._follow(changes, request, reader)) if request.follow else None
        try:
            self._add(reader, request, _tasks(request, self._mirror.snapshot))
            async for lines in reader.lines(request.follow):
                yield lines
        finally:
            changes.close()
            if following is not None:
                following.cancel()
            self._close(reader)

    async def _follow(self, changes: Subscription, request: LogsRequest, reader: _Reader) -> None:
        """Tasks that come later are read too."""
        async for batch in changes:
            tasks = (change.thing for change in batch if isinstance(change, Put) and isinstance(change.thing, Task))
            self._add(reader, request, (task for task in tasks if _meant(task, request)))

    def _add(self, reader: _Reader, request: LogsRequest, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if task.id in reader.seen or not task.node_id or task.status.state < TaskState.ASSIGNED:
                continue
            reader.seen.add(task.id)
            wish = LogWish(
                self._entropy.local_id()[:32],
                task.id,
                request.follow,
                request.tail,
                request.since,
                request.until,
                request.stdout,
                request.stderr,
            )
            try:
                self._check_node(task.node_id)
                self._ask(task.node_id, wish)
            except Unavailable:
                reader.fail(task, f"node {task.node_id} is not available")
            else:
                reader.wishes[wish.id] = task
                self._readers[wish.id] = reader

    def _check_node(self, node_id: str) -> None:
        node = self._mirror.snapshot.nodes.get(node_id)
        if node is None or node.status.state == DOWN:
            raise Unavailable(f"node {node_id} is down")

    def _close(self, reader: _Reader) -> None:
        """Take back what is still open; nodes that went away need not be told."""
        reader.closed.set()
        for wish_id, task in reader.wishes.items():
            self._readers.pop(wish_id, None)
            with suppress(Unavailable):
                self._ask(task.node_id, LogWish(wish_id, task.id, end=True))


class _Reader:
    """`wishes` that have not been read to their end, by id; `seen` are all tasks that were ever asked for."""

    def __init__(self) -> None:
        self.wishes: dict[str, Task] = {}
        self.seen: set[str] = set()
        self.closed = asyncio.Event()
        self._queue: asyncio.Queue[tuple[TaskLines, str]] = asyncio.Queue(BACKLOG)
        self._failures: list[TaskLines] = []

    async def feed(self, publish: Publish, task: Task) -> None:
        lines = TaskLines(task.id, task.service_id, task.node_id, publish.lines, publish.error)
        ended = publish.wish_id if publish.last else ""
        putting = asyncio.ensure_future(self._queue.put((lines, ended)))
        closing = asyncio.ensure_future(self.closed.wait())
        await asyncio.wait([putting, closing], return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()
        closing.cancel()

    def fail(self, task: Task, reason: str) -> None:
        self._failures.append(TaskLines(task.id, task.service_id, task.node_id, error=reason))

    async def lines(self, follow: bool) -> AsyncIterator[TaskLines]:
        """What nodes send, then why others could not."""
        while follow or self.wishes:
            try:
                lines, ended = await asyncio.wait_for(self._queue.get(), None if follow else SILENCE)
                self.wishes.pop(ended, None)
                yield lines
            except TimeoutError:
                for task in self.wishes.values():
                    self.fail(task, f"node {task.node_id} does not answer")
                break
        for failure in self._failures:
            yield failure


def _tasks(request: LogsRequest, snapshot: Snapshot) -> list[Task]:
    found = [task for service_id in request.services for task in snapshot.tasks_of(service_id)]
    return found + [task for task_id in request.tasks if (task := snapshot.tasks.get(task_id)) is not None]


def _meant(task: Task, request: LogsRequest) -> bool:
    return task.service_id in request.services or task.id in request.tasks
