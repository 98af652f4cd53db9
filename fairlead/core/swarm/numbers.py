"""Numbers that may be given once: VXLAN ids, ingress ports."""

from __future__ import annotations

from heapq import heappop, heappush


class Numbers:
    """The lowest free number of `first`..`last` first. Numbers outside may be claimed too.

    Invariant: a number has one owner. Everything in the range below the frontier was given or claimed once; what came
    back lies in a heap, which may hold numbers that were claimed meanwhile.
    """

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._frontier = first
        self._owners: dict[int, str] = {}
        self._of: dict[str, set[int]] = {}
        self._returned: list[int] = []

    def owner(self, number: int) -> str:
        """Who has it; "" for nobody."""
        return self._owners.get(number, "")

    def lease(self, owner: str) -> int | None:
        """A free number, now `owner`'s; None when the range is used up."""
        while self._returned:
            number = heappop(self._returned)
            if number not in self._owners:
                return self._give(number, owner)
        while self._frontier <= self._last:
            number, self._frontier = self._frontier, self._frontier + 1
            if number not in self._owners:
                return self._give(number, owner)
        return None

    def claim(self, number: int, owner: str) -> str:
        """Make `number` `owner`'s. Returns the owner that it has already, if that is another."""
        holder = self._owners.get(number, owner)
        if holder != owner:
            return holder
        self._give(number, owner)
        return ""

    def _give(self, number: int, owner: str) -> int:
        self._owners[number] = owner
        self._of.setdefault(owner, set()).add(number)
        return number

    def release(self, number: int, owner: str) -> None:
        """Take it back from `owner`; from nobody else."""
        if self._owners.get(number) != owner:
            return
        del self._owners[number]
        self._of[owner].discard(number)
        if self._first <= number < self._frontier:
            heappush(self._returned, number)

    def release_all(self, owner: str) -> bool:
        """Take back everything that `owner` has. Tells whether that was anything."""
        numbers = sorted(self._of.get(owner, ()))
        for number in numbers:
            self.release(number, owner)
        self._of.pop(owner, None)
        return bool(numbers)
