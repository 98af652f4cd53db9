"""What a user may ask of a network's addresses, and in which words it is refused."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from fairlead.core.ipam.pools import Space, space
from fairlead.core.ipam.request import Wish, resolve, validate
from fairlead.model.errors import Failed, Invalid, NotAllowed, Refusal
from fairlead.model.host import HostFacts
from fairlead.model.network import Pool, PoolRequest


def ground() -> Space:
    return space(HostFacts(), (), (), b"seed")


def resolved(*requests: PoolRequest, ipv6: bool = False, gateway: bool = True) -> tuple[Pool, ...]:
    return resolve(Wish(requests, ipv6=ipv6, gateway=gateway), ground())


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (PoolRequest("foo"), "invalid subnet foo: invalid CIDR block notation"),
        (PoolRequest("10.6.0.0/33"), "invalid subnet 10.6.0.0/33: invalid CIDR block notation"),
        (PoolRequest("10.6.0.0"), "invalid subnet 10.6.0.0: invalid CIDR block notation"),
        (PoolRequest("10.6.0.0/255.255.255.0"), "invalid subnet 10.6.0.0/255.255.255.0: invalid CIDR block notation"),
        (PoolRequest("10.6.0.5/24"), "invalid subnet 10.6.0.5/24: it should be 10.6.0.0/24"),
        (
            PoolRequest("10.6.0.0/24", "10.7.0.0/25"),
            "invalid ip-range 10.7.0.0/25: parent subnet 10.6.0.0/24 doesn't contain ip-range",
        ),
        (PoolRequest("10.6.0.0/24", "fd00::/64"), "invalid ip-range fd00::/64: parent subnet is an IPv4 block"),
        (
            PoolRequest("10.6.0.0/24", gateway="10.8.0.1"),
            "invalid gateway 10.8.0.1: parent subnet 10.6.0.0/24 doesn't contain this address",
        ),
        (PoolRequest("10.6.0.0/24", gateway="foo"), "invalid gateway foo: invalid address"),
        (
            PoolRequest("10.6.0.0/24", aux={"a": "10.9.0.1"}),
            "invalid auxiliary address a: parent subnet 10.6.0.0/24 doesn't contain this address",
        ),
        (PoolRequest(gateway="10.7.0.1"), "every ip-range or gateway must have a corresponding subnet"),
    ],
)
def test_a_malformed_entry_is_refused_in_dockers_words(request_: PoolRequest, fault: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate((request_,), ipv6=True)
    assert refused.value.message == f"invalid network config:\n{fault}"


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        validate((PoolRequest("foo"), PoolRequest("10.6.0.5/24")), ipv6=False)
    assert refused.value.message.splitlines() == [
        "invalid network config:",
        "* invalid subnet foo: invalid CIDR block notation",
        "* invalid subnet 10.6.0.5/24: it should be 10.6.0.0/24",
    ]


def test_an_ipv6_entry_of_a_network_without_ipv6_is_left_out() -> None:
    (pool,) = resolved(PoolRequest("2001:db8:1::/64"))
    assert str(pool.subnet) == "172.17.0.0/16"


def test_the_gateway_is_the_first_address_or_the_first_of_the_range() -> None:
    assert str(resolved(PoolRequest("10.6.0.0/24"))[0].gateway) == "10.6.0.1"
    assert str(resolved(PoolRequest("10.46.0.0/24", "10.46.0.128/25"))[0].gateway) == "10.46.0.128"
    assert str(resolved(PoolRequest("10.46.0.0/24", "10.46.0.0/25"))[0].gateway) == "10.46.0.1"
    assert str(resolved(PoolRequest("fd00:1::/64"), ipv6=True)[1].gateway) == "fd00:1::1"


def test_a_driver_that_wants_no_gateway_gets_none_unless_the_user_names_one() -> None:
    assert resolved(PoolRequest("10.6.0.0/24"), gateway=False)[0].gateway is None
    assert str(resolved(PoolRequest("10.6.0.0/24", gateway="10.6.0.9"), gateway=False)[0].gateway) == "10.6.0.9"


@pytest.mark.parametrize("subnet", ["10.71.0.0/31", "10.72.0.0/32", "10.73.0.0/30"])
def test_tiny_subnets_are_accepted(subnet: str) -> None:
    assert str(resolved(PoolRequest(subnet))[0].subnet) == subnet


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            PoolRequest("10.7.0.0/24", gateway="10.7.0.0"),
            "failed to allocate gateway (10.7.0.0): Address already in use",
        ),
        (
            PoolRequest("10.7.0.0/24", gateway="10.7.0.255"),
            "failed to allocate gateway (10.7.0.255): Address already in use",
        ),
        (
            PoolRequest("10.7.0.0/24", gateway="10.7.0.1", aux={"a": "10.7.0.1"}),
            "failed to allocate secondary ip address (a:10.7.0.1): Address already in use",
        ),
    ],
)
def test_a_gateway_or_auxiliary_address_that_is_taken_is_refused(request_: PoolRequest, message: str) -> None:
    with pytest.raises(Failed) as refused:
        resolved(request_)
    assert refused.value.message == message


@pytest.mark.parametrize("subnet", ["10.5.0.0/24", "10.5.0.128/25", "10.5.0.0/16", "0.0.0.0/0"])
def test_a_subnet_over_another_networks_is_refused(subnet: str) -> None:
    taken = ground().with_network(resolved(PoolRequest("10.5.0.0/24"))[0].subnet)
    with pytest.raises(NotAllowed) as refused:
        resolve(Wish((PoolRequest(subnet),)), taken)
    assert refused.value.message == "invalid pool request: Pool overlaps with other one on this address space"


def test_two_overlapping_subnets_of_one_request_are_refused() -> None:
    with pytest.raises(NotAllowed):
        resolved(PoolRequest("10.5.0.0/24"), PoolRequest("10.5.0.128/25"))


def test_a_subnet_over_a_host_route_is_the_users_own_business() -> None:
    on_lan = HostFacts(routes=(IPv4Network("192.168.50.0/24"),))
    (pool,) = resolve(Wish((PoolRequest("192.168.50.0/24"),)), space(on_lan, (), (), b""))
    assert pool.requested


def test_a_subnet_by_size_is_taken_from_the_pools() -> None:
    four, six = resolved(PoolRequest("0.0.0.0/24"), PoolRequest("::/56"), ipv6=True)
    assert str(four.subnet) == "172.17.0.0/24"
    assert six.subnet.prefixlen == 56
    assert not four.requested
    with pytest.raises(Refusal, match="a subnet given by its size"):
        resolved(PoolRequest("0.0.0.0/24", gateway="0.0.0.1"))


def test_each_family_that_is_on_gets_a_pool() -> None:
    assert [pool.subnet.version for pool in resolved(ipv6=True)] == [4, 6]
    only6 = resolve(Wish(ipv4=False, ipv6=True), ground())
    assert [pool.subnet.version for pool in only6] == [6]
