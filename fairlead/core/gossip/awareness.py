"""Lifeguard's local health: a node that keeps being wrong about others slows down before it accuses them.

The score rises with each sign that this node is the slow one (a probe that failed, a witness that did not answer, a
rumour about ourselves) and falls with each probe that succeeds. Probe times are multiplied by it.
"""

from __future__ import annotations


class Awareness:
    """Invariant: 0 <= score < limit."""

    __slots__ = ("_limit", "score")

    def __init__(self, limit: int) -> None:
        self._limit = max(limit, 1)
        self.score = 0

    def add(self, change: int) -> None:
        self.score = min(max(self.score + change, 0), self._limit - 1)

    def scale(self, seconds: float) -> float:
        return seconds * (self.score + 1)
