"""The records still to be told, the least told first.

A record is queued under its subject, so news about a subject replaces what was waiting about it. It is sent a limited
number of times, ever; the packer takes the least told first, so a fresh change never waits behind old ones, and fills
what room is left with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

EVERYWHERE = ""
"""The scope of records that concern every member. Any other scope is the name of a network."""


SMALLEST = 32
"""No record is encoded in fewer bytes."""


class Broadcast(NamedTuple):
    subject: Hashable
    scope: str
    blob: bytes


class Queue:
    """Broadcasts by how often they were sent. `limit(scope)` says how often is enough.

    What has more than `largest` bytes fits no packet and is taken separately.
    `added` counts what was ever queued. While `muted`, nothing is: news that came in bulk is left to the digests.
    """

    def __init__(self, limit: Callable[[str], int], largest: int) -> None:
        self._limit = limit
        self._largest = largest
        self._large: dict[Hashable, None] = {}
        self._levels: list[dict[Hashable, Broadcast]] = [{}]
        self._level_of: dict[Hashable, int] = {}
        self._scopes: dict[str, int] = {}
        self.added = 0
        self.muted = False

    def __len__(self) -> int:
        return len(self._level_of)

    def add(self, broadcast: Broadcast) -> None:
        self.drop(broadcast.subject)
        if self.muted:
            return
        self.added += 1
        self._levels[0][broadcast.subject] = broadcast
        self._level_of[broadcast.subject] = 0
        if len(broadcast.blob) > self._largest:
            self._large[broadcast.subject] = None
        self._scopes[broadcast.scope] = self._scopes.get(broadcast.scope, 0) + 1

    def drop(self, subject: Hashable) -> None:
        level = self._level_of.pop(subject, None)
        if level is not None:
            self._uncount(self._levels[level].pop(subject))

    def clear(self) -> None:
        for subject in list(self._level_of):
            self.drop(subject)

    def scopes(self) -> tuple[str, ...]:
        """The scopes of what is waiting."""
        return tuple(self._scopes)

    @property
    def has_untold(self) -> bool:
        """Whether a record waits that was sent to nobody yet."""
        return bool(self._levels[0])

    def most_urgent(self) -> Broadcast | None:
        for level in self._levels:
            for broadcast in level.values():
                return broadcast
        return None

    def pack(self, room: int, scopes: tuple[str, ...]) -> list[bytes]:
        """Takes records of these scopes that fit into `room` bytes together."""
        taken: list[tuple[int, Broadcast]] = []
        for told, level in enumerate(self._levels):
            for broadcast in level.values():
                size = len(broadcast.blob)
                if size <= room and size <= self._largest and broadcast.scope in scopes:
                    room -= size
                    taken.append((told, broadcast))
            if room < SMALLEST:
                break
        return self._send(taken)

    def take_large(self, scopes: tuple[str, ...]) -> list[bytes]:
        """Takes the records of these scopes that fit no packet."""
        levels = [(subject, self._level_of[subject]) for subject in self._large]
        waiting = [(told, self._levels[told][subject]) for subject, told in levels]
        return self._send([(told, broadcast) for told, broadcast in waiting if broadcast.scope in scopes])

    def _send(self, taken: list[tuple[int, Broadcast]]) -> list[bytes]:
        for told, broadcast in taken:
            self._sent(told, broadcast)
        return [broadcast.blob for _, broadcast in taken]

    def _sent(self, level: int, broadcast: Broadcast) -> None:
        del self._levels[level][broadcast.subject]
        told = level + 1
        if told >= self._limit(broadcast.scope):
            del self._level_of[broadcast.subject]
            self._uncount(broadcast)
            return
        while len(self._levels) <= told:
            self._levels.append({})
        self._levels[told][broadcast.subject] = broadcast
        self._level_of[broadcast.subject] = told

    def _uncount(self, broadcast: Broadcast) -> None:
        self._large.pop(broadcast.subject, None)
        self._scopes[broadcast.scope] -= 1
        if not self._scopes[broadcast.scope]:
            del self._scopes[broadcast.scope]
