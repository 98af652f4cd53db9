"""What a loop is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from fairlead.core.swarm.changes import Changes, Key, Thing
from fairlead.core.swarm.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Moment:
    """`now` in nanoseconds since the epoch; `new_id` draws the id of a new object (25 characters)."""

    now: int
    new_id: Callable[[], str]


class Loop(Protocol):
    """One trade. `concerns` tells, for a change of the store (None: not there before, or after), what it has to look
    at; `decide` looks and answers. It must be idempotent: looking again at what needs nothing changes nothing.

    `snapshot` is as before the answer; what the loop answers is applied before any other loop looks.
    """

    @property
    def name(self) -> str: ...

    def concerns(self, old: Thing | None, new: Thing | None, snapshot: Snapshot) -> Iterable[Key]: ...

    def decide(self, snapshot: Snapshot, keys: Iterable[Key], moment: Moment) -> Changes: ...
