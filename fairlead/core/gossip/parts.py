"""How the parts of a node are connected. Each sees only what it is given here."""

from __future__ import annotations

import random
from collections.abc import Callable

from fairlead.core.gossip.apply import Records
from fairlead.core.gossip.broadcast import Queue
from fairlead.core.gossip.calls import Calls
from fairlead.core.gossip.config import Config
from fairlead.core.gossip.coordinates import Coordinates
from fairlead.core.gossip.events import EntryEvent
from fairlead.core.gossip.join import Joiner
from fairlead.core.gossip.keyring import Keyring
from fairlead.core.gossip.mail import Mail, room
from fairlead.core.gossip.member import Member
from fairlead.core.gossip.membership import Membership
from fairlead.core.gossip.probe import Prober
from fairlead.core.gossip.roster import Roster
from fairlead.core.gossip.spread import Spread, retransmit_limit
from fairlead.core.gossip.sync import Holdings, Syncer
from fairlead.core.gossip.tables import Tables
from fairlead.core.gossip.turn import Identity, Turn
from fairlead.core.gossip.watch import Watch
from fairlead.core.gossip.wire.envelope import Envelope


class Parts:
    """`on_session(name)`: a member's session changed. `on_conflict()`: our name is another's."""

    def __init__(self, identity: Identity, keyring: Keyring, rng: random.Random, now: float, config: Config) -> None:
        self.turn = turn = Turn(identity, config, rng, now)
        self.keyring = keyring
        self.watches: list[Watch] = []
        self.silent = False
        self.on_session: Callable[[str], None] = _nobody
        self.envelope = Envelope(identity.cluster, identity.session, keyring, config.compress_from, config.max_frame)
        self.roster = roster = Roster(identity.member())
        self.queue = Queue(self._retransmits, room(turn))
        self.tables = Tables(turn, self.queue, self._own, roster.get, self._emit)
        self.mail = Mail(turn, self.envelope, self.queue, self.tables.takes_part)
        self.calls = Calls(turn, self.envelope, self._own)
        self.coordinates = Coordinates(rng)
        self.membership = Membership(
            turn, roster, self.queue, self._member_changed, lambda news: self.joiner.rival(news)
        )
        self.records = Records(turn, self.queue, self.membership, self.tables)
        self.holdings = Holdings(turn, self.membership, self.tables)
        self.prober = Prober(turn, self.membership, self.mail, self.calls, self.coordinates, self.holdings.digest_with)
        self.spread = Spread(turn, roster, self.tables, self.queue, self.mail, self.calls)
        self.syncer = Syncer(turn, self.calls, self.holdings, self.records, self.tables)
        self.joiner = Joiner(turn, self.membership, self.tables, self.syncer, self.calls, self._fall_silent)

    def reap(self) -> None:
        """Forgets what has been gone for long enough."""
        for member in self.membership.reap():
            self.tables.owner_reaped(member.name)
            self.coordinates.forget(member.name)
            self.on_session(member.name)
        self.tables.reap()

    def _own(self) -> Member:
        return self.roster.own

    def _retransmits(self, scope: str) -> int:
        audience = len(self.tables.participants(scope)) if scope else self.roster.present
        return retransmit_limit(self.turn.config.retransmit, audience)

    def _member_changed(self, old: Member | None, member: Member) -> None:
        if old is not None and old.session != member.session:
            self.on_session(member.name)
        if member.name != self.roster.own_name:
            self.tables.owner_changed(old, member)
        elif old is not None and old.epoch != member.epoch:
            self.tables.rewrite()

    def _emit(self, event: EntryEvent) -> None:
        self.turn.events.append(event)
        for watch in self.watches:
            watch.offer(event)

    def _fall_silent(self) -> None:
        self.silent = True


def _nobody(name: str) -> None:
    """Before the inbox listens there is no session to forget."""
