"""Virtual addresses on a real wire: sandboxes on one bridge, whose clients are led to backends by their own tables.

client 10.0.1.2 ─┐
one    10.0.1.11 ├─ br0        10.0.1.100 is nobody's
two    10.0.1.12 │             (IPv6 likewise: fd00:1::2, ::11, ...)
three  10.0.1.13 ┘
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from itertools import pairwise
from pathlib import Path

import pytest

from fairlead.core.balance.service import RANDOM, ROUND_ROBIN, SOURCE, Backend, VirtualService
from fairlead.core.balance.virtual import Services, sandbox_table
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.network import Address
from fairlead.model.plan import AddAddress, AddBridge, AddVeth, ChangeRules, Operation, Plan, SetLink, SetSysctl
from fairlead.model.ruleset import Transaction
from tests.effects.kernel.conftest import run
from tests.support.answering import Answerers, answerers, ask, ask_by_datagram, connect, read_answer
from tests.support.spaces import kernel_of_its_own

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NUMBERS = {"client": 2, "one": 11, "two": 12, "three": 13}
BACKENDS = ("one", "two", "three")
PORT = 8080


@dataclass
class Street:
    kernel: LinuxKernel
    directory: Path
    served: Answerers
    version: int
    places: dict[str, str] = field(default_factory=dict)
    services: Services = field(default_factory=Services)

    def address(self, number: int) -> Address:
        return ip_address(f"10.0.1.{number}" if self.version == 4 else f"fd00:1::{number}")

    @property
    def vip(self) -> Address:
        return self.address(100)

    async def build(self) -> None:
        await self.kernel.apply(Plan((AddBridge("br0"), SetLink("br0", up=True))))
        for name, number in NUMBERS.items():
            await self.settle(name, number)
        for name in BACKENDS:
            self.served.serve(name, self.places[name], PORT)

    async def settle(self, name: str, number: int) -> None:
        ns = str(self.directory / name)
        descriptor = netns.make_namespace()
        try:
            netns.name_namespace(descriptor, Path(ns))
        finally:
            os.close(descriptor)
        self.places[name] = ns
        steps: list[Operation] = [AddVeth(f"v{number}", "eth0", ns, master="br0"), SetLink("lo", ns, up=True)]
        steps += [SetSysctl("net/ipv6/conf/eth0/accept_dad", "0", ns), SetLink("eth0", ns, up=True)]
        both = (f"10.0.1.{number}/24", f"fd00:1::{number}/64")
        steps += [AddAddress("eth0", ip_interface(text), ns) for text in both]
        await self.kernel.apply(Plan(tuple(steps)) + self.ground(ns))

    def ground(self, ns: str) -> Plan:
        """What a sandbox has before it hears of services."""
        table = sandbox_table()
        return Plan((ChangeRules(Transaction(table.family, table.name, replace=table), ns),))

    async def balance(self, *names: str, leaving: tuple[str, ...] = (), algorithm: str = ROUND_ROBIN) -> None:
        """From now on these stand behind the virtual address, in every sandbox."""
        quiet = frozenset(self.address(NUMBERS[name]) for name in leaving)
        await self.serve(VirtualService(self.vip, tuple(map(self.backend, names)), quiet, algorithm))

    def backend(self, name: str, weight: int = 1) -> Backend:
        return Backend(self.address(NUMBERS[name]), weight)

    async def serve(self, service: VirtualService) -> None:
        changed = self.services.change({service.vip: service}).transaction(phase=0)
        await self.kernel.apply(Plan(tuple(ChangeRules(changed, ns) for ns in self.places.values())))

    def ask(self, times: int, sandbox: str = "client") -> Counter[str]:
        answers = [ask(self.places[sandbox], str(self.vip), PORT) for _ in range(times)]
        assert {answer.client for answer in answers} == {str(self.address(NUMBERS[sandbox]))}
        return Counter(answer.name for answer in answers)

    def connect(self) -> socket.socket:
        return connect(self.places["client"], str(self.vip), PORT)


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
async def street(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Street]:
    async with kernel_of_its_own("fairlead-balance", tmp_path) as (kernel, directory):
        with answerers() as served:
            built = Street(kernel, directory, served, request.param)
            await built.build()
            yield built


async def test_backends_take_turns_and_see_the_client(street: Street) -> None:
    await street.balance(*BACKENDS)
    assert set(street.ask(5)) == set(BACKENDS)
    seen = street.ask(55)
    assert max(seen.values()) - min(seen.values()) <= 2


@pytest.mark.parametrize(("algorithm", "met"), [(RANDOM, 3), (SOURCE, 1)])
async def test_other_ways_to_choose(street: Street, algorithm: str, met: int) -> None:
    await street.balance(*BACKENDS, algorithm=algorithm)
    assert len(street.ask(40)) == met


async def test_datagrams_and_pings_are_led_there_too(street: Street) -> None:
    await street.balance("two")
    answer = ask_by_datagram(street.places["client"], str(street.vip), PORT)
    assert (answer.name, answer.client) == ("two", str(street.address(2)))
    assert f"from {street.vip}" in run("ping", "-n", "-c1", "-W5", str(street.vip), ns=street.places["client"])


async def test_a_backend_may_be_led_to_itself(street: Street) -> None:
    await street.balance("two")
    assert street.ask(2, "two") == {"two": 2}


async def test_a_service_without_backends_refuses_at_once(street: Street) -> None:
    await street.balance()
    with pytest.raises(ConnectionRefusedError):
        street.connect()
    with pytest.raises((ConnectionRefusedError, PermissionError)):
        ask_by_datagram(street.places["client"], str(street.vip), PORT)


async def test_who_leaves_keeps_connections_and_gets_no_new_ones(street: Street) -> None:
    await street.balance("one")
    with street.connect() as held:
        assert read_answer(held).name == "one"
        await street.balance("two", leaving=("one",))
        assert street.ask(4) == {"two": 4}
        held.sendall(b"still there?")
        assert held.recv(64) == b"still there?"


async def test_an_idle_connection_is_remembered_for_days(street: Street) -> None:
    """moby#31208, #37822: through IPVS it was forgotten after 900 s, and neither end was told."""
    await street.balance("one")
    with street.connect() as held:
        read_answer(held)
        tracked = run("cat", "/proc/net/nf_conntrack", ns=street.places["client"]).splitlines()
        (line,) = [line.split() for line in tracked if "ESTABLISHED" in line]
        assert int(line[line.index("ESTABLISHED") - 1]) > 24 * 3600


async def test_the_connections_of_who_is_gone_are_reset(street: Street) -> None:
    await street.balance("one")
    with street.connect() as held:
        assert read_answer(held).name == "one"
        await street.kernel.apply(Plan((SetLink("v11", up=False),)))
        await street.balance("two")
        assert street.ask(2) == {"two": 2}
        held.sendall(b"anybody?")
        with pytest.raises(ConnectionResetError):
            held.recv(64)


async def test_who_comes_back_under_the_same_address_is_served(street: Street) -> None:
    await street.balance("one")
    await street.balance("two")
    await street.balance("one", "two")
    assert set(street.ask(4)) == {"one", "two"}


async def test_other_connections_are_left_alone(street: Street) -> None:
    await street.balance("one")
    await street.balance("two")
    assert ask(street.places["client"], str(street.address(11)), PORT).name == "one"


async def test_no_connection_fails_while_backends_come_and_go(street: Street) -> None:
    """Each is told to leave before it stops, as a rolling update does."""
    await street.balance("one")
    asking = asyncio.create_task(asyncio.to_thread(street.ask, 200))
    names = [BACKENDS[number % 3] for number in range(60)]
    for before, now in pairwise(names):
        await street.balance(before, now)
        await street.balance(now, leaving=(before,))
    assert sum((await asking).values()) == 200
