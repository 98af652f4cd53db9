"""Watchers: what one user of the tables sees of them, in order and without gaps.

A new watch begins with the rows that are visible now, as `EntrySet`s, then come the changes in the order in which this
node made them. A reader that falls behind by more than `limit` events is told so (`lost`) and must watch anew; nothing
is skipped silently.
"""

from __future__ import annotations

from collections import deque

from fairlead.core.gossip.events import EntryEvent

LIMIT = 100_000


class Watch:
    """Events of one table of one network, or of all its tables."""

    def __init__(self, network: str, table: str | None, first: list[EntryEvent], limit: int = LIMIT) -> None:
        self.network = network
        self.table = table
        self.lost = False
        self._limit = limit
        self._events: deque[EntryEvent] = deque(first)

    def offer(self, event: EntryEvent) -> None:
        """Called by the node for each event; takes those it is for."""
        entry = event.entry
        if self.lost or entry.network != self.network or self.table not in (None, entry.table):
            return
        if len(self._events) >= self._limit:
            self._events.clear()
            self.lost = True
            return
        self._events.append(event)

    def take(self) -> list[EntryEvent]:
        """What happened since the last time."""
        events = list(self._events)
        self._events.clear()
        return events
