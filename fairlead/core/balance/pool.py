"""The slots of one service in one IP family, as elements of the maps `ways` and `slots`.

Where turns or chance decide, a backend more or less moves its own share of slots and costs that, whatever the number of
the others (`holdings`). All are shared out anew (`slots`) where that cannot be: for a source, whose backend must follow
from the backends alone; with few backends, whose rounds are complete; while weights differ; and when the number of
slots no longer suits. That number grows fourfold each time, and shrinks only when twice as many backends would not
fill it, so neither happens again soon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fairlead.core.balance.holdings import Holdings
from fairlead.core.balance.service import ROUND_ROBIN, SOURCE
from fairlead.core.balance.slots import FEW, SIZES, SLOTS_EACH, share_out, size_for
from fairlead.core.balance.ways import FAMILY, NAME, turned, way
from fairlead.model.network import Address
from fairlead.model.ruleset import Element, Key, Transaction

Target = tuple[Address] | tuple[Address, int]
"""Where a slot leads: an address, and a port if that is translated too."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Slots of one service that came or went, by number, and how many it has then. Sandboxes hold them turned."""

    set: str
    key: Key
    algorithm: str
    size: int
    slots: Sequence[tuple[int, Target]]

    def elements(self, phase: int) -> Iterator[Element]:
        for slot, target in self.slots:
            yield Element(self.set, (*self.key, turned(slot, phase, self.algorithm, self.size)), target)


@dataclass(frozen=True, slots=True)
class Change:
    """What tables go through: elements, and slots as a table of its phase holds them."""

    remove: tuple[Element, ...] = ()
    add: tuple[Element, ...] = ()
    taken: tuple[Moved, ...] = ()
    given: tuple[Moved, ...] = ()

    @classmethod
    def together(cls, parts: Iterable[Change]) -> Change:
        parts = tuple(parts)
        return cls(
            tuple(element for part in parts for element in part.remove),
            tuple(element for part in parts for element in part.add),
            tuple(moved for part in parts for moved in part.taken),
            tuple(moved for part in parts for moved in part.given),
        )

    def __bool__(self) -> bool:
        return bool(self.remove or self.add or self.taken or self.given)

    def transaction(self, phase: int) -> Transaction:
        """For a table of this `phase`: any number that is the table's own."""
        taken = (element for moved in self.taken for element in moved.elements(phase))
        given = (element for moved in self.given for element in moved.elements(phase))
        return Transaction(FAMILY, NAME, add=(*given, *self.add), remove=(*self.remove, *taken))


class Pool:
    """`key` is what the service is known by in both maps. It begins without backends."""

    def __init__(self, version: int, key: Key) -> None:
        self._ways, self._set, self._key = f"ways{version}", f"slots{version}", key
        self._algorithm = ROUND_ROBIN
        self._slots: list[Target] = []
        self._weights: dict[Target, int] = {}
        self._kinds: Counter[int] = Counter()
        self._holdings: Holdings[Target] | None = None

    def elements(self, phase: int) -> Iterator[Element]:
        """All that a table of this phase holds of it."""
        yield from self._way()
        yield from self._moved(enumerate(self._slots)).elements(phase)

    def change(self, algorithm: str, weights: Mapping[Target, int]) -> Change:
        """These take so large a share of new connections from now on, 0 for none; all others as before."""
        changed = {target: weight for target, weight in weights.items() if weight != self._weights.get(target, 0)}
        if not changed and algorithm == self._algorithm:
            return Change()
        come = [target for target in changed if target not in self._weights]
        gone = [target for target, weight in changed.items() if not weight]
        for target, weight in changed.items():
            self._weigh(target, weight)
        if algorithm == self._algorithm and self._moves_shares():
            return self._move_shares(come, gone)
        return self._share_out(algorithm)

    def _weigh(self, target: Target, weight: int) -> None:
        self._count(self._weights.pop(target, 0), -1)
        self._count(weight, 1)
        if weight:
            self._weights[target] = weight

    def _count(self, weight: int, by: int) -> None:
        if weight:
            self._kinds[weight] += by
            if not self._kinds[weight]:
                del self._kinds[weight]

    # --- a share moves ----------------------------------------------------------------------------

    def _moves_shares(self) -> bool:
        """Whether the slots as they are shared can be those of the present backends but for a share."""
        size, count = len(self._slots), len(self._weights)
        fits = SLOTS_EACH * count <= size or (size == SIZES[-1] and count <= size)
        suits = fits and size <= size_for(2 * count)
        return self._holdings is not None and self._takes_turns(self._algorithm) and suits

    def _takes_turns(self, algorithm: str) -> bool:
        return algorithm != SOURCE and len(self._kinds) == 1 and FEW < len(self._weights) <= SIZES[-1]

    def _move_shares(self, come: Sequence[Target], gone: Sequence[Target]) -> Change:
        assert self._holdings is not None
        former = self._holdings.change([(target, named(target)) for target in come], gone)
        if not former:
            return Change()
        given = self._moved((slot, self._slots[slot]) for slot in former)
        return Change(taken=(self._moved(former.items()),), given=(given,))

    # --- all anew ---------------------------------------------------------------------------------

    def _share_out(self, algorithm: str) -> Change:
        way_before, before, old = self._way(), self._moved(()), self._slots
        targets = tuple(self._weights)
        dealt = share_out([(named(target), self._weights[target]) for target in targets], algorithm)
        self._slots, self._algorithm = [targets[index] for index in dealt], algorithm
        self._holdings = Holdings(self._slots) if self._takes_turns(algorithm) else None
        taken, given = self._apart(before.algorithm, old)
        way_now = self._way()
        return Change(
            tuple(element for element in way_before if element not in way_now),
            tuple(element for element in way_now if element not in way_before),
            _some(Moved(before.set, before.key, before.algorithm, before.size, taken)),
            _some(self._moved(given)),
        )

    def _apart(self, algorithm: str, old: Sequence[Target]) -> tuple[list[tuple[int, Target]], ...]:
        """The slots that are not what they were: (as they were, as they are)."""
        before, after = list(enumerate(old)), list(enumerate(self._slots))
        turned_otherwise = algorithm != self._algorithm and SOURCE in (algorithm, self._algorithm)
        if len(old) != len(self._slots) or turned_otherwise:
            return before, after
        different = [number for number, target in after if old[number] != target]
        return [before[number] for number in different], [after[number] for number in different]

    # --- written ----------------------------------------------------------------------------------

    def _way(self) -> tuple[Element, ...]:
        size = len(self._slots)
        return (Element(self._ways, self._key, way(self._algorithm, size)),) if size else ()

    def _moved(self, slots: Iterable[tuple[int, Target]]) -> Moved:
        return Moved(self._set, self._key, self._algorithm, len(self._slots), tuple(slots))


def named(target: Target) -> bytes:
    """What tells a target from all others, on every node alike."""
    address, *port = target
    return address.packed + b"".join(number.to_bytes(2) for number in port)


def _some(moved: Moved) -> tuple[Moved, ...]:
    return (moved,) if moved.slots else ()
