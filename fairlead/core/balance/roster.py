"""All services of one table: what they are told to be, what of that is written, and whose tasks are gone.

A service is told whole once; from then on a change names the tasks that it concerns, and costs what they cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, TypeVar

from fairlead.core.balance.pool import Change, Pool, Target
from fairlead.core.balance.service import ROUND_ROBIN
from fairlead.model.network import Address
from fairlead.model.ruleset import Element, Key

Place = TypeVar("Place", bound=Hashable)

Tasks = Mapping[Address, tuple[Target, int] | None]
"""By the address of a task: where it is reached and its weight, 0 when it keeps the connections that it has and takes
no new ones; None when it is gone."""


@dataclass(frozen=True, slots=True)
class Told:
    """A service, whole. `head` is what it adds to a table besides its slots; an address that it names there is the
    service's own."""

    algorithm: str = ROUND_ROBIN
    head: tuple[Element, ...] = ()
    tasks: Tasks = field(default_factory=dict)


class Roster(Generic[Place]):
    """Services by their places (an address, a port). `key` is what a place is in the table's maps, `versions` the IP
    families in which its services have slots; `lost` is what a table holds of an address whose task is gone."""

    def __init__(
        self,
        key: Callable[[Place], Key],
        versions: Callable[[Place], Iterable[int]],
        lost: Callable[[Address], Element],
    ) -> None:
        self._key, self._versions, self._lost = key, versions, lost
        self._services: dict[Place, _Service] = {}
        self._living = Living()

    @property
    def gone(self) -> Collection[Address]:
        return self._living.gone.keys()

    @property
    def places(self) -> Collection[Place]:
        return self._services.keys()

    def elements(self, phase: int) -> Iterator[Element]:
        """All that a table of this phase holds."""
        for service in self._services.values():
            yield from service.head
            for pool in service.pools.values():
                yield from pool.elements(phase)
        yield from map(self._lost, self.gone)

    def change(self, news: Mapping[Place, Told | Tasks | None]) -> Change:
        """What tables go through for it. None: the service is no more."""
        moves = Moves()
        parts = [self._follow(place, one, moves) for place, one in news.items()]
        lost, found = self._living.change(moves)
        parts.append(Change(tuple(map(self._lost, found)), tuple(map(self._lost, lost))))
        return Change.together(parts)

    def _follow(self, place: Place, news: Told | Tasks | None, moves: Moves) -> Change:
        service = self._services.get(place)
        if service is None:
            if news is None:
                return Change()
            pools = {version: Pool(version, self._key(place)) for version in self._versions(place)}
            service = self._services[place] = _Service(pools)
        change = service.follow(news, moves)
        if news is None:
            del self._services[place]
        return change


@dataclass(slots=True)
class Moves:
    """Addresses that came to services, as their tasks' or their own, that left them with their tasks, and that were
    given up by services themselves."""

    came: list[Address] = field(default_factory=list)
    left: list[Address] = field(default_factory=list)
    given_up: list[Address] = field(default_factory=list)


class _Service:
    def __init__(self, pools: Mapping[int, Pool]) -> None:
        self.pools = pools
        self.head: tuple[Element, ...] = ()
        self._algorithm = ROUND_ROBIN
        self._tasks: dict[Address, Target] = {}

    def follow(self, news: Told | Tasks | None, moves: Moves) -> Change:
        """`moves` is extended by the addresses that are the service's since now, or were."""
        head = self.head
        tasks = self._whole(news or Told()) if news is None or isinstance(news, Told) else news
        moves.came += _named(self.head) - _named(head)
        moves.given_up += _named(head) - _named(self.head)
        weights = self._take(tasks, moves)
        heads = Change(
            tuple(element for element in head if element not in self.head),
            tuple(element for element in self.head if element not in head),
        )
        slots = (pool.change(self._algorithm, weights.get(version, {})) for version, pool in self.pools.items())
        return Change.together((heads, *slots))

    def _whole(self, told: Told) -> Tasks:
        """What becomes of which task when these are all."""
        self._algorithm, self.head = told.algorithm, told.head
        return {**dict.fromkeys(self._tasks), **told.tasks}

    def _take(self, tasks: Tasks, moves: Moves) -> dict[int, dict[Target, int]]:
        """The weights that change, by IP version."""
        weights: dict[int, dict[Target, int]] = {}
        for address, task in tasks.items():
            changed = weights.setdefault(address.version, {})
            before = self._tasks.pop(address, None)
            if before is not None:
                changed[before] = 0
            if task is not None:
                target, weight = task
                self._tasks[address], changed[target] = target, weight
            if before is None and task is not None:
                moves.came.append(address)
            elif before is not None and task is None:
                moves.left.append(address)
        return weights


def _named(head: Iterable[Element]) -> set[Address]:
    return {part for element in head for part in element.key if isinstance(part, IPv4Address | IPv6Address)}


class Living:
    """Which addresses are those of any service or its tasks, and which (`gone`) have been tasks' and are no more."""

    def __init__(self) -> None:
        self.gone: dict[Address, None] = {}
        self._services: Counter[Address] = Counter()

    def change(self, moves: Moves) -> tuple[list[Address], list[Address]]:
        """Returns those that are gone since now, and those that are not gone any more."""
        concerned = dict.fromkeys((*moves.came, *moves.left, *moves.given_up))
        were = concerned.keys() & self.gone.keys()
        self._services.update(moves.came)
        self._services.subtract((*moves.left, *moves.given_up))
        for address in concerned:
            if self._services[address] > 0:
                self.gone.pop(address, None)
                continue
            del self._services[address]
            if address not in moves.given_up:
                self.gone[address] = None
        lost = [address for address in concerned if address in self.gone and address not in were]
        return lost, [address for address in were if address not in self.gone]
