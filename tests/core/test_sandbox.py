"""Default routes and interface names of a sandbox."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from fairlead.core.sandbox import Leg, default_routes, next_ifname, ranked, route_changes, way_out
from fairlead.model.plan import AddRoute, DelRoute

NS = "/run/netns/c"


def leg(name: str, ifname: str = "eth0", priority: int = 0, internal: bool = False, six: bool = False) -> Leg:
    gateway4 = None if internal else IPv4Address("10.0.0.1")
    return Leg(name, name, ifname, priority, internal, gateway4, IPv6Address("fd00::1") if six else None)


def test_the_smallest_name_gives_the_way_out() -> None:
    legs = [leg("zeta"), leg("mid", "eth1"), leg("alpha", "eth2")]
    assert way_out(legs, 4) == legs[2]


def test_priority_goes_before_name_and_internal_networks_never_lead_out() -> None:
    legs = [leg("alpha"), leg("zeta", "eth1", priority=5), leg("aaint", "eth2", priority=9, internal=True)]
    assert way_out(legs, 4) == legs[1]
    assert way_out(legs[2:], 4) is None
    assert [one.network_name for one in ranked(legs)] == ["zeta", "alpha", "aaint"]


def test_each_family_has_a_way_out_of_its_own() -> None:
    legs = [leg("alpha"), leg("zeta", "eth1", six=True)]
    assert way_out(legs, 4) == legs[0]
    assert way_out(legs, 6) == legs[1]


def test_the_default_route_moves_when_a_smaller_name_comes() -> None:
    mid, alpha, zeta = leg("mid"), leg("alpha", "eth2"), leg("zeta", "eth1")
    assert not route_changes([mid], [mid, zeta], NS)
    assert route_changes([mid], [mid, alpha], NS).operations == (AddRoute(None, "eth2", alpha.gateway4, NS, 4),)
    assert route_changes([mid, alpha], [mid], NS).operations == (AddRoute(None, "eth0", mid.gateway4, NS, 4),)


def test_the_route_of_an_interface_that_went_is_not_removed_by_name() -> None:
    inner = leg("in", "eth1", internal=True)
    assert not route_changes([leg("mid"), inner], [inner], NS)


def test_a_leg_that_stays_without_a_way_out_loses_its_route() -> None:
    before, after = leg("mid"), Leg("mid", "mid", "eth0")
    assert route_changes([before], [after], NS).operations == (DelRoute(None, "eth0", before.gateway4, NS, 4),)


def test_all_default_routes_of_a_sandbox() -> None:
    assert len(default_routes([leg("a", six=True), leg("b", "eth1")], NS).operations) == 2


def test_interfaces_take_the_lowest_free_number() -> None:
    assert next_ifname([]) == "eth0"
    assert next_ifname(["eth0", "eth1", "eth3"]) == "eth2"
    assert next_ifname(["eth0", "net0"], "net") == "net1"
