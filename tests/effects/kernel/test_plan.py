"""Plans: all or nothing, what is undone and what is not, teardown that does what it can, deferred deletion."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.effects.kernel.reaper import DOOMED, NEWBORN
from fairlead.effects.kernel.sysctl import read_sysctl
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddNeighbour,
    AddRoute,
    AddVeth,
    AddVxlan,
    ChangeRules,
    DelAddress,
    DelLink,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)
from fairlead.model.ruleset import Element, Set, Table, Transaction
from tests.effects.kernel.conftest import ip, link, run

Container = Callable[[str], str]
IMPOSSIBLE = SetLink("no-such-link", up=True)
TABLE = Table("inet", "fairlead", (Set("ports", ("inet_service",), ("inet_service",)),))
ONE, TWO = Element("ports", (1,), (10,)), Element("ports", (2,), (20,))


def rules(**changes: object) -> ChangeRules:
    return ChangeRules(Transaction("inet", "fairlead", **changes))  # type: ignore[arg-type]


async def test_a_failure_at_the_end_undoes_everything(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    await kernel.apply(Plan((rules(replace=TABLE, add=(ONE,)),)))
    before = picture(inside)
    operations: tuple[Operation, ...] = (
        AddBridge("br0"),
        AddAddress("br0", ip_interface("10.9.0.1/24")),
        AddVeth("veth1", "eth0", inside, master="br0"),
        AddAddress("eth0", ip_interface("10.9.0.2/24"), inside),
        SetLink("eth0", inside, up=True),
        AddRoute(None, "eth0", ip_address("10.9.0.1"), inside),
        AddNeighbour("br0", ip_address("10.9.0.2"), "02:42:0a:09:00:02"),
        AddVxlan("vx0", 7, 4789, ip_address("10.9.0.1")),
        AddFdb("vx0", "02:42:0a:09:00:02", ip_address("192.0.2.1")),
        SetSysctl("net/ipv4/conf/all/arp_announce", "2"),
        rules(add=(TWO,), remove=(ONE,)),
    )
    for end in range(len(operations), 0, -3):
        with pytest.raises(KernelRefused, match=r"change link no-such-link: no such device"):
            await kernel.apply(Plan((*operations[:end], IMPOSSIBLE)))
        assert picture(inside) == before


def picture(ns: str) -> list[object]:
    """Everything the plan touches."""
    seen: list[object] = [
        [(each["ifname"], "UP" in each["flags"], each.get("master")) for each in ip("link", ns=where)]
        for where in ("", ns)
    ]
    for where in ("", ns):
        seen.append([(each["dst"], each.get("gateway"), each["dev"]) for each in ip("route", ns=where)])
    seen += [read_sysctl("net/ipv4/conf/all/arp_announce", ""), run("nft", "list", "ruleset")]
    return seen


async def test_what_was_there_before_survives_the_undo(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    standing = Plan(
        (
            AddBridge("br0"),
            AddAddress("br0", ip_interface("10.9.0.1/24")),
            AddVeth("veth1", "eth0", inside, master="br0"),
            AddNeighbour("br0", ip_address("10.9.0.2"), "02:42:0a:09:00:02"),
            AddRoute(ip_network("192.0.2.0/24"), "br0", ip_address("10.9.0.7")),
            rules(replace=TABLE, add=(ONE,)),
        )
    )
    await kernel.apply(standing)
    again = Plan((*standing.operations[:-1], rules(add=(ONE,)), rules(remove=(TWO,)), DelLink("nowhere"), IMPOSSIBLE))
    before = picture(inside)
    with pytest.raises(KernelRefused):
        await kernel.apply(again)
    assert picture(inside) == before


async def test_a_route_that_gave_way_comes_back(kernel: LinuxKernel) -> None:
    await kernel.apply(
        Plan(
            (
                AddBridge("br0"),
                AddAddress("br0", ip_interface("10.9.0.1/24")),
                AddRoute(None, "br0", ip_address("10.9.0.7")),
            )
        )
    )
    before = run("ip", "route")
    with pytest.raises(KernelRefused):
        await kernel.apply(Plan((AddRoute(None, "br0", ip_address("10.9.0.8")), IMPOSSIBLE)))
    assert run("ip", "route") == before


async def test_a_link_that_was_changed_is_changed_back(kernel: LinuxKernel, container: Container) -> None:
    veth = AddVeth("veth1", "eth0", container("c1"), master="br0", alias="before", port={"hairpin": 1})
    await kernel.apply(Plan((AddBridge("br0"), AddBridge("br1"), veth)))
    before = link("veth1")
    changes = (
        SetLink("veth1", port={"hairpin": 0, "learning": 0}),
        SetLink("veth1", master="br1", mtu=1300, mac="02:00:00:00:00:07", alias="after"),
        SetLink("veth1", master=""),
        SetLink("veth1", up=False, rename="veth2"),
    )
    with pytest.raises(KernelRefused) as refused:
        await kernel.apply(Plan((*changes, IMPOSSIBLE)))
    assert not hasattr(refused.value, "__notes__")
    after = link("veth1")
    assert before is not None
    assert after is not None
    properties = ("master", "mtu", "ifalias", "group")
    assert [after[each] for each in properties] == [before[each] for each in properties]
    for each in ("hairpin", "learning"):
        assert after["linkinfo"]["info_slave_data"][each] == before["linkinfo"]["info_slave_data"][each]
    assert "UP" in after["flags"]


async def test_a_removed_address_comes_back(kernel: LinuxKernel) -> None:
    address = ip_interface("10.9.0.1/24")
    await kernel.apply(Plan((AddBridge("br0"), AddAddress("br0", address))))
    with pytest.raises(KernelRefused):
        await kernel.apply(Plan((DelAddress("br0", address), DelAddress("br0", address), IMPOSSIBLE)))
    assert "10.9.0.1/24" in run("ip", "address", "show", "dev", "br0")


async def test_attempt_goes_on_and_tells_all_that_failed(kernel: LinuxKernel) -> None:
    await kernel.apply(Plan((AddBridge("br0"), AddBridge("br1"))))
    failures = await kernel.attempt(
        Plan(
            (
                DelLink("br0"),
                SetLink("br1", mtu=1),
                SetSysctl("net/no/such", "1"),
                AddAddress("eth9", ip_interface("10.9.0.1/24")),
                AddAddress("eth0", ip_interface("10.9.0.1/24"), "/nonexistent/netns"),
                DelLink("br1"),
            )
        )
    )
    assert [str(each).partition(":")[0] for each in failures] == [
        "change link br1",
        "set net/no/such to 1",
        "add address 10.9.0.1/24 to eth9",
        "open network namespace /nonexistent/netns",
    ]
    assert link("br0") is None
    assert link("br1") is None


async def test_flushing_deletions_waits_until_deferred_links_are_gone(kernel: LinuxKernel) -> None:
    names = [f"br{number}" for number in range(3)]
    await kernel.apply(Plan(tuple(AddBridge(name) for name in names)))
    await kernel.apply(Plan(tuple(DelLink(name, deferred=True) for name in names)))
    await kernel.flush_deletions()
    assert not {link.name for link in await kernel.links()} & set(names)


async def test_deferred_links_go_soon_and_together(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    names = [f"veth{number}" for number in range(20)]
    await kernel.apply(Plan(tuple(AddVeth(name, name, inside) for name in names)))
    await kernel.apply(Plan(tuple(DelLink(name, deferred=True) for name in names)))
    await gone(kernel, *names)


async def gone(kernel: LinuxKernel, *names: str) -> None:
    """Wait until none of the links is there."""
    deadline = time.monotonic() + 2
    while set(names) & {each.name for each in await kernel.links()}:
        assert time.monotonic() < deadline, f"{names} are still there"


async def test_a_doomed_name_can_be_had_at_once(kernel: LinuxKernel) -> None:
    await kernel.apply(Plan((AddBridge("br0", alias="old"),)))
    await kernel.apply(Plan((DelLink("br0", deferred=True), AddBridge("br0", alias="new"))))
    (seen,) = [each for each in await kernel.links() if each.name == "br0"]
    assert (seen.alias, seen.group) == ("new", 0)


async def test_a_link_that_cannot_be_deleted_spares_the_others(kernel: LinuxKernel) -> None:
    await kernel.apply(Plan((AddBridge("br0"), DelLink("lo", deferred=True), DelLink("br0", deferred=True))))
    await gone(kernel, "br0")
    deadline = time.monotonic() + 2
    while next(each.group for each in await kernel.links() if each.name == "lo") == DOOMED:
        assert time.monotonic() < deadline


async def test_what_was_doomed_in_an_earlier_life_is_deleted(host: None) -> None:
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "link", "set", "br0", "group", str(DOOMED))
    kernel = LinuxKernel("fairlead-test")
    await kernel.start()
    try:
        await gone(kernel, "br0")
    finally:
        await kernel.close()


async def test_what_was_being_made_when_the_daemon_was_killed_is_deleted(host: None) -> None:
    run("ip", "link", "add", "br0", "group", str(NEWBORN), "type", "bridge")
    run("ip", "link", "add", "br1", "type", "bridge")
    kernel = LinuxKernel("fairlead-test")
    await kernel.start()
    try:
        assert link("br0") is None
        assert link("br1") is not None
    finally:
        await kernel.close()


async def test_a_link_that_is_made_is_born_no_more(kernel: LinuxKernel, container: Container) -> None:
    await kernel.apply(Plan((AddBridge("br0"), AddVeth("veth1", "eth0", container("c1"), master="br0"))))
    assert {each.name: each.group for each in await kernel.links()} == {"lo": 0, "br0": 0, "veth1": 0}


async def test_plans_asked_for_together_are_done_in_order(kernel: LinuxKernel) -> None:
    plans = [Plan((AddBridge("br0"),)), Plan((SetLink("br0", mtu=1400),)), Plan((SetLink("br0", rename="br1"),))]
    await asyncio.gather(*(kernel.apply(plan) for plan in plans))
    seen = link("br1")
    assert seen is not None
    assert seen["mtu"] == 1400
