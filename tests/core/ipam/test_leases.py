"""Who may have which address of a network."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from fairlead.core.ipam.leases import SERIAL, Leases
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.network import Network, Pool


def leases(subnet: str, policy: str = "lowest", **fields: object) -> Leases:
    network = ip_network(subnet)
    gateway = fields.pop("gateway", str(network.network_address + 1))
    aux = {name: ip_address(text) for name, text in dict(fields.pop("aux", {})).items()}
    within = fields.pop("ip_range", None)
    pool = Pool(network, ip_address(gateway) if gateway else None, ip_network(within) if within else None, aux)
    return Leases(Network("f" * 64, "t29", "bridge", 0, pools=(pool,)), policy)


def take(of: Leases, count: int, version: int = 4) -> list[str]:
    return [str(of.lease(version)) for _ in range(count)]


def test_a_29_has_five_addresses_beside_its_gateway() -> None:
    small = leases("10.44.0.0/29")
    assert take(small, 5) == [f"10.44.0.{n}/29" for n in range(2, 7)]
    with pytest.raises(Failed) as refused:
        small.lease(4)
    assert refused.value.message == (f"no available IPv4 addresses on this network's address pools: t29 ({'f' * 64})")


def test_what_came_back_is_given_again_lowest_first() -> None:
    some = leases("10.44.0.0/29")
    take(some, 5)
    some.release(ip_address("10.44.0.5"))
    some.release(ip_address("10.44.0.3"))
    assert take(some, 2) == ["10.44.0.3/29", "10.44.0.5/29"]


def test_a_range_gives_only_its_own_and_neither_gateway_nor_aux() -> None:
    ranged = leases("10.45.0.0/24", ip_range="10.45.0.64/29", gateway="10.45.0.254", aux={"rtr": "10.45.0.65"})
    assert take(ranged, 7) == [f"10.45.0.{n}/24" for n in (64, 66, 67, 68, 69, 70, 71)]
    assert str(ranged.claim("10.45.0.200")) == "10.45.0.200/24"
    with pytest.raises(Failed):
        ranged.lease(4)


def test_a_claimed_address_is_passed_over_and_comes_back() -> None:
    some = leases("10.5.0.0/24")
    some.claim("10.5.0.3")
    assert take(some, 2) == ["10.5.0.2/24", "10.5.0.4/24"]
    some.release(ip_address("10.5.0.3"))
    assert take(some, 1) == ["10.5.0.3/24"]


@pytest.mark.parametrize("text", ["10.5.0.9", "10.5.0.1", "10.5.0.255", "10.5.0.0"])
def test_an_address_that_somebody_has_or_nobody_may_have_is_refused(text: str) -> None:
    some = leases("10.5.0.0/24")
    some.claim("10.5.0.9")
    with pytest.raises(NotAllowed, match=r"^Address already in use$"):
        some.claim(text)


@pytest.mark.parametrize("text", ["10.6.0.9", "foo", "fd00::2"])
def test_an_address_of_no_pool_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        leases("10.5.0.0/24").claim(text)
    assert refused.value.message == f"no configured subnet or ip-range contain the IP address {text}"


def test_a_31_has_two_addresses_and_a_32_one() -> None:
    assert take(leases("10.71.0.0/31", gateway="10.71.0.0"), 1) == ["10.71.0.1/31"]
    assert take(leases("10.71.0.0/31", gateway=""), 2) == ["10.71.0.0/31", "10.71.0.1/31"]
    assert take(leases("10.72.0.0/32", gateway=""), 1) == ["10.72.0.0/32"]


def test_an_ipv6_64_costs_what_is_leased_of_it() -> None:
    wide = leases("fd00::/64")
    assert take(wide, 2, version=6) == ["fd00::2/64", "fd00::3/64"]
    assert [(used, size) for _, used, size in wide.pools()] == [(2, 2**64 - 2)]


def test_the_serial_policy_gives_the_next_address_after_the_last_round_the_range() -> None:
    some = leases("10.0.1.0/29", SERIAL)
    assert take(some, 3) == ["10.0.1.2/29", "10.0.1.3/29", "10.0.1.4/29"]
    some.release(ip_address("10.0.1.3"))
    assert take(some, 3) == ["10.0.1.5/29", "10.0.1.6/29", "10.0.1.3/29"]
    with pytest.raises(Failed):
        some.lease(4)


def test_a_restart_claims_again_what_endpoints_hold() -> None:
    first = leases("10.5.0.0/24")
    held = [first.lease(4) for _ in range(3)]
    second = leases("10.5.0.0/24")
    second.restore(held)
    assert len(second) == 3
    assert take(second, 1) == ["10.5.0.5/24"]
