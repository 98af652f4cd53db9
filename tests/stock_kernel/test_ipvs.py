"""IPVS in the client's sandbox: what holds for the packet filter's virtual addresses holds for it too, and more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pytest

from fairlead.core.balance.servers import PATIENCE, SERVED, Servers, whole
from fairlead.core.balance.service import LEAST, SOURCE, VirtualService
from fairlead.core.balance.virtual import sandbox_table
from fairlead.effects.kernel.places import Place
from fairlead.model.network import Address
from fairlead.model.plan import Plan
from fairlead.model.ruleset import Transaction
from tests.scenarios.test_virtual_addresses import (
    BACKENDS,
    NUMBERS,
    PORT,
    Street,
    test_a_backend_may_be_led_to_itself,
    test_a_service_without_backends_refuses_at_once,
    test_backends_take_turns_and_see_the_client,
    test_datagrams_and_pings_are_led_there_too,
    test_other_connections_are_left_alone,
    test_the_connections_of_who_is_gone_are_reset,
    test_who_comes_back_under_the_same_address_is_served,
    test_who_leaves_keeps_connections_and_gets_no_new_ones,
)
from tests.support.answering import answerers, ask, ask_by_datagram, read_answer
from tests.support.spaces import kernel_of_its_own

pytestmark = pytest.mark.stock_kernel

__all__ = [
    "test_a_backend_may_be_led_to_itself",
    "test_a_service_without_backends_refuses_at_once",
    "test_backends_take_turns_and_see_the_client",
    "test_datagrams_and_pings_are_led_there_too",
    "test_other_connections_are_left_alone",
    "test_the_connections_of_who_is_gone_are_reset",
    "test_who_comes_back_under_the_same_address_is_served",
    "test_who_leaves_keeps_connections_and_gets_no_new_ones",
]


@dataclass
class ServedStreet(Street):
    features: frozenset[str] = frozenset()
    servers: Servers = field(default_factory=lambda: Servers(frozenset(), set()))

    def ground(self, ns: str) -> Plan:
        table = sandbox_table(SERVED)
        return whole([self.servers], Transaction(table.family, table.name, replace=table), ns)

    async def serve(self, service: VirtualService) -> None:
        await self.tell(service.vip, service)

    async def tell(self, vip: Address, service: VirtualService | None) -> None:
        rules = self.services.change({vip: service}).transaction(phase=0)
        change = self.servers.change({vip: service})
        plans = [change.plan(rules, ns) for ns in self.places.values()]
        await self.kernel.apply(reduce(Plan.__add__, plans))

    def place(self) -> Place:
        return Place(self.places["client"])


@pytest.fixture
async def street(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ServedStreet]:
    async with kernel_of_its_own("fairlead-ipvs", tmp_path) as (kernel, directory):
        with answerers() as served:
            built = ServedStreet(kernel, directory, served, getattr(request, "param", 4))
            built.features = (await kernel.facts()).features
            built.servers = Servers(built.features, set())
            await built.build()
            yield built


async def test_the_probe_finds_what_this_kernel_has(street: ServedStreet) -> None:
    assert street.features >= {"ip_vs", "ip_vs_mh", "esp", "8021q", "ipvlan", "dummy", "netem", "sctp"}


@pytest.mark.parametrize("street", [6], indirect=True, ids=["v6"])
async def test_ipv6_is_led_as_well(street: ServedStreet) -> None:
    """One story: under emulation a street takes a while to build."""
    await street.balance(*BACKENDS)
    assert street.ask(6) == dict.fromkeys(BACKENDS, 2)
    assert ask_by_datagram(street.places["client"], str(street.vip), PORT).client == str(street.address(2))
    await street.balance("two")
    assert street.ask(2, "two") == {"two": 2}, "led to itself"
    with street.connect() as held:
        assert read_answer(held).name == "two"
        await street.balance("one", leaving=("two",))
        held.sendall(b"still there?")
        assert held.recv(64) == b"still there?"
        await street.balance("one")
        held.sendall(b"anybody?")
        with pytest.raises(ConnectionResetError):
            held.recv(64)
    await street.balance()
    with pytest.raises(ConnectionRefusedError):
        street.connect()


async def test_no_connection_fails_while_backends_come_and_go(street: ServedStreet) -> None:
    """Each is told to leave before it stops, as a rolling update does."""
    await street.balance("one")
    asking = asyncio.create_task(asyncio.to_thread(street.ask, 50))
    for before, now in pairwise(BACKENDS * 4):
        await street.balance(before, now)
        await street.balance(now, leaving=(before,))
    assert sum((await asking).values()) == 50


async def test_a_source_keeps_its_backend(street: ServedStreet) -> None:
    await street.balance(*BACKENDS, algorithm=SOURCE)
    (first,) = street.ask(12)
    await street.balance(*BACKENDS, leaving=(), algorithm=SOURCE)
    assert set(street.ask(3)) == {first}
    others = tuple(name for name in BACKENDS if name != first)
    await street.balance(*others, leaving=(first,), algorithm=SOURCE)
    (second,) = street.ask(6)
    assert second in others


async def test_weights_are_shares(street: ServedStreet) -> None:
    backends = (street.backend("one", 3), street.backend("two", 1), street.backend("three", 0))
    await street.serve(VirtualService(street.vip, backends))
    assert street.ask(16) == {"one": 12, "two": 4}


async def test_the_least_busy_is_asked(street: ServedStreet) -> None:
    await street.balance(*BACKENDS, algorithm=LEAST)
    held = [street.connect() for _ in range(9)]
    try:
        names = [read_answer(each).name for each in held]
        assert {name: names.count(name) for name in BACKENDS} == dict.fromkeys(BACKENDS, 3)
        for name, each in zip(names, held, strict=True):
            if name == "two":
                each.close()
        after = [street.connect() for _ in range(2)]
        held += after
        assert {read_answer(each).name for each in after} == {"two"}
    finally:
        for each in held:
            each.close()


async def test_a_sandbox_is_written_anew_without_losing_a_connection(street: ServedStreet) -> None:
    """As after a restart of the daemon, which does not know what the sandbox holds."""
    await street.balance("one", "two")
    with street.connect() as held:
        name = read_answer(held).name
        ns = street.places["client"]
        table = sandbox_table(SERVED)
        rules = Transaction(table.family, table.name, replace=table, add=tuple(street.services.elements()))
        plan = whole([street.servers], rules, ns)
        await street.kernel.apply(plan)
        assert not await street.kernel.missing(plan.operations)
        held.sendall(b"still there?")
        assert held.recv(64) == b"still there?"
        assert set(street.ask(4)) == {"one", "two"}, name
    place = street.place()
    try:
        assert place.ipvs.patience() == PATIENCE
        assert [set(server.real) for server in place.ipvs.servers()] == [
            {street.address(NUMBERS["one"]), street.address(NUMBERS["two"])}
        ]
    finally:
        place.close()


async def test_what_is_forgotten_leaves_nothing(street: ServedStreet) -> None:
    await street.balance("one")
    assert ask(street.places["client"], str(street.vip), PORT).name == "one"
    await street.tell(street.vip, None)
    place = street.place()
    try:
        assert place.ipvs.servers() == []
    finally:
        place.close()
