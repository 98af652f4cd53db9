"""Where a node listens, and where others find it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest

from fairlead.core.swarm.whereabouts import advertised, data_path, listening, only_address, split, with_port
from fairlead.model.errors import Invalid, Unavailable

BAD_LISTEN = "listen address must be an IP address or network interface (with optional port number)"
BAD_ADVERTISE = "advertise address must be a non-zero IP address or network interface (with optional port number)"
BAD_DATA_PATH = "data path address must be a non-zero IP address or network interface (without a port number)"

ETH0, ETH1 = ("eth0", ip_address("192.168.50.11")), ("eth1", ip_address("10.9.0.1"))
SECOND = ("eth0", ip_address("192.168.60.11"))
LO = [("lo", ip_address("127.0.0.1")), ("lo", ip_address("::1"))]
LOCAL = ("eth0", ip_address("fe80::1"))
GLOBAL = ("eth0", ip_address("2001:db8::1"))
BRIDGE, BRIDGED = ("docker0", ip_address("172.17.0.1")), ip_network("172.17.0.0/16")
HOST = [*LO, ETH0, LOCAL, BRIDGE]
Resolve = Callable[[str], str]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.168.0.1", ("192.168.0.1", 0)),
        ("192.168.0.1:2400", ("192.168.0.1", 2400)),
        ("eth0:2400", ("eth0", 2400)),
        ("[2001:db8::1]:2400", ("2001:db8::1", 2400)),
        ("2001:db8::1", ("2001:db8::1", 0)),
    ],
)
def test_host_and_port_are_told_apart(text: str, found: tuple[str, int]) -> None:
    assert split(text) == found


@pytest.mark.parametrize("text", ["eth0:x", "eth0:70000", "eth0:0"])
def test_a_port_is_a_port(text: str) -> None:
    with pytest.raises(Invalid, match="invalid port"):
        split(text)


def test_a_manager_without_a_port_has_the_usual_one() -> None:
    assert (with_port("10.0.0.1"), with_port("10.0.0.1:1")) == ("10.0.0.1:2377", "10.0.0.1:1")


def test_an_interface_stands_for_its_address() -> None:
    assert listening("eth0", HOST) == "192.168.50.11:2377"
    assert listening("eth0:2400", HOST) == "192.168.50.11:2400"
    assert advertised("eth0", "0.0.0.0:2377", HOST, [BRIDGED]) == "192.168.50.11:2377"
    assert data_path("eth0", HOST) == "192.168.50.11"


def test_an_interface_with_several_addresses_stands_for_none() -> None:
    with pytest.raises(Invalid, match=r"interface eth0 has more than one IPv4 address \(192.168.50.11 and 192."):
        listening("eth0", [ETH0, SECOND])


def test_a_port_may_be_advertised_that_is_not_listened_on() -> None:
    assert advertised("192.168.50.11", "0.0.0.0:2400", HOST, []) == "192.168.50.11:2400"
    assert advertised("192.168.50.11:1", "0.0.0.0:2400", HOST, []) == "192.168.50.11:1"
    assert advertised("127.0.0.2", "0.0.0.0:2400", HOST, []) == "127.0.0.2:2400"


@pytest.mark.parametrize(
    ("resolve", "what"),
    [
        (lambda text: advertised(text, "0.0.0.0:2377", HOST, []), "advertise"),
        (lambda text: data_path(text, HOST), "data path"),
    ],
)
def test_an_address_that_others_send_to_is_of_this_host(resolve: Resolve, what: str) -> None:
    with pytest.raises(
        Invalid, match=f"^{what} address 203.0.113.9 is not an address of this host .it has 192.168.50.11"
    ):
        resolve("203.0.113.9")


def test_the_address_that_is_listened_on_is_advertised() -> None:
    assert advertised("", "10.9.0.1:2377", [ETH0, ETH1], []) == "10.9.0.1:2377"


def test_the_only_address_is_found_beside_those_that_do_not_count() -> None:
    assert only_address(HOST, [BRIDGED]) == ETH0[1]


def test_ipv4_goes_before_ipv6_on_one_interface() -> None:
    assert only_address([GLOBAL, ETH0], []) == ETH0[1]
    assert only_address([GLOBAL], []) == GLOBAL[1]


@pytest.mark.parametrize(
    ("held", "refusal"),
    [
        (
            [ETH0, SECOND],
            "could not choose an IP address to advertise since this system has multiple addresses on interface eth0 "
            "(192.168.50.11 and 192.168.60.11) - specify one with --advertise-addr",
        ),
        (
            [ETH0, ETH1],
            "could not choose an IP address to advertise since this system has multiple addresses on different "
            "interfaces (192.168.50.11 on eth0 and 10.9.0.1 on eth1) - specify one with --advertise-addr",
        ),
        (LO, "could not find the system's IP address - specify one with --advertise-addr"),
    ],
)
def test_a_host_with_no_single_address_is_asked_to_choose(held: list[tuple[str, object]], refusal: str) -> None:
    with pytest.raises(Unavailable) as raised:
        only_address(held, [BRIDGED])  # type: ignore[arg-type]
    assert raised.value.message == refusal


@pytest.mark.parametrize(
    ("resolve", "text", "refusal"),
    [
        (lambda text: listening(text, HOST), "", 'invalid ListenAddr "": invalid empty address'),
        (lambda text: listening(text, HOST), "foo", BAD_LISTEN),
        (lambda text: advertised(text, "0.0.0.0:2377", HOST, []), "foo", BAD_ADVERTISE),
        (lambda text: advertised(text, "0.0.0.0:2377", HOST, []), "0.0.0.0", BAD_ADVERTISE),
        (lambda text: data_path(text, HOST), "foo", BAD_DATA_PATH),
        (lambda text: data_path(text, HOST), "10.0.0.1:1", BAD_DATA_PATH),
    ],
)
def test_what_is_no_address_is_refused_in_dockers_words(resolve: Resolve, text: str, refusal: str) -> None:
    with pytest.raises(Invalid) as raised:
        resolve(text)
    assert raised.value.message == refusal
