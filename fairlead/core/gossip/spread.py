"""How changes leave a node: pushed on at once when they are new to it, then repeated by a slow tick.

The push makes news travel at the speed of the network, hop after hop, while it is new; the tick repairs what loss and
chance left out. Both draw on the same budget of sends per record, so being fast costs no more than being slow. The
first send of a record goes to the next member by name, the others to random ones: chance alone leaves somebody out in
one write of thirty, whom the digests find a second later, but in a ring everybody has somebody who tells him. What a
record needs beyond that, the digests in the pings will find.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from fairlead.core.gossip.broadcast import EVERYWHERE, Broadcast, Queue
from fairlead.core.gossip.calls import Calls
from fairlead.core.gossip.mail import Mail
from fairlead.core.gossip.member import Member
from fairlead.core.gossip.roster import Roster
from fairlead.core.gossip.tables import Tables
from fairlead.core.gossip.timers import Timer
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.stream import Deliver

RING = 200
"""Up to so many members the one that is next is looked for; where there are more, the budget of sends leaves nobody
out, and looking would cost."""
PUSH = Timer("push")
TICK = Timer("gossip")


def retransmit_limit(factor: float, members: int) -> int:
    """How often each node sends a record in all."""
    return max(math.ceil(factor * math.log10(members + 1)), 1)


class Spread:
    """Sends waiting records. `news()` after each turn in which something may have been queued."""

    def __init__(self, turn: Turn, roster: Roster, tables: Tables, queue: Queue, mail: Mail, calls: Calls) -> None:
        self._turn = turn
        self._roster = roster
        self._queue = queue
        self._mail = mail
        self._calls = calls
        self._tables = tables
        self._pushed_at = -math.inf
        self._seen = 0

    def news(self, source: str | None = None) -> None:
        """Something may have been queued, told by `source`: see that it goes out."""
        added = self._queue.added
        if added == self._seen:
            return
        self._seen = added
        timers, now, config = self._turn.timers, self._turn.now, self._turn.config
        if TICK not in timers:
            timers.set(TICK, now + config.gossip_interval * (0.5 + 0.5 * self._turn.rng.random()))
        if config.push_fanout and PUSH not in timers:
            earliest = self._pushed_at + config.push_spacing
            if earliest > now:
                timers.set(PUSH, earliest)
            else:
                self.push(source)

    def push(self, source: str | None = None) -> None:
        self._pushed_at = self._turn.now
        self._turn.counters.pushes += 1
        self._send(self._turn.config.push_fanout, 1, source)

    def tick(self) -> None:
        self._send(self._turn.config.gossip_fanout, self._turn.config.gossip_burst, None)
        if len(self._queue):
            self._turn.timers.set(TICK, self._turn.now + self._turn.config.gossip_interval)

    def _send(self, fanout: int, burst: int, source: str | None) -> None:
        urgent = self._queue.most_urgent()
        if urgent is None:
            return
        targets = self._audience(urgent, fanout, source)
        if not targets:
            self._queue.drop(urgent.subject)  # nobody is there to hear it; a newcomer will ask
        for member in targets:
            oversize = self._mail.send_records(member.address, member.name, burst)
            if oversize:
                self._deliver(member, oversize)

    def _audience(self, urgent: Broadcast, fanout: int, source: str | None) -> list[Member]:
        """Members whom the most urgent record concerns: the next one if nobody was told yet, and random others."""
        if urgent.scope == EVERYWHERE and self._roster.present > RING:
            return self._roster.pick(self._turn.rng, fanout, lambda member: member.name != source)
        concerned = self._roster if urgent.scope == EVERYWHERE else self._participants(urgent.scope)
        own = self._roster.own_name
        present = [member for member in concerned if member.present and member.name not in (source, own)]
        if len(present) <= fanout or not self._queue.has_untold:
            return self._turn.rng.sample(present, min(fanout, len(present)))
        following = min([member for member in present if member.name > own] or present, key=lambda member: member.name)
        others = [member for member in present if member is not following]
        return [following, *self._turn.rng.sample(others, fanout - 1)]

    def _participants(self, network: str) -> Iterator[Member]:
        for name in self._tables.participants(network):
            member = self._roster.get(name)
            if member is not None:
                yield member

    def _deliver(self, member: Member, blobs: list[bytes]) -> None:
        """By stream, what fits no datagram. If it fails, the digests will see to it."""
        records = [codec.decode_record(blob) for blob in blobs]
        self._calls.ask(
            member.address,
            Deliver(records),
            self._turn.config.sync_patience,
            lambda reply, address: None,
            lambda verdict: None,
        )
