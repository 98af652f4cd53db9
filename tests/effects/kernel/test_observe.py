"""Facts of the host, and which effects of operations are missing."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from fairlead.effects.kernel import observe
from fairlead.effects.kernel.linux import LinuxKernel
from fairlead.model.errors import KernelRefused
from fairlead.model.plan import (
    AddAddress,
    AddBridge,
    AddFdb,
    AddMacvlan,
    AddNeighbour,
    AddRoute,
    AddVeth,
    AddVxlan,
    AnnounceAddress,
    ChangeRules,
    DelLink,
    Operation,
    Plan,
    SetLink,
    SetSysctl,
)
from fairlead.model.ruleset import Chain, Element, Set, Table, Transaction
from tests.effects.kernel.conftest import OWNER, run

Container = Callable[[str], str]
MAC = "02:42:ac:11:00:02"
TABLE = Table("inet", "fairlead", (Set("nets", ("ipv4_addr",), flags=frozenset({"interval"})),), (Chain("c"),))
NET = Element("nets", (ip_network("10.0.0.0/8"),))


async def test_an_empty_host(kernel: LinuxKernel) -> None:
    facts = await kernel.facts()
    assert list(facts.links) == ["lo"]
    assert (facts.uplink, facts.mtu, facts.routes, facts.owner) == ("", 1500, (), OWNER)
    assert {"bridge", "vxlan", "macvlan", "nft_fib"} <= facts.features


async def test_facts_are_those_of_the_host(
    kernel: LinuxKernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(
        "# nameserver 9.9.9.9\nsearch lan\nnameserver 192.0.2.53\nnameserver nonsense\nnameserver fd00::53\n"
    )
    monkeypatch.setattr(observe, "RESOLV_CONF", resolv)
    await kernel.apply(
        Plan(
            (
                AddBridge("up0", MAC, 1400, "mine"),
                AddVeth("port0", "port1", "", master="up0"),
                AddAddress("up0", ip_interface("192.0.2.7/24")),
                AddAddress("up0", ip_interface("fd77::7/64")),
                AddRoute(None, "up0", ip_address("192.0.2.1")),
                AddRoute(ip_network("198.51.100.0/24"), "up0", ip_address("192.0.2.9")),
            )
        )
    )
    facts = await kernel.facts()
    assert (facts.uplink, facts.mtu) == ("up0", 1400)
    assert {ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"), ip_network("fd77::/64")} <= set(facts.routes)
    assert ("up0", ip_address("192.0.2.7")) in facts.held
    assert ip_address("fd77::7") in facts.addresses
    assert facts.nameservers == (ip_address("192.0.2.53"), ip_address("fd00::53"))
    bridge, port = facts.links["up0"], facts.links["port0"]
    assert (bridge.kind, bridge.mtu, bridge.mac, bridge.alias, bridge.up) == ("bridge", 1400, MAC, "mine", True)
    assert (port.kind, port.master) == ("veth", "up0")


async def test_facts_pass_over_what_leads_into_our_sandboxes(kernel: LinuxKernel) -> None:
    ours, others = f"{OWNER}:endpoint", f"x{OWNER}:endpoint"
    made = (
        AddVeth("veth1", "eth1", "", alias=ours),
        AddVeth("veth2", "eth2", "", alias=others),
        AddBridge("vethbr", alias=ours),
    )
    await kernel.apply(Plan(made))
    assert {"veth2", "eth2", "vethbr"} <= set((await kernel.facts()).links)
    assert "veth1" not in (await kernel.facts()).links
    assert "veth1" in {link.name for link in await kernel.links()}


async def test_links_of_a_namespace(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    await kernel.apply(Plan((AddBridge("br0"), AddVeth("veth1", "eth0", inside, MAC, "br0", alias="mine"))))
    outer = {each.name: each for each in await kernel.links()}
    inner = {each.name: each for each in await kernel.links(inside)}
    assert (outer["veth1"].master, outer["veth1"].alias, outer["veth1"].peer_ns) == ("br0", "mine", True)
    assert (inner["eth0"].mac, inner["eth0"].up) == (MAC, False)
    with pytest.raises(KernelRefused, match="open network namespace"):
        await kernel.links("/nonexistent")


async def test_nothing_is_missing_after_apply_and_everything_before(kernel: LinuxKernel, container: Container) -> None:
    inside = container("c1")
    operations: tuple[Operation, ...] = (
        AddBridge("br0", alias="mine"),
        AddVeth("veth1", "eth0", inside, MAC, "br0"),
        AddMacvlan("macvlan", "eth1", "br0", inside, "bridge"),
        AddVxlan("vx0", 7, 4789, ip_address("192.0.2.1")),
        SetLink("vx0", master="br0"),
        AddAddress("br0", ip_interface("10.9.0.1/24")),
        AddAddress("eth0", ip_interface("10.9.0.2/24"), inside),
        SetLink("eth0", inside, up=True),
        AddRoute(None, "eth0", ip_address("10.9.0.1"), inside),
        AddNeighbour("eth0", ip_address("10.9.0.1"), MAC, inside),
        AddFdb("vx0", MAC, ip_address("192.0.2.2")),
        SetSysctl("net/ipv4/conf/br0/rp_filter", "2"),
        ChangeRules(Transaction("inet", "fairlead", replace=TABLE)),
        ChangeRules(Transaction("inet", "fairlead", add=(NET,))),
    )
    assert list(await kernel.missing(operations)) == list(operations)
    await kernel.apply(Plan(operations))
    silent = AnnounceAddress("eth0", ip_address("10.9.0.2"), MAC, inside)
    assert await kernel.missing((*operations, DelLink("gone0"), silent)) == []


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("ip link set br0 alias theirs", 0),
        ("ip link set veth1 nomaster", 1),
        ("ip link set veth1 down", 1),
        ("ip address del 10.9.0.1/24 dev br0", 2),
        ("nft delete element inet fairlead nets { 10.0.0.0/8 }", 4),
        ("nft delete chain inet fairlead c", 3),
    ],
)
async def test_what_was_changed_is_missing(
    kernel: LinuxKernel, container: Container, command: str, number: int
) -> None:
    operations: tuple[Operation, ...] = (
        AddBridge("br0", alias="mine"),
        AddVeth("veth1", "eth0", container("c1"), MAC, "br0"),
        AddAddress("br0", ip_interface("10.9.0.1/24")),
        ChangeRules(Transaction("inet", "fairlead", replace=TABLE)),
        ChangeRules(Transaction("inet", "fairlead", add=(NET,))),
    )
    await kernel.apply(Plan(operations))
    run(*command.split(maxsplit=5 if command.startswith("nft delete element") else -1))
    assert list(await kernel.missing(operations)) == [operations[number]]


async def test_of_a_dead_namespace_everything_is_missing(kernel: LinuxKernel) -> None:
    add = AddAddress("eth0", ip_interface("10.9.0.2/24"), "/nonexistent")
    assert list(await kernel.missing((add, DelLink("eth0", "/nonexistent")))) == [add]
