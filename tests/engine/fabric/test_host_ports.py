"""Host ports against a dumb model: a port is somebody's until that somebody gives it back."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from fairlead.engine.fabric.host_ports import FIRST, LAST, HostPorts
from fairlead.model.endpoint import PublishedPort

ADDRESSES = st.sampled_from(["0.0.0.0", "127.0.0.1", "192.0.2.1", "::", "fd00::1"])
PORTS = st.builds(lambda ip, number: PublishedPort(80, "tcp", ip_address(ip), number), ADDRESSES, st.integers(1, 3))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), PORTS)))
def test_taken_is_what_was_taken_and_not_given_back(steps: list[tuple[str, bool, PublishedPort]]) -> None:
    index, model = HostPorts(), {}
    for owner, taking, port in steps:
        if taking and port not in model:
            index.take(owner, [port])
            model[port] = owner
        elif not taking:
            index.free(owner, [port])
            if model.get(port) == owner:
                del model[port]
    for _, _, port in steps:
        assert index.same(port) == (port in model)


def published(ip: str, number: int = 80, protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(80, protocol, ip_address(ip), number)


def test_every_address_overlaps_one_address_but_not_the_other_family() -> None:
    index = HostPorts()
    index.take("web", [published("127.0.0.1")])
    assert index.overlapping(published("0.0.0.0"))
    assert not index.overlapping(published("127.0.0.2"))
    assert not index.overlapping(published("::"))
    assert not index.overlapping(published("0.0.0.0", protocol="udp"))
    assert not index.same(published("0.0.0.0"))


def test_free_ports_come_in_turn_and_wrap_round() -> None:
    index = HostPorts()
    assert list(islice(index.candidates("tcp"), 2)) == [FIRST, FIRST + 1]
    assert next(index.candidates("tcp")) == FIRST + 2
    assert next(index.candidates("udp")) == FIRST
    everything = list(index.candidates("tcp"))
    assert sorted(everything) == list(range(FIRST, LAST + 1))
