"""The choice of a subnet: Docker's order, never over occupied ground, lowest free first."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from fairlead.core.ipam.pools import Space, space, ula
from fairlead.model.config import AddressPool
from fairlead.model.errors import Invalid
from fairlead.model.host import HostFacts
from fairlead.model.network import Network, Pool, Subnet


def fresh(*routes: str, pools: tuple[AddressPool, ...] = ()) -> Space:
    facts = HostFacts(routes=tuple(IPv4Network(route) for route in routes))
    return space(facts, (), pools, b"this host")


def take(ground: Space, count: int) -> list[str]:
    taken: list[Subnet] = []
    for _ in range(count):
        taken.append(ground.choose(4))
        ground = ground.with_network(taken[-1])
    return [str(subnet) for subnet in taken]


def test_networks_take_dockers_pools_in_dockers_order() -> None:
    taken = take(fresh(), 31)
    assert taken[:15] == [f"172.{n}.0.0/16" for n in range(17, 32)]
    assert taken[15:] == [f"192.168.{n * 16}.0/20" for n in range(16)]


def test_after_dockers_31_networks_there_are_16384_more() -> None:
    taken = take(fresh(), 331)
    assert taken[31:33] == ["10.192.0.0/24", "10.192.1.0/24"]
    assert taken[330] == "10.193.43.0/24"


def test_a_prefix_under_a_host_route_is_left_out() -> None:
    assert take(fresh("192.168.50.0/24"), 20)[15:19] == [
        "192.168.0.0/20",
        "192.168.16.0/20",
        "192.168.32.0/20",
        "192.168.64.0/20",
    ]


@pytest.mark.parametrize("field", ["addresses", "nameservers"])
def test_a_prefix_with_an_address_or_nameserver_of_the_host_is_left_out(field: str) -> None:
    facts = HostFacts(**{field: (IPv4Address("172.17.3.4"),)})
    assert str(space(facts, (), (), b"").choose(4)) == "172.18.0.0/16"


def test_a_prefix_of_another_network_is_left_out_whatever_its_size() -> None:
    other = Network("1" * 64, "wide", "bridge", 0, pools=(Pool(IPv4Network("172.16.0.0/12")),))
    assert str(space(HostFacts(), (other,), (), b"").choose(4)) == "192.168.0.0/20"


def test_a_freed_prefix_is_the_next_one_again() -> None:
    ground = Space(fresh().pools, (IPv4Network("172.17.0.0/16"), IPv4Network("172.19.0.0/16")))
    assert str(ground.choose(4)) == "172.18.0.0/16"


def test_configured_pools_replace_the_defaults_of_their_family_only() -> None:
    ground = fresh(pools=(AddressPool(IPv4Network("10.10.0.0/23"), 24),))
    assert take(ground, 2) == ["10.10.0.0/24", "10.10.1.0/24"]
    assert ground.choose(6).subnet_of(IPv6Network("fd00::/8"))


def test_used_up_pools_are_refused_in_dockers_words() -> None:
    ground = fresh(pools=(AddressPool(IPv4Network("10.10.0.0/24"), 24),))
    with pytest.raises(Invalid, match=r"^all predefined address pools have been fully subnetted$"):
        take(ground, 2)


def test_a_size_takes_a_prefix_of_that_size_from_the_first_pool_that_holds_one() -> None:
    ground = fresh().with_network(IPv4Network("172.17.0.0/25"))
    assert str(ground.choose(4, 24)) == "172.17.1.0/24"
    assert str(ground.choose(4, 12)) == "10.192.0.0/12"
    with pytest.raises(Invalid, match="no free /8"):
        ground.choose(4, 8)


def test_ipv6_prefixes_come_from_a_ula_that_the_seed_decides() -> None:
    assert ula(b"a") == ula(b"a") != ula(b"b")
    assert ula(b"a").base.prefixlen == 48
    ground = space(HostFacts(), (), (), b"a")
    first = ground.choose(6)
    second = ground.with_network(first).choose(6)
    assert first.prefixlen == second.prefixlen == 64
    assert int(second.network_address) - int(first.network_address) == 1 << 64


def test_a_choice_among_thousands_of_networks_walks_spans_not_prefixes() -> None:
    crowded = tuple(IPv4Network((0x0AC00000 + (n << 8), 24)) for n in range(3000))
    ground = Space((AddressPool(IPv4Network("10.192.0.0/10"), 30),), crowded)
    assert ground.choose(4) == IPv4Network((0x0AC00000 + (3000 << 8), 30))
