"""What bridge networks and their endpoints need, as plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from fairlead.core.drivers import names
from fairlead.core.drivers.bridge import Bridge
from fairlead.core.drivers.contract import Attachment
from fairlead.model.errors import Failed, Invalid, NotAllowed, Refusal
from fairlead.model.host import HostLink
from fairlead.model.plan import (
    AddAddress,
    AddBridge,
    AddVeth,
    AnnounceAddress,
    ChangeRules,
    DelLink,
    FlushFlows,
    Plan,
    SetLink,
    SetSysctl,
)
from tests.core.drivers.builders import NS, around, endpoint, facts, network, published, site, spec
from tests.core.drivers.world import World

BRIDGE = Bridge()
OPTION = "com.docker.network.bridge."
Kind = TypeVar("Kind")


def of_kind(plan: Plan, kind: type[Kind]) -> list[Kind]:
    return [operation for operation in plan.operations if isinstance(operation, kind)]


def sysctls(plan: Plan) -> dict[str, str]:
    return {operation.path: operation.value for operation in of_kind(plan, SetSysctl)}


def addresses(plan: Plan) -> list[str]:
    return [str(operation.address) for operation in of_kind(plan, AddAddress)]


def sets(plan: Plan) -> set[str]:
    return {element.set for rules in of_kind(plan, ChangeRules) for element in rules.transaction.add}


def test_the_bridge_is_called_after_the_network_or_as_the_user_says() -> None:
    assert network().link == "br-" + "ab" * 6
    assert network(options={f"{OPTION}name": "mybr0"}).link == "mybr0"


def test_a_network_is_fenced_before_its_bridge_goes_up() -> None:
    plan = BRIDGE.create(network(), around())
    kinds = [type(operation) for operation in plan.operations]
    assert kinds[0] is ChangeRules
    assert kinds[-1] is SetLink
    assert addresses(plan) == ["172.18.0.1/16"]
    assert of_kind(plan, AddBridge)[0].alias == f"fairlead:network:{'ab' * 32}"


def test_a_family_that_is_off_is_off_on_the_bridge_too() -> None:
    four = network()
    assert sysctls(BRIDGE.create(four, around()))[f"net/ipv6/conf/{four.link}/disable_ipv6"] == "1"
    both = network(subnet="172.18.0.0/16 fd00::/64")
    plan = BRIDGE.create(both, around())
    assert sysctls(plan)[f"net/ipv6/conf/{both.link}/disable_ipv6"] == "0"
    assert addresses(plan) == ["172.18.0.1/16", "fd00::1/64"]


def test_options_decide_about_addresses_and_fences() -> None:
    inhibited = network(options={f"{OPTION}inhibit_ipv4": "true"})
    assert addresses(BRIDGE.create(inhibited, around())) == []
    isolated = network(internal=True, options={f"{OPTION}gateway_mode_ipv4": "isolated"})
    assert addresses(BRIDGE.create(isolated, around())) == []
    assert sets(BRIDGE.create(isolated, around())) == {"bridges", "direct", "internal"}
    routed = network(options={f"{OPTION}gateway_mode_ipv4": "routed"})
    assert "masquerade4" not in sets(BRIDGE.create(routed, around()))
    fixed = network(options={"com.docker.network.host_ipv4": "192.0.2.1"})
    assert "source4" in sets(BRIDGE.create(fixed, around()))
    unmasked = network(options={f"{OPTION}enable_ip_masquerade": "false"})
    assert not {"masquerade4", "source4"} & sets(BRIDGE.create(unmasked, around()))


def test_a_bridge_of_somebody_else_is_used_and_left_standing() -> None:
    theirs = network(options={f"{OPTION}name": "lan0"})
    there = around(HostLink("lan0", 7, "bridge"))
    assert of_kind(BRIDGE.create(theirs, there), AddBridge) == []
    assert "net/ipv6/conf/lan0/disable_ipv6" not in sysctls(BRIDGE.create(theirs, there))
    removal = BRIDGE.remove(theirs, there)
    assert of_kind(removal, DelLink) == []
    ours = around(HostLink("lan0", 7, "bridge", alias="fairlead:network:1"))
    assert of_kind(BRIDGE.remove(theirs, ours), DelLink) == [DelLink(names.removed(theirs.id), deferred=True)]


@pytest.mark.parametrize(
    ("key", "value", "error", "message"),
    [
        (
            "com.docker.network.driver.mtu",
            "abc",
            Invalid,
            'failed to parse com.docker.network.driver.mtu value: abc (strconv.Atoi: parsing "abc": invalid syntax)',
        ),
        (
            f"{OPTION}enable_icc",
            "maybe",
            Invalid,
            f'failed to parse {OPTION}enable_icc value: maybe (strconv.ParseBool: parsing "maybe": invalid syntax)',
        ),
        (
            "com.docker.network.driver.mtu",
            "70000",
            Invalid,
            "invalid MTU number: 70000 (com.docker.network.driver.mtu takes 0 or 68 to 65535)",
        ),
        (
            f"{OPTION}gateway_mode_ipv4",
            "natt",
            Invalid,
            f'invalid value for {OPTION}gateway_mode_ipv4: "natt" (one of nat, nat-unprotected, routed, isolated)',
        ),
        (
            f"{OPTION}name",
            "averyveryverylongname",
            Failed,
            f"numerical result out of range: {OPTION}name averyveryverylongname is longer than 15 characters",
        ),
        (
            f"{OPTION}gateway_mode_ipv4",
            "isolated",
            Invalid,
            "gateway mode 'isolated' can only be used for an internal network",
        ),
    ],
)
def test_a_bad_option_is_refused_by_name(key: str, value: str, error: type[Refusal], message: str) -> None:
    with pytest.raises(error) as refused:
        BRIDGE.validate(network(options={key: value}), around())
    assert refused.value.message == message


def test_an_mtu_too_small_for_ipv6_is_refused_where_there_is_ipv6() -> None:
    narrow = network(options={"com.docker.network.driver.mtu": "1279"})
    assert BRIDGE.validate(narrow, around()) == ()
    with pytest.raises(Invalid, match=r"^MTU 1279 is too small for IPv6, which needs 1280"):
        BRIDGE.validate(replace(narrow, ipv6=True), around())


def test_an_unknown_option_is_kept_and_one_that_seems_misspelt_is_told() -> None:
    odd = network(options={"foo": "bar", f"{OPTION}enable_ic": "false"})
    (warning,) = BRIDGE.validate(odd, around())
    assert f'"{OPTION}enable_ic"' in warning
    assert f'"{OPTION}enable_icc"' in warning


def test_two_subnets_of_one_family_are_refused() -> None:
    with pytest.raises(NotAllowed, match=r"^bridge driver doesn't support multiple subnets$"):
        BRIDGE.validate(network(subnet="10.7.0.0/24 10.8.0.0/24"), around())


def test_a_bridge_name_belongs_to_one_network() -> None:
    first = network(options={f"{OPTION}name": "docker0"})
    second = replace(first, id="cd" * 32)
    with pytest.raises(NotAllowed) as refused:
        BRIDGE.validate(second, around(others=(first,)))
    assert refused.value.message == (
        f"cannot create network {second.id} (docker0): conflicts with network {first.id} (docker0): "
        "networks have same bridge name"
    )


def test_the_name_of_something_that_is_no_bridge_is_refused() -> None:
    with pytest.raises(NotAllowed, match="interface eth0 exists and is not a bridge"):
        BRIDGE.validate(network(options={f"{OPTION}name": "eth0"}), around(HostLink("eth0", 2)))


def test_an_endpoint_is_addressed_before_it_is_up() -> None:
    plan = BRIDGE.attach(network(), endpoint(), site())
    assert [type(operation) for operation in plan.operations] == [AddVeth, AddAddress, SetLink]
    pair = of_kind(plan, AddVeth)[0]
    assert (pair.peer, pair.peer_ns, pair.peer_mac) == ("eth0", NS, "02:42:ac:12:00:02")
    assert pair.alias.startswith("fairlead:endpoint:")


def test_ipv6_is_switched_in_the_sandbox_only_where_it_differs() -> None:
    both = network(subnet="172.18.0.0/16 fd00::/64")
    path = "net/ipv6/conf/eth0/disable_ipv6"
    assert sysctls(BRIDGE.attach(both, endpoint(on=both), site())) == {path: "0"}
    assert sysctls(BRIDGE.attach(both, endpoint(on=both), site(ipv6=True))) == {}
    assert sysctls(BRIDGE.attach(network(), endpoint(), site(ipv6=True))) == {path: "1"}


def test_sysctls_of_the_endpoint_name_its_interface() -> None:
    wanted = {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"}
    plan = BRIDGE.attach(network(), endpoint(spec=spec(driver_opts=wanted)), site())
    assert sysctls(plan) == {"net/ipv4/conf/eth0/log_martians": "1"}


@pytest.mark.parametrize(
    "opts",
    [
        {"com.docker.network.endpoint.sysctls": "kernel.panic=1"},
        {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME/../../x.y=1"},
        {"com.docker.network.endpoint.ifname": "a/b"},
        {"com.docker.network.endpoint.ifname": "lo"},
        {"com.docker.network.endpoint.ifname": "averyveryverylongname"},
    ],
)
def test_endpoint_options_that_cannot_be_are_refused(opts: dict[str, str]) -> None:
    with pytest.raises(Refusal, match=r"com\.docker.network.endpoint"):
        BRIDGE.validate_endpoint(network(), endpoint(spec=spec(driver_opts=opts)))


def test_a_mac_that_the_user_chose_is_announced() -> None:
    chosen = endpoint(spec=spec(mac="92:d0:c6:0a:29:33"), mac="92:d0:c6:0a:29:33")
    assert [a.mac for a in of_kind(BRIDGE.attach(network(), chosen, site()), AnnounceAddress)] == [chosen.mac]


def test_where_containers_may_not_talk_their_ports_are_isolated() -> None:
    apart = network(options={f"{OPTION}enable_icc": "false"})
    assert of_kind(BRIDGE.attach(apart, endpoint(on=apart), site()), AddVeth)[0].port == {"isolated": 1}


def test_published_ports_come_last_and_go_first() -> None:
    shown = endpoint(published=published("0.0.0.0:8080->80/tcp", "0.0.0.0:53->53/udp"))
    attach = BRIDGE.attach(network(), shown, site())
    assert [type(operation) for operation in attach.operations[-2:]] == [ChangeRules, FlushFlows]
    detach = BRIDGE.detach(network(), shown, site())
    assert [type(operation) for operation in detach.operations[:2]] == [ChangeRules, FlushFlows]
    added = attach.operations[-2]
    removed = detach.operations[0]
    assert isinstance(added, ChangeRules)
    assert isinstance(removed, ChangeRules)
    assert added.transaction.add == removed.transaction.remove


def test_a_sandbox_that_is_gone_is_not_asked_for_its_interface() -> None:
    assert BRIDGE.detach(network(), endpoint(), site(ns="")).operations == (DelLink("veth0000002", deferred=True),)


def test_a_sandbox_that_goes_on_has_the_name_free_at_once() -> None:
    net = network()
    world = World().run(BRIDGE.create(net, around()))
    first, second = endpoint(2), endpoint(3)
    world.run(BRIDGE.attach(net, first, site()))
    world.run(Plan(BRIDGE.detach(net, first, site()).operations[:-1]))
    world.run(BRIDGE.attach(net, second, site()))
    assert (NS, "eth0") in world.links


def test_what_is_expected_is_what_was_made() -> None:
    net = network(subnet="172.18.0.0/16 fd00::/64")
    shown = endpoint(on=net, published=published("0.0.0.0:8080->80/tcp"))
    expected = BRIDGE.expected(net, [Attachment(shown, NS)], facts())
    made = BRIDGE.create(net, around()) + BRIDGE.attach(net, shown, site())
    kept = [operation for operation in made.operations if not isinstance(operation, ChangeRules)]
    assert list(expected.operations) == kept
    added = [element for rules in of_kind(made, ChangeRules) for element in rules.transaction.add]
    assert set(expected.elements) == set(added)
