"""Memory of members that are gone, bounded and without resurrection.

For one life (`dead_life`) a dead or departed member is told to whoever asks, with its age, so that everybody stops at
about the same time. For a second one it is no longer told, but what others still say of it is refused. A node that
was away for less than the second life cannot bring it back; the member itself can, by a later life or incarnation.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.gossip.member import Member, Status
from fairlead.core.gossip.wire.messages import Alive, Dead, Left


class GoneMembers:
    def __init__(self, life: float) -> None:
        self._life = life
        self._told: dict[str, float] = {}  # name: when it went, on our clock
        self._silenced: dict[str, tuple[float, tuple[int, int]]] = {}  # name: since when, its epoch and incarnation

    def add(self, name: str, since: float) -> None:
        self._told.setdefault(name, since)

    def back(self, name: str) -> None:
        """The member is back."""
        self._told.pop(name, None)
        self._silenced.pop(name, None)

    def record(self, member: Member, now: float) -> Dead | Left:
        age = max(int(now - self._told.get(member.name, now)), 0)
        kind = Left if member.status is Status.LEFT else Dead
        return kind(member.name, member.epoch, member.incarnation, min(age, (1 << 32) - 1))

    def expire(self, now: float) -> list[str]:
        """Names whose first life is over; forgets those whose second is."""
        over = [name for name, since in self._told.items() if now - since >= self._life]
        for name in over:
            del self._told[name]
        for name in [name for name, (since, _) in self._silenced.items() if now - since >= self._life]:
            del self._silenced[name]
        return over

    def silence(self, member: Member, now: float) -> None:
        self._silenced[member.name] = now, (member.epoch, member.incarnation)

    def last_word(self, name: str) -> Dead | None:
        """What to tell a member that comes back after it was forgotten, so that it can refute."""
        silenced = self._silenced.get(name)
        return None if silenced is None else Dead(name, *silenced[1], 0)

    def refuses(self, news: Alive) -> bool:
        silenced = self._silenced.get(news.name)
        return silenced is not None and (news.epoch, news.incarnation) <= silenced[1]

    def __iter__(self) -> Iterator[str]:
        """Names of the members in their first life of being gone."""
        return iter(self._told)
