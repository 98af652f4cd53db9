"""What the managers' shared store is told and tells. A revision numbers the states of the whole store."""

from __future__ import annotations

from dataclasses import dataclass

MOST_AT_ONCE = 64
"""Objects that one transaction may write."""


@dataclass(frozen=True, slots=True)
class Write:
    """One object: `value` None deletes. `version` is the revision that must still stand (0: must not exist; None: do
    not ask). `name` makes the object's name unique among its kind ("" for kinds without); `old_name` is the one it
    had."""

    kind: str
    id: str
    value: bytes | None
    version: int | None
    name: str = ""
    old_name: str = ""


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
