"""A table that went through all changes holds what one written anew would; and a change is as small as it can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.balance.mesh import Mesh
from fairlead.core.balance.service import (
    ALGORITHMS,
    ROUND_ROBIN,
    Backend,
    MeshBackend,
    MeshKey,
    MeshService,
    VirtualService,
    algorithm,
)
from fairlead.core.balance.virtual import LOST, Services, turned_change
from fairlead.model.errors import Invalid
from fairlead.model.network import Address
from fairlead.model.ruleset import Data, Element, Key, Transaction


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


def check(begin: Any, histories: list[Any], alive: Callable[[Any], set[Address]]) -> None:
    table: dict[tuple[str, Key], Data] = {}
    for told in histories:
        begin, change = begin.changed(told)
        apply(table, change)
        assert table == {(element.set, element.key): element.data for element in begin.elements()}
        assert not begin.gone & alive(begin)


@settings(max_examples=60, deadline=None)
@given(histories=st.lists(virtual(), max_size=6))
def test_virtual_addresses(histories: list[dict[Address, VirtualService | None]]) -> None:
    check(
        Services(),
        histories,
        lambda now: {one.address for each in now.balanced.values() for one in each.service.backends},
    )


@settings(max_examples=40, deadline=None)
@given(histories=st.lists(virtual(), max_size=5), phase=st.integers(0, 2**32))
def test_a_sandbox_of_any_phase(histories: list[dict[Address, VirtualService | None]], phase: int) -> None:
    services, table = Services(), dict[tuple[str, Key], Data]()
    for told in histories:
        after, change = services.changed(told)
        apply(table, turned_change(change, services, after, phase))
        services = after
        assert table == {(one.set, one.key): one.data for one in services.turned(services.elements(), phase)}


def test_sandboxes_begin_their_turns_at_different_backends() -> None:
    vip = VIPS[0]
    services, _ = Services().changed({vip: VirtualService(vip, tuple(Backend(task(number)) for number in (2, 3, 4)))})
    first = Counter(
        element.data
        for phase in range(61)
        for element in services.turned(services.elements(), phase)
        if element.key == (vip, 0)
    )
    assert max(first.values()) - min(first.values()) <= 1


@settings(max_examples=60, deadline=None)
@given(histories=st.lists(shown(), max_size=6))
def test_ports_of_the_mesh(histories: list[dict[MeshKey, MeshService | None]]) -> None:
    alive = lambda now: {one.address for each in now.shown.values() for one in each.service.backends}  # noqa: E731
    check(Mesh({}, phase=7), histories, alive)


def test_who_left_for_good_is_gone_until_somebody_has_the_address_again() -> None:
    vip, other = VIPS[:2]
    services, _ = Services().changed({vip: VirtualService(vip, (Backend(task(2)), Backend(task(3))))})
    services, _ = services.changed({vip: VirtualService(vip, (Backend(task(3)),), frozenset({task(2)}))})
    assert services.gone == frozenset()
    services, change = services.changed({vip: VirtualService(vip, (Backend(task(3)),))})
    assert services.gone == {task(2)}
    assert change.add == (Element("refused4", (task(2),), LOST),)
    services, change = services.changed({other: VirtualService(other, (Backend(task(2)),))})
    assert services.gone == frozenset()
    assert Element("refused4", (task(2),), LOST) in change.remove


def test_nothing_is_written_for_what_is_so_already() -> None:
    service = VirtualService(VIPS[0], (Backend(task(2)), Backend(task(3))))
    services, _ = Services().changed({VIPS[0]: service})
    _, change = services.changed({VIPS[0]: VirtualService(VIPS[0], service.backends[::-1])})
    assert not change


def test_one_of_five_hundred_costs_a_fiftieth_of_the_table() -> None:
    vip = ip_address("10.1.255.1")
    backends = [Backend(ip_address(f"10.1.{number // 250}.{2 + number % 250}")) for number in range(500)]
    services, whole = Services().changed({vip: VirtualService(vip, tuple(backends))})
    _, change = services.changed({vip: VirtualService(vip, tuple(backends[:-1]))})
    assert len(change.add) + len(change.remove) <= len(whole.add) / 25


@pytest.mark.parametrize(("wish", "meant"), [("", ROUND_ROBIN), *((one, one) for one in ALGORITHMS)])
def test_algorithms_by_their_labels(wish: str, meant: str) -> None:
    assert algorithm(wish) == meant


def test_an_algorithm_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(Invalid, match="must be one of round-robin, random, source"):
        algorithm("least")
