"""The managers' working copy, on a real store: what it holds, what it tells, what it writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from fairlead.core.swarm.changes import Change, Drop, Put, Thing
from fairlead.effects.clock import SystemClock
from fairlead.effects.etcd.gateway import Gateway
from fairlead.engine.swarm.mirror import Mirror
from fairlead.model.network import NetworkSpec
from fairlead.model.swarm.cluster import Cluster
from fairlead.model.swarm.errors import Deposed, NameTaken, Outdated
from fairlead.model.swarm.files import FileSpec, Secret
from fairlead.model.swarm.network import SwarmNetwork
from fairlead.model.swarm.node import Node
from fairlead.model.swarm.service import Service, ServiceSpec
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.store import Write
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import TaskTemplate
from tests.effects.etcd.conftest import alone, host, house
from tests.effects.etcd.house import Manager

__all__ = ["alone", "host", "house"]

Opening = Callable[[], Awaitable[Mirror]]


def service(number: int, name: str = "") -> Service:
    return Service(f"service{number}", ServiceSpec(name or f"web{number}", TaskTemplate()))


def task(number: int, state: TaskState = TaskState.NEW) -> Task:
    return Task(f"task{number}", "service1", TaskTemplate(), slot=1, status=TaskStatus(state))


@pytest.fixture
async def another(alone: Manager) -> AsyncIterator[Opening]:
    """Opens mirrors of the same store, as the managers have them."""
    mirrors: list[Mirror] = []

    async def opened() -> Mirror:
        mirror = Mirror(alone.store, SystemClock())
        await mirror.start()
        mirrors.append(mirror)
        return mirror

    yield opened
    for mirror in mirrors:
        await mirror.close()


@pytest.fixture
async def mirror(another: Opening) -> Mirror:
    return await another()


def put_ids(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(type(change).__name__, change.thing.id) for change in changes]


async def test_every_kind_comes_back_as_it_was(mirror: Mirror, another: Opening) -> None:
    things: tuple[Thing, ...] = (
        Cluster("cluster1"),
        Node("node1"),
        service(1),
        task(1, TaskState.RUNNING),
        SwarmNetwork("network1", NetworkSpec("front")),
        Secret("secret1", FileSpec("password", "c2VjcmV0")),
    )
    written = await mirror.write(map(Put, things))
    assert [thing.id for thing in written] == [thing.id for thing in things]
    assert all(thing.version > 0 and thing.created == thing.updated > 0 for thing in written)
    second = await another()
    assert sorted(map(repr, second.snapshot.things())) == sorted(map(repr, written))
    assert second.snapshot.cluster == written[0]


async def test_own_writes_are_there_at_once_and_told_once(mirror: Mirror) -> None:
    subscription = mirror.changes()
    await mirror.write([Put(service(1)), Put(task(1))])
    assert mirror.snapshot.services["service1"].version > 0
    await mirror.refresh()
    await mirror.write([Drop(mirror.snapshot.tasks["task1"])])
    assert not mirror.snapshot.tasks
    await mirror.refresh()
    assert put_ids(subscription.drain()) == [("Put", "service1"), ("Put", "task1"), ("Drop", "task1")]


async def test_others_writes_are_told_in_order(mirror: Mirror, another: Opening) -> None:
    second = await another()
    subscription = mirror.changes()
    for number in range(5):
        await second.write([Put(service(number))])
    await second.write([Drop(second.snapshot.services["service0"])])
    await mirror.refresh()
    told = put_ids(subscription.drain())
    assert told == [*(("Put", f"service{number}") for number in range(5)), ("Drop", "service0")]
    assert mirror.snapshot.services == second.snapshot.services


async def test_iterating_gives_batches_until_closed(mirror: Mirror) -> None:
    subscription = mirror.changes()
    await mirror.write([Put(service(1))])
    assert put_ids(await anext(subscription)) == [("Put", "service1")]
    subscription.close()
    assert [batch async for batch in subscription] == []


async def test_two_managers_never_overwrite_each_other_unseen(mirror: Mirror, another: Opening) -> None:
    second = await another()
    await mirror.write([Put(service(1))])
    await second.refresh()
    old = second.snapshot.services["service1"]
    await mirror.write([Put(replace(mirror.snapshot.services["service1"], error="first"))])
    with pytest.raises(Outdated):
        await second.write([Put(replace(old, error="second"))])
    await second.refresh()
    assert second.snapshot.services["service1"].error == "first"


async def test_names_are_unique_and_follow_their_objects(mirror: Mirror) -> None:
    await mirror.write([Put(service(1, "web"))])
    with pytest.raises(NameTaken):
        await mirror.write([Put(service(2, "web"))])
    known = mirror.snapshot.services["service1"]
    await mirror.write([Put(replace(known, spec=replace(known.spec, name="shop")))])
    await mirror.write([Put(service(2, "web"))])
    await mirror.write([Drop(mirror.snapshot.services["service1"]), Put(service(3, "shop"))])
    assert {one.spec.name for one in mirror.snapshot.services.values()} == {"web", "shop"}


async def test_a_network_that_is_to_go_gives_its_name_up(mirror: Mirror) -> None:
    await mirror.write([Put(SwarmNetwork("network1", NetworkSpec("front")))])
    known = mirror.snapshot.networks["network1"]
    await mirror.write([Put(replace(known, pending_delete=True))])
    await mirror.write([Put(SwarmNetwork("network2", NetworkSpec("front")))])
    await mirror.write([Drop(mirror.snapshot.networks["network1"])])
    with pytest.raises(NameTaken):
        await mirror.write([Put(SwarmNetwork("network3", NetworkSpec("front")))])


async def test_more_than_a_transaction_is_written_in_order(mirror: Mirror, another: Opening) -> None:
    written = await mirror.write(Put(task(number)) for number in range(200))
    versions = [thing.version for thing in written]
    assert versions == sorted(versions)
    assert [versions.count(version) for version in sorted(set(versions))] == [64, 64, 64, 8]
    assert len((await another()).snapshot.tasks) == 200


async def test_large_objects_are_written_apart(mirror: Mirror) -> None:
    large = "x" * 700_000
    written = await mirror.write(Put(Secret(f"s{number}", FileSpec(f"s{number}", large))) for number in range(3))
    assert len({thing.version for thing in written}) == 3


async def test_the_fence_is_asked(mirror: Mirror, alone: Manager) -> None:
    leadership = await alone.store.campaign("n1", 2)
    await mirror.write([Put(task(1))], leadership.fence)
    await leadership.resign()
    with pytest.raises(Deposed):
        await mirror.write([Put(task(2))], leadership.fence)
    assert set(mirror.snapshot.tasks) == {"task1"}


async def test_behind_the_history_only_differences_are_told(mirror: Mirror, another: Opening, alone: Manager) -> None:
    await mirror.write([Put(service(1)), Put(service(2)), Put(service(3))])
    late = await another()
    subscription = late.changes()
    assert late._following is not None
    late._following.cancel()  # as a manager whose watch was away for long
    await mirror.write([Drop(mirror.snapshot.services["service1"])])
    await mirror.write([Put(replace(mirror.snapshot.services["service2"], error="changed")), Put(service(4))])
    gateway = Gateway(alone.folder / "run" / "swarm" / "client:0")
    await gateway.call("kv/compaction", {"revision": str(await alone.store.revision())})
    gateway.close()
    late._following = asyncio.create_task(late._follow())
    await late.refresh()
    assert sorted(put_ids(subscription.drain())) == [("Drop", "service1"), ("Put", "service2"), ("Put", "service4")]
    assert late.snapshot.services == mirror.snapshot.services


async def test_an_unreadable_document_stops_nothing(mirror: Mirror, alone: Manager) -> None:
    await alone.store.commit([Write("service", "bad", b"not json", 0), Write("planet", "mars", b"{}", 0)])
    await mirror.write([Put(service(1))])
    await mirror.refresh()
    assert set(mirror.snapshot.services) == {"service1"}
