"""What the managers' shared store is told and tells. A revision numbers the states of the whole store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_AT_ONCE = 64
"""Objects that one transaction may write."""


@dataclass(frozen=True, slots=True)
class Write:
    """One object: `value` None deletes. `version` is the revision that must still stand (0: must not exist; None: do
    not ask). `name` makes the object's name unique among its kind ("" for kinds without); `old_name` is the one it
    had. `needs` are other objects (kind, id, version) that must stand as they are, and of which is noted that they are
    needed; `unneeded_since` is the revision since which nothing may have come to need this one (None: do not ask)."""

    kind: str
    id: str
    value: bytes | None
    version: int | None
    name: str = ""
    old_name: str = ""
    needs: tuple[tuple[str, str, int], ...] = ()
    unneeded_since: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as the store has it; `value` None: it was deleted. `version` is the revision of its last write."""

    kind: str
    id: str
    value: bytes | None
    version: int


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write as leader: the key of the campaign and the revision at which it was won."""

    key: str
    revision: int


class ClusterStore(Protocol):
    """What all managers share, linearizable. Raises `Unavailable` while it cannot decide (no quorum)."""

    async def load(self) -> tuple[list[Entry], int]:
        """Everything, and the revision at which it stood."""
        ...

    async def revision(self) -> int:
        """The store's revision now (a linearizable read): what a watch has passed holds every earlier write."""
        ...

    def watch(self, after: int) -> AsyncIterator[tuple[Sequence[Entry], int]]:
        """What changed after revision `after`, in order, transaction by transaction, with its revision. Goes on over
        broken connections; raises `Stale` when history was compacted away (then `load` anew)."""
        ...

    async def commit(self, writes: Sequence[Write], fence: Fence | None = None) -> int:
        """All or nothing (one transaction; at most 64 objects), returns its revision. Raises `Outdated` when a version
        did not stand, `NameTaken` when a name did not, `Deposed` when the fence did not."""
        ...

    async def campaign(self, who: str, ttl: float) -> Leadership:
        """Wait until leading; `who` is what others read as the leader."""
        ...

    async def leader(self) -> str:
        """Who leads, "" for nobody."""
        ...

    def leaders(self) -> AsyncIterator[str]:
        """Who leads, now and at each change ("" for nobody)."""
        ...


class Leadership(Protocol):
    fence: Fence

    async def lost(self) -> None:
        """Returns when the leadership is over, for certain or as far as this node can know (the lease could not be
        kept alive for its whole time)."""
        ...

    async def resign(self) -> None: ...
