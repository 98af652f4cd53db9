"""Who acts already by what this node has told of its own endpoints.

A task that is to end is first told of as not serving, and ends when nobody can be sent to it any more: when every node
that takes part in the network has said that its names and its balancing know (`gossip.Node.heed`). Who has gone
meanwhile is not waited for; who is slow is, for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.core.gossip import EntryHeeded


@dataclass(slots=True, eq=False)
class _Told:
    time: int
    missing: set[str]
    heeded: asyncio.Event = field(default_factory=asyncio.Event)

    def without(self, node: str) -> None:
        self.missing.discard(node)
        if not self.missing:
            self.heeded.set()


class Heeding:
    """By network and endpoint: the last telling that is to be heeded."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], _Told] = {}

    def told(self, network_id: str, endpoint_id: str, time: int, others: Iterable[str]) -> None:
        """These nodes are to heed what was written of the endpoint at that time."""
        told = self._told[network_id, endpoint_id] = _Told(time, set(others))
        told.without("")

    def heard(self, event: EntryHeeded) -> None:
        told = self._told.get((event.network, event.key))
        if told is not None and event.time >= told.time:
            told.without(event.by)

    def gone(self, node: str) -> None:
        for told in self._told.values():
            told.without(node)

    def forget(self, network_id: str, endpoint_id: str) -> None:
        if (told := self._told.pop((network_id, endpoint_id), None)) is not None:
            told.heeded.set()

    async def heeded(self, network_id: str, endpoint_id: str, patience: float) -> bool:
        """Returns when everybody heeds it, or after `patience` seconds: then False."""
        told = self._told.get((network_id, endpoint_id))
        if told is None:
            return True
        try:
            async with asyncio.timeout(patience):
                await told.heeded.wait()
        except TimeoutError:
            return False
        return True
