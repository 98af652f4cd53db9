"""What the parts of one node share: its constants, its clock for this turn, and what they want done after it.

A *turn* is the handling of one input (a packet, an answer, a timeout, a call of the API). The parts read `now`, set
timers, and leave events, datagrams and stream calls here; the shell takes them when the turn is over.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from fairlead.core.gossip.config import Config
from fairlead.core.gossip.counters import Counters
from fairlead.core.gossip.errors import GossipError
from fairlead.core.gossip.events import Event
from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.timers import Timers


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is.

    `session`: 7 bytes from a cryptographic source, fresh at every start (they make nonces unique).
    `epoch`: which life of the name this is; a restarted node that passes a greater one (its start time in seconds,
    say) is taken at its word, one that does not learns from the others which one is next.
    """

    name: str
    address: Address
    cluster: str
    session: bytes
    epoch: int = 1
    labels: bytes = b""

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 64:
            raise GossipError(f"node name {self.name!r} has {len(self.name)} characters; it must have 1 to 64")
        check_labels(self.labels)

    def member(self) -> Member:
        return Member(self.name, self.address, self.epoch, 0, self.session, self.labels)


def check_labels(labels: bytes) -> None:
    """Raises GossipError when the labels are too long to travel with a membership record."""
    if len(labels) > 512:
        raise GossipError(f"labels have {len(labels)} bytes; at most 512 travel with a member")


class Turn:
    """Shared by the parts of one node. `started`: time of its first turn; `changed_at`: when it last heard news."""

    __slots__ = ("changed_at", "config", "counters", "events", "identity", "now", "rng", "started", "timers")

    def __init__(self, identity: Identity, config: Config, rng: random.Random, now: float) -> None:
        self.identity = identity
        self.config = config
        self.rng = rng
        self.now = now
        self.started = now
        self.changed_at = now
        self.timers = Timers()
        self.counters = Counters()
        self.events: list[Event] = []
