"""Why a manager that leads the consensus hands over before it has itself removed: every interleaving, in small.

The consensus is Raft, with what matters here of it: an entry that removes the leaver is appended by the leader, copied
to followers, committed when a majority of the old members has it, and then told to followers, one by one. A member
counts votes by the newest members that it knows of for certain. The leaver waits until it knows itself that it is out,
and may be gone any moment after. Those that stay must then be able to elect one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

LEAVER = "leaver"


@dataclass(frozen=True, slots=True)
class World:
    """`has` the entry, `knows` that it is committed; `leader` as long as the leaver has not gone."""

    stayers: tuple[str, ...]
    leader: str
    has: frozenset[str] = frozenset()
    knows: frozenset[str] = frozenset()
    gone: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        return (LEAVER, *self.stayers)

    def steps(self, *, hands_over: bool) -> Iterator[World]:
        """What may happen next."""
        if self.gone:
            return
        leads = self.leader == LEAVER
        if not self.has and leads:
            yield from (replace(self, leader=heir) for heir in self.stayers)
        if not self.has and not (leads and hands_over):
            yield replace(self, has=frozenset({self.leader}))
        if self.leader in self.has:
            yield from (replace(self, has=self.has | {one}) for one in self.members if one not in self.has)
        if len(self.has) > len(self.members) // 2 and self.leader in self.has - self.knows:
            yield replace(self, knows=self.knows | {self.leader})
        if self.leader in self.knows:
            yield from (replace(self, knows=self.knows | {one}) for one in self.has - self.knows)
        if LEAVER in self.knows:
            yield replace(self, gone=True)

    @property
    def goes_on(self) -> bool:
        """Can one of those that stay be elected?"""
        return any(self._votes(one) > self._voters(one) // 2 for one in self.stayers)

    def _voters(self, candidate: str) -> int:
        return len(self.stayers if candidate in self.knows else self.members)

    def _votes(self, candidate: str) -> int:
        """Nobody votes for whose log is behind its own."""
        return sum(candidate in self.has or voter not in self.has for voter in self.stayers)


def endings(start: World, *, hands_over: bool) -> Iterator[World]:
    """Every state in which the leaver has gone."""
    seen, waiting = {start}, [start]
    while waiting:
        world = waiting.pop()
        if world.gone:
            yield world
        fresh = set(world.steps(hands_over=hands_over)) - seen
        seen |= fresh
        waiting += fresh


@pytest.mark.parametrize("stayers", [("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")])
@pytest.mark.parametrize("leader", [LEAVER, "a"])
def test_who_stays_goes_on_whenever_the_leaver_goes(stayers: tuple[str, ...], leader: str) -> None:
    found = list(endings(World(stayers, leader), hands_over=True))
    assert found
    assert all(world.goes_on for world in found)


def test_a_leader_that_does_not_hand_over_may_leave_the_last_one_waiting_for_its_vote() -> None:
    found = list(endings(World(("a",), LEAVER), hands_over=False))
    assert not all(world.goes_on for world in found)
