"""Receipts: how a commit whose answer was lost is decided all the same.

Each commit also writes an id of its own into a slot, on the condition that the slot is as this writer left it. If no
answer comes, the writer asks in a second transaction: does the slot hold the id? Then the commit was done, at the
revision of the slot. Else the same transaction writes the slot: whatever is still on its way with the old condition
can never be done any more, and the writer knows that nothing was written. A slot serves one commit at a time; one that
could not be settled is never used again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from fairlead.effects.etcd.keys import receipts_key


@dataclass(slots=True)
class Slot:
    """`revision` of its last write, 0 before the first; `holds` the id of the commit under way."""

    key: str
    revision: int = 0
    holds: str = ""


class Receipts:
    """The slots of one writer in one life of its process."""

    def __init__(self, member: str) -> None:
        self.prefix = f"{receipts_key(member)}{os.urandom(6).hex()}-"
        self._free: list[Slot] = []
        self._slots = 0
        self._commits = 0

    def take(self) -> Slot:
        """A slot for one commit, with a new id in `holds`."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = Slot(f"{self.prefix}{self._slots}")
            self._slots += 1
        self._commits += 1
        slot.holds = str(self._commits)
        return slot

    def settled(self, slot: Slot, revision: int) -> None:
        """The slot was last written at `revision`, and nothing that writes it is on its way."""
        slot.revision = revision
        self._free.append(slot)
