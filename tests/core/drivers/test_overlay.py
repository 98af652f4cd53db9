"""What overlay networks and their endpoints need, as plans."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.drivers import overlay_filter, overlay_mtu, overlay_options
from fairlead.core.drivers.contract import Attachment, Neighbourhood, Site
from fairlead.core.drivers.overlay import Overlay
from fairlead.core.drivers.overlay_segments import place, segments
from fairlead.model.errors import Failed, Invalid, Refusal
from fairlead.model.host import HostFacts, Underlay
from fairlead.model.network import Network
from fairlead.model.plan import (
    HOST,
    AddNamespace,
    AddPortEntry,
    AddVeth,
    AddVxlan,
    AnnounceAddress,
    ChangeRules,
    DelLink,
    DelNamespace,
    Operation,
    Plan,
)
from tests.core.drivers.builders import NS, endpoint, network

OVERLAY = Overlay()
HOME = "/run/x/netns/1-ababababab"
UNDERLAY = Underlay(IPv4Address("192.168.60.11"))


def facts(*features: str, underlay: Underlay | None = UNDERLAY) -> HostFacts:
    return HostFacts(features=frozenset(("vxlan", *features)), namespaces="/run/x/netns", underlay=underlay)


def overlay(subnet: str = "10.0.1.0/24", vnis: str = "4097,4098,4099", **options: str) -> Network:
    given = {overlay_options.VNIS: vnis, **{key.replace("_", "."): value for key, value in options.items()}}
    return network("overlay", subnet=subnet, scope="swarm", options=given)


def around(*features: str, underlay: Underlay | None = UNDERLAY) -> Neighbourhood:
    return Neighbourhood(facts(*features, underlay=underlay))


def index(plan: Plan, kind: type[Operation]) -> int:
    return next(at for at, operation in enumerate(plan.operations) if isinstance(operation, kind))


def test_the_filters_stand_before_the_first_packet_and_until_after_the_last() -> None:
    net = overlay(encrypted="")
    site = Site(facts("esp"), NS)
    made = OVERLAY.attach(net, endpoint(on=net), site)
    guards = [at for at, each in enumerate(made.operations) if isinstance(each, ChangeRules)]
    assert max(guards[:3]) < index(made, AddVxlan) < index(made, AddVeth)
    undone = OVERLAY.detach(net, endpoint(on=net), site)
    last = undone.operations[-1]
    assert isinstance(last, ChangeRules)
    assert {each.set for each in last.transaction.remove} == {"encrypted", "vnis", "ways"}
    assert index(undone, DelNamespace) < len(undone.operations) - 1


def test_only_the_last_endpoint_takes_the_ground_along() -> None:
    net = overlay()
    stays = OVERLAY.detach(net, endpoint(on=net), Site(facts(), HOST, shared=True))
    goes = OVERLAY.detach(net, endpoint(on=net), Site(facts(), HOST, shared=False))
    assert DelNamespace(HOME) not in stays.operations
    assert DelNamespace(HOME) in goes.operations
    assert goes.operations.index(DelLink("vxlan0", HOME)) < goes.operations.index(DelNamespace(HOME))


def test_expected_is_what_attach_makes() -> None:
    net = overlay("10.0.1.0/24 fd00::/64")
    made = OVERLAY.attach(net, endpoint(on=net), Site(facts(), NS, ipv6=True)).operations
    expected = OVERLAY.expected(net, [Attachment(endpoint(on=net), NS, ipv6=True)], facts())
    assert expected.operations == made[:-2], "what stands is not announced again"
    assert [type(each) for each in made[-2:]] == [AnnounceAddress, AnnounceAddress]
    assert OVERLAY.expected(net, [], facts()).operations == ()
    assert AddNamespace(HOME) in made


def test_where_an_endpoint_lives_is_told_and_never_learned() -> None:
    net = overlay()
    made = OVERLAY.attach(net, endpoint(on=net), Site(facts(), NS)).operations
    assert AddPortEntry(endpoint(on=net).host_ifname, endpoint(on=net).mac, HOME) in made
    veth = next(each for each in made if isinstance(each, AddVeth))
    assert veth.port == {"learning": 0, "unicast_flood": 0}


@pytest.mark.parametrize(
    ("net", "ground", "reason"),
    [
        (overlay(), around(underlay=None), "spans a swarm, and this host is in none"),
        (overlay(encrypted="true"), around(), "is encrypted, and this kernel cannot encrypt"),
        (overlay(), Neighbourhood(HostFacts(underlay=UNDERLAY)), "this kernel has no vxlan"),
        (overlay(vnis=""), around(), "has 1 subnets and 0 VXLAN ids"),
        (overlay(vnis="16777216"), around(), "numbers from 1 to 16777215"),
        (overlay(com_docker_network_driver_mtu="1451"), around(), "MTU 1451 is too large: .* at most 1450 fit"),
        (overlay("fd00::/64", com_docker_network_driver_mtu="1200"), around(), "too small for IPv6, which needs 1280"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(net: Network, ground: Neighbourhood, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        OVERLAY.validate(net, ground)


def test_no_address_of_the_network_is_refused() -> None:
    net = overlay()
    stray = replace(endpoint(on=net), ipv4=None)
    with pytest.raises(Failed, match="has no address, which lies in no subnet of network net-ab"):
        OVERLAY.attach(net, stray, Site(facts(), NS))


@pytest.mark.parametrize(("text", "on"), [("", True), ("true", True), ("1", True), ("false", False)])
def test_encrypted_needs_no_value(text: str, on: bool) -> None:
    assert overlay_options.read({"encrypted": text}).encrypted is on


def test_a_bad_switch_is_refused() -> None:
    with pytest.raises(Invalid, match='parsing "maybe"'):
        overlay_options.read({"encrypted": "maybe"})


# --- segments ---------------------------------------------------------------------------------------


def test_each_ipv4_subnet_is_a_segment_and_ipv6_goes_along() -> None:
    net = overlay("10.0.1.0/24 fd00:1::/64 10.0.2.0/24")
    first, second = segments(net)
    assert (first.bridge, first.vxlan, first.vni) == ("br0", "vxlan0", 4097)
    assert (second.bridge, second.vxlan, second.vni) == ("br1", "vxlan1", 4099)
    assert [str(gateway) for gateway in second.gateways] == ["10.0.2.1/24", "fd00:1::1/64"]
    assert place(net, [ip_address("fd00:1::9"), ip_address("10.0.2.9")]) == second
    assert place(net, [ip_address("10.0.7.9")]) is None


# --- how large a packet may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("underlay", "encrypted", "size"),
    [
        (Underlay(IPv4Address(1)), False, 1450),
        (Underlay(IPv4Address(1), mtu=9000), False, 8950),
        (Underlay(IPv6Address(1)), False, 1430),
        (Underlay(IPv4Address(1)), True, 1416),
    ],
)
def test_the_largest_packet(underlay: Underlay, encrypted: bool, size: int) -> None:
    assert overlay_mtu.largest(underlay, encrypted) == size


@given(st.integers(200, 9216), st.integers(-3, 3))
def test_the_largest_encrypted_packet_fits_and_no_larger_does(underlay: int, off: int) -> None:
    """Against the lengths of RFC 4303, section 2, added up anew."""
    inner = overlay_mtu.largest(Underlay(IPv4Address(1), mtu=underlay), encrypted=True) + off

    def outer(size: int) -> int:
        plain = size + 14 + 8 + 8 + 2
        return 20 + 8 + 8 + (plain + 3) // 4 * 4 + 16

    assert (outer(inner) <= underlay) == (off <= 0)


# --- who speaks ---------------------------------------------------------------------------------------


def test_the_link_local_address_follows_from_the_hardware_address() -> None:
    assert overlay_filter.link_local("02:42:0a:00:01:05") == IPv6Address("fe80::42:aff:fe00:105")


def test_an_endpoint_may_say_what_is_its_own() -> None:
    net = overlay("10.0.1.0/24")
    one = endpoint(on=net)
    found = {(each.set, *each.key[1:]) for each in overlay_filter.elements(one)}
    own = IPv4Address("10.0.1.2")
    assert found == {("home", one.mac), ("home4", own), ("selves", one.mac, own)}
