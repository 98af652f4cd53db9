"""Who may speak to whom without any published port."""

from __future__ import annotations

import pytest

from tests.fate.town import ICMP, TCP, UDP, Town

WEB, DB, OTHER, INNER = "172.17.0.2", "172.17.0.3", "172.18.0.2", "172.19.0.2"
ONE, TWO, PLAIN, NAKED, KNOWN = "172.20.0.2", "172.20.0.3", "172.21.0.2", "172.22.0.2", "172.23.0.2"
CLIENT, LAB = "192.0.2.80", "10.9.0.7"


@pytest.mark.parametrize(
    ("source", "iif", "destination", "passes"),
    [
        (WEB, "docker0", CLIENT, True),
        (WEB, "docker0", DB, True),
        (WEB, "docker0", OTHER, False),
        (OTHER, "br-b", WEB, False),
        (WEB, "docker0", INNER, False),
        (INNER, "br-int", WEB, False),
        (INNER, "br-int", CLIENT, False),
        (ONE, "br-icc", TWO, False),
        (ONE, "br-icc", CLIENT, True),
        (WEB, "docker0", PLAIN, False),
        (WEB, "docker0", NAKED, False),
        (CLIENT, "eth0", WEB, False),
        (CLIENT, "eth0", INNER, False),
        (CLIENT, "eth0", ONE, False),
        (CLIENT, "eth0", PLAIN, False),
        (CLIENT, "eth0", NAKED, True),
        (LAB, "eth1", KNOWN, True),
        (CLIENT, "eth0", KNOWN, False),
        (LAB, "eth1", WEB, False),
    ],
)
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_networks_are_apart_and_closed(
    town: Town, source: str, iif: str, destination: str, passes: bool, protocol: int
) -> None:
    assert town.send(source, destination, 80, iif, protocol).arrives is passes


def test_a_routed_network_answers_pings_from_outside_and_from_no_other_network(town: Town) -> None:
    assert town.send(CLIENT, PLAIN, 0, "eth0", ICMP).arrives
    assert not town.send(WEB, PLAIN, 0, "docker0", ICMP).arrives
    assert not town.send(CLIENT, WEB, 0, "eth0", ICMP).arrives


def test_the_host_reaches_its_containers(town: Town) -> None:
    for container in (WEB, OTHER, INNER, ONE, PLAIN):
        assert town.send("172.17.0.1", container, 80).arrives


def test_a_container_reaches_its_host(town: Town) -> None:
    assert town.send(WEB, "172.17.0.1", 22, "docker0").end == "here"
    assert town.send(WEB, "192.168.50.13", 22, "docker0").end == "here"


def test_a_forged_source_does_not_leave_its_bridge() -> None:
    for version in (4, 6):
        town = Town(version)
        fate = town.send(OTHER, CLIENT, 80, "docker0")
        assert fate.verdict == "drop"
        assert "forged" in fate.trace[-1]


def test_the_way_out_is_masqueraded_where_the_network_translates(town: Town) -> None:
    assert str(town.send(WEB, CLIENT, 80, "docker0").packet.source) == str(town.address("192.168.50.13"))
    assert str(town.send(PLAIN, CLIENT, 80, "br-rou").packet.source) == str(town.address(PLAIN))


def test_a_link_opens_the_exposed_port_one_way_only(town: Town) -> None:
    town.link(ONE, TWO, "5432/tcp", "7000-7001/udp")
    assert town.send(ONE, TWO, 5432, "br-icc").arrives
    assert town.send(ONE, TWO, 7001, "br-icc", UDP).arrives
    assert not town.send(ONE, TWO, 5433, "br-icc").arrives
    assert not town.send(TWO, ONE, 5432, "br-icc").arrives
    assert str(town.send(ONE, TWO, 5432, "br-icc").packet.source) == str(town.address(ONE))


def test_no_redirect_tells_a_container_to_go_round_the_host(town: Town) -> None:
    redirect = 5 if town.version == 4 else 137
    assert not town.send("172.20.0.1", ONE, 0, "", ICMP, icmp_type=redirect).arrives
    assert town.send("172.20.0.1", ONE, 0, "", ICMP, icmp_type=8).arrives


def test_a_router_advertisement_from_a_container_is_not_heard() -> None:
    town = Town(6)
    assert town.send(WEB, "172.17.0.1", 0, "docker0", ICMP, icmp_type=134).verdict == "drop"
    assert town.send(WEB, "172.17.0.1", 0, "docker0", ICMP, icmp_type=135).end == "here"
    assert town.send(CLIENT, "192.168.50.13", 0, "eth0", ICMP, icmp_type=134).end == "here"
