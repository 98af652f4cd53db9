"""Sessions with nodes: who is told what, whose word counts, and who is given up when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest

from fairlead.core.swarm import dispatch
from fairlead.core.swarm.changes import Drop
from fairlead.engine.records import decode
from fairlead.engine.swarm.dispatcher import Dispatcher
from fairlead.engine.swarm.messages import Beat, Leave, LogWish, News, Report, SessionRequest, TaskReport
from fairlead.engine.swarm.session_outcomes import LEFT, everybody_unknown
from fairlead.model.errors import Invalid, NotAllowed, Unavailable
from fairlead.model.swarm.node import DOWN, MANAGER, READY, UNKNOWN, ManagerStatus, Node, NodeDescription
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import TaskStatus
from fairlead.model.swarm.template import SECOND
from tests.core.swarm import builders
from tests.engine.swarm.leading.court import PATIENCE, Court, called

HEARTBEAT = builders.CLUSTER.spec.heartbeat / SECOND
WEB = builders.service("web", 0)


def token(number: int) -> str:
    return f"{number:032x}"


@dataclass(slots=True)
class Office:
    """The leader's dispatcher, at work."""

    court: Court
    dispatcher: Dispatcher
    running: asyncio.Task[None]

    def node(self, node_id: str) -> Node:
        return self.court.snapshot.nodes[node_id]

    async def open(self, node_id: str, number: int = 1, **more: str) -> AsyncIterator[bytes]:
        """A session with the token of that number; its stream."""
        role = self.node(node_id).role if node_id in self.court.snapshot.nodes else "worker"
        request = SessionRequest(NodeDescription(f"host-{node_id}"), token(number), "10.9.0.1", "10.9.0.7", **more)
        return await self.dispatcher.session(called("session", request, node_id, role))

    async def beat(self, node_id: str, number: int = 1) -> None:
        await self.dispatcher.beat(called("beat", Beat(token(number)), node_id))

    async def report(self, node_id: str, task_id: str, state: TaskState, number: int = 1) -> None:
        status = TaskStatus(state, at=self.court.clock.now(), message="so it is")
        report = Report(token(number), (TaskReport(task_id, status),))
        await self.dispatcher.report(called("report", report, node_id))

    async def pass_by(self, seconds: float, witness: str) -> None:
        """So long later: something changes, so that the dispatcher looks at its clock. It has when `witness`, a node
        without a session, is told of as down or up."""
        self.court.clock.advance(seconds)
        await self.court.put(builders.node(witness, state=UNKNOWN))
        await self.court.until(lambda: witness in self.court.snapshot.nodes)

    async def down(self, node_id: str) -> str:
        """Wait until the node is given up; why."""
        await self.court.until(lambda: self.node(node_id).status.state == DOWN, f"{node_id} down")
        return self.node(node_id).status.message


@asynccontextmanager
async def working(court: Court) -> AsyncIterator[Office]:
    dispatcher = Dispatcher(court.mirror, court.reign.propose, court.clock)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield Office(court, dispatcher, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def office(court: Court) -> AsyncIterator[Office]:
    """Of a swarm with the nodes n1 and n2, unknown yet to a new leader."""
    await court.put(builders.CLUSTER, WEB, builders.node("n1", state=UNKNOWN), builders.node("n2", state=UNKNOWN))
    await court.until(lambda: len(court.snapshot.nodes) == 2)
    async with working(court) as office:
        yield office


async def heard(stream: AsyncIterator[bytes]) -> News:
    async with asyncio.timeout(PATIENCE):
        return decode(News, await anext(stream))


async def over(stream: AsyncIterator[bytes]) -> bool:
    """Does it end (after what it still has to tell)?"""
    async with asyncio.timeout(PATIENCE):
        async for _ in stream:
            pass
    return True


# --- opening --------------------------------------------------------------------------------------


async def test_who_opens_a_session_is_ready_and_told_everything_then_what_changes(office: Office) -> None:
    first = builders.task("t1", WEB, state=TaskState.ASSIGNED)
    await office.court.put(first)
    stream = await office.open("n1")
    node = office.node("n1")
    assert (node.status.state, node.status.address, node.data_address) == (READY, "10.9.0.1", "10.9.0.7")
    assert node.description.hostname == "host-n1"
    news = await heard(stream)
    assert (news.everything, [task.id for task in news.difference.tasks]) == (True, ["t1"])
    await office.court.put(builders.task("t2", WEB, slot=2, state=TaskState.ASSIGNED))
    while not (news := await heard(stream)).difference.tasks:
        continue
    assert (news.everything, [task.id for task in news.difference.tasks]) == (False, ["t2"])
    await office.court.user.refresh()
    await office.court.user.write([Drop(office.court.user.snapshot.tasks["t2"])])
    while not (news := await heard(stream)).difference.drop_tasks:
        continue
    assert news.difference.drop_tasks == ("t2",)


async def test_only_a_manager_says_where_it_listens(office: Office) -> None:
    await office.open("n1", manager_address="10.9.0.1:2377")
    assert office.node("n1").manager is None
    await office.court.put(builders.node("n3", role=MANAGER, state=UNKNOWN))
    await office.court.until(lambda: "n3" in office.court.snapshot.nodes)
    await office.open("n3", 3, manager_address="10.9.0.3:2377")
    assert office.node("n3").manager == ManagerStatus(address="10.9.0.3:2377")


async def test_who_is_unknown_is_refused_and_remembered_by_nothing(office: Office) -> None:
    with pytest.raises(NotAllowed, match="stranger is not part of this swarm"):
        await office.open("stranger")
    with pytest.raises(NotAllowed):
        await office.beat("stranger")
    await office.open("n1")  # with the same token: nobody holds it


async def test_a_stranger_has_no_session(office: Office) -> None:
    call = replace(called("session", Beat(token(1)), "n1"), peer=None)
    with pytest.raises(NotAllowed, match="is for nodes of the swarm"):
        await office.dispatcher.beat(call)


# --- tokens ---------------------------------------------------------------------------------------


async def test_a_replayed_token_is_worth_nothing(office: Office) -> None:
    await office.open("n1", 1)
    for replayed in (office.open("n2", 1), office.open("n1", 1), office.beat("n2", 1)):
        with pytest.raises(NotAllowed):
            await replayed
    with pytest.raises(Invalid):
        await office.dispatcher.session(
            called("session", SessionRequest(NodeDescription(), "guess", "10.9.0.1", "10.9.0.1"), "n1")
        )
    await office.beat("n1", 1)


async def test_a_second_session_ends_the_first_and_outlives_its_end(office: Office) -> None:
    before = await office.open("n1", 1)
    await heard(before)
    after = await office.open("n1", 2)
    assert await over(before)
    with pytest.raises(NotAllowed):
        await office.beat("n1", 1)
    await office.pass_by(1.5 * HEARTBEAT, "n8")
    await office.beat("n1", 2)
    await office.pass_by(1.5 * HEARTBEAT, "n9")
    await office.down("n2")
    assert office.node("n1").status.state == READY
    assert (await heard(after)).everything


# --- giving up ------------------------------------------------------------------------------------


async def test_who_beats_stays_and_who_falls_silent_is_given_up(office: Office) -> None:
    streams = [await office.open("n1", 1), await office.open("n2", 2)]
    for stream in streams:
        await heard(stream)
    for number in range(3):
        await office.pass_by(HEARTBEAT * 0.9, f"w{number}")
        await office.beat("n1", 1)
    assert await office.down("n2") == dispatch.LOST
    assert office.node("n1").status.state == READY
    assert await over(streams[1])
    with pytest.raises(NotAllowed):
        await office.beat("n2", 2)


async def test_a_broken_session_leaves_less_time(office: Office) -> None:
    streams = {number: await office.open(f"n{number}", number) for number in (1, 2)}
    for stream in streams.values():
        await heard(stream)
    await streams[1].aclose()  # type: ignore[attr-defined]
    await office.pass_by(1.5 * HEARTBEAT, "n9")
    assert await office.down("n1") == dispatch.BROKEN
    assert office.node("n2").status.state == READY


async def test_who_comes_back_in_time_never_was_away(office: Office) -> None:
    stream = await office.open("n1", 1)
    await heard(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    await office.pass_by(0.5 * HEARTBEAT, "n8")
    since = office.node("n1").status.since
    await office.open("n1", 2)
    await office.pass_by(1.7 * HEARTBEAT, "n9")
    await office.down("n2")
    assert (office.node("n1").status.state, office.node("n1").status.since) == (READY, since)


async def test_a_new_leader_knows_of_nobody_and_gives_up_who_stays_away(court: Court) -> None:
    away = builders.node("n3", state=DOWN)
    await court.put(builders.CLUSTER, builders.node("n1"), builders.node("n2"), away)
    await court.reign.propose(partial(everybody_unknown, court.clock.now()))
    assert [court.snapshot.nodes[n].status.state for n in ("n1", "n2", "n3")] == [UNKNOWN, UNKNOWN, DOWN]
    async with working(court) as office:
        await office.open("n1")
        await office.pass_by(1.9 * HEARTBEAT, "n8")
        assert office.node("n2").status.state == UNKNOWN
        await office.beat("n1")
        await office.pass_by(0.2 * HEARTBEAT, "n9")
        assert await office.down("n2") == dispatch.LOST_UNKNOWN
        assert office.node("n1").status.state == READY


async def test_who_leaves_is_down_at_once(office: Office) -> None:
    stream = await office.open("n1")
    await office.dispatcher.leave(called("leave", Leave(token(1)), "n1"))
    assert (office.node("n1").status.state, office.node("n1").status.message) == (DOWN, LEFT)
    assert await over(stream)


async def test_a_removed_node_is_told_nothing_more(office: Office) -> None:
    stream = await office.open("n1")
    await office.court.user.refresh()
    await office.court.user.write([Drop(office.court.user.snapshot.nodes["n1"])])
    assert await over(stream)
    with pytest.raises(NotAllowed):
        await office.beat("n1")
    with pytest.raises(NotAllowed):
        await office.open("n1", 2)


async def test_sessions_end_with_the_reign(court: Court) -> None:
    await court.put(builders.CLUSTER, builders.node("n1"))
    async with working(court) as office:
        stream = await office.open("n1")
    assert await over(stream)


# --- reports and logs -----------------------------------------------------------------------------


async def test_a_node_reports_its_own_tasks_alone(office: Office) -> None:
    await office.court.put(builders.task("t1", WEB, state=TaskState.ASSIGNED))
    await office.open("n1", 1)
    await office.open("n2", 2)
    await office.report("n2", "t1", TaskState.RUNNING, 2)
    assert office.court.snapshot.tasks["t1"].status.state == TaskState.ASSIGNED
    await office.report("n1", "t1", TaskState.RUNNING, 1)
    status = office.court.snapshot.tasks["t1"].status
    assert (status.state, status.message, status.started) == (TaskState.RUNNING, "so it is", status.at)
    await office.report("n1", "t1", TaskState.PREPARING, 1)
    await office.report("n1", "gone", TaskState.RUNNING, 1)
    assert office.court.snapshot.tasks["t1"].status == status


async def test_logs_are_asked_for_where_there_is_a_session(office: Office) -> None:
    wish = LogWish("w1", "t1")
    with pytest.raises(Unavailable, match="n1 has no session"):
        office.dispatcher.wish("n1", wish)
    stream = await office.open("n1")
    await heard(stream)
    office.dispatcher.wish("n1", wish)
    while not (news := await heard(stream)).logs:
        continue
    assert news.logs == (wish,)
