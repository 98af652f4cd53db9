"""What a container asks of the network, refused in the words of Docker 28."""

from __future__ import annotations

import pytest

from fairlead.engine.sandboxes import wishes
from fairlead.model.endpoint import EndpointSpec
from fairlead.model.errors import Invalid
from tests.engine import builders

USER = builders.network("s1", "10.5.0.0/24")
POOLED = builders.network("n1", "172.18.0.0/16", requested=False)
BRIDGE = builders.network("bridge", "172.17.0.0/16")
HOST = builders.network("host", "10.0.0.0/8", requested=False)
ONLY_USER_DEFINED = "user specified IP address is supported on user defined networks only"
ONLY_CONFIGURED = "user specified IP address is supported only when connecting to networks with user configured subnets"
OUTSIDE = "no configured subnet or ip-range contain the IP address"


def test_the_network_of_the_mode_comes_first() -> None:
    asked = builders.container(mode="zeta", endpoints={"alpha": EndpointSpec(), "zeta": EndpointSpec(ipv4="10.0.0.9")})
    found = wishes.first_attachments(asked)
    assert [wish.network for wish in found.wishes] == ["zeta", "alpha"]
    assert found.wishes[0].spec.ipv4 == "10.0.0.9"


@pytest.mark.parametrize(("mode", "networks"), [("default", ["bridge"]), ("host", ["host"]), ("container:x", [])])
def test_modes(mode: str, networks: list[str]) -> None:
    found = wishes.first_attachments(builders.container(mode=mode))
    assert [wish.network for wish in found.wishes] == networks


def test_the_old_container_wide_mac_belongs_to_the_modes_network() -> None:
    found = wishes.first_attachments(builders.container(mac="02:42:00:00:00:07", endpoints={"pets": EndpointSpec()}))
    assert [wish.spec.mac for wish in found.wishes] == ["02:42:00:00:00:07", ""]


@pytest.mark.parametrize(
    ("network", "spec", "faults"),
    [
        (BRIDGE, EndpointSpec(ipv4="172.17.0.99"), [ONLY_USER_DEFINED]),
        (
            BRIDGE,
            EndpointSpec(aliases=("al",)),
            ["network-scoped alias is supported only for containers in user defined networks"],
        ),
        (HOST, EndpointSpec(ipv4="1.2.3.4"), [ONLY_USER_DEFINED, ONLY_CONFIGURED]),
        (POOLED, EndpointSpec(ipv4="172.18.0.50"), [ONLY_CONFIGURED]),
        (USER, EndpointSpec(ipv4="10.6.0.9"), [f"{OUTSIDE} 10.6.0.9"]),
        (USER, EndpointSpec(ipv4="foo"), ["invalid IPv4 address: foo", f"{OUTSIDE} foo"]),
        (USER, EndpointSpec(ipv6="2001:db8::5"), [ONLY_CONFIGURED]),
        (
            USER,
            EndpointSpec(mac="00:00:00:00:00:00"),
            ["invalid MAC address: 00:00:00:00:00:00: it must be unicast and not zero"],
        ),
        (
            USER,
            EndpointSpec(mac="01:00:5e:00:00:07"),
            ["invalid MAC address: 01:00:5e:00:00:07: it must be unicast and not zero"],
        ),
        (USER, EndpointSpec(mac="zz"), ["invalid MAC address: address zz: invalid MAC address"]),
        (USER, EndpointSpec(link_local=("bad",)), ["invalid link-local IP address: bad"]),
        (None, EndpointSpec(ipv4="10.0.2.300"), ["invalid IPv4 address: 10.0.2.300"]),
    ],
)
def test_faults_of_an_endpoint(network: object, spec: EndpointSpec, faults: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        wishes.check_endpoint(spec, network)  # type: ignore[arg-type]
    listed = faults[0] if len(faults) == 1 else "\n".join(f"* {fault}" for fault in faults)
    assert refused.value.message == f"invalid endpoint settings:\n{listed}"


def test_a_good_endpoint_passes() -> None:
    wishes.check_endpoint(EndpointSpec(ipv4="10.5.0.9", aliases=("a",), mac="02:42:0a:05:00:09"), USER)


@pytest.mark.parametrize(
    ("mode", "options", "words"),
    [
        ("container:x", {"hostname": "x"}, "conflicting options: hostname and the network mode"),
        ("container:x", {"dns": ("1.1.1.1",)}, "conflicting options: dns and the network mode"),
        (
            "container:x",
            {"extra_hosts": ("a:1.2.3.4",)},
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (
            "container:x",
            {"publish_all": True},
            "conflicting options: port publishing and the container type network mode",
        ),
        (
            "container:x",
            {"exposed": ("99/tcp",)},
            "conflicting options: port exposing and the container type network mode",
        ),
        ("container:", {}, "invalid network mode: invalid container format container:<name|id>"),
        ("host", {"links": ("a",)}, "conflicting options: host type networking can't be used with links"),
    ],
)
def test_options_that_contradict_the_mode(mode: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        wishes.check_conflicts(builders.container(mode=mode, **options).spec.network)
