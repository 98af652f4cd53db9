"""attach, resize and logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fairlead.engine.containers.consoles import Place
from fairlead.engine.containers.context import Context
from fairlead.engine.containers.waiting import NEXT_EXIT
from fairlead.model.container import PAUSED, RESTARTING, Container
from fairlead.model.errors import Conflict, Unsupported
from fairlead.model.runtime import LogEntry, LogQuery

UNLOGGED = "none"


@dataclass(frozen=True, slots=True)
class Attached:
    """A client's place at a container's console. `close` it in any case."""

    container: Container
    place: Place
    streams: Streams
    ended: asyncio.Future[int]

    async def read(self) -> tuple[int, bytes] | None:
        """The next (stream, output). The last word is said when the end is known to everybody: clients that have read
        it ask for the exit code next, and remove what the container was connected to."""
        item = await self.place.read()
        if item is None:
            await asyncio.shield(self.ended)
        return item

    def close(self) -> None:
        self.ended.cancel()
        self.streams.leave(self)


class Streams:
    def __init__(self, context: Context) -> None:
        self._context = context

    def check(self, reference: str) -> None:
        """Raises NotFound before a stream is opened."""
        self._context.state.container(reference)

    def attach(self, reference: str) -> Attached:
        """Take a place at the console, also of a container that is still to be started."""
        container = self._context.state.container(reference)
        if container.state.status == PAUSED:
            raise Conflict(f"container {container.id} is paused, unpause the container before attach")
        if container.state.status == RESTARTING:
            raise Conflict(f"container {container.id} is restarting, wait until the container is running")
        place = self._context.consoles.join(container.id, bool(container.state.pid))
        ended = self._context.waiting.join(container.id, NEXT_EXIT)
        self._context.announce(container, "attach")
        return Attached(container, place, self, ended)

    def leave(self, attached: Attached) -> None:
        self._context.consoles.leave(attached.container.id, attached.place)

    def detached(self, attached: Attached) -> None:
        """The user typed the detach keys."""
        self._context.announce(attached.container, "detach")

    def resize(self, reference: str, height: int, width: int) -> None:
        container = self._context.state.container(reference)
        if not container.state.pid:
            raise Conflict(f"container {container.id} is not running")
        self._context.runtime.resize(container.id, height, width)
        self._context.announce(container, "resize", height=str(height), width=str(width))

    def logs(self, reference: str, query: LogQuery) -> tuple[Container, AsyncIterator[LogEntry]]:
        """The container and its output, oldest first. A followed log ends with the container."""
        container = self._context.state.container(reference)
        if container.spec.log_driver == UNLOGGED:
            raise Unsupported("configured logging driver does not support reading")
        return container, self._entries(container, query)

    async def _entries(self, container: Container, query: LogQuery) -> AsyncIterator[LogEntry]:
        # It may have ended since it was asked for: then nobody would tell of its end.
        current = self._context.state.containers.get(container.id)
        follow = query.follow and current is not None and current.state.running
        ended = self._context.waiting.join(container.id, NEXT_EXIT) if follow else None
        try:
            async for entry in self._context.logs.entries(container, query, ended):
                yield entry
        finally:
            if ended is not None:
                ended.cancel()
