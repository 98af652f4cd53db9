"""The members a node knows, in the order in which it will probe them.

The order is shuffled as it is walked (one Fisher-Yates step per probe), so a lap visits everybody once in random
order, a newcomer lands at a random place of what is left of the lap, and nothing is ever shuffled as a whole. This
bounds the time until a crashed member is first probed to two laps (SWIM, section 4.3).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from fairlead.core.gossip.member import Member, Status, digest


class Roster:
    """Invariants: `digest` is the XOR over all members; `present` counts the living; the own member is in it."""

    def __init__(self, own: Member) -> None:
        self.own_name = own.name
        self.members: dict[str, Member] = {}
        self.digest = 0
        self.present = 0
        self._order: list[str] = []
        self._absent: dict[str, None] = {own.name: None}  # names that are not in the order
        self._next = 0
        self.put(own)

    @property
    def own(self) -> Member:
        return self.members[self.own_name]

    def get(self, name: str) -> Member | None:
        return self.members.get(name)

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    def put(self, member: Member) -> None:
        """Adds or replaces a member."""
        old = self.members.get(member.name)
        if old is not None:
            self.digest ^= digest(old)
            self.present -= old.present
        self.members[member.name] = member
        self.digest ^= digest(member)
        self.present += member.present
        if old is None and member.name != self.own_name:
            self._absent[member.name] = None
        if member.present and member.name != self.own_name and member.name in self._absent:
            del self._absent[member.name]
            self._order.append(member.name)

    def mark(self, member: Member, status: Status, incarnation: int) -> Member:
        """Puts the member with another status and incarnation, and returns it."""
        changed = replace(member, status=status, incarnation=incarnation)
        self.put(changed)
        return changed

    def forget(self, name: str) -> None:
        member = self.members.pop(name, None)
        if member is not None:
            self.digest ^= digest(member)
            self.present -= member.present
            self._absent.pop(name, None)
            if name in self._order:
                self._order.remove(name)

    def adopt(self, other: Roster) -> None:
        """Takes over what another roster knows, cheaply: for a node that starts from a snapshot."""
        own = self.own
        self.members = other.members.copy()
        self.digest = other.digest
        self.present = other.present
        self._order = [name for name in other._order if name != own.name]
        if other.own_name != own.name:
            self._order.append(other.own_name)
        self._absent = {name: None for name in other._absent if name != other.own_name}
        self._absent[own.name] = None
        self.put(own)

    def next_probe(self, rng: random.Random) -> Member | None:
        """The member whose turn it is, None when there is nobody else."""
        order = self._order
        while order:
            place = self._next
            if place >= len(order):
                self._next = place = 0
            chosen = place + int(rng.random() * (len(order) - place))
            name = order[chosen]
            order[chosen] = order[place]
            order[place] = name
            member = self.members[name]
            if member.present:
                self._next = place + 1
                return member
            self._drop(place)
        return None

    def pick(self, rng: random.Random, count: int, fit: Callable[[Member], bool]) -> list[Member]:
        """Up to `count` different present members, at random among those that fit."""
        order, picked = self._order, dict[str, Member]()
        for _ in range(4 * count + 4):
            if len(picked) == count or not order:
                return list(picked.values())
            member = self.members[order[int(rng.random() * len(order))]]
            if member.present and fit(member):
                picked[member.name] = member
        if len(picked) < count:  # a small cluster, or few fit: look at all of them
            rest = [self.members[name] for name in order if name not in picked]
            fitting = [member for member in rest if member.present and fit(member)]
            for member in rng.sample(fitting, min(count - len(picked), len(fitting))):
                picked[member.name] = member
        return list(picked.values())

    def _drop(self, place: int) -> None:
        """Takes the name at this place out of the order; it comes back when the member does."""
        order = self._order
        self._absent[order[place]] = None
        order[place] = order[-1]
        order.pop()
