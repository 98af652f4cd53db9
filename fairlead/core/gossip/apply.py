"""Records that came from another node, each handed to the part that judges it.

The way they came matters in two respects. What came as gossip is gossiped on; what came in bulk is not, since whoever
else lacks it will find out the same way we did. And a death learned by comparing notes, possibly with the other side
of a healed partition, is a doubt about a member that is alive to us, not a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.core.gossip.broadcast import Queue
from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.membership import Membership
from fairlead.core.gossip.tables import Tables
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire.messages import Alive, Dead, Entry, Left, Record, Suspect, Tombstone


class Records:
    def __init__(self, turn: Turn, queue: Queue, membership: Membership, tables: Tables) -> None:
        self._turn = turn
        self._queue = queue
        self._membership = membership
        self._judges: dict[type, Callable[..., bool]] = {
            Alive: membership.hear_alive,
            Suspect: membership.hear_suspect,
            Dead: membership.hear_dead,
            Left: membership.hear_left,
            Entry: tables.hear,
            Tombstone: tables.hear,
        }

    def hear(self, record: Record) -> bool:
        """One record of a packet. Returns whether it was news."""
        return self._judges[type(record)](record)

    def hear_all(self, records: Sequence[Record]) -> int:
        """The records of a sync. Returns how many were news."""
        roster, membership = self._membership.roster, self._membership
        living = {
            record.name
            for record in records
            if isinstance(record, Dead) and (known := roster.get(record.name)) is not None and known.present
        }
        incarnation = roster.own.precedence
        self._queue.muted = len(records) > self._turn.config.sync_gossip
        news = 0
        for record in records:
            try:
                doubtful = isinstance(record, Dead) and record.name in living
                news += membership.doubt(record) if doubtful else self.hear(record)  # type: ignore[arg-type]
            except PeerError as error:
                self._turn.counters.peer_error(error.reason)
        self._queue.muted = False
        if roster.own.precedence != incarnation:
            membership.announce()
        return news
