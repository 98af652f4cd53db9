"""Plans of the drivers, done by the kernel: bridges in a chain, isolated ports, and interfaces that stand alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fairlead.core.drivers import segments
from fairlead.core.drivers.contract import Attachment, Driver, Neighbourhood, Site
from fairlead.core.drivers.registry import driver
from fairlead.core.firewall.ground import settings
from fairlead.core.firewall.table import FAMILY, NAME, host_table
from fairlead.effects.kernel import netns
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.endpoint import Endpoint
from fairlead.model.host import HostFacts
from fairlead.model.network import Network
from fairlead.model.plan import ChangeRules, Plan
from fairlead.model.ruleset import Transaction
from tests.core.drivers.builders import endpoint, network
from tests.support.spaces import kernel_of_its_own

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PORT, SOON = 4000, 20.0
"""Seconds: a bridge whose last port has just gone takes a moment to send again, and ARP asks once a second."""
APART = {"com.docker.network.bridge.enable_icc": "false"}


@dataclass
class Plot:
    """A network on a host of its own, and who is on it."""

    kernel: LinuxKernel
    directory: Path
    facts: HostFacts
    net: Network = field(default_factory=network)
    present: list[tuple[Endpoint, str]] = field(default_factory=list)

    @property
    def driver(self) -> Driver:
        return driver(self.net.driver)

    def around(self, facts: HostFacts | None = None) -> Neighbourhood:
        return Neighbourhood(facts or self.facts)

    async def create(self, net: Network) -> None:
        self.net = net
        table = Transaction(FAMILY, NAME, replace=host_table(self.facts.features))
        await self.kernel.apply(Plan((*settings(self.facts.features), ChangeRules(table))))
        await self.kernel.apply(self.driver.create(net, self.around()))

    def place(self, name: str) -> str:
        descriptor = netns.make_namespace()
        try:
            netns.name_namespace(descriptor, self.directory / name)
        finally:
            os.close(descriptor)
        return str(self.directory / name)

    async def attach(self, newcomer: Endpoint, ns: str) -> None:
        shared = segments.shared([one for one, _ in self.present], newcomer)
        where = Site(self.facts, ns, ipv6=True, shared=shared)
        await self.kernel.apply(self.driver.attach(self.net, newcomer, where))
        self.present.append((newcomer, ns))

    async def join(self, number: int, segment: int = 0) -> str:
        ns = self.place(f"c{number}")
        await self.attach(replace(endpoint(number, self.net), segment=segment), ns)
        return ns

    async def leave(self, goer: Endpoint, ns: str) -> None:
        self.present.remove((goer, ns))
        shared = segments.shared([one for one, _ in self.present], goer)
        plan = self.driver.detach(self.net, goer, Site(self.facts, ns, ipv6=True, shared=shared))
        assert await self.kernel.attempt(plan) == []

    async def links(self, prefix: str = "") -> set[str]:
        return {link.name for link in await self.kernel.links() if link.name.startswith(prefix)}


@pytest.fixture
async def plot(tmp_path: Path) -> AsyncIterator[Plot]:
    async with kernel_of_its_own("fairlead", tmp_path) as (kernel, directory):
        yield Plot(kernel, directory, await kernel.facts())


def reaches(sender: str, receiver: str, address: str, within: float = SOON) -> bool:
    """Whether datagrams sent in one namespace arrive in the other: one that waits for a neighbour may be lost."""
    with netns.entered(receiver):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with netns.entered(sender):
        speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with listener, speaker:
        listener.bind((address, PORT))
        listener.settimeout(min(within, 0.5))
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            speaker.sendto(b"?", (address, PORT))
            with suppress(TimeoutError):
                return listener.recv(8) == b"?"
        return False


async def test_1100_endpoints_fit_one_network(plot: Plot) -> None:
    await plot.create(network())
    ns = plot.place("crowd")
    for number in range(2, 1102):
        segment = segments.place([one for one, _ in plot.present])
        await plot.attach(replace(endpoint(number, plot.net), ifname=f"e{number}", segment=segment), ns)
    assert len(await plot.links("br-")) == 2
    assert len(await plot.links("veth")) == 1100
    lone = await plot.join(5000)
    assert reaches(lone, ns, "172.18.4.77")


async def test_segments_are_one_network(plot: Plot) -> None:
    await plot.create(network())
    own, first, second = [await plot.join(2), await plot.join(3, segment=1), await plot.join(4, segment=2)]
    assert reaches(first, second, "172.18.0.4")
    assert reaches(own, second, "172.18.0.4")
    assert reaches(second, own, "172.18.0.2")
    assert reaches(second, "", "172.18.0.1")
    assert reaches("", first, "172.18.0.3")


async def test_segments_come_and_go(plot: Plot) -> None:
    await plot.create(network())
    await plot.join(2, segment=1)
    assert len(await plot.links("br-")) == 2
    await plot.leave(*plot.present[0])
    assert await plot.links("br-") == {plot.net.link}
    assert await plot.kernel.attempt(plot.driver.remove(plot.net, plot.around(await plot.kernel.facts()))) == []
    assert await plot.links("br-") == set()


async def test_where_containers_may_not_talk_they_reach_the_host_alone(plot: Plot) -> None:
    await plot.create(network(options=APART))
    one, two, far = [await plot.join(2), await plot.join(3), await plot.join(4, segment=1)]
    farther = await plot.join(5, segment=2)
    for sender, receiver, address in (
        (one, two, "172.18.0.3"),
        (one, far, "172.18.0.4"),
        (far, one, "172.18.0.2"),
        (far, farther, "172.18.0.5"),
    ):
        assert not reaches(sender, receiver, address, within=0.2)
    for container in (one, far):
        assert reaches(container, "", "172.18.0.1")
        assert reaches("", container, "172.18.0.2" if container == one else "172.18.0.4")


async def test_nothing_is_missing_of_what_is_expected(plot: Plot) -> None:
    await plot.create(network(subnet="172.18.0.0/16 fd00::/64"))
    await plot.join(2)
    await plot.join(3, segment=1)
    attachments = [Attachment(one, ns, ipv6=True) for one, ns in plot.present]
    expected = plot.driver.expected(plot.net, attachments, plot.facts)
    assert await plot.kernel.missing(expected.operations) == []
    await plot.kernel.attempt(Plan((expected.operations[0].inverse(),)))  # type: ignore[arg-type]
    missing = await plot.kernel.missing(expected.operations)
    assert missing
    assert await plot.kernel.attempt(Plan(tuple(missing))) == []
    assert await plot.kernel.missing(expected.operations) == []


async def test_a_name_is_free_as_soon_as_its_endpoint_left(plot: Plot) -> None:
    await plot.create(network())
    ns = await plot.join(2)
    await plot.leave(*plot.present[0])
    await plot.attach(endpoint(3, plot.net), ns)
    assert reaches("", ns, "172.18.0.3")


async def test_an_isolated_macvlan_network_is_one_network(plot: Plot) -> None:
    await plot.create(network("macvlan", subnet="10.9.0.0/24", internal=True))
    one, two = await plot.join(2), await plot.join(3)
    assert reaches(one, two, "10.9.0.3")
    assert await plot.kernel.attempt(plot.driver.remove(plot.net, plot.around(await plot.kernel.facts()))) == []
    assert await plot.links("d") == set()
