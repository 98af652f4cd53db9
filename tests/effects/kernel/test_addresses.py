"""Addresses, routes, neighbours, forwarding entries and sysctls, as `ip` and `bridge` see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.sysctl import read_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddNeighbour,
    AddRoute,
    AddRule,
    AddVeth,
    AddVxlan,
    DelLink,
    DelRoute,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)
from tests.effects.kernel.conftest import ip, run

MAC = "02:42:ac:11:00:02"
NET4, NET6 = ip_network("10.9.0.0/16"), ip_network("fd09::/64")
Container = Callable[[str], str]


def addresses(link: str, ns: str = "") -> list[str]:
    found = ip("address", "show", "dev", link, ns=ns)[0]["addr_info"]
    return [f"{each['local']}/{each['prefixlen']}" for each in found if each["scope"] != "link"]


def routes(ns: str = "", family: str = "-4") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("ip", "-j", family, "route", ns=ns) or "[]")
    return found


@pytest.fixture
async def inside(kernel: LinuxKernel, container: Container) -> str:
    """A container with eth0 10.9.0.2/16 and fd09::2/64 behind br0."""
    ns = container("c1")
    plan = (
        AddBridge("br0"),
        AddVeth("veth1", "eth0", ns, MAC, "br0"),
        AddAddress("eth0", ip_interface("10.9.0.2/16"), ns),
        AddAddress("eth0", ip_interface("fd09::2/64"), ns),
        SetLink("eth0", ns, up=True),
        AddRoute(None, "eth0", ip_address("10.9.0.1"), ns),
        AddRoute(None, "eth0", ip_address("fd09::1"), ns, family=6),
    )
    await kernel.apply(Plan(plan))
    return ns


async def test_an_endpoint_is_complete(inside: str) -> None:
    assert addresses("eth0", inside) == ["10.9.0.2/16", "fd09::2/64"]
    seen = ip("address", "show", "dev", "eth0", ns=inside)[0]["addr_info"]
    assert seen[0]["broadcast"] == "10.9.255.255"
    assert seen[1]["nodad"] is True
    assert routes(inside)[0] == {"dst": "default", "gateway": "10.9.0.1", "dev": "eth0", "flags": []}
    assert routes(inside, "-6")[-1]["gateway"] == "fd09::1"


@pytest.mark.parametrize("text", ["10.9.0.9/16", "10.8.0.1/32", "fd09::9/64"])
async def test_an_address_can_be_added_twice_and_removed_twice(kernel: LinuxKernel, inside: str, text: str) -> None:
    add = AddAddress("eth0", ip_interface(text), inside)
    await kernel.apply(Plan((add, add)))
    assert text in addresses("eth0", inside)
    await kernel.apply(Plan((add.inverse(), add.inverse())))
    assert text not in addresses("eth0", inside)


async def test_a_default_route_gives_way(kernel: LinuxKernel, inside: str) -> None:
    await kernel.apply(Plan((AddRoute(None, "eth0", ip_address("10.9.0.7"), inside),)))
    assert [each["gateway"] for each in routes(inside) if each["dst"] == "default"] == ["10.9.0.7"]


async def test_a_route_is_not_replaced_unasked(kernel: LinuxKernel, inside: str) -> None:
    with pytest.raises(KernelRefused, match=r"add route default via 10\.9\.0\.7 dev eth0: file exists"):
        await kernel.apply(Plan((AddRoute(None, "eth0", ip_address("10.9.0.7"), inside, replace=False),)))


ROUTES = [
    AddRoute(ip_network("192.0.2.0/24"), "eth0", ip_address("10.9.0.3")),
    AddRoute(ip_network("192.0.2.0/24"), "eth0"),
    AddRoute(ip_network("192.0.2.0/24"), "eth0", ip_address("198.51.100.1"), scope_link=True),
    AddRoute(ip_network("2001:db8::/32"), "eth0", ip_address("fd09::3"), family=6),
    AddRoute(ip_network("2001:db8::/32"), "eth0", family=6),
]


@pytest.mark.parametrize("route", ROUTES)
async def test_routes_come_and_go(kernel: LinuxKernel, inside: str, route: AddRoute) -> None:
    add = AddRoute(route.destination, "eth0", route.via, inside, route.family, route.scope_link)
    family = f"-{route.family}"
    await kernel.apply(Plan((add, add)))
    (new,) = [each for each in routes(inside, family) if each["dst"] == str(route.destination)]
    assert new.get("gateway") == (str(route.via) if route.via else None)
    assert ("onlink" in new["flags"]) == route.scope_link
    await kernel.apply(Plan((add.inverse(), add.inverse())))
    assert not [each for each in routes(inside, family) if each["dst"] == str(route.destination)]


async def test_a_route_without_a_link_is_refused(kernel: LinuxKernel, inside: str) -> None:
    with pytest.raises(KernelRefused, match=r"no such device \(no link eth7\)"):
        await kernel.apply(Plan((AddRoute(None, "eth7", ip_address("10.9.0.1"), inside),)))
    await kernel.apply(Plan((DelRoute(None, "eth7", ip_address("10.9.0.1"), inside),)))


@pytest.mark.parametrize("address", ["10.9.0.77", "fd09::77"])
async def test_neighbours_are_permanent(kernel: LinuxKernel, inside: str, address: str) -> None:
    add = AddNeighbour("eth0", ip_address(address), MAC, inside)
    await kernel.apply(Plan((add, add)))
    (seen,) = [each for each in ip("neighbour", ns=inside) if each["dst"] == address]
    assert (seen["lladdr"], seen["state"]) == (MAC, ["PERMANENT"])
    await kernel.apply(Plan((add.inverse(), add.inverse())))
    assert not [each for each in ip("neighbour", ns=inside) if each["dst"] == address]


async def test_forwarding_entries_follow_a_move(kernel: LinuxKernel) -> None:
    one, two = ip_address("192.0.2.7"), ip_address("192.0.2.8")
    plan: tuple[Operation, ...] = (AddVxlan("vx0", 5, 4789, ip_address("192.0.2.1")), AddFdb("vx0", MAC, one))
    await kernel.apply(Plan((*plan, AddFdb("vx0", MAC, two))))
    assert fdb() == ["192.0.2.8"]
    await kernel.apply(Plan((AddFdb("vx0", MAC, two).inverse(), AddFdb("vx0", MAC, two).inverse())))
    assert fdb() == []


def fdb() -> list[str]:
    found = json.loads(run("bridge", "-j", "fdb", "show", "dev", "vx0"))
    return [each["dst"] for each in found if each["mac"] == MAC]


async def test_sysctls_are_those_of_the_namespace(kernel: LinuxKernel, inside: str) -> None:
    path = "net/ipv4/conf/eth0/rp_filter"
    before = read_sysctl("net/ipv4/conf/all/rp_filter", "")
    await kernel.apply(Plan((SetSysctl(path, "2", inside), SetSysctl("net/ipv4/conf/all/rp_filter", "2", inside))))
    assert read_sysctl(path, inside) == "2"
    assert read_sysctl("net/ipv4/conf/all/rp_filter", "") == before


async def test_a_missing_sysctl_is_refused_by_name(kernel: LinuxKernel, inside: str) -> None:
    with pytest.raises(KernelRefused, match="set net/ipv4/conf/eth9/rp_filter to 1: no such file or directory"):
        await kernel.apply(Plan((SetSysctl("net/ipv4/conf/eth9/rp_filter", "1", inside),)))


async def test_removal_in_a_dead_namespace_is_success(kernel: LinuxKernel) -> None:
    gone = "/nonexistent/netns/c9"
    add = AddAddress("eth0", ip_interface("10.9.0.2/16"), gone)
    assert await kernel.attempt(Plan((add.inverse(), DelLink("eth0", gone)))) == []


async def test_rules_lead_marked_packets_to_a_table_of_their_own(kernel: LinuxKernel, inside: str) -> None:
    for family, gateway in ((4, "10.9.0.1"), (6, "fd09::1")):
        way = AddRoute(None, "eth0", ip_address(gateway), inside, family, scope_link=True, table=100)
        rule = AddRule(0x40000000, 0x40000000, 100, inside, family)
        both = Plan((way, rule))
        await kernel.apply(both + both)
        assert await kernel.missing(both.operations) == []
        (seen,) = ip(f"-{family}", "route", "show", "table", "100", ns=inside)
        assert (seen["dst"], seen["gateway"], seen["dev"]) == ("default", gateway, "eth0")
        marked = [each for each in ip(f"-{family}", "rule", "show", ns=inside) if each.get("fwmark") == "0x40000000"]
        assert [each["table"] for each in marked] == ["100"]
        await kernel.apply(both.inverse() + both.inverse())
        assert await kernel.missing(both.operations) == [way, rule]
