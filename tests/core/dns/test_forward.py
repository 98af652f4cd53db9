"""The forwarding machine, driven by hand on a clock of its own."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.dns import forward
from fairlead.core.dns.forward import Forwarder
from fairlead.model.dns import Channel, Reply, Transmit, Upstream

FIRST, SECOND = Upstream(ip_address("10.0.0.1")), Upstream(ip_address("10.0.0.2"))
INSIDE = Upstream(ip_address("10.0.0.3"), inside=True)


class World:
    """A machine, the time, and what came out of it so far."""

    def __init__(self) -> None:
        self.machine = Forwarder(Random(7).randrange)
        self.now = 100.0
        self.tokens = 0

    def ask(
        self,
        *upstreams: Upstream,
        stream: bool = False,
        sandbox: str = "box",
        name: str = "web.test",
        **options: object,
    ) -> dns.message.Message:
        self.tokens += 1
        request = dns.message.make_query(name, "A", **options)
        self.machine.ask(sandbox, self.tokens, request.to_wire(), upstreams, self.now, stream=stream)
        return request

    def sent(self) -> list[Transmit]:
        return self.machine.transmits()

    def only_sent(self) -> Transmit:
        (transmit,) = self.sent()
        return transmit

    def reply(self, transmit: Transmit, rcode: str = "NOERROR", flags: int = 0, size: int = 1) -> bytes:
        request = dns.message.from_wire(transmit.data)
        response = dns.message.make_response(request, recursion_available=True)
        response.set_rcode(dns.rcode.from_text(rcode))
        response.flags |= flags
        if rcode == "NOERROR":
            addresses = [f"192.0.{n // 250}.{n % 250}" for n in range(size)]
            response.answer.append(dns.rrset.from_text_list(request.question[0].name, 60, "IN", "A", addresses))
        return response.to_wire(max_size=65535)

    def receive(self, transmit: Transmit, data: bytes) -> None:
        self.machine.receive(data, transmit.channel, self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, waking the machine when it wants to be woken."""
        end = self.now + seconds
        while (deadline := self.machine.next_deadline()) and deadline[0] <= end:
            self.now = max(self.now, deadline[0])
            self.machine.handle_timeout(self.now)
        self.now = end

    def told(self) -> list[Reply]:
        return self.machine.events()

    def only_told(self) -> dns.message.Message:
        (reply,) = self.told()
        return dns.message.from_wire(reply.data)


@pytest.fixture
def world() -> World:
    return World()


def test_a_query_passes_through_except_for_its_id(world: World) -> None:
    request = world.ask(FIRST)
    out = world.only_sent()
    assert out.channel == Channel("", FIRST)
    assert out.data[2:] == request.to_wire()[2:]
    assert out.number == int.from_bytes(out.data[:2]) != request.id
    reply = world.reply(out)
    world.receive(out, reply)
    (told,) = world.told()
    assert told.token == 1
    assert told.data == request.id.to_bytes(2) + reply[2:]
    assert world.machine.next_deadline() is None


def test_servers_of_the_user_are_asked_from_inside(world: World) -> None:
    world.ask(INSIDE)
    assert world.only_sent().channel == Channel("box", INSIDE)


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
def test_an_answer_is_an_answer_also_when_it_is_no(world: World, rcode: str) -> None:
    world.ask(FIRST, SECOND)
    out = world.only_sent()
    world.receive(out, world.reply(out, rcode))
    assert dns.rcode.to_text(world.only_told().rcode()) == rcode
    assert world.sent() == []


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"])
def test_a_server_that_cannot_help_is_followed_by_the_next(world: World, rcode: str) -> None:
    world.ask(FIRST, SECOND)
    out = world.only_sent()
    world.receive(out, world.reply(out, rcode))
    assert world.told() == []
    second = world.only_sent()
    assert second.channel.upstream == SECOND
    world.receive(second, world.reply(second))
    assert world.only_told().answer


def test_when_nobody_can_help_the_first_excuse_is_passed_on(world: World) -> None:
    world.ask(FIRST, SECOND)
    for rcode in ("REFUSED", "SERVFAIL"):
        out = world.only_sent()
        world.receive(out, world.reply(out, rcode))
    assert world.only_told().rcode() == dns.rcode.REFUSED


def test_silence_is_followed_by_the_next_server(world: World) -> None:
    world.ask(FIRST, SECOND)
    assert world.only_sent().channel.upstream == FIRST
    world.wait(forward.ATTEMPT - 0.01)
    assert world.sent() == []
    world.wait(0.02)
    assert world.only_sent().channel.upstream == SECOND


def test_a_late_answer_still_counts(world: World) -> None:
    world.ask(FIRST, SECOND)
    first = world.only_sent()
    world.wait(2)
    second = world.only_sent()
    world.receive(first, world.reply(first))
    assert world.only_told().answer
    world.receive(second, world.reply(second))
    assert world.told() == []
    assert world.machine.counters()["stray"] == 1


def test_one_server_is_asked_again_and_in_the_end_the_client_is_told(world: World) -> None:
    request = world.ask(FIRST)
    world.wait(forward.LIFETIME - 0.01)
    assert [out.channel.upstream for out in world.sent()] == [FIRST] * 3
    assert world.told() == []
    world.wait(0.02)
    reply = world.only_told()
    assert reply.id == request.id
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert world.machine.next_deadline() is None


def test_a_refused_connection_costs_no_time(world: World) -> None:
    world.ask(FIRST, SECOND)
    out = world.only_sent()
    world.machine.failed(out.channel, world.now)
    assert world.only_sent().channel.upstream == SECOND


def test_a_refused_connection_fails_everybody_who_used_it(world: World) -> None:
    world.ask(FIRST)
    world.ask(FIRST, sandbox="other")
    outs = world.sent()
    world.machine.failed(outs[0].channel, world.now)
    assert [dns.message.from_wire(reply.data).rcode() for reply in world.told()] == [dns.rcode.SERVFAIL] * 2


def test_a_query_that_could_not_be_sent_fails_alone(world: World) -> None:
    world.ask(FIRST)
    world.ask(FIRST)
    first, second = world.sent()
    world.machine.failed(first.channel, world.now, first.number)
    assert [reply.token for reply in world.told()] == [1]
    world.receive(second, world.reply(second))
    assert [reply.token for reply in world.told()] == [2]


def test_forgeries_are_not_believed(world: World) -> None:
    world.ask(FIRST, name="web.test")
    out = world.only_sent()
    good = world.reply(out)
    other_id = ((out.number + 1) % 65536).to_bytes(2) + good[2:]
    other_question = good.replace(b"\3web", b"\3wob")
    other_type = good.replace(b"\0\x01\0\x01", b"\0\x1c\0\x01", 1)
    a_query = good[:2] + b"\x01\x00" + good[4:]
    no_question = good[:4] + b"\0\0" + good[6:]
    for forged in (other_id, other_question, other_type, a_query, no_question, good[:9], b""):
        world.receive(out, forged)
    world.machine.receive(good, Channel("", SECOND), world.now)
    world.machine.receive(good, Channel("box", FIRST), world.now)
    world.machine.receive(good, Channel("", FIRST, tcp=True), world.now)
    assert world.told() == []
    assert world.machine.counters()["stray"] == 10
    world.receive(out, good)
    assert world.only_told().answer


def test_a_server_may_change_the_case_of_the_question(world: World) -> None:
    world.ask(FIRST, name="web.test")
    out = world.only_sent()
    world.receive(out, world.reply(out).replace(b"\3web", b"\3WEB", 1))
    assert world.only_told().answer


def test_a_client_by_udp_gets_the_truncated_reply(world: World) -> None:
    world.ask(FIRST)
    out = world.only_sent()
    world.receive(out, world.reply(out, flags=dns.flags.TC))
    assert world.only_told().flags & dns.flags.TC


def test_a_client_by_tcp_gets_the_whole(world: World) -> None:
    world.ask(FIRST, stream=True)
    out = world.only_sent()
    assert not out.channel.tcp
    world.receive(out, world.reply(out, flags=dns.flags.TC))
    assert world.told() == []
    again = world.only_sent()
    assert again.channel == Channel("", FIRST, tcp=True)
    world.receive(again, world.reply(again, size=800))
    assert len(world.only_told().answer[0]) == 800


def test_a_server_without_tcp_still_gave_what_it_gave(world: World) -> None:
    world.ask(FIRST, stream=True)
    out = world.only_sent()
    world.receive(out, world.reply(out, flags=dns.flags.TC))
    again = world.only_sent()
    world.machine.failed(again.channel, world.now, again.number)
    assert world.only_told().flags & dns.flags.TC


def test_a_reply_that_the_client_cannot_take_is_cut(world: World) -> None:
    world.ask(FIRST)
    out = world.only_sent()
    world.receive(out, world.reply(out, size=100))
    cut = world.only_told()
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    world.ask(FIRST, use_edns=0, payload=4096)
    out = world.only_sent()
    world.receive(out, world.reply(out, size=100))
    assert len(world.only_told().answer[0]) == 100


def test_a_greedy_sandbox_is_refused_and_others_are_not(world: World) -> None:
    for _ in range(forward.PER_SANDBOX):
        world.ask(FIRST)
    assert world.told() == []
    world.ask(FIRST)
    assert world.only_told().rcode() == dns.rcode.SERVFAIL
    world.ask(FIRST, sandbox="modest")
    *_, out = world.sent()
    world.receive(out, world.reply(out))
    assert world.only_told().answer
    world.wait(forward.LIFETIME)
    world.told()
    world.ask(FIRST)
    assert world.told() == []


def test_a_sandbox_that_is_gone_hears_nothing_and_leaves_nothing(world: World) -> None:
    world.ask(FIRST, INSIDE)
    out = world.only_sent()
    world.machine.forget("box")
    world.receive(out, world.reply(out))
    world.wait(10)
    assert world.told() == []
    assert world.sent() == []
    assert world.machine.next_deadline() is None


def test_ids_are_never_shared_on_a_channel() -> None:
    machine = Forwarder(lambda below: 5)
    for token in range(20):
        machine.ask("box", token, dns.message.make_query("x", "A").to_wire(), (FIRST,), 0.0, stream=False)
    assert len({transmit.number for transmit in machine.transmits()}) == 20


steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(1, 7), st.booleans()),
        st.tuples(st.just("wait"), st.floats(0.0, 3.0), st.none()),
        st.tuples(st.just("reply"), st.integers(0, 50), st.sampled_from(["NOERROR", "NXDOMAIN", "SERVFAIL", "TC"])),
        st.tuples(st.just("fail"), st.integers(0, 50), st.booleans()),
        st.tuples(st.just("junk"), st.binary(max_size=40), st.none()),
    ),
    max_size=40,
)


@given(steps)
def test_every_query_has_exactly_one_end(script: list[tuple[str, object, object]]) -> None:
    world, out, ends = World(), [], []
    for verb, what, how in script:
        if verb == "ask":
            chosen = [upstream for bit, upstream in enumerate((FIRST, SECOND, INSIDE)) if int(what) >> bit & 1]
            world.ask(*chosen, stream=bool(how))
        elif verb == "wait":
            world.wait(float(what))
        elif verb == "junk" and out:
            world.receive(out[-1], out[-1].data[:2] + bytes(what))
        elif verb == "reply" and out:
            transmit = out[int(what) % len(out)]
            tc = how == "TC"
            world.receive(transmit, world.reply(transmit, "NOERROR" if tc else str(how), dns.flags.TC if tc else 0))
        elif verb == "fail" and out:
            transmit = out[int(what) % len(out)]
            world.machine.failed(transmit.channel, world.now, transmit.number if how else None)
        out += world.sent()
        ends += [reply.token for reply in world.told()]
    world.wait(forward.LIFETIME)
    ends += [reply.token for reply in world.told()]
    assert sorted(ends) == list(range(1, world.tokens + 1))
    assert world.machine.next_deadline() is None
    assert not world.machine._out
