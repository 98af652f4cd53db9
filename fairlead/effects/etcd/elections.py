"""Word that the consensus has another leader.

etcd tells it in its log and nowhere else: its interface can only be asked. So a line of the log is taken as a reason to
ask. Whoever waits here looks now and then without one, too: what a log says is not promised.
"""

from __future__ import annotations

import asyncio
import contextlib

_FOLLOWING = 0.05
"""Seconds after which a member also answers what it has said."""
_SAID = (" elected leader ", " changed leader ")


class Elections:
    """`count` grows with each election that was heard of."""

    def __init__(self) -> None:
        self.count = 0
        self._told = asyncio.Event()

    def heard(self, words: str) -> None:
        """A line of the member's log."""
        if any(part in words for part in _SAID):
            asyncio.get_running_loop().call_later(_FOLLOWING, self._tell)

    async def after(self, count: int, patience: float) -> None:
        """Returns when there was one more than `count`, or after `patience` seconds."""
        if self.count == count:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._told.wait()

    def _tell(self) -> None:
        self.count += 1
        self._told.set()
        self._told = asyncio.Event()
