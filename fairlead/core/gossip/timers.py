"""The deadlines of one node: named, replaceable, the earliest first.

The name says what the wake-up is for and is what `next_deadline` shows. Replaced and cancelled deadlines stay in the
heap until they come up, where the table of the current ones tells them apart.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple


class Timer(NamedTuple):
    kind: str
    subject: str | int = ""


REAP = Timer("reap")
"""What is over is thrown away."""


class Timers:
    __slots__ = ("_count", "_current", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._current: dict[Timer, int] = {}
        self._count = 0

    def set(self, timer: Timer, when: float) -> None:
        """Replaces the timer's earlier deadline, if any."""
        self._count += 1
        self._current[timer] = self._count
        heapq.heappush(self._heap, (when, self._count, timer))

    def cancel(self, timer: Timer) -> None:
        self._current.pop(timer, None)

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._current

    def next(self) -> tuple[float, Timer] | None:
        heap, current = self._heap, self._current
        while heap:
            when, count, timer = heap[0]
            if current.get(timer) == count:
                return when, timer
            heapq.heappop(heap)
        return None

    def pop_due(self, now: float) -> tuple[float, Timer] | None:
        """The earliest timer whose deadline has come, which is thereby over."""
        due = self.next()
        if due is None or due[0] > now:
            return None
        heapq.heappop(self._heap)
        del self._current[due[1]]
        return due

    def delay(self, by: float) -> None:
        """Moves every deadline `by` seconds into the future."""
        self._heap = [
            (when + by, count, timer) for when, count, timer in self._heap if self._current.get(timer) == count
        ]
        heapq.heapify(self._heap)
