"""Getting into the cluster, back into it, and out of a quarrel over a name.

A node joins by comparing notes with a seed; its question carries its own record, so the first question is also the
introduction. Seeds that are not among the living, and members that were lost, are tried again now and then for as long
as the node lives: the two halves of a split cluster find each other without help, and so does a cluster whose nodes
were all restarted. The cluster as a whole makes a constant number of such attempts, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.core.gossip import member as members
from fairlead.core.gossip.calls import Calls
from fairlead.core.gossip.events import NameConflict
from fairlead.core.gossip.member import Address, Status
from fairlead.core.gossip.membership import Membership
from fairlead.core.gossip.sync import Syncer
from fairlead.core.gossip.tables import Tables
from fairlead.core.gossip.timers import Timer
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire.messages import Alive, Verdict
from fairlead.core.gossip.wire.stream import Check, Here, Reply

RECONNECT = Timer("reconnect")


class Joiner:
    """`on_conflict()`: the name is another's; this node must fall silent."""

    def __init__(
        self,
        turn: Turn,
        membership: Membership,
        tables: Tables,
        syncer: Syncer,
        calls: Calls,
        on_conflict: Callable[[], None],
    ) -> None:
        self._turn = turn
        self._membership = membership
        self._roster = membership.roster
        self._tables = tables
        self._syncer = syncer
        self._calls = calls
        self._on_conflict = on_conflict
        self._seeds: list[Address] = []
        self._checking = False

    @property
    def age(self) -> int:
        """Whole seconds for which this node has been running."""
        return max(int(self._turn.now - self._turn.started), 0)

    def begin(self) -> None:
        """Even a node without seeds looks for the members it loses."""
        turn = self._turn
        turn.timers.set(RECONNECT, turn.now + turn.rng.random() * turn.config.reconnect_interval)

    def join(self, seeds: list[Address]) -> None:
        self._seeds = [seed for seed in seeds if seed != self._turn.identity.address]
        self.reconnect()

    def reconnect(self) -> None:
        """Tries one absent seed or lost member."""
        turn, config = self._turn, self._turn.config
        alone = self._roster.present <= 1
        # When alone, everything depends on it; otherwise many others try as well.
        turn.timers.set(RECONNECT, turn.now + (config.join_retry if alone else config.reconnect_interval))
        candidates = self._absent_seeds() + self._lost()
        if not candidates:
            return
        share = len(candidates) / max(self._roster.present, 1)
        if alone or turn.rng.random() < share:
            self._syncer.start(turn.rng.choice(candidates), self._tables.networks)

    def _absent_seeds(self) -> list[Address]:
        present = {member.address for member in self._roster if member.present} if self._seeds else set()
        return [seed for seed in self._seeds if seed not in present]

    def _lost(self) -> list[Address]:
        gone = [self._roster.get(name) for name in self._membership.gone]
        return [member.address for member in gone if member is not None and member.status is Status.DEAD]

    def rival(self, news: Alive) -> None:
        """Another node claims our name at another address. If it lives, the one that lives longer keeps the name."""
        if self._checking:
            return
        address = members.from_alive(news).address

        def answered(reply: Reply, _: Address) -> None:
            self._checking = False
            if not isinstance(reply.answer, Here) or reply.sender.session != news.session:
                return
            if (reply.answer.age, news.session) > (self.age, self._roster.own.session):
                self._turn.events.append(NameConflict(self._roster.own_name, address))
                self._on_conflict()
            else:
                self._outbid(news)

        def failed(verdict: Verdict) -> None:
            self._checking = False
            self._outbid(news)

        self._checking = self._calls.ask(
            address, Check(news.name), self._turn.config.indirect_timeout, answered, failed
        )

    def _outbid(self, news: Alive) -> None:
        """The name is ours: make our record beat the other's."""
        own = self._roster.own
        if members.precedence(news) >= own.precedence:
            self._membership.renew(epoch=max(own.epoch, news.epoch) + 1, incarnation=0)
