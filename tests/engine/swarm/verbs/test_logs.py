"""The leader's broker between readers and nodes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from fairlead.core.swarm.changes import Put
from fairlead.effects.clock import SystemEntropy
from fairlead.engine.swarm.log_broker import BACKLOG, LogBroker
from fairlead.engine.swarm.messages import LogLine, LogsRequest, LogWish, Publish, TaskLines
from fairlead.model.errors import NotFound, Unavailable
from fairlead.model.swarm.node import DOWN, READY, Node, NodeStatus
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import ContainerTemplate, TaskTemplate
from tests.engine.swarm.verbs.seats import Place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Nodes:
    """What nodes were asked."""

    def __init__(self) -> None:
        self.wishes: asyncio.Queue[tuple[str, LogWish]] = asyncio.Queue()

    def ask(self, node_id: str, wish: LogWish) -> None:
        if node_id == "mute":
            raise Unavailable("no session")
        self.wishes.put_nowait((node_id, wish))


def task(task_id: str, node_id: str = "n1") -> Task:
    template = TaskTemplate(ContainerTemplate("busybox"))
    return Task(task_id, "s", template, "web", 1, node_id, TaskStatus(TaskState.RUNNING))


def node(node_id: str, state: str = READY) -> Node:
    return Node(node_id, status=NodeStatus(state))


def line(text: str) -> LogLine:
    return LogLine(1, "stdout", f"{text}\n")


@pytest.fixture
async def nodes(swarm: Place) -> Nodes:
    await swarm.mirror.write([Put(node("n1")), Put(node("n2")), Put(node("mute")), Put(node("lost", DOWN))])
    return Nodes()


@pytest.fixture
def broker(swarm: Place, nodes: Nodes) -> LogBroker:
    return LogBroker(swarm.mirror, nodes.ask, SystemEntropy())


async def collect(lines: AsyncIterator[TaskLines]) -> list[TaskLines]:
    return [one async for one in lines]


async def test_every_task_of_a_service_is_asked_for_and_read_to_its_end(
    swarm: Place, broker: LogBroker, nodes: Nodes
) -> None:
    await swarm.mirror.write([Put(task("t1")), Put(task("t2", "n2"))])
    reading = asyncio.create_task(collect(broker.read(LogsRequest(services=("s",), tail=5))))
    for _ in range(2):
        node_id, wish = await nodes.wishes.get()
        assert wish.tail == 5
        await broker.published(Publish(wish.id, (line(wish.task_id),), last=True), node_id)
    read = await reading
    assert sorted((one.task_id, one.lines[0].data) for one in read) == [("t1", "t1\n"), ("t2", "t2\n")]


async def test_nodes_that_cannot_be_asked_are_named(swarm: Place, broker: LogBroker) -> None:
    await swarm.mirror.write([Put(task("t1", "lost")), Put(task("t2", "mute"))])
    read = await collect(broker.read(LogsRequest(services=("s",))))
    assert sorted(one.error for one in read) == ["node lost is not available", "node mute is not available"]


async def test_tasks_that_come_later_are_followed(swarm: Place, broker: LogBroker, nodes: Nodes) -> None:
    reading = broker.read(LogsRequest(services=("s",), follow=True))
    first = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    await swarm.mirror.write([Put(task("t1"))])
    node_id, wish = await nodes.wishes.get()
    assert wish.follow
    await broker.published(Publish(wish.id, (line("new"),)), node_id)
    assert (await first).task_id == "t1"
    await reading.aclose()  # type: ignore[attr-defined]
    assert (await nodes.wishes.get())[1] == LogWish(wish.id, "t1", end=True)
    with pytest.raises(NotFound):
        await broker.published(Publish(wish.id, (line("late"),)), node_id)


async def test_a_node_publishes_only_for_its_own_tasks(swarm: Place, broker: LogBroker, nodes: Nodes) -> None:
    await swarm.mirror.write([Put(task("t1"))])
    reading = asyncio.create_task(collect(broker.read(LogsRequest(tasks=("t1",)))))
    _, wish = await nodes.wishes.get()
    with pytest.raises(NotFound):
        await broker.published(Publish(wish.id, (line("forged"),), last=True), "n2")
    await broker.published(Publish(wish.id, (), last=True), "n1")
    assert [one.lines for one in await reading] == [()]


async def test_a_slow_reader_keeps_its_node_waiting(swarm: Place, broker: LogBroker, nodes: Nodes) -> None:
    await swarm.mirror.write([Put(task("t1"))])
    reading = broker.read(LogsRequest(tasks=("t1",), follow=True))
    first = asyncio.ensure_future(anext(reading))
    _, wish = await nodes.wishes.get()
    publish = Publish(wish.id, (line("x"),))
    await broker.published(publish, "n1")
    await first
    for _ in range(BACKLOG):
        await broker.published(publish, "n1")
    waiting = asyncio.create_task(broker.published(publish, "n1"))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await anext(reading)
    await waiting
    await reading.aclose()  # type: ignore[attr-defined]
