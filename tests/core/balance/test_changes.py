"""A table that went through all changes holds what one written anew would; and a change is as small as it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.balance.mesh import port_key
from fairlead.core.balance.mesh_roster import Mesh, MeshChange
from fairlead.core.balance.service import (
    ALGORITHMS,
    ROUND_ROBIN,
    Backend,
    MeshBackend,
    MeshKey,
    MeshService,
    Turnover,
    VirtualService,
    algorithm,
)
from fairlead.core.balance.virtual import LOST, Services
from fairlead.model.errors import Invalid
from fairlead.model.network import Address
from fairlead.model.ruleset import Data, Element, Key, Transaction
from tests.support.steps import steps


def task(number: int, version: int = 4) -> Address:
    return ip_address(f"10.0.1.{number}" if version == 4 else f"fd00:1::{number}")


tasks = st.builds(task, st.integers(2, 40), st.sampled_from([4, 6]))
ways = st.sampled_from(ALGORITHMS)
weights = st.integers(0, 3)
VIPS = [ip_address(text) for text in ("10.0.1.100", "10.0.1.101", "fd00:1::100")]
KEYS = [MeshKey(80), MeshKey(81), MeshKey(80, "udp")]


@st.composite
def virtual(draw: st.DrawFn) -> dict[Address, VirtualService | None]:
    told: dict[Address, VirtualService | None] = {}
    for vip in draw(st.lists(st.sampled_from(VIPS), unique=True, min_size=1)):
        addresses = draw(st.lists(tasks, unique=True, max_size=15))
        backends = tuple(Backend(address, draw(weights)) for address in addresses)
        service = VirtualService(vip, backends, draw(st.frozensets(tasks, max_size=3)), draw(ways))
        told[vip] = draw(st.sampled_from([service, service, service, None]))
    return told


@st.composite
def shown(draw: st.DrawFn) -> dict[MeshKey, MeshService | None]:
    told: dict[MeshKey, MeshService | None] = {}
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=1)):
        addresses = draw(st.lists(tasks, unique=True, max_size=15))
        ports = st.sampled_from([80, 8080])
        backends = tuple(MeshBackend(address, draw(ports), draw(weights)) for address in addresses)
        service = MeshService(key, backends, draw(ways), draw(st.booleans()))
        told[key] = draw(st.sampled_from([service, service, service, None]))
    return told


def apply(table: dict[tuple[str, Key], Data], change: Transaction) -> None:
    """As the kernel: nothing is removed that is not there, nothing added that is."""
    for element in change.remove:
        assert table.pop((element.set, element.key)) == element.data
    for element in change.add:
        assert (element.set, element.key) not in table
        table[element.set, element.key] = element.data


def backend(key: object, address: Address, weight: int) -> Any:
    return MeshBackend(address, 80, weight) if isinstance(key, MeshKey) else Backend(address, weight)


@st.composite
def histories(draw: st.DrawFn, whole: st.SearchStrategy[dict[Any, Any]], places: Sequence[Any]) -> list[dict[Any, Any]]:
    """Services as a whole, and then some of their tasks."""
    told = [draw(whole)]
    for _ in range(draw(st.integers(0, 6))):
        changed = draw(st.dictionaries(tasks, st.none() | weights, max_size=8))
        place = draw(st.sampled_from(places))
        turnover = Turnover(
            {one: None if weight is None else backend(place, one, weight) for one, weight in changed.items()}
        )
        told.append(draw(st.one_of(whole, st.just({place: turnover}))))
    return told


class Model:
    """What services come to when each change is carried out on values that are whole."""

    def __init__(self) -> None:
        self.services: dict[Any, Any] = {}
        self.ever: set[Address] = set()

    def follow(self, told: dict[Any, Any]) -> None:
        for place, news in told.items():
            if isinstance(news, Turnover):
                before = self.services.get(place, MeshService(place) if place in KEYS else VirtualService(place))
                news = before.after(news)
            self.services.pop(place, None)
            if news is not None:
                self.services[place] = news
        self.ever |= self.alive

    @property
    def alive(self) -> set[Address]:
        serving = {backend.address for service in self.services.values() for backend in service.backends}
        return serving.union(*(service.leaving for service in self.services.values()))

    def shares(self, place: Any, version: int) -> dict[Any, int]:
        backends = [one for one in self.services[place].backends if one.weight and one.address.version == version]
        return {(one.address, *([one.port] if isinstance(one, MeshBackend) else ())): one.weight for one in backends}


def check(begin: Services | Mesh, told: list[dict[Any, Any]], phase: int) -> None:
    table, model = dict[tuple[str, Key], Data](), Model()
    for news in told:
        change = begin.change(news)
        apply(table, (change.sandbox if isinstance(change, MeshChange) else change).transaction(phase))
        model.follow(news)
        assert table == {(one.set, one.key): one.data for one in begin.elements(phase)}
        assert set(begin.gone) == model.ever - model.alive
        for place in model.services:
            for version in (4, 6) if isinstance(place, MeshKey) else (place.version,):
                key = port_key(place) if isinstance(place, MeshKey) else (place,)
                held = Counter(
                    data for (name, at), data in table.items() if name == f"slots{version}" and at[:-1] == key
                )
                check_shares(held, model.shares(place, version))


def check_shares(held: Counter[Any], weights: dict[Any, int]) -> None:
    """Everybody who takes connections has slots, and as many as his weight is worth."""
    assert held.keys() == weights.keys()
    for target, weight in weights.items():
        fair = sum(held.values()) * weight / sum(weights.values())
        assert abs(held[target] - fair) <= max(weights.values())


@settings(max_examples=80, deadline=None)
@given(told=histories(virtual(), VIPS), phase=st.integers(0, 2**32))
def test_virtual_addresses(told: list[dict[Any, Any]], phase: int) -> None:
    check(Services(), told, phase)


@settings(max_examples=80, deadline=None)
@given(told=histories(shown(), KEYS), phase=st.integers(0, 2**32))
def test_ports_of_the_mesh(told: list[dict[Any, Any]], phase: int) -> None:
    check(Mesh(), told, phase)


def test_sandboxes_begin_their_turns_at_different_backends() -> None:
    vip, services = VIPS[0], Services()
    services.change({vip: VirtualService(vip, tuple(Backend(task(number)) for number in (2, 3, 4)))})
    first = Counter(
        element.data for phase in range(61) for element in services.elements(phase) if element.key == (vip, 0)
    )
    assert max(first.values()) - min(first.values()) <= 1


def test_who_left_for_good_is_gone_until_somebody_has_the_address_again() -> None:
    (vip, other), services = VIPS[:2], Services()
    services.change({vip: VirtualService(vip, (Backend(task(2)), Backend(task(3))))})
    services.change({vip: Turnover({task(2): Backend(task(2), 0)})})
    assert not services.gone
    change = services.change({vip: Turnover({task(2): None})})
    assert set(services.gone) == {task(2)}
    assert change.add == (Element("refused4", (task(2),), LOST),)
    change = services.change({other: VirtualService(other, (Backend(task(2)),))})
    assert not services.gone
    assert Element("refused4", (task(2),), LOST) in change.remove


def test_nothing_is_written_for_what_is_so_already() -> None:
    service, services = VirtualService(VIPS[0], (Backend(task(2)), Backend(task(3)))), Services()
    services.change({VIPS[0]: service})
    assert not services.change({VIPS[0]: VirtualService(VIPS[0], service.backends[::-1])})
    assert not services.change({VIPS[0]: Turnover({task(2): Backend(task(2)), task(9): None})})


# --- what a change costs --------------------------------------------------------------------------

VIP = ip_address("10.1.255.1")


def crowd(count: int) -> list[Address]:
    return [ip_address(int(ip_address("10.2.0.2")) + number) for number in range(count)]


def crowded(count: int) -> Services:
    services = Services()
    services.change({VIP: VirtualService(VIP, tuple(map(Backend, crowd(count))))})
    return services


@pytest.mark.parametrize("count", [13, 60, 500, 800])
def test_one_more_moves_its_own_share_and_one_less_as_much(count: int) -> None:
    services = crowded(count)
    size = sum(element.set == "slots4" for element in services.elements())
    for news in (Backend(task(9)), None):
        change = services.change({VIP: Turnover({task(9): news})})
        assert sum(len(moved.slots) for moved in change.given) <= size // count + 1
        assert not [element for element in (*change.add, *change.remove) if element.set != "refused4"]


def test_who_takes_a_place_over_takes_its_slots() -> None:
    """As in a rolling update: what others hold stays where it is."""
    services = crowded(100)
    leaver = crowd(100)[40]
    theirs = {element.key for element in services.elements() if element.data == (leaver,)}
    services.change({VIP: Turnover({leaver: Backend(leaver, 0), task(9): Backend(task(9))})})
    assert {element.key for element in services.elements() if element.data == (task(9),)} == theirs


def test_the_work_for_one_task_is_the_same_beside_forty_as_beside_hundreds() -> None:
    """Counted in the interpreter's own steps: no machine's speed is in it. Each has 25 slots here and there."""
    assert steps_for_one(640) <= 1.1 * steps_for_one(40)


def steps_for_one(count: int) -> int:
    """A task comes and goes."""
    services = crowded(count)

    def turn() -> None:
        for news in (Backend(task(9)), None):
            services.change({VIP: Turnover({task(9): news})}).transaction(phase=7)

    return steps(turn)


@pytest.mark.parametrize(("wish", "meant"), [("", ROUND_ROBIN), *((one, one) for one in ALGORITHMS)])
def test_algorithms_by_their_labels(wish: str, meant: str) -> None:
    assert algorithm(wish) == meant


def test_an_algorithm_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(Invalid, match="must be one of round-robin, random, source, least"):
        algorithm("most")
