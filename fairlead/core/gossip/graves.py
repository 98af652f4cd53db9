"""Memory of members that are gone, bounded and without resurrection.

For one life (`dead_life`) a dead or departed member is told to whoever asks, with its age, so that everybody stops at
about the same time. For a second one it is no longer told, but what others still say of it is refused. A node that
was away for less than the second life cannot bring it back; the member itself can, by a later life or incarnation.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.core.gossip.member import Member, Status
from fairlead.core.gossip.wire.messages import Alive, Dead, Left


class MemberGraves:
    def __init__(self, life: float) -> None:
        self._life = life
        self._open: dict[str, float] = {}  # name: when it went, on our clock
        self._sealed: dict[str, tuple[float, tuple[int, int]]] = {}  # name: when sealed, its epoch and incarnation

    def open(self, name: str, since: float) -> None:
        self._open.setdefault(name, since)

    def reopen(self, name: str) -> None:
        """The member is back."""
        self._open.pop(name, None)
        self._sealed.pop(name, None)

    def record(self, member: Member, now: float) -> Dead | Left:
        age = max(int(now - self._open.get(member.name, now)), 0)
        kind = Left if member.status is Status.LEFT else Dead
        return kind(member.name, member.epoch, member.incarnation, min(age, (1 << 32) - 1))

    def close(self, now: float) -> list[str]:
        """Names whose first life is over; forgets those whose second is."""
        over = [name for name, since in self._open.items() if now - since >= self._life]
        for name in over:
            del self._open[name]
        for name in [name for name, (since, _) in self._sealed.items() if now - since >= self._life]:
            del self._sealed[name]
        return over

    def seal(self, member: Member, now: float) -> None:
        self._sealed[member.name] = now, (member.epoch, member.incarnation)

    def last_word(self, name: str) -> Dead | None:
        """What to tell a member that comes back after it was forgotten, so that it can refute."""
        sealed = self._sealed.get(name)
        return None if sealed is None else Dead(name, *sealed[1], 0)

    def refuses(self, news: Alive) -> bool:
        sealed = self._sealed.get(news.name)
        return sealed is not None and (news.epoch, news.incarnation) <= sealed[1]

    def __iter__(self) -> Iterator[str]:
        """Names of the members in their first life of being gone."""
        return iter(self._open)
