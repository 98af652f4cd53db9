"""The leader's writing: everything in one line, against users, rivals, faults and a store that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fairlead.core.swarm import orchestrate_replicated
from fairlead.core.swarm.changes import Change, Drop, Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.swarm import reign as reigning
from fairlead.engine.swarm.reign import merged
from fairlead.model.errors import Failed, NotFound
from fairlead.model.swarm.errors import Deposed, Elsewhere
from fairlead.model.swarm.service import ServiceMode
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task, TaskStatus
from fairlead.model.swarm.template import SECOND, RestartPolicy
from tests.core.swarm import builders
from tests.effects.etcd.house import Manager
from tests.engine.swarm.leading.court import Court


def marking(node_id: str, error: str) -> reigning.Decision:
    """A decision that writes something on a node; it counts how often it was asked in `asked`."""

    def decide(snapshot: Snapshot) -> Iterator[Change]:
        decide.asked += 1  # type: ignore[attr-defined]
        node = snapshot.nodes[node_id]
        if node.error != error:
            yield Put(replace(node, error=error))

    decide.asked = 0  # type: ignore[attr-defined]
    return decide


def wanted(snapshot: Snapshot) -> list[Task]:
    return [task for task in snapshot.tasks.values() if task.wanted]


def scaled(court: Court, replicas: int) -> object:
    """Somebody else scales `web`."""

    async def write() -> None:
        await court.user.refresh()
        known = court.user.snapshot.services["web"]
        await court.put(replace(known, spec=replace(known.spec, mode=ServiceMode(replicas=replicas))))

    return write


async def test_what_users_wish_becomes_tasks(court: Court) -> None:
    await court.put(builders.CLUSTER, builders.node("n1"), builders.node("n2"), builders.service("web", 4))
    await court.until(lambda: [task.status.state for task in wanted(court.snapshot)] == [TaskState.ASSIGNED] * 4)
    assert sorted(task.node_id for task in wanted(court.snapshot)) == ["n1", "n1", "n2", "n2"]
    assert sorted(task.slot for task in wanted(court.snapshot)) == [1, 2, 3, 4]


async def test_a_proposal_is_in_the_store_when_it_returns(court: Court) -> None:
    await court.put(builders.node("n1"))
    await court.reign.propose(marking("n1", "told"))
    await court.user.refresh()
    assert court.user.snapshot.nodes["n1"].error == "told"


async def test_a_user_who_is_quicker_is_not_overwritten(court: Court) -> None:
    await court.put(builders.node("n1"), builders.node("n2"))
    await court.until(lambda: len(court.snapshot.nodes) == 2)

    async def drain() -> None:
        known = court.user.snapshot.nodes["n1"]
        await court.put(replace(known, spec=replace(known.spec, availability="drain")))

    court.store.rivals = [drain]
    decide = marking("n1", "told")
    await asyncio.gather(court.reign.propose(decide), court.reign.propose(marking("n2", "told too")))
    node = court.snapshot.nodes["n1"]
    assert (node.spec.availability, node.error, decide.asked) == ("drain", "told", 2)  # type: ignore[attr-defined]
    assert court.snapshot.nodes["n2"].error == "told too"


async def test_what_a_proposal_refuses_is_its_own_affair(court: Court) -> None:
    await court.put(builders.node("n1"))

    def refuse(snapshot: Snapshot) -> Iterator[Change]:
        raise NotFound("no such thing")

    refused, _ = await asyncio.gather(
        court.reign.propose(refuse), court.reign.propose(marking("n1", "told")), return_exceptions=True
    )
    assert isinstance(refused, NotFound)
    assert court.snapshot.nodes["n1"].error == "told"


async def test_a_proposal_that_breaks_stops_nobody_else(court: Court) -> None:
    await court.put(builders.node("n1"))

    def broken(snapshot: Snapshot) -> Iterator[Change]:
        raise ZeroDivisionError

    broke, _ = await asyncio.gather(
        court.reign.propose(broken), court.reign.propose(marking("n1", "told")), return_exceptions=True
    )
    assert isinstance(broke, Failed)
    assert court.snapshot.nodes["n1"].error == "told"


async def test_who_went_away_is_not_decided_for(court: Court) -> None:
    await court.put(builders.node("n1"))
    impatient = asyncio.create_task(court.reign.propose(marking("n1", "forgotten")))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    await court.reign.propose(marking("n1", "told"))
    assert court.snapshot.nodes["n1"].error == "told"


async def test_the_deposed_write_nothing_and_say_so(court: Court) -> None:
    await court.put(builders.node("n1"))
    await court.reign.propose(marking("n1", "told"))
    await court.leadership.resign()
    with pytest.raises(Elsewhere):
        await court.reign.propose(marking("n1", "told late"))
    with pytest.raises(Deposed):
        await court.running
    with pytest.raises(Elsewhere):
        await court.reign.propose(marking("n1", "told later"))
    await court.user.refresh()
    assert court.user.snapshot.nodes["n1"].error == "told"


async def test_a_reign_that_is_ended_in_the_middle_of_a_write_is_over(court: Court) -> None:
    """Whatever became of the write: else a leader that is to be one no more goes on leading."""
    await court.put(builders.node("n1"))

    async def end() -> None:
        asyncio.get_running_loop().call_soon(court.running.cancel)

    court.store.rivals = [end]
    with pytest.raises(Elsewhere):
        await court.reign.propose(marking("n1", "told late"))
    done, _ = await asyncio.wait([court.running], timeout=1)
    assert done


async def test_a_fault_of_a_loop_passes(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reigning, "FAULT_PAUSE", 0.05)
    decide = orchestrate_replicated.decide
    faults = [ZeroDivisionError("a fault"), ZeroDivisionError("again")]

    def faulty(*arguments: object) -> object:
        if faults:
            raise faults.pop()
        return decide(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(orchestrate_replicated, "decide", faulty)
    await court.put(builders.CLUSTER, builders.node("n1"), builders.service("web", 2))
    await court.reign.propose(marking("n1", "told"))
    await court.until(lambda: len(wanted(court.snapshot)) == 2)
    assert not faults


async def test_more_than_a_transaction_becomes_true_in_the_end(court: Court) -> None:
    """A turn's second batch does not stand, and the user wants less meanwhile: nothing is doubled, nothing lost."""
    await court.put(builders.CLUSTER, builders.node("n1"), builders.service("web", 1))
    await court.until(lambda: wanted(court.snapshot) and wanted(court.snapshot)[0].status.state == TaskState.ASSIGNED)

    async def nothing() -> None:
        return None

    court.store.fenced = 0
    court.store.rivals = [nothing, scaled(court, 150)]  # type: ignore[list-item]
    await scaled(court, 200)()  # type: ignore[operator]
    await court.until(lambda: len(wanted(court.snapshot)) == 150 and not court.store.rivals)
    await court.until(lambda: all(task.status.state == TaskState.ASSIGNED for task in wanted(court.snapshot)))
    assert sorted(task.slot for task in wanted(court.snapshot)) == sorted({t.slot for t in wanted(court.snapshot)})
    assert court.store.fenced >= 4


async def test_a_moment_that_was_waited_for_comes(court: Court) -> None:
    """A restart's delay ends though nothing changes in the store."""
    policy = RestartPolicy(delay=SECOND // 5)
    web = builders.service("web", 1, template=builders.template(restart=policy))
    await court.put(builders.CLUSTER, builders.node("n1"), web)
    await court.until(lambda: wanted(court.snapshot) and wanted(court.snapshot)[0].status.state == TaskState.ASSIGNED)
    (first,) = wanted(court.snapshot)

    def fail(snapshot: Snapshot) -> Iterator[Change]:
        status = TaskStatus(TaskState.FAILED, at=court.clock.now(), error="task: non-zero exit (1)")
        yield Put(replace(snapshot.tasks[first.id], status=status))

    await court.reign.propose(fail)
    await court.until(lambda: any(task.desired == TaskState.READY for task in wanted(court.snapshot)))
    court.clock.advance(0.2)
    await court.until(lambda: [task.desired for task in wanted(court.snapshot)] == [TaskState.RUNNING])


async def test_a_store_that_is_away_is_waited_for(court: Court, alone: Manager) -> None:
    await court.put(builders.node("n1"))
    await court.reign.propose(marking("n1", "told"))
    alone.kill()
    async with asyncio.timeout(20):
        await court.reign.propose(marking("n1", "told late"))
    assert court.snapshot.nodes["n1"].error == "told late"


def test_of_several_changes_of_an_object_the_last_stands() -> None:
    old, new = builders.node("n1", version=3), builders.node("n1", version=3, error="new")
    born = builders.node("n2")
    assert list(merged([Put(old), Put(born)], [Put(new)])) == [Put(born), Put(new)]
    assert list(merged([Put(born)], [Drop(born)])) == []
    assert list(merged([Put(old)], [Drop(new)])) == [Drop(new)]
