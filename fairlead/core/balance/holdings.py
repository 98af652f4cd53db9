"""Who holds which slots, so that one more or one less moves its own share and looks at nobody else's.

All holders have as many slots, or one more. Whoever comes is given slots by those with most, whoever goes leaves his to
those with fewest. Which slot is given away follows from the newcomer alone, but scattered: consecutive slots are asked
one after the other.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Generic, TypeVar

Holder = TypeVar("Holder", bound=Hashable)


class Holdings(Generic[Holder]):
    """`slots` is the holder of each slot, and is kept so; its shares must be even."""

    def __init__(self, slots: list[Holder]) -> None:
        self.slots = slots
        self._held: dict[Holder, list[int]] = {}
        for slot, holder in enumerate(slots):
            self._held.setdefault(holder, []).append(slot)
        self._by_count: dict[int, dict[Holder, None]] = {}
        for holder, held in self._held.items():
            self._by_count.setdefault(len(held), {})[holder] = None
        self._moved: dict[int, Holder] = {}

    def __len__(self) -> int:
        return len(self._held)

    def change(self, come: Sequence[tuple[Holder, bytes]], gone: Sequence[Holder]) -> dict[int, Holder]:
        """These come (each with what tells it from all others) and those go. Returns the slots that changed hands, with
        their former holders. One that comes as another goes takes over what that one had."""
        self._moved = {}
        heirs = min(len(come), len(gone))
        for (holder, _), leaver in zip(come, gone, strict=False):
            self._inherit(holder, leaver)
        for holder, name in come[heirs:]:
            self._add(holder, name)
        for holder in gone[heirs:]:
            self._remove(holder)
        return {slot: was for slot, was in self._moved.items() if self.slots[slot] != was}

    def _inherit(self, heir: Holder, leaver: Holder) -> None:
        self._held[heir] = []
        for slot in self._take_out(leaver):
            self._give(slot, heir)
        self._by_count.setdefault(len(self._held[heir]), {})[heir] = None

    def _add(self, holder: Holder, name: bytes) -> None:
        self._held[holder] = []
        share = len(self.slots) // len(self._held)
        draws = _draws(name, share)
        for draw in draws:
            donor = next(iter(self._by_count[max(self._by_count)]))
            held = self._held[donor]
            place = draw % len(held)
            slot, held[place] = held[place], held[-1]
            held.pop()
            self._recount(donor, len(held) + 1)
            self._give(slot, holder)
        self._by_count.setdefault(share, {})[holder] = None

    def _remove(self, holder: Holder) -> None:
        for slot in self._take_out(holder):
            taker = next(iter(self._by_count[min(self._by_count)]))
            self._give(slot, taker)
            self._recount(taker, len(self._held[taker]) - 1)

    def _take_out(self, holder: Holder) -> list[int]:
        held = self._held.pop(holder)
        self._forget(holder, len(held))
        return held

    def _give(self, slot: int, holder: Holder) -> None:
        self._moved.setdefault(slot, self.slots[slot])
        self.slots[slot] = holder
        self._held[holder].append(slot)

    def _recount(self, holder: Holder, before: int) -> None:
        self._forget(holder, before)
        self._by_count.setdefault(len(self._held[holder]), {})[holder] = None

    def _forget(self, holder: Holder, count: int) -> None:
        alike = self._by_count[count]
        del alike[holder]
        if not alike:
            del self._by_count[count]


def _draws(name: bytes, count: int) -> list[int]:
    """Numbers that look drawn by chance and are the same for the same name."""
    digest = (blake2b(name, digest_size=64, salt=number.to_bytes(16)).digest() for number in range(-(-count // 16)))
    stream = b"".join(digest)
    return [int.from_bytes(stream[4 * number : 4 * number + 4]) for number in range(count)]
