"""Calls, refusals and streams between nodes, on real sockets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.swarm.identity import may_call
from fairlead.effects.wire.nodes.answering import LARGEST
from fairlead.effects.wire.nodes.caller import Caller
from fairlead.effects.wire.nodes.listener import Listener
from fairlead.effects.wire.nodes.refusals import STATUS, parse_trailer, refusal_of, status_of, trailer
from fairlead.model.errors import Conflict, Failed, Invalid, KernelRefused, Refusal, Unavailable
from fairlead.model.swarm.calls import Call, Reply
from fairlead.model.swarm.errors import Deposed, Elsewhere
from tests.effects.pki.swarm import MANAGING, WORKING, identity
from tests.effects.wire.nodes.conftest import LOOPBACK, Manager, calling_as, settled, until

# --- calls ----------------------------------------------------------------------------------------


async def test_a_call_is_answered_and_its_caller_known(manager: Manager, worker: Caller) -> None:
    assert await worker.call(manager.address, "report", b"all is well") == b"all is well"
    assert [(call.name, call.peer) for call in manager.heard] == [("report", WORKING)]


async def test_an_empty_call_has_an_empty_answer(manager: Manager, worker: Caller) -> None:
    assert await worker.call(manager.address, "report") == b""


async def test_calls_at_the_same_time_are_not_mixed_up(manager: Manager, worker: Caller) -> None:
    bodies = [str(number).encode() * 1000 for number in range(50)]
    assert await asyncio.gather(*(worker.call(manager.address, "report", body) for body in bodies)) == bodies


async def test_calls_one_after_the_other_share_a_connection(manager: Manager, worker: Caller) -> None:
    for _ in range(5):
        await worker.call(manager.address, "report")
    assert len({call.address for call in manager.heard}) == 1


async def test_a_large_body_passes_both_ways(manager: Manager, worker: Caller) -> None:
    body = bytes(range(256)) * (LARGEST // 256)
    assert await worker.call(manager.address, "report", body, patience=30) == body


async def test_a_larger_one_is_refused(manager: Manager, worker: Caller) -> None:
    with pytest.raises(Invalid, match=f"{LARGEST} bytes at most"):
        await worker.call(manager.address, "report", bytes(LARGEST + 1), patience=30)
    assert manager.heard == []


async def test_a_larger_answer_is_not_taken(manager: Manager, worker: Caller) -> None:
    async def much(call: Call) -> Reply:
        return bytes(LARGEST + 1)

    manager.answers["report"] = much
    with pytest.raises(Unavailable, match="longer than"):
        await worker.call(manager.address, "report", patience=30)


async def test_nobody_there_is_unavailable(worker: Caller) -> None:
    with pytest.raises(Unavailable, match=r"cannot reach the manager at 127\.0\.0\.1:1: connect"):
        await worker.call("127.0.0.1:1", "report")


async def test_no_answer_in_time_is_unavailable_and_ends_the_answer(manager: Manager, worker: Caller) -> None:
    ended = asyncio.Event()

    async def never(call: Call) -> Reply:
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    manager.answers["report"] = never
    with pytest.raises(Unavailable, match=r"did not answer report within 0\.2 s"):
        await worker.call(manager.address, "report", patience=0.2)
    await asyncio.wait_for(ended.wait(), 30)


async def test_a_manager_that_came_back_is_called_anew(manager: Manager, worker: Caller) -> None:
    address = manager.address
    await worker.call(address, "report")
    await manager.listener.close()
    await manager.listener.open(address, manager.identity, manager.answer)
    assert await worker.call(address, "report", b"again") == b"again"


async def test_a_node_in_no_swarm_calls_nobody(manager: Manager) -> None:
    async with calling_as(None) as caller:
        with pytest.raises(Unavailable, match="not part of a swarm"):
            await caller.call(manager.address, "report")


async def test_an_address_that_is_taken_is_told(manager: Manager) -> None:
    with pytest.raises(Failed, match=rf"^listen tcp {manager.address}: bind: address already in use$"):
        await Listener(may_call).open(manager.address, manager.identity, manager.answer)


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:2377"])
async def test_what_is_no_address_is_invalid(manager: Manager, address: str) -> None:
    with pytest.raises(Invalid, match="not HOST:PORT"):
        await Listener(may_call).open(address, manager.identity, manager.answer)


async def test_ipv6_is_as_good(manager: Manager) -> None:
    listener = Listener(may_call)
    await listener.open("[::1]:0", manager.identity, manager.answer)
    try:
        assert listener.address.startswith("[::1]:")
        async with calling_as(identity(manager.root, WORKING)) as caller:
            assert await caller.call(listener.address, "report", b"six") == b"six"
        assert manager.heard[0].address.startswith("[::1]:")
    finally:
        await listener.close()


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(STATUS))
async def test_a_refusal_arrives_as_what_it_was(manager: Manager, worker: Caller, kind: type[Refusal]) -> None:
    async def refuse(call: Call) -> Reply:
        raise kind("näh: 10 % of it\nis wrong")

    manager.answers["report"] = refuse
    with pytest.raises(Refusal) as caught:
        await worker.call(manager.address, "report")
    assert type(caught.value) is kind
    assert caught.value.message == "näh: 10 % of it\nis wrong"


async def test_a_manager_that_does_not_lead_names_the_leader(manager: Manager, worker: Caller) -> None:
    async def elsewhere(call: Call) -> Reply:
        raise Elsewhere("192.0.2.7:2377")

    manager.answers["report"] = elsewhere
    with pytest.raises(Elsewhere, match=r"^192\.0\.2\.7:2377$"):
        await worker.call(manager.address, "report")


async def test_a_fault_is_told_without_its_inside(
    manager: Manager, worker: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(call: Call) -> Reply:
        raise KeyError("a secret")

    manager.answers["report"] = fail
    with pytest.raises(Failed, match="^report: internal error$"):
        await worker.call(manager.address, "report")
    assert "a node's call failed" in caplog.text


@given(st.text(), st.sampled_from(list(STATUS)))
def test_a_trailer_is_read_as_it_was_written(text: str, kind: type[Refusal]) -> None:
    text = text.encode("utf-8", "replace").decode()
    read = parse_trailer(trailer(kind(text)))
    assert (type(read), read.message) == (kind, text)


@given(st.binary())
def test_any_trailer_is_a_refusal(value: bytes) -> None:
    assert isinstance(parse_trailer(value), Refusal)


def test_classes_without_a_status_arrive_as_their_nearest() -> None:
    assert status_of(Deposed("")) == STATUS[Unavailable]
    assert status_of(KernelRefused("create veth", 17)) == STATUS[Failed]
    assert type(refusal_of(599, "")) is Failed
    assert type(refusal_of(STATUS[Conflict], "")) is Conflict


# --- streams --------------------------------------------------------------------------------------


async def lines_of(caller: Caller, address: str, count: int = 0) -> list[bytes]:
    found: list[bytes] = []
    async with aclosing(caller.stream(address, "session")) as lines:
        async for line in lines:
            found.append(line)
            if len(found) == count:
                break
    return found


async def test_a_stream_is_its_lines(manager: Manager, worker: Caller) -> None:
    async def numbers(call: Call) -> Reply:
        async def count() -> AsyncIterator[bytes]:
            for number in range(1000):
                yield b"%d" % number

        return count()

    manager.answers["session"] = numbers
    assert await lines_of(worker, manager.address) == [b"%d" % number for number in range(1000)]


async def test_lines_may_be_empty_or_long(manager: Manager, worker: Caller) -> None:
    told = [b"", b"x" * 3_000_000, b"", b"y"]

    async def tell(call: Call) -> Reply:
        async def lines() -> AsyncIterator[bytes]:
            for line in told:
                yield line

        return lines()

    manager.answers["session"] = tell
    assert await lines_of(worker, manager.address) == told


@pytest.mark.parametrize("before", [0, 3])
async def test_a_stream_may_end_in_a_refusal(manager: Manager, worker: Caller, before: int) -> None:
    async def tell(call: Call) -> Reply:
        async def lines() -> AsyncIterator[bytes]:
            for _ in range(before):
                yield b"news"
            raise Elsewhere("192.0.2.7:2377")

        return lines()

    manager.answers["session"] = tell
    lines = worker.stream(manager.address, "session")
    assert [await anext(lines) for _ in range(before)] == [b"news"] * before
    with pytest.raises(Elsewhere, match=r"^192\.0\.2\.7:2377$"):
        await anext(lines)


async def test_a_stream_may_be_refused_before_it_begins(manager: Manager, worker: Caller) -> None:
    with pytest.raises(Refusal, match="nothing answers session"):
        await lines_of(worker, manager.address)


async def test_a_stream_that_fails_is_told(manager: Manager, worker: Caller) -> None:
    async def tell(call: Call) -> Reply:
        async def lines() -> AsyncIterator[bytes]:
            yield b"news"
            raise KeyError("a secret")

        return lines()

    manager.answers["session"] = tell
    with pytest.raises(Failed, match="^session: internal error$"):
        await lines_of(worker, manager.address)


class Endless:
    """A stream that never ends by itself; `closed` when somebody ended it."""

    def __init__(self, line: bytes = b"news", pause: bool = True) -> None:
        self.closed, self.told = asyncio.Event(), 0
        self._line, self._pause = line, pause

    async def answer(self, call: Call) -> Reply:
        return self.lines()

    async def lines(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.told += 1
                yield self._line
                if self._pause:
                    await asyncio.Future()
        finally:
            self.closed.set()


async def test_a_stream_is_closed_when_its_caller_goes(manager: Manager, worker: Caller) -> None:
    endless = Endless()
    manager.answers["session"] = endless.answer
    assert await lines_of(worker, manager.address, 1) == [b"news"]
    await asyncio.wait_for(endless.closed.wait(), 30)


async def test_a_stream_is_closed_when_the_listener_is(manager: Manager, worker: Caller) -> None:
    endless = Endless()
    manager.answers["session"] = endless.answer
    lines = worker.stream(manager.address, "session")
    await anext(lines)
    await manager.listener.close()
    with pytest.raises(Unavailable, match="closed the connection"):
        await anext(lines)
    assert endless.closed.is_set()


async def test_who_does_not_read_stops_the_stream_and_may_still_go(manager: Manager, worker: Caller) -> None:
    endless = Endless(bytes(100_000), pause=False)
    manager.answers["session"] = endless.answer
    async with aclosing(worker.stream(manager.address, "session")) as lines:
        await anext(lines)
        told = await settled(lambda: endless.told)
        assert told * 100_000 < 64 << 20
        for _ in range(told + 10):
            await anext(lines)
        assert endless.told > told
    await asyncio.wait_for(endless.closed.wait(), 30)


# --- renewal --------------------------------------------------------------------------------------


async def test_a_promoted_node_calls_as_what_it_has_become(manager: Manager, worker: Caller) -> None:
    await worker.call(manager.address, "report")
    worker.renew(identity(manager.root, MANAGING))
    await worker.call(manager.address, "report")
    assert [call.peer for call in manager.heard] == [WORKING, MANAGING]


async def test_a_stream_outlives_a_renewal_at_either_end(manager: Manager, worker: Caller) -> None:
    endless = Endless()
    manager.answers["session"] = endless.answer
    async with aclosing(worker.stream(manager.address, "session")) as lines:
        await anext(lines)
        worker.renew(identity(manager.root, WORKING))
        manager.listener.renew(identity(manager.root, MANAGING))
        await worker.call(manager.address, "report")
        assert not endless.closed.is_set()
    await until(endless.closed.is_set)


async def test_a_listener_may_be_opened_again(manager: Manager, worker: Caller) -> None:
    await manager.listener.close()
    await manager.listener.close()
    assert manager.address == ""
    await manager.listener.open(LOOPBACK, manager.identity, manager.answer)
    assert await worker.call(manager.address, "report", b"x") == b"x"


# --- links ----------------------------------------------------------------------------------------


async def test_both_ends_notice_a_link_that_went_silent_within_seconds() -> None:
    command = ["unshare", "--net", sys.executable, "-m", "tests.effects.wire.nodes.cut_link"]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await asyncio.wait_for(child.communicate(), 60)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    node, manager = map(float, said.split())
    assert 1 < node < 12
    assert 1 < manager < 12
