"""macvlan and ipvlan: parents that exist, parents that are made, and parents that cannot be."""

from __future__ import annotations

import pytest

from fairlead.core.drivers.contract import Neighbourhood
from fairlead.core.drivers.registry import driver
from fairlead.core.sandbox import default_routes
from fairlead.model.errors import Failed, NotAllowed, Refusal
from fairlead.model.host import HostLink
from fairlead.model.network import Network, NetworkSpec
from fairlead.model.plan import AddDummy, AddMacvlan, AddRoute, AddVeth, AddVlan, DelLink, SetLink
from tests.core.drivers.builders import EVERYTHING, NS, around, endpoint, network, site, spec
from tests.core.drivers.world import World

ETH0 = HostLink("eth0", 2)
OUR_VLAN = HostLink("eth0.10", 9, "vlan", alias=f"fairlead:network:{'ab' * 32}")
THEIR_VLAN = HostLink("eth0.10", 9, "vlan")


def mac(id_: str = "ab", parent: str = "eth0", **options: str) -> Network:
    given = {"parent": parent, **options} if parent else options
    return network("macvlan", id_, "192.168.0.0/24", options=given)


def ipv(id_: str = "ab", parent: str = "eth0", **options: str) -> Network:
    return network("ipvlan", id_, "192.168.0.0/24", options={"parent": parent, **options})


def test_an_endpoint_is_a_macvlan_of_the_parent_made_inside_the_sandbox() -> None:
    plan = driver("macvlan").attach(mac(), endpoint(on=mac()), site())
    made = plan.operations[0]
    assert made == AddMacvlan("macvlan", "eth0", "eth0", NS, "bridge", mac="02:42:ac:12:00:02")


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru"])
def test_every_macvlan_mode_is_honoured(mode: str) -> None:
    net = mac(macvlan_mode=mode)
    assert driver("macvlan").validate(net, around(ETH0)) == ()
    made = driver("macvlan").attach(net, endpoint(on=net), site()).operations[0]
    assert isinstance(made, AddMacvlan)
    assert made.mode == mode


def test_an_existing_parent_is_neither_made_nor_removed() -> None:
    assert driver("macvlan").create(mac(), around(ETH0)).operations == ()
    assert driver("macvlan").remove(mac(), around(ETH0)).operations == ()


def test_a_vlan_parent_is_made_and_goes_with_the_last_network_on_it() -> None:
    one, two = mac("ab", "eth0.10"), mac("cd", "eth0.10")
    assert driver("macvlan").create(one, around(ETH0)).operations == (
        AddVlan("eth0.10", "eth0", 10, OUR_VLAN.alias),
        SetLink("eth0.10", up=True),
    )
    kept = driver("macvlan").remove(one, around(ETH0, OUR_VLAN, others=(two,)))
    assert kept.operations == (SetLink("eth0.10", alias=f"fairlead:network:{two.id}"),)
    assert driver("macvlan").remove(two, around(ETH0, OUR_VLAN)).operations == (DelLink("eth0.10"),)


def test_a_vlan_that_an_administrator_made_stays() -> None:
    net = mac(parent="eth0.10")
    assert driver("macvlan").create(net, around(ETH0, THEIR_VLAN)).operations == ()
    assert driver("macvlan").remove(net, around(ETH0, THEIR_VLAN)).operations == ()


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("kind", ["macvlan", "ipvlan"])
def test_an_isolated_network_stands_on_a_stand_in(kind: str, internal: bool) -> None:
    options = {"parent": "eth0"} if internal else {}
    net = network(kind, subnet="192.168.0.0/24", internal=internal, options=options)
    assert net.link == "dm-" + "ab" * 6
    plan = driver(kind).create(net, around(ETH0))
    assert isinstance(plan.operations[0], AddDummy)
    world = World().run(plan)
    world.run(driver(kind).remove(net, around(ETH0)))
    assert world.links == set()


def test_without_dummy_devices_the_stand_in_is_one_end_of_a_pair() -> None:
    net = mac(parent="")
    plan = driver("macvlan").create(net, around(ETH0, features=EVERYTHING - {"dummy"}))
    pair = plan.operations[0]
    assert isinstance(pair, AddVeth)
    assert pair.peer == net.link
    world = World().run(plan)
    world.run(driver("macvlan").remove(net, around(ETH0)))
    assert world.links == set()


@pytest.mark.parametrize(
    ("net", "there", "error", "message"),
    [
        (
            mac(parent="eth1"),
            around(ETH0),
            Failed,
            "invalid subinterface vlan name eth1, example formatting is eth0.10",
        ),
        (mac(parent="eth9.10"), around(ETH0), Failed, "parent interface eth9 of eth9.10 was not found on the host"),
        (mac(parent="eth0.4095"), around(ETH0), Failed, "vlan id must be between 1-4094, received: 4095"),
        (mac(parent="eth0.0"), around(ETH0), Failed, "vlan id must be between 1-4094, received: 0"),
        (mac(parent="lo"), around(ETH0), Failed, "loopback interface is not a valid macvlan parent link"),
        (
            mac(parent="eth0.10"),
            around(ETH0, features=EVERYTHING - {"8021q"}),
            Failed,
            "failed to create eth0.10 vlan link: operation not supported (this kernel has no 8021q)",
        ),
        (
            ipv(),
            around(ETH0, features=EVERYTHING - {"ipvlan"}),
            Failed,
            "this kernel has no ipvlan: load its module, or choose another driver",
        ),
        (
            mac(macvlan_mode="foo"),
            around(ETH0),
            Failed,
            "requested macvlan mode 'foo' is not valid, 'bridge' mode is the macvlan driver default",
        ),
        (
            ipv(ipvlan_mode="foo"),
            around(ETH0),
            Failed,
            "requested ipvlan mode 'foo' is not valid, 'l2' mode is the ipvlan driver default",
        ),
        (
            mac(),
            around(ETH0, others=(ipv("cd"),)),
            NotAllowed,
            "parent interface eth0 is in use by ipvlan network net-cd: an interface carries one kind of sub-interface",
        ),
        (
            mac(macvlan_mode="passthru"),
            around(ETH0, others=(mac("cd"),)),
            NotAllowed,
            f"cannot use mode passthru, macvlan network {mac('cd').id} is already using parent interface eth0",
        ),
        (
            mac(),
            around(ETH0, others=(mac("cd", macvlan_mode="passthru"),)),
            NotAllowed,
            f"macvlan network {mac('cd').id} is already using parent interface eth0 in mode passthru",
        ),
        (
            mac(),
            around(HostLink("eth0", 2, master="br0")),
            NotAllowed,
            "parent interface eth0 is a port of br0 and cannot carry macvlan",
        ),
        (
            ipv(ipvlan_mode="l3"),
            around(ETH0, others=(ipv("cd"),)),
            NotAllowed,
            "parent interface eth0 carries ipvlan network net-cd in mode l2, flag bridge: "
            "all ipvlan networks of a parent share them",
        ),
    ],
)
def test_a_parent_that_cannot_be_is_refused(
    net: Network, there: Neighbourhood, error: type[Refusal], message: str
) -> None:
    with pytest.raises(error) as refused:
        driver(net.driver).validate(net, there)
    assert refused.value.message == message


def test_networks_share_a_parent_in_bridge_mode() -> None:
    assert driver("macvlan").validate(mac(), around(ETH0, others=(mac("cd"),))) == ()


def test_ipvlan_takes_no_mac() -> None:
    with pytest.raises(Refusal, match="ipvlan interfaces do not support custom mac address assignment"):
        driver("ipvlan").validate_endpoint(ipv(), endpoint(on=ipv(), spec=spec(mac="02:42:00:00:00:01")))


def test_routed_ipvlan_has_no_gateway_and_its_interface_for_a_way_out() -> None:
    ipvlan = driver("ipvlan")
    assert ipvlan.gateway(NetworkSpec("n", options={"parent": "eth0"}))
    assert not ipvlan.gateway(NetworkSpec("n", options={"parent": "eth0", "ipvlan_mode": "l3"}))
    net = ipv(ipvlan_mode="l3")
    routes = default_routes([ipvlan.leg(net, endpoint(on=net))], NS)
    assert routes.operations == (AddRoute(None, "eth0", None, NS, 4, scope_link=True),)


def test_an_isolated_network_gets_no_gateway_unasked() -> None:
    for options, internal in (({}, False), ({"parent": "eth0"}, True)):
        assert not driver("macvlan").gateway(NetworkSpec("n", internal=internal, options=options))


def test_live_detach_removes_the_interface_and_a_gone_sandbox_needs_nothing() -> None:
    net = mac()
    assert driver("macvlan").detach(net, endpoint(on=net), site()).operations == (DelLink("eth0", NS),)
    assert driver("macvlan").detach(net, endpoint(on=net), site(ns="")).operations == ()
