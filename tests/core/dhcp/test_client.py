"""The states of a DHCP client, on a clock of the test's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.dhcp import frame, message
from fairlead.core.dhcp.client import Bound, Client, Lost, State
from fairlead.core.dhcp.message import Kind, Message, Option
from fairlead.model.lease import FOREVER, LeaseRequest

MAC, SERVER_MAC = "02:42:00:00:00:05", "02:00:00:00:00:01"
SERVER = IPv4Address("10.0.0.1")
REQUEST = LeaseRequest("eth0", MAC, b"\0c1", "web")
HOUR = 3600


class Network:
    """A client and what goes over its wire."""

    def __init__(self, **lease: object) -> None:
        self.now = 100.0
        self.client = Client(REQUEST, lambda below: 7 % below, self.now, **lease)  # type: ignore[arg-type]

    def heard(self) -> list[tuple[Message, bytes]]:
        """What the client has sent, with the MAC it went to."""
        frames = list(self.client.transmits())
        return [(message.decode(sent[42:]), sent[:6]) for sent in frames]

    def one(self) -> Message:
        (said, _), *more = self.heard()
        assert not more
        return said

    def wait(self) -> None:
        deadline = self.client.next_deadline()
        assert deadline is not None
        self.now = deadline[0]
        self.client.handle_timeout(self.now)

    def answer(self, kind: Kind, asked: Message, **changes: object) -> None:
        self.client.receive(from_server(kind, asked, **changes), self.now)

    def bind(self, seconds: int = HOUR) -> list[object]:
        self.answer(Kind.OFFER, self.one(), seconds=seconds)
        self.answer(Kind.ACK, self.one(), seconds=seconds)
        return list(self.client.events())


def from_server(
    kind: Kind, asked: Message, seconds: int = HOUR, more: Mapping[int, bytes] | None = None, **changes: object
) -> bytes:
    options = {
        Option.SERVER: SERVER.packed,
        Option.MASK: b"\xff\xff\xff\x00",
        Option.ROUTER: SERVER.packed,
        Option.LEASE_TIME: seconds.to_bytes(4, "big"),
        **(more or {}),
    }
    said = Message(kind, asked.xid, asked.mac, message.BOOTREPLY, yiaddr=IPv4Address("10.0.0.5"), options=options)
    data = message.encode(replace(said, **changes))  # type: ignore[arg-type]
    wrapped = bytearray(frame.wrap(frame.Route(SERVER_MAC, SERVER), data))
    wrapped[34:38] = b"\x00\x43\x00\x44"
    return bytes(wrapped)


def test_discover_offer_request_ack() -> None:
    net = Network()
    discover = net.one()
    assert (discover.kind, discover.flags, discover.options[Option.CLIENT]) == (
        Kind.DISCOVER,
        message.BROADCAST,
        b"\0c1",
    )
    assert discover.options[Option.HOSTNAME] == b"web"
    net.answer(Kind.OFFER, discover)
    request = net.one()
    assert request.kind is Kind.REQUEST
    assert request.address(Option.REQUESTED) == IPv4Address("10.0.0.5")
    assert request.address(Option.SERVER) == SERVER
    net.answer(Kind.ACK, request)
    (bound,) = net.client.events()
    assert isinstance(bound, Bound)
    assert bound.lease.address == IPv4Interface("10.0.0.5/24")
    assert bound.lease.gateway == SERVER
    assert (bound.lease.renew, bound.lease.rebind, bound.lease.expire) == (1800, 3150, 3600)
    assert not net.client.listening


def test_it_asks_again_and_again_and_more_seldom() -> None:
    net = Network()
    asked, gaps = [net.one()], []
    for _ in range(9):
        before = net.now
        net.wait()
        gaps.append(net.now - before)
        asked.append(net.one())
    assert {said.kind for said in asked} == {Kind.DISCOVER}
    assert gaps[0] < 1.2
    assert gaps == sorted(gaps)
    assert gaps[-1] <= 64 * 1.1


def test_an_offer_whose_server_falls_silent_is_given_up() -> None:
    net = Network()
    net.answer(Kind.OFFER, net.one())
    kinds = [net.one().kind]
    while kinds[-1] is Kind.REQUEST:
        net.wait()
        kinds.append(net.one().kind)
    assert kinds[-1] is Kind.DISCOVER
    assert len(kinds) == 5


def test_a_lease_is_renewed_with_its_server() -> None:
    net = Network()
    net.bind()
    net.wait()
    assert net.now == 100 + 1800
    (renewal, to), *_ = net.heard()
    assert (renewal.kind, renewal.ciaddr, net.client.state) == (Kind.REQUEST, IPv4Address("10.0.0.5"), State.RENEWING)
    assert Option.SERVER not in renewal.options
    assert Option.REQUESTED not in renewal.options
    assert to.hex(":") == SERVER_MAC
    net.answer(Kind.ACK, renewal)
    (bound,) = net.client.events()
    assert isinstance(bound, Bound)
    assert net.client.next_deadline() == (100 + 1800 + 1800, "bound")


def test_without_its_server_a_lease_is_rebound_with_any() -> None:
    net = Network()
    net.bind()
    while net.client.state is not State.REBINDING:
        net.wait()
    assert net.now == 100 + 3150
    rebinding, to = net.heard()[-1]
    assert to == b"\xff" * 6
    net.answer(Kind.ACK, rebinding, more={Option.SERVER: IPv4Address("10.0.0.2").packed})
    (bound,) = net.client.events()
    assert isinstance(bound, Bound)
    assert bound.lease.server == IPv4Address("10.0.0.2")


def test_a_lease_that_nobody_renews_is_lost_at_its_end() -> None:
    net = Network()
    net.bind()
    net.heard()
    events: list[object] = []
    while not events:
        net.wait()
        events = list(net.client.events())
    assert events == [Lost("it ran out, and no server renewed it")]
    assert net.now == 100 + HOUR
    assert net.heard()[-1][0].kind is Kind.DISCOVER


def test_a_refused_renewal_loses_the_lease_and_starts_over() -> None:
    net = Network()
    net.bind()
    net.wait()
    net.answer(Kind.NAK, net.one(), more={Option.MESSAGE: b"moved\x07away"})
    assert list(net.client.events()) == [Lost("the server refused: moved?away")]
    assert net.one().kind is Kind.DISCOVER


def test_release_tells_the_server() -> None:
    net = Network()
    net.bind()
    net.client.release(net.now)
    ((parting, to),) = net.heard()
    assert (parting.kind, parting.ciaddr, parting.address(Option.SERVER)) == (
        Kind.RELEASE,
        IPv4Address("10.0.0.5"),
        SERVER,
    )
    assert to.hex(":") == SERVER_MAC
    assert net.client.next_deadline() is None
    assert not net.client.listening


def test_a_lease_without_end_is_not_renewed() -> None:
    net = Network()
    net.bind(FOREVER)
    assert net.client.next_deadline() is None


def test_it_goes_on_from_a_lease_of_an_earlier_process() -> None:
    first = Network()
    (bound,) = first.bind()
    assert isinstance(bound, Bound)
    again = Network(lease=bound.lease)
    assert again.heard() == []
    again.wait()
    assert again.now == 100 + 1800
    assert again.one().ciaddr == IPv4Address("10.0.0.5")


@pytest.mark.parametrize(
    "changes",
    [
        {"xid": 8},
        {"mac": "02:42:00:00:00:06"},
        {"op": message.BOOTREQUEST},
        {"yiaddr": IPv4Address("224.0.0.1")},
        {"yiaddr": IPv4Address("0.0.0.0")},
        {"options": {}},
        {"more": {Option.MASK: b"\xff\x00\xff\x00"}},
        {"more": {Option.LEASE_TIME: b"\0\0\0\0"}},
        {"more": {Option.SERVER: b"\1"}},
    ],
)
def test_an_offer_that_is_none_is_passed_over(changes: dict[str, object]) -> None:
    net = Network()
    asked = net.one()
    net.answer(Kind.OFFER, asked, **changes)
    assert net.client.state is State.SELECTING
    assert net.heard() == []
    net.answer(Kind.OFFER, asked)
    assert net.one().kind is Kind.REQUEST


@pytest.mark.parametrize("kind", [Kind.DISCOVER, Kind.ACK, Kind.NAK])
def test_only_an_offer_is_an_answer_to_a_discovery(kind: Kind) -> None:
    net = Network()
    net.answer(kind, net.one())
    assert net.client.state is State.SELECTING
    assert list(net.client.events()) == []


def test_a_gateway_off_the_subnet_is_none_and_odd_timers_are_put_right() -> None:
    net = Network()
    net.answer(Kind.OFFER, net.one())
    odd = {Option.ROUTER: b"\x0a\x01\0\1", Option.RENEWAL: b"\0\0\xff\xff", Option.REBINDING: b"\0\0\0\1"}
    net.answer(Kind.ACK, net.one(), more=odd)
    (bound,) = net.client.events()
    assert isinstance(bound, Bound)
    assert bound.lease.gateway is None
    assert 0 < bound.lease.renew <= bound.lease.rebind <= bound.lease.expire


actions = st.lists(
    st.tuples(st.sampled_from(["wait", "offer", "ack", "nak", "noise"]), st.integers(1, 10_000)), max_size=40
)


@given(actions)
def test_an_address_is_in_use_only_between_bound_and_lost(steps: list[tuple[str, int]]) -> None:
    net = Network()
    asked, held, expiry = net.one(), False, 0.0
    for what, seconds in steps:
        if what == "wait":
            if net.client.next_deadline() is not None:
                net.wait()
        elif what == "noise":
            net.client.receive(bytes([seconds % 256]) * (seconds % 400), net.now)
        else:
            net.answer({"offer": Kind.OFFER, "ack": Kind.ACK, "nak": Kind.NAK}[what], asked, seconds=seconds)
        for event in net.client.events():
            assert isinstance(event, Bound) or held, "lost what was not held"
            held = isinstance(event, Bound)
            expiry = net.now + event.lease.expire if isinstance(event, Bound) else 0.0
        assert not held or net.now < expiry
        asked = ([said for said, _ in net.heard()] or [asked])[-1]
