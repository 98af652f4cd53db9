"""Links of every kind, as `ip` sees them; each operation twice, and undone."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import pytest

from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import (
    AddBridge,
    AddDummy,
    AddMacvlan,
    AddVeth,
    AddVlan,
    AddVxlan,
    DelLink,
    Plan,
    SetLink,
    SetSysctl,
)
from tests.effects.kernel.conftest import link

MAC = "02:42:ac:11:00:02"
Container = Callable[[str], str]


async def test_a_bridge_has_its_options_and_is_up(kernel: LinuxKernel) -> None:
    options = {"forward_delay": 0, "mcast_snooping": 0, "ageing_time": 6000, "group_fwd_mask": 8}
    await kernel.apply(Plan((AddBridge("br0", MAC, 1400, "fairlead:net", options=options),)))
    seen = link("br0")
    assert seen is not None
    data = seen["linkinfo"]["info_data"]
    assert (seen["address"], seen["mtu"], seen["ifalias"]) == (MAC, 1400, "fairlead:net")
    assert "UP" in seen["flags"]
    assert (data["forward_delay"], data["mcast_snooping"], data["ageing_time"]) == (0, 0, 6000)
    assert data["group_fwd_mask"] == "0x8"


async def test_an_unknown_bridge_option_is_refused_by_name(kernel: LinuxKernel) -> None:
    with pytest.raises(KernelRefused, match=r"create bridge br0: invalid argument \(unknown option 'colour'\)"):
        await kernel.apply(Plan((AddBridge("br0", options={"colour": 1}),)))
    assert link("br0") is None


async def test_a_veth_is_born_enslaved_with_its_peer_inside(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    port = {"hairpin": 1, "isolated": 1, "learning": 0, "neigh_suppress": 1, "unicast_flood": 0}
    veth = AddVeth("veth1", "eth0", inside, MAC, "br0", 1400, "fairlead:endpoint", port=port)
    await kernel.apply(Plan((AddBridge("br0"), veth)))
    outer, inner = link("veth1"), link("eth0", inside)
    assert outer is not None
    assert inner is not None
    assert (outer["master"], outer["mtu"], outer["ifalias"]) == ("br0", 1400, "fairlead:endpoint")
    assert "UP" in outer["flags"]
    assert outer["inet6_addr_gen_mode"] == "none"
    flags = outer["linkinfo"]["info_slave_data"]
    seen = {name: flags[name] for name in ("hairpin", "isolated", "learning", "neigh_suppress")}
    assert seen == {"hairpin": True, "isolated": True, "learning": False, "neigh_suppress": True}
    assert (inner["address"], inner["mtu"]) == (MAC, 1400)


async def test_a_veth_dies_with_its_peer(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    veth = AddVeth("veth1", "eth0", inside)
    await kernel.apply(Plan((veth,)))
    await kernel.apply(Plan((veth.inverse(),)))
    assert link("veth1") is None
    assert link("eth0", inside) is None


@pytest.mark.parametrize("deferred", [False, True])
async def test_removal_of_what_is_missing_succeeds(kernel: LinuxKernel, deferred: bool) -> None:
    await kernel.apply(Plan((DelLink("nowhere", deferred=deferred),)))
    await kernel.apply(Plan((DelLink("nowhere", "/nonexistent/netns", deferred=deferred),)))


async def test_the_same_link_twice_is_success(kernel: LinuxKernel, container: Container) -> None:
    plan = Plan((AddBridge("br0", alias="mine"), AddVeth("veth1", "eth0", container("c1"), MAC, "br0", alias="mine")))
    await kernel.apply(plan)
    await kernel.apply(plan)


async def test_a_port_that_left_its_bridge_is_taken_back(kernel: LinuxKernel, container: Container) -> None:
    plan = Plan((AddBridge("br0"), AddVeth("veth1", "eth0", container("c1"), MAC, "br0")))
    await kernel.apply(plan)
    await kernel.apply(Plan((SetLink("veth1", master="", up=False),)))
    await kernel.apply(plan)
    seen = link("veth1")
    assert seen is not None
    assert seen["master"] == "br0"
    assert "UP" in seen["flags"]


async def test_a_stranger_of_the_same_name_is_left_alone(kernel: LinuxKernel) -> None:
    await kernel.apply(Plan((AddBridge("br0", alias="theirs"),)))
    with pytest.raises(KernelRefused, match="create bridge br0: file exists") as refused:
        await kernel.apply(Plan((AddBridge("br0", alias="ours"),)))
    assert refused.value.exists
    seen = link("br0")
    assert seen is not None
    assert seen["ifalias"] == "theirs"


async def test_macvlan_appears_in_the_container_only(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    macvlan = AddMacvlan("macvlan", "eth0", "parent0", inside, "bridge", mac=MAC)
    await kernel.apply(Plan((AddBridge("parent0"), macvlan)))
    inner = link("eth0", inside)
    assert inner is not None
    assert inner["linkinfo"]["info_kind"] == "macvlan"
    assert inner["linkinfo"]["info_data"]["mode"] == "bridge"
    assert inner["address"] == MAC
    assert link("eth0") is None


async def test_an_unknown_macvlan_mode_is_refused(kernel: LinuxKernel, container: Container) -> None:
    plan = Plan((AddBridge("parent0"), AddMacvlan("macvlan", "eth0", "parent0", container("c1"), "sideways")))
    with pytest.raises(KernelRefused, match="unknown option 'sideways'"):
        await kernel.apply(plan)
    assert link("parent0") is None


async def test_vxlan_is_quiet_and_may_live_elsewhere_than_its_socket(kernel: LinuxKernel, container: Container) -> None:
    overlay = container("ov")
    vxlan = AddVxlan("vx0", 4097, 4789, ip_address("192.0.2.1"), alias="fairlead:ov", ns=overlay)
    await kernel.apply(Plan((vxlan, vxlan)))
    seen = link("vx0", overlay)
    assert seen is not None
    data = seen["linkinfo"]["info_data"]
    assert (data["id"], data["port"], data["local"], data["learning"]) == (4097, 4789, "192.0.2.1", False)
    assert data["proxy"] is True
    assert seen["ifalias"] == "fairlead:ov"
    assert "UP" in seen["flags"]


async def test_links_too_narrow_for_ipv6_are_made_like_others(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    plan = Plan(
        (
            AddBridge("br0", mtu=1279),
            SetSysctl("net/ipv6/conf/br0/disable_ipv6", "1"),
            AddVeth("veth1", "eth0", inside, MAC, "br0", 1279),
            SetSysctl("net/ipv6/conf/eth0/disable_ipv6", "1", inside),
            AddVxlan("vxlan0", 4096, 4789, ip_address("127.0.0.1"), mtu=1279),
        )
    )
    await kernel.apply(plan)
    made = [link("br0"), link("veth1"), link("eth0", inside), link("vxlan0")]
    assert [seen["mtu"] for seen in made if seen is not None] == [1279] * 4
    assert not await kernel.missing(plan.operations)


async def test_that_ipv6_is_off_on_a_link_that_is_not_there_is_no_success(kernel: LinuxKernel) -> None:
    with pytest.raises(KernelRefused, match="disable_ipv6 to 1: no such file"):
        await kernel.apply(Plan((SetSysctl("net/ipv6/conf/nowhere/disable_ipv6", "1"),)))


async def test_set_link_changes_only_what_is_named(kernel: LinuxKernel) -> None:
    await kernel.apply(Plan((AddBridge("br0", alias="a"), AddBridge("br1"), SetLink("br0", mtu=1300, mac=MAC))))
    await kernel.apply(Plan((SetLink("br0", up=False), SetLink("br0", rename="br9", alias="b", up=True))))
    seen = link("br9")
    assert seen is not None
    assert (seen["mtu"], seen["address"], seen["ifalias"]) == (1300, MAC, "b")
    assert "UP" in seen["flags"]
    assert link("br0") is None


async def test_errors_carry_the_kernels_own_words(kernel: LinuxKernel) -> None:
    await kernel.apply(Plan((AddBridge("br0"),)))
    with pytest.raises(KernelRefused) as refused:
        await kernel.apply(Plan((SetLink("br0", mtu=70000),)))
    assert refused.value.operation == "change link br0"
    assert refused.value.detail == "mtu greater than device maximum"


async def test_links_of_kinds_that_this_kernel_may_lack(kernel: LinuxKernel, features: frozenset[str]) -> None:
    await kernel.apply(Plan((AddBridge("br0"),)))
    for feature, operation in (("8021q", AddVlan("br0.7", "br0", 7)), ("dummy", AddDummy("dummy7"))):
        if feature in features:
            await kernel.apply(Plan((operation, operation)))
            assert link(operation.name) is not None
        else:
            with pytest.raises(KernelRefused, match="operation not supported"):
                await kernel.apply(Plan((operation,)))
