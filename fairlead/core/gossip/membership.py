"""Who is in the cluster: how news about members is judged, spread and refuted.

Every change of the roster goes through here, so the law (`member.precedence`), the events and the broadcasts stay
together. A member is declared dead in one of two ways: our own suspicion of it runs out, or we hear that another's did.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from fairlead.core.gossip import member as members
from fairlead.core.gossip.awareness import Awareness
from fairlead.core.gossip.broadcast import EVERYWHERE, Broadcast, Queue
from fairlead.core.gossip.events import (
    MemberChanged,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberSuspected,
)
from fairlead.core.gossip.gone import GoneMembers
from fairlead.core.gossip.member import Member, Status
from fairlead.core.gossip.roster import Roster
from fairlead.core.gossip.suspicion import Suspicion
from fairlead.core.gossip.timers import Timer
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Alive, Dead, Left, Record, Suspect, Verdict, Witness

SUSPICION = "suspicion"

MAX_LEAP = 1 << 33
"""No honest member is so many lives or refutations ahead of what is known of it; a start time in seconds is less."""


class Membership:
    """`on_change(old, new)` is told of every change, `on_rival(news)` of another node that claims our name."""

    def __init__(
        self,
        turn: Turn,
        roster: Roster,
        queue: Queue,
        on_change: Callable[[Member | None, Member], None],
        on_rival: Callable[[Alive], None],
    ) -> None:
        self._turn = turn
        self.roster = roster
        self._queue = queue
        self._on_change = on_change
        self._on_rival = on_rival
        self.awareness = Awareness(turn.config.awareness_max if turn.config.lifeguard else 1)
        self.suspicions: dict[str, Suspicion] = {}
        self.gone = GoneMembers(turn.config.dead_life)

    # News, from whatever way it came. Each returns whether it was news.

    def hear_alive(self, news: Alive) -> bool:
        if news.name == self.roster.own_name:
            return self._hear_of_own_life(news)
        old = self.roster.get(news.name)
        if old is not None and members.precedence(news) <= old.precedence:
            return False
        if _leaps(news, old):
            self._turn.counters.refused("leap")
            return False
        if old is None and (self.gone.refuses(news) or len(self.roster) >= self._turn.config.max_members):
            self._turn.counters.refused("member")
            return False
        member = members.from_alive(news)
        self._clear_suspicion(news.name)
        self.gone.back(news.name)
        self.roster.put(member)
        self._tell(news.name, news)
        self._report_life(old, member)
        self._on_change(old, member)
        return True

    def hear_suspect(self, news: Suspect) -> bool:
        if news.name == self.roster.own_name:
            return self._refute(news, rumour=True)
        member = self.roster.get(news.name)
        if member is None or not member.present or not news.witnesses or news.epoch != member.epoch:
            return False
        if _leaps(news, member):
            return False
        if news.incarnation < member.incarnation:
            return False
        return self.suspect(member, news.incarnation, news.witnesses)

    def hear_dead(self, news: Dead) -> bool:
        """A death, as judged by another."""
        if news.name == self.roster.own_name:
            return self._refute(news, rumour=True)
        member = self._news_of(news, Status.DEAD)
        if member is None:
            return False
        self._declare_gone(member, Status.DEAD, news, here=False)
        return True

    def hear_left(self, news: Left) -> bool:
        if news.name == self.roster.own_name:
            return self._refute(news, rumour=False)
        member = self._news_of(news, Status.LEFT)
        if member is None:
            return False
        self._declare_gone(member, Status.LEFT, news, here=False)
        return True

    def doubt(self, news: Dead) -> bool:
        """A death learned from the other side of a healed partition: the member gets the chance to refute it."""
        member = self.roster.get(news.name)
        if member is None or not member.present or news.name == self.roster.own_name:
            return self.hear_dead(news)
        if (news.epoch, news.incarnation) < (member.epoch, member.incarnation) or news.epoch != member.epoch:
            return False
        return self.suspect(member, news.incarnation, (Witness(self.roster.own_name, Verdict.SILENT),))

    # What this node finds out or does itself.

    def suspect(self, member: Member, incarnation: int, witnesses: tuple[Witness, ...]) -> bool:
        """Accuses a present member, or adds witnesses to the accusation. Returns whether any of it was news."""
        suspicion = self.suspicions.get(member.name)
        if suspicion is None or suspicion.incarnation < incarnation:
            suspicion = Suspicion(member.epoch, incarnation, self._turn.now)
            self.suspicions[member.name] = suspicion
            self._turn.counters.suspicions += 1
            old, member = member, self.roster.mark(member, Status.SUSPECT, incarnation)
            if old.status is Status.ALIVE:
                self._turn.events.append(MemberSuspected(member))
        elif suspicion.incarnation > incarnation:
            return False
        if not suspicion.add(witnesses, self._turn.config.confirmations + 1):
            return False
        self._tell(member.name, suspicion.statement(member.name))
        deadline = suspicion.deadline(self._turn.config, self.roster.present)
        self._turn.timers.set(Timer(SUSPICION, member.name), max(deadline, self._turn.now))
        return True

    def suspicion_ended(self, name: str) -> None:
        """The member did not refute in time."""
        suspicion, member = self.suspicions.get(name), self.roster.get(name)
        if suspicion is None or member is None or not member.present:
            return
        self._turn.counters.deaths_declared += 1
        self._declare_gone(member, Status.DEAD, Dead(name, suspicion.epoch, suspicion.incarnation, 0), here=True)

    def announce(self) -> None:
        """Tells everybody where we are and what we are."""
        self._tell(self.roster.own_name, members.to_alive(self.roster.own))

    def renew(self, **changes: object) -> None:
        """Raises our incarnation, so that what changed about us (labels, epoch) beats what others hold."""
        old = self.roster.own
        self.roster.put(replace(old, **{"incarnation": old.incarnation + 1, **changes}))
        self.announce()
        self._on_change(old, self.roster.own)

    def leave(self) -> None:
        own = self.roster.own
        self.roster.mark(own, Status.LEFT, own.incarnation)
        self._tell(own.name, Left(own.name, own.epoch, own.incarnation, 0))

    def refute_to(self, member: Member) -> bytes | None:
        """What to tell a member that is not alive to us, or whom we suspect, so that it can refute at once."""
        suspicion = self.suspicions.get(member.name)
        if suspicion is not None and self._turn.config.lifeguard:
            return codec.encode(suspicion.statement(member.name))
        if member.status is Status.DEAD:
            return codec.encode(Dead(member.name, member.epoch, member.incarnation, 0))
        return None

    def held_of(self, name: str) -> list[Record]:
        """What we hold of a member that claims to be another, or that we had forgotten."""
        member, last_word = self.roster.get(name), self.gone.last_word(name)
        if member is not None:
            return [members.to_alive(member)]
        return [] if last_word is None else [last_word]

    def records_of(self, member: Member) -> list[Record]:
        """The records that bring another node to what we hold about the member."""
        alive = members.to_alive(member)
        if member.present:
            return [alive]
        return [alive, self.gone.record(member, self._turn.now)]

    def reap(self) -> list[Member]:
        """Members that have been gone for so long that nobody speaks of them any more."""
        gone = self.gone.expire(self._turn.now)
        reaped = [member for name in gone if (member := self.roster.get(name)) is not None]
        for member in reaped:
            self.gone.silence(member, self._turn.now)
            self.roster.forget(member.name)
        return reaped

    # Inside.

    def _hear_of_own_life(self, news: Alive) -> bool:
        own = self.roster.own
        if news.session == own.session or _leaps(news, own):
            return False  # our own word, come around (an older one, or the current)
        if members.from_alive(news).address != own.address:
            self._on_rival(news)
            return False
        if news.epoch < own.epoch:
            return False
        # Our earlier life under this name and address: begin the next one.
        self.renew(epoch=news.epoch + 1, incarnation=0)
        return True

    def _refute(self, news: Suspect | Dead | Left, *, rumour: bool) -> bool:
        own = self.roster.own
        if (
            own.status is Status.LEFT
            or _leaps(news, own)
            or (news.epoch, news.incarnation) < (own.epoch, own.incarnation)
        ):
            return False
        if rumour:
            self.awareness.add(1)
        self._turn.counters.refutations += 1
        self.renew(epoch=max(own.epoch, news.epoch), incarnation=news.incarnation + 1)
        return True

    def _news_of(self, news: Dead | Left, status: Status) -> Member | None:
        """The member, if it is in the news' life and the news is worse than what is held."""
        member = self.roster.get(news.name)
        if member is None or news.epoch != member.epoch or _leaps(news, member):
            return None
        if (news.incarnation, status) <= (member.incarnation, member.status):
            return None
        return member

    def _declare_gone(self, member: Member, status: Status, news: Dead | Left, *, here: bool) -> None:
        self._clear_suspicion(member.name)
        gone = self.roster.mark(member, status, news.incarnation)
        self.gone.add(member.name, self._turn.now - news.age)
        self._tell(member.name, news)
        if status is Status.LEFT:
            self._turn.events.append(MemberLeft(gone))
        elif member.present:
            self._turn.events.append(MemberFailed(gone, here))
        self._on_change(member, gone)

    def _clear_suspicion(self, name: str) -> None:
        if self.suspicions.pop(name, None) is not None:
            self._turn.timers.cancel(Timer(SUSPICION, name))

    def _report_life(self, old: Member | None, member: Member) -> None:
        if old is None or not old.present:
            self._turn.events.append(MemberJoined(member, returned=old is not None))
        elif (old.epoch, old.address, old.labels) != (member.epoch, member.address, member.labels):
            self._turn.events.append(MemberChanged(member))

    def _tell(self, name: str, news: Record) -> None:
        self._turn.changed_at = self._turn.now
        self._queue.add(Broadcast(("member", name), EVERYWHERE, codec.encode(news)))


def _leaps(news: Alive | Suspect | Dead | Left, known: Member | None) -> bool:
    """Whether the news would push the member's counters towards their end, where it could no longer answer."""
    epoch, incarnation = (0, 0) if known is None else (known.epoch, known.incarnation)
    return news.epoch > epoch + MAX_LEAP or news.incarnation > incarnation + MAX_LEAP
