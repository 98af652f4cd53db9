"""Word that the consensus has another leader.

etcd tells it in its log and nowhere else: its interface can only be asked. So a line of the log is taken as a reason to
ask. Whoever waits here looks now and then without one, too: what a log says is not promised.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

_FOLLOWING = 0.05
"""Seconds after which a member also answers what it has said."""
_ANSWERING = 0.2
"""Seconds after an election that an answer may still take to what was asked before."""
_SAID = (" elected leader ", " changed leader ")


class Elections:
    """`count` grows with each election that was heard of."""

    def __init__(self) -> None:
        self.count = 0
        self._told = asyncio.Event()
        self._led = False
        self._limits: set[asyncio.Timeout] = set()

    def heard(self, words: str) -> None:
        """A line of the member's log."""
        if not any(part in words for part in _SAID):
            return
        loop = asyncio.get_running_loop()
        loop.call_later(_FOLLOWING, self._tell)
        for limit in self._limits if self._led else ():
            if limit.when() is None:
                limit.reschedule(loop.time() + _ANSWERING)
        self._led = True

    async def after(self, count: int, patience: float) -> None:
        """Returns when there was one more than `count`, or after `patience` seconds."""
        if self.count == count:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._told.wait()

    @contextlib.contextmanager
    def ending(self, limit: asyncio.Timeout) -> Iterator[None]:
        """What is asked herein, under a `limit` without an end, is given up soon after an election, unless that was the
        first: what a member passed on to the former leader is lost if that is dead, and nobody says so."""
        self._limits.add(limit)
        try:
            yield
        finally:
            self._limits.discard(limit)

    def _tell(self) -> None:
        self.count += 1
        self._told.set()
        self._told = asyncio.Event()
