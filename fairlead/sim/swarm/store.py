"""What etcd is to the managers: versions, and writes that hold only if nobody wrote meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fairlead.core.swarm.changes import Change, Drop, Thing


class Conflict(Exception):  # noqa: N818 - it is an answer of the store, not a fault
    """A write was made from a version that is no longer the store's."""


class Store:
    def __init__(self) -> None:
        self.revision = 0
        self._things: dict[tuple[type, str], Thing] = {}

    def things(self) -> list[Thing]:
        """Everything, as a new leader reads it: by key, not by age."""
        return [self._things[key] for key in sorted(self._things, key=lambda key: (key[0].__name__, key[1]))]

    def find(self, kind: type, id_: str) -> Thing | None:
        return self._things.get((kind, id_))

    def commit(self, changes: Iterable[Change], now: int) -> list[Thing]:
        """All of them or none. Returns what was written, with its new version."""
        changes = list(changes)
        for change in changes:
            known = self._things.get((type(change.thing), change.thing.id))
            if (known.version if known is not None else 0) != change.thing.version:
                raise Conflict(
                    f"{type(change.thing).__name__} {change.thing.id} is not of version {change.thing.version}"
                )
        self.revision += 1
        return [written for change in changes if (written := self._write(change, now)) is not None]

    def _write(self, change: Change, now: int) -> Thing | None:
        key = type(change.thing), change.thing.id
        if isinstance(change, Drop):
            del self._things[key]
            return None
        written = replace(change.thing, version=self.revision, updated=now)
        self._things[key] = written
        return written
