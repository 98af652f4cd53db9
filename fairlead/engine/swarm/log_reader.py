"""Logs of tasks that a manager wishes to read: from their containers, line by line, in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress

from fairlead.core.swarm.naming import PREFIX
from fairlead.engine.one_host import OneHost
from fairlead.engine.swarm.messages import LogLine, LogWish, Publish
from fairlead.model.container import CREATED
from fairlead.model.errors import Refusal
from fairlead.model.event import Event
from fairlead.model.runtime import STDOUT, LogEntry, LogQuery

BATCH = 256
"""Lines in one call at most; as many may wait for the next one before reading pauses."""
START_PATIENCE = 60.0
TASK_LABEL = f"{PREFIX}task.id"

log = logging.getLogger(__name__)

Send = Callable[[Publish], Awaitable[None]]
"""Raises Refusal when nobody wants the lines any more."""


class LogReader:
    """`container_of` tells the container of a task, "" for none."""

    def __init__(self, host: OneHost, container_of: Callable[[str], str]) -> None:
        self._host, self._container_of = host, container_of
        self._reading: dict[str, asyncio.Task[None]] = {}

    def take(self, wish: LogWish, send: Send) -> None:
        """Begin with a wish, or end it."""
        if wish.end:
            self._end(wish.id)
        elif wish.id not in self._reading:
            task = asyncio.get_running_loop().create_task(self._serve(wish, send))
            self._reading[wish.id] = task
            task.add_done_callback(lambda _: self._reading.pop(wish.id, None))

    def _end(self, wish_id: str) -> None:
        if (reading := self._reading.get(wish_id)) is not None:
            reading.cancel()

    def end_all(self) -> None:
        """The session is over, and with it its wishes."""
        for wish_id in list(self._reading):
            self._end(wish_id)

    async def _serve(self, wish: LogWish, send: Send) -> None:
        error = ""
        with suppress(Refusal):
            try:
                await self._pump(self._lines(wish), wish, send)
            except _Unreadable as failure:
                error = str(failure)
            await send(Publish(wish.id, (), last=True, error=error))

    async def _pump(self, lines: AsyncIterator[LogLine], wish: LogWish, send: Send) -> None:
        """Read and send at the same time: what was read while one call was on its way goes with the next."""
        queue: asyncio.Queue[LogLine | None] = asyncio.Queue(BATCH)
        reader = asyncio.create_task(_fill(queue, lines))
        try:
            while batch := await _batch(queue):
                await send(Publish(wish.id, batch))
            await reader
        finally:
            reader.cancel()

    async def _lines(self, wish: LogWish) -> AsyncIterator[LogLine]:
        container_id = await self._container(wish)
        query = LogQuery(
            stdout=wish.stdout,
            stderr=wish.stderr,
            since=wish.since,
            until=wish.until,
            tail=None if wish.tail < 0 else wish.tail,
            follow=wish.follow,
        )
        try:
            _, entries = self._host.containers.streams.logs(container_id, query)
            async for entry in entries:
                yield _line(entry)
        except Refusal as refusal:
            raise _Unreadable(refusal.message) from refusal

    async def _container(self, wish: LogWish) -> str:
        """Who follows a task that has only just been assigned waits for its container to start."""
        if wish.follow and not self._begun(wish.task_id):
            with suppress(TimeoutError):
                async with asyncio.timeout(START_PATIENCE):
                    await self._start_of(wish.task_id)
        container_id = self._container_of(wish.task_id)
        if not container_id:
            raise _Unreadable(f"task {wish.task_id} has no container on this node")
        return container_id

    async def _start_of(self, task_id: str) -> None:
        def concerns(event: Event) -> bool:
            return event.action == "start" and event.attributes.get(TASK_LABEL) == task_id

        async with aclosing(self._host.events.subscribe(wanted=concerns)) as starts:
            await anext(starts, None)

    def _begun(self, task_id: str) -> bool:
        container = self._host.state.containers.get(self._container_of(task_id))
        return container is not None and container.state.status != CREATED


class _Unreadable(Exception):  # noqa: N818 - it is what the reader is told
    """The log cannot be read; the text says why."""


async def _fill(queue: asyncio.Queue[LogLine | None], lines: AsyncIterator[LogLine]) -> None:
    try:
        async for line in lines:
            await queue.put(line)
    except Exception:
        await queue.put(None)
        raise
    await queue.put(None)


async def _batch(queue: asyncio.Queue[LogLine | None]) -> tuple[LogLine, ...]:
    """What there is, at least one line; empty at the end."""
    batch = []
    line = await queue.get()
    while line is not None:
        batch.append(line)
        if queue.empty() or len(batch) == BATCH:
            return tuple(batch)
        line = queue.get_nowait()
    queue.put_nowait(None)
    return tuple(batch)


def _line(entry: LogEntry) -> LogLine:
    text = entry.data.decode(errors="replace")
    return LogLine(entry.time, "stdout" if entry.stream == STDOUT else "stderr", text + "\n" * entry.complete)
