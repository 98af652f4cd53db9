"""The interpreter and the kernel agree: the same packets, through the same table, to the same end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.core.drivers.links import open_link
from fairlead.core.firewall.fate import Fate
from tests.fate.streets import Arrival, Streets
from tests.fate.town import UDP, Town
from tests.fate.traced import Traced
from tests.support.spaces import kernel_of_its_own

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PLACES = {
    "client": ("192.168.50.80", "eth0"),
    "lab": ("10.9.0.7", "eth1"),
    "web": ("172.17.0.2", "docker0"),
    "db": ("172.17.0.3", "docker0"),
    "other": ("172.18.0.2", "br-b"),
    "inner": ("172.19.0.2", "br-int"),
    "one": ("172.20.0.2", "br-icc"),
    "two": ("172.20.0.3", "br-icc"),
    "plain": ("172.21.0.2", "br-rou"),
    "naked": ("172.22.0.2", "br-unp"),
    "known": ("172.23.0.2", "br-tru"),
    "here": ("192.168.50.13", ""),
}
OUTER, LAB_SIDE, GATEWAY, GATEWAY_B = "192.168.50.13", "10.9.0.1", "172.17.0.1", "172.18.0.1"
ADDRESSES = [address for place, (address, _) in PLACES.items() if place not in ("here",)]
PORTS = {
    "web": ("0.0.0.0:8080->80/udp", f"{OUTER}:8081->81/udp"),
    "plain": ("0.0.0.0:8082->500/udp",),
}
RANGE = tuple(f"0.0.0.0:{port}->{port}/udp" for port in range(7000, 8000))


@dataclass(frozen=True)
class Probe:
    place: str
    destination: str
    port: int
    source: str = ""


def probes() -> list[Probe]:
    direct = [Probe(place, address, 80) for place in PLACES for address in ADDRESSES if PLACES[place][0] != address]
    published = [
        Probe(place, address, port)
        for place in PLACES
        for address in (OUTER, LAB_SIDE, GATEWAY, GATEWAY_B)
        for port in (8080, 8081, 7500, 9)
    ]
    routed = [Probe(place, PLACES["plain"][0], 500) for place in ("client", "lab", "web", "other")]
    return [*direct, *published, *routed]


@pytest.fixture
async def streets(tmp_path: Path) -> AsyncIterator[Streets]:
    async with kernel_of_its_own("fairlead-fate", tmp_path) as (kernel, directory):
        built = Streets(kernel, directory)
        try:
            await built.build()
            yield built
        finally:
            built.close()


def told(town: Town, number: int, probe: Probe) -> tuple[int, Fate]:
    address, iif = PLACES[probe.place]
    return number, town.send(probe.source or address, probe.destination, probe.port, iif, UDP)


def as_arrival(town: Town, fate: Fate) -> Arrival | None:
    if not fate.arrives or (fate.end == "here" and fate.packet.dport not in (80, 81, 500, 8080, 8081, 7500)):
        return None
    place = "here"
    if fate.end != "here":
        place = next(p for p, (address, _) in PLACES.items() if town.address(address) == fate.packet.destination)
    return Arrival(place, fate.packet.dport, str(fate.packet.source))


@pytest.mark.parametrize("version", [4, 6])
async def test_every_probe_ends_as_foretold(streets: Streets, version: int) -> None:
    town = Town(version)
    for name, ports in PORTS.items():
        town.publish(PLACES[name][0], *ports)
        await streets.publish(name, *(town.port(text) for text in ports))
    town.publish(PLACES["web"][0], *RANGE)
    await streets.publish("web", *(town.port(text) for text in RANGE))
    asked = dict(enumerate(probes()))
    foretold = {number: as_arrival(town, told(town, number, probe)[1]) for number, probe in asked.items()}
    for number, probe in asked.items():
        source = str(town.address(PLACES[probe.place][0]))
        streets.send(number, probe.place, source, str(town.address(probe.destination)), probe.port)
    seen = streets.arrivals(sum(arrival is not None for arrival in foretold.values()))
    wrong = [
        f"{probe}: foretold {foretold[number]}, seen {seen.get(number)}"
        for number, probe in asked.items()
        if foretold[number] != seen.get(number)
    ]
    assert not wrong, "\n".join(wrong)
    assert len(seen) > 40
    assert astray(streets, town, asked, seen) == []


def astray(streets: Streets, town: Town, asked: dict[int, Probe], seen: dict[int, Arrival]) -> list[str]:
    """Probes of which a trace, over what the kernel holds in all these namespaces, says something else."""
    traced = Traced(streets)
    wrong = []
    for number, probe in asked.items():
        source = str(town.address(PLACES[probe.place][0]))
        said, why = traced.end(probe.place, source, str(town.address(probe.destination)), probe.port)
        came = seen[number].place if number in seen else ""
        if said != came:
            wrong.append(f"{probe}: a trace ends in {said or why}, the packet in {came or 'nothing'}")
    return wrong


async def test_a_link_leads_through_the_host_and_only_to_what_it_opened(streets: Streets) -> None:
    one, two = streets.endpoints["one"], streets.endpoints["two"]
    await streets.kernel.apply(open_link(one, two, (streets.places["one"], streets.places["two"]), ("80/udp",)))
    for number, (place, port) in enumerate((("one", 80), ("one", 81), ("two", 80), ("one", 80))):
        to = two if place == "one" else one
        own = one if place == "one" else two
        assert to.ipv4
        assert own.ipv4
        streets.send(number, place, str(own.ipv4.ip), str(to.ipv4.ip), port)
    seen = streets.arrivals(2)
    assert seen == {0: Arrival("two", 80, "172.20.0.2"), 3: Arrival("two", 80, "172.20.0.2")}


async def test_loopback_of_the_host_is_its_own(streets: Streets) -> None:
    town = Town(4)
    await streets.publish("web", *(town.port(text) for text in ("127.0.0.1:8081->81/udp", "0.0.0.0:8080->80/udp")))
    streets.send(1, "here", "127.0.0.1", "127.0.0.1", 8081)
    streets.send(2, "here", "127.0.0.1", "127.0.0.1", 8080)
    streets.send(3, "here", OUTER, OUTER, 8081)
    streets.send_frame(4, "192.168.50.80", "127.0.0.1", 8081)
    streets.send_frame(5, "127.0.0.1", OUTER, 8080)
    streets.send_frame(6, "192.168.50.80", OUTER, 8080)
    assert streets.arrivals(4) == {
        1: Arrival("web", 81, GATEWAY),
        2: Arrival("web", 80, GATEWAY),
        3: Arrival("here", 8081, OUTER),
        6: Arrival("web", 80, "192.168.50.80"),
    }


async def test_ipv6_loopback_reaches_the_holder_of_the_port(streets: Streets) -> None:
    town = Town(6)
    await streets.publish("web", town.port("0.0.0.0:8080->80/udp"))
    streets.send(1, "here", "::1", "::1", 8080)
    assert streets.arrivals(1) == {1: Arrival("here", 8080, "::1")}
