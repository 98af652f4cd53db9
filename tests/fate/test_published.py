"""Published ports: who reaches them, how, and whom the container then sees."""

from __future__ import annotations

import pytest

from tests.fate.town import SCTP, TCP, UDP, Town

WEB, DB, OTHER, INNER, PLAIN, NAKED = (
    "172.17.0.2",
    "172.17.0.3",
    "172.18.0.2",
    "172.19.0.2",
    "172.21.0.2",
    "172.22.0.2",
)
CLIENT, LAB = "192.0.2.80", "10.9.0.7"
ETH0, ETH1, GATEWAY, BRIDGE_B = "192.168.50.13", "10.9.0.1", "172.17.0.1", "172.18.0.1"


@pytest.mark.parametrize(
    ("source", "iif", "destination", "seen"),
    [
        (CLIENT, "eth0", ETH0, CLIENT),
        (LAB, "eth1", ETH1, LAB),
        (CLIENT, "eth0", ETH1, CLIENT),
        (ETH0, "", ETH0, ETH0),
        (WEB, "docker0", ETH0, GATEWAY),
        (DB, "docker0", GATEWAY, GATEWAY),
        (OTHER, "br-b", ETH0, GATEWAY),
        (OTHER, "br-b", BRIDGE_B, GATEWAY),
    ],
)
def test_a_port_of_every_address_is_reached_from_everywhere(
    town: Town, source: str, iif: str, destination: str, seen: str
) -> None:
    town.publish(WEB, "0.0.0.0:8080->80/tcp")
    fate = town.send(source, destination, 8080, iif)
    assert fate.arrives, fate.trace
    assert town.delivered(fate) == ("docker0", str(town.address(WEB)), 80, str(town.address(seen)))


def test_loopback_reaches_it_too_and_the_container_sees_the_bridge() -> None:
    town = Town(4)
    town.publish(WEB, "0.0.0.0:8080->80/tcp")
    assert town.delivered(town.send("127.0.0.1", "127.0.0.1", 8080)) == ("docker0", WEB, 80, GATEWAY)


def test_ipv6_loopback_stays_with_the_holder_of_the_port() -> None:
    town = Town(6)
    town.publish(WEB, "0.0.0.0:8080->80/tcp")
    assert town.delivered(town.send("127.0.0.1", "127.0.0.1", 8080)) == ("here", "::1", 8080, "::1")


@pytest.mark.parametrize(("name", "number"), [("tcp", TCP), ("udp", UDP), ("sctp", SCTP)])
def test_each_protocol_has_ports_of_its_own(town: Town, name: str, number: int) -> None:
    town.publish(WEB, f"0.0.0.0:5000->500/{name}")
    for protocol in (TCP, UDP, SCTP):
        fate = town.send(CLIENT, ETH0, 5000, "eth0", protocol)
        assert (fate.end == "docker0") is (protocol == number)


@pytest.mark.parametrize(
    ("source", "iif", "destination", "arrives"),
    [
        (CLIENT, "eth0", ETH0, True),
        (LAB, "eth1", ETH1, False),
        (LAB, "eth1", ETH0, False),
        (ETH0, "", ETH0, True),
        (OTHER, "br-b", ETH0, True),
        (WEB, "docker0", ETH0, True),
        (OTHER, "br-b", BRIDGE_B, False),
    ],
)
def test_a_port_of_one_address_is_reached_only_at_it_and_where_it_is_held(
    town: Town, source: str, iif: str, destination: str, arrives: bool
) -> None:
    town.publish(WEB, f"{ETH0}:8080->80/tcp")
    assert (town.send(source, destination, 8080, iif).end == "docker0") is arrives


def test_a_port_of_loopback_is_the_hosts_alone() -> None:
    town = Town(4)
    town.publish(WEB, "127.0.0.1:8081->80/tcp", "127.0.0.2:8081->81/tcp")
    assert town.delivered(town.send("127.0.0.1", "127.0.0.1", 8081)) == ("docker0", WEB, 80, GATEWAY)
    assert town.delivered(town.send("127.0.0.1", "127.0.0.2", 8081)) == ("docker0", WEB, 81, GATEWAY)
    assert town.send(ETH0, ETH0, 8081).end == "here"
    for source, iif in ((CLIENT, "eth0"), (LAB, "eth1"), (OTHER, "br-b"), (WEB, "docker0")):
        assert town.send(source, "127.0.0.1", 8081, iif).verdict == "drop"


def test_loopback_addresses_from_a_wire_are_dropped(town: Town) -> None:
    for source, destination in ((CLIENT, "127.0.0.1"), ("127.0.0.1", ETH0), ("127.0.0.1", WEB)):
        for iif in ("eth0", "docker0"):
            assert town.send(source, destination, 22, iif).verdict == "drop"


def test_packets_that_only_pass_through_keep_their_destination(town: Town) -> None:
    town.publish(WEB, "0.0.0.0:8080->80/tcp")
    fate = town.send(OTHER, CLIENT, 8080, "br-b")
    assert town.delivered(fate)[:3] == ("eth0", str(town.address(CLIENT)), 8080)
    assert town.delivered(town.send(CLIENT, LAB, 8080, "eth0"))[:3] == ("eth1", str(town.address(LAB)), 8080)


def test_the_containers_own_port_stays_closed_to_direct_routes(town: Town) -> None:
    town.publish(WEB, "0.0.0.0:8080->80/tcp")
    assert not town.send(CLIENT, WEB, 80, "eth0").arrives
    assert not town.send(OTHER, WEB, 80, "br-b").arrives


def test_a_routed_network_opens_the_published_port_at_the_containers_address(town: Town) -> None:
    town.publish(PLAIN, "0.0.0.0:8080->80/tcp")
    assert town.delivered(town.send(CLIENT, PLAIN, 80, "eth0"))[2:] == (80, str(town.address(CLIENT)))
    assert town.send(OTHER, PLAIN, 80, "br-b").arrives
    assert not town.send(CLIENT, PLAIN, 81, "eth0").arrives
    assert town.send(CLIENT, ETH0, 8080, "eth0").end == "here"


def test_an_unprotected_network_translates_as_well(town: Town) -> None:
    town.publish(NAKED, "0.0.0.0:8080->80/tcp")
    assert town.send(CLIENT, ETH0, 8080, "eth0").end == "br-unp"


def test_an_internal_network_publishes_nothing(town: Town) -> None:
    town.publish(INNER, "0.0.0.0:8080->80/tcp")
    assert town.extra == []
    assert town.send(CLIENT, ETH0, 8080, "eth0").end == "here"


def test_an_internal_container_does_not_leave_through_a_published_port(town: Town) -> None:
    town.publish(WEB, "0.0.0.0:8080->80/tcp")
    assert town.send(INNER, "172.19.0.1", 8080, "br-int").verdict == "drop"


def test_a_range_is_one_element_and_every_port_of_it_arrives(town: Town) -> None:
    town.publish(WEB, *(f"0.0.0.0:{port}->{port}/udp" for port in range(7000, 8000)))
    assert len(town.extra) == 1
    for port, arrives in ((6999, False), (7000, True), (7500, True), (7999, True), (8000, False)):
        fate = town.send(CLIENT, ETH0, port, "eth0", UDP)
        assert (fate.end == "docker0") is arrives
        assert fate.packet.dport == port


def test_a_range_of_one_address_is_one_element(town: Town) -> None:
    town.publish(WEB, *(f"{ETH0}:{port}->{port}/tcp" for port in range(7000, 7100)))
    assert len(town.extra) == 1
    assert town.send(CLIENT, ETH0, 7050, "eth0").end == "docker0"
    assert town.send(LAB, ETH1, 7050, "eth1").end == "here"


def test_a_shifted_range_keeps_its_shift(town: Town) -> None:
    town.publish(WEB, *(f"0.0.0.0:{8000 + n}->{80 + n}/tcp" for n in range(20)))
    assert town.send(CLIENT, ETH0, 8013, "eth0").packet.dport == 93
