"""Which manager to turn to: the one that is said to lead, else all known ones in turn."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.engine.ports import Entropy

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two attempts; the time doubles. Short, because tasks of a node that is silent for long are given to
others, and long enough that a thousand nodes without a leader are no burden."""
LONGEST_REFUSED = 30.0
"""The longest pause of a node that managers refuse: they do not change their mind."""


class LeaderSearch:
    def __init__(self, addresses: Iterable[str], entropy: Entropy) -> None:
        self._entropy = entropy
        self._addresses: list[str] = []
        self._leader = ""
        self._turn = 0
        self._pause, self._longest = FIRST_PAUSE, LONGEST_PAUSE
        self.know(addresses)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._addresses)

    def know(self, addresses: Iterable[str]) -> None:
        """All managers that there are, HOST:PORT; each node asks them in an order of its own."""
        fresh = sorted(set(addresses))
        if fresh and fresh != sorted(self._addresses):
            start = self._entropy.number(len(fresh))
            self._addresses = fresh[start:] + fresh[:start]

    def fork(self) -> LeaderSearch:
        """The same knowledge for one question, whose way does not change the others'."""
        fork = LeaderSearch((), self._entropy)
        fork._addresses, fork._leader, fork._turn = self._addresses, self._leader, self._turn
        return fork

    def next(self) -> str:
        """Whom to ask now; "" while none is known."""
        if self._leader:
            return self._leader
        return self._addresses[self._turn % len(self._addresses)] if self._addresses else ""

    def redirected(self, asked: str, leader: str) -> None:
        """`asked` does not lead, and says that `leader` does ("" for nobody)."""
        self._longest = LONGEST_PAUSE
        if leader and leader != asked:
            self._leader = leader
        else:
            self.failed(asked)

    def failed(self, asked: str) -> None:
        """It could not be reached, or knows of no leader: the next time another one is asked."""
        self._leader = ""
        self._turn += 1

    def refused(self, asked: str) -> None:
        """It does not want this node. The others are asked too, but less and less often."""
        self._longest = LONGEST_REFUSED
        self.failed(asked)

    def leads(self, address: str) -> None:
        """It answered as the leader."""
        self._leader = address
        self._pause, self._longest = FIRST_PAUSE, LONGEST_PAUSE

    def pause(self) -> float:
        """Seconds to wait before the next attempt: longer each time, never the same for two nodes."""
        pause = min(self._pause, self._longest)
        self._pause = 2 * pause
        return pause * (0.5 + self._entropy.number(1000) / 1000)
