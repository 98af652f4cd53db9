"""Whatever a user types is accepted or refused with a reason; nothing else ever comes out."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.drivers import bridge_options
from fairlead.core.drivers.registry import driver
from fairlead.core.ipam.pools import Space, space
from fairlead.core.ipam.request import Wish, resolve
from fairlead.model.errors import Refusal
from fairlead.model.host import HostFacts, HostLink
from fairlead.model.network import PoolRequest
from tests.core.drivers.builders import around, endpoint, network, spec

CIDRISH = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"[0-9a-f:.]{1,12}/[0-9]{1,3}", fullmatch=True),
    st.sampled_from(["10.0.0.0/24", "0.0.0.0/24", "::/56", "0.0.0.0/0", "fd00::/64", "10.0.0.1", "fd00::1", ""]),
)
KEYS = st.one_of(st.sampled_from(sorted(bridge_options.KNOWN)), st.text(max_size=40))
VALUES = st.one_of(st.sampled_from(["true", "0", "1500", "isolated", "eth0:eth1", "::"]), st.text(max_size=30))
SUBLINK_KEYS = st.sampled_from(["parent", "macvlan_mode", "ipvlan_mode", "ipvlan_flag"])


def ground() -> Space:
    return space(HostFacts(routes=(IPv4Network("10.0.0.0/9"),)), (), (), b"x")


def refusal_of(verb: Callable[[], object]) -> str | None:
    """Why it was refused; None when it was not. Anything that is no refusal comes through."""
    try:
        verb()
    except Refusal as refused:
        return refused.message
    return None


@given(
    st.lists(
        st.builds(PoolRequest, CIDRISH, CIDRISH, CIDRISH, st.dictionaries(st.text(max_size=3), CIDRISH, max_size=2)),
        max_size=3,
    ),
    st.booleans(),
)
def test_pool_requests(requests: list[PoolRequest], ipv6: bool) -> None:
    wish = Wish(tuple(requests), ipv6=ipv6)
    reason = refusal_of(lambda: resolve(wish, ground()))
    assert reason != ""
    for pool in () if reason else resolve(wish, ground()):
        assert pool.gateway is None or pool.gateway in pool.subnet
        assert all(address in pool.subnet for address in pool.aux.values())


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_bridge_options(options: dict[str, str]) -> None:
    net = network(options=options)
    reason = refusal_of(lambda: driver("bridge").validate(net, around()))
    assert reason != ""
    if reason is None:
        driver("bridge").create(net, around())


@given(st.sampled_from(["macvlan", "ipvlan"]), st.dictionaries(SUBLINK_KEYS, VALUES))
def test_sublink_options(kind: str, options: dict[str, str]) -> None:
    net = network(kind, options=options)
    assert refusal_of(lambda: driver(kind).validate(net, around(HostLink("eth0", 2)))) != ""


@given(st.text(max_size=40), st.text(max_size=60))
def test_endpoint_options(ifname: str, sysctls: str) -> None:
    opts = {"com.docker.network.endpoint.ifname": ifname, "com.docker.network.endpoint.sysctls": sysctls}
    asked = endpoint(spec=spec(driver_opts=opts))
    assert refusal_of(lambda: driver("bridge").validate_endpoint(network(), asked)) != ""
