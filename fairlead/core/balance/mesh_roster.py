"""All ports of the mesh that a node shows: what its ingress sandbox holds of them, and what the host itself.

The host leads to tasks of its own (`near`); where it does, the ingress sandbox leads to the others alone. So everybody
has his share, whichever of the two chooses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fairlead.core.balance import near
from fairlead.core.balance.mesh import port_key
from fairlead.core.balance.near import Legs
from fairlead.core.balance.pool import Change
from fairlead.core.balance.roster import Roster, Tasks, Told
from fairlead.core.balance.service import SOURCE, MeshBackend, MeshKey, MeshService, Turnover
from fairlead.core.balance.ways import FAMILIES
from fairlead.model.network import Address
from fairlead.model.plan import FlushFlows
from fairlead.model.ruleset import Element, Transaction

News = MeshService | Turnover[MeshBackend] | None


@dataclass(frozen=True, slots=True)
class MeshChange:
    """What a node goes through. `host` is None where the host's table has to be written whole, since tasks that it
    leads to have other legs. `flows` are those to tasks that are here no more, which nobody but the host resets."""

    sandbox: Change
    host: Transaction | None
    flows: tuple[FlushFlows, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sandbox or self.host is None or self.host or self.flows)


@dataclass(slots=True)
class _Port:
    """`head` is its service without tasks."""

    head: MeshService
    tasks: dict[Address, MeshBackend] = field(default_factory=dict)

    @property
    def led(self) -> bool:
        """Whether the host may lead there. By `snat` it is the ingress sandbox whom tasks shall see."""
        return not self.head.snat and not self.head.key.host_ip

    @property
    def parted(self) -> bool:
        """Whether the ingress sandbox leaves alone what the host leads to."""
        return self.led and self.head.algorithm != SOURCE

    def whole(self) -> MeshService:
        leaving = frozenset(address for address, task in self.tasks.items() if not task.weight)
        return replace(self.head, backends=tuple(task for task in self.tasks.values() if task.weight), leaving=leaving)

    def gone(self, news: News) -> set[Address]:
        """The tasks that it has no more."""
        if isinstance(news, Turnover):
            return {address for address, task in news.tasks.items() if task is None} & self.tasks.keys()
        stay = {one.address for one in news.backends} | news.leaving if news else frozenset[Address]()
        return self.tasks.keys() - stay


class Mesh:
    """`phase` is any number of the node's own."""

    def __init__(self) -> None:
        self._inside: Roster[MeshKey] = Roster(port_key, lambda _: FAMILIES, _gone)
        self._host: Roster[MeshKey] = Roster(port_key, lambda _: FAMILIES, _gone)
        self._ports: dict[MeshKey, _Port] = {}
        self._behind: dict[Address, dict[MeshKey, None]] = {}
        """The ports that lead to each task."""
        self._legs: Legs = {}

    @property
    def shown(self) -> Mapping[MeshKey, str]:
        """The names of the services that show the ports."""
        return {key: port.head.service for key, port in self._ports.items()}

    @property
    def gone(self) -> Collection[Address]:
        """The addresses of tasks that are gone."""
        return self._inside.gone

    def elements(self, phase: int = 0) -> Iterator[Element]:
        """All that the ingress sandbox holds."""
        return self._inside.elements(phase)

    def host_elements(self, phase: int = 0) -> Iterator[Element]:
        """All that the host holds."""
        return near.led(self._host.elements(phase), self._legs)

    def change(self, told: Mapping[MeshKey, News], legs: Legs | None = None, phase: int = 0) -> MeshChange:
        """What is told, and the legs that tasks of this node have now. A turnover costs what its tasks cost, whatever
        the number of the others."""
        before, self._legs = self._legs, dict(legs or {})
        changed = _differing(before, self._legs)
        gone = {key: self._ports[key].gone(news) for key, news in told.items() if key in self._ports}
        lost, moved = tuple(self._lost(gone, before, changed)), self._moved(gone, changed)
        for key, news in told.items():
            self._follow(key, news)
        told = {**told, **{key: self._ports[key].whole() for key in moved if key in self._ports}}
        sandbox = self._inside.change({key: self._inner(key, news) for key, news in told.items()})
        drawn = self._host.change({key: self._outer(key, news) for key, news in told.items()}).transaction(phase)
        given, taken = near.led(drawn.add, self._legs), near.led(drawn.remove, before)
        host = Transaction(drawn.family, near.NAME, add=tuple(given), remove=tuple(taken))
        return MeshChange(sandbox, None if moved else host, lost)

    # --- legs -------------------------------------------------------------------------------------

    def _lost(
        self, gone: Mapping[MeshKey, set[Address]], before: Legs, changed: Collection[Address]
    ) -> Iterator[FlushFlows]:
        """The flows that lead to legs which are, or whose tasks are, no more."""
        ended = [(key, address) for key, addresses in gone.items() for address in addresses]
        ended += [(key, address) for address in changed for key in self._behind.get(address, ())]
        for key, address in dict.fromkeys(ended):
            if address in before and self._ports[key].led:
                yield FlushFlows(before[address], self._ports[key].tasks[address].port, key.protocol, reply=True)

    def _moved(self, gone: Mapping[MeshKey, set[Address]], changed: Collection[Address]) -> Collection[MeshKey]:
        """The ports of which tasks that take connections have come to another leg, or lost it."""
        reached = ((key, address) for address in changed for key in self._behind.get(address, ()))
        return dict.fromkeys(
            key
            for key, address in reached
            if address not in gone.get(key, ()) and self._ports[key].tasks[address].weight
        )

    # --- what is told -----------------------------------------------------------------------------

    def _follow(self, key: MeshKey, news: News) -> None:
        if isinstance(news, Turnover):
            tasks = self._ports.setdefault(key, _Port(MeshService(key))).tasks
            self._lead(key, tasks.keys() & news.tasks.keys(), to=False)
            for address, task in news.tasks.items():
                tasks.pop(address, None)
                if task is not None:
                    tasks[address] = task
            self._lead(key, tasks.keys() & news.tasks.keys())
            return
        if (port := self._ports.pop(key, None)) is not None:
            self._lead(key, port.tasks, to=False)
        if news is not None:
            leaving = {address: MeshBackend(address, 0, 0) for address in news.leaving}
            head = replace(news, backends=(), leaving=frozenset())
            self._ports[key] = _Port(head, {**leaving, **{one.address: one for one in news.backends}})
            self._lead(key, self._ports[key].tasks)

    def _lead(self, key: MeshKey, tasks: Collection[Address], to: bool = True) -> None:
        """The port leads to these tasks, or does no more."""
        for address in tasks:
            if to:
                self._behind.setdefault(address, {})[key] = None
                continue
            ports = self._behind[address]
            del ports[key]
            if not ports:
                del self._behind[address]

    def _inner(self, key: MeshKey, news: News) -> Told | Tasks | None:
        """What the ingress sandbox is told of it."""
        if news is None:
            return None
        port = self._ports[key]
        taken = self._legs.keys() if port.parted else ()
        if isinstance(news, Turnover):
            return _weighed(news.tasks, taken)
        head = (Element("snat", port_key(key)),) if news.snat else ()
        return Told(news.algorithm, head, _weighed(port.tasks, taken))

    def _outer(self, key: MeshKey, news: News) -> Told | Tasks | None:
        """What the host is told of it."""
        if news is None or not self._ports[key].led:
            return None
        if isinstance(news, Turnover):
            return _weighed(news.tasks)
        return Told(news.algorithm, (), _weighed(self._ports[key].tasks))


def _differing(one: Legs, other: Legs) -> list[Address]:
    """The addresses that are not the same in both."""
    if one == other:
        return []
    return [address for address in {**one, **other} if one.get(address) != other.get(address)]


def _weighed(tasks: Mapping[Address, MeshBackend | None], taken: Collection[Address] = ()) -> Tasks:
    """Those that are `taken` keep their connections, and get none from here."""
    return {
        address: ((address, one.port), 0 if address in taken else one.weight) if one else None
        for address, one in tasks.items()
    }


def _gone(address: Address) -> Element:
    return Element(f"gone{address.version}", (address,))
