"""Changes of the store for one listener: kept until it takes them, all that wait at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fairlead.core.swarm.changes import Change


class Subscription:
    """`drain` what waits, `wait` until something does; or iterate over batches. `close` when done."""

    def __init__(self, closed: Callable[[Subscription], None]) -> None:
        self._closed = closed
        self._changes: list[Change] = []
        self._arrived = asyncio.Event()
        self._over = False

    def tell(self, changes: Sequence[Change]) -> None:
        self._changes += changes
        self._arrived.set()

    def drain(self) -> list[Change]:
        """What changed since the last time, in the order of the store."""
        changes, self._changes = self._changes, []
        if not self._over:
            self._arrived.clear()
        return changes

    async def wait(self) -> None:
        """Until `drain` has something, or nothing will come any more."""
        await self._arrived.wait()

    def close(self) -> None:
        """Ends iterations, after what still waits. Idempotent."""
        if self._over:
            return
        self._over = True
        self._arrived.set()
        self._closed(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> list[Change]:
        await self.wait()
        if changes := self.drain():
            return changes
        raise StopAsyncIteration
