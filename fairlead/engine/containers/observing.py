"""`docker top` and `docker stats`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fairlead.engine.containers.context import Context
from fairlead.model.container import RESTARTING, Container
from fairlead.model.errors import Conflict
from fairlead.model.runtime import InterfaceCounters, Usage

INTERVAL = 1.0
"""Seconds between two samples."""
LOOK = 0.05
"""Seconds between two looks at who is connected."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a container has used up to `at` (ns since the epoch; 0 for a container that does not run)."""

    at: int
    usage: Usage
    traffic: Sequence[InterfaceCounters] = ()


NOTHING = Sample(0, Usage())


class Observing:
    def __init__(self, context: Context) -> None:
        self._context = context

    async def top(self, reference: str, arguments: str) -> tuple[list[str], list[list[str]]]:
        """ps(1)'s titles and lines, for the container's processes only."""
        container = self._context.state.container(reference)
        if not container.state.pid:
            raise Conflict(f"container {container.id} is not running")
        if container.state.status == RESTARTING:
            raise Conflict(f"container {container.id} is restarting, wait until the container is running")
        return await self._context.runtime.top(container, arguments)

    async def answered(self, container_id: str, seconds: float) -> None:
        """Returns when nobody is connected to the container's servers, or after `seconds`."""
        for _ in range(round(seconds / LOOK)):
            container = self._context.state.containers.get(container_id)
            if container is None or not container.state.pid or not self._context.runtime.is_asked(container.state.pid):
                return
            await asyncio.sleep(LOOK)

    async def stats(
        self, reference: str, stream: bool, one_shot: bool
    ) -> AsyncIterator[tuple[Container, Sample, Sample]]:
        """(container, this sample, the one before), every second or once. Ends when the container is gone."""
        container = self._context.state.container(reference)
        before = NOTHING
        if not stream and not one_shot:
            before = self._sample(container)
            await asyncio.sleep(INTERVAL)
        while current := self._context.state.containers.get(container.id):
            now = self._sample(current)
            yield current, now, before
            if not stream:
                return
            before = now
            await asyncio.sleep(INTERVAL)

    def _sample(self, container: Container) -> Sample:
        if not container.state.pid:
            return NOTHING
        runtime = self._context.runtime
        return Sample(self._context.clock.now(), runtime.usage(container), runtime.traffic(container.state.pid))
