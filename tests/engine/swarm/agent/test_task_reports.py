"""What managers are told about tasks, whatever changes meanwhile."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from fairlead.engine.swarm.task_reports import TaskReports
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import TaskStatus

CHANGES = st.lists(st.tuples(st.sampled_from("pqr"), st.integers(1, 5), st.booleans()), min_size=1)


@given(CHANGES)
def test_the_last_state_of_every_task_is_what_was_told_last(changes: list[tuple[str, int, bool]]) -> None:
    """Each change may meet a report that is on its way."""
    told: dict[str, TaskStatus] = {}

    async def report(reports: TaskReports, meanwhile: tuple[str, TaskStatus] | None = None) -> None:
        batch = await reports.next()
        if meanwhile is not None:
            reports.put(*meanwhile)
        told.update({one.task_id: one.status for one in batch})
        reports.told(batch)

    async def play() -> None:
        reports = TaskReports()
        reports.put("p", TaskStatus())
        for task_id, at, on_its_way in changes:
            status = TaskStatus(TaskState.RUNNING, at=at)
            if on_its_way and reports.waiting:
                await report(reports, (task_id, status))
            else:
                reports.put(task_id, status)
        while reports.waiting:
            await report(reports)

    asyncio.run(play())
    assert {task_id: status.at for task_id, status in told.items() if status.at} == {
        task_id: at for task_id, at, _ in changes
    }


async def test_what_changed_while_a_report_was_on_its_way_is_told_after_it() -> None:
    reports = TaskReports()
    before, after = TaskStatus(TaskState.STARTING), TaskStatus(TaskState.RUNNING)
    reports.put("t1", before)
    batch = await reports.next()
    reports.put("t1", after)
    reports.told(batch)
    assert [one.status for one in await reports.next()] == [after]


async def test_a_new_session_hears_all_and_what_waits_comes_last() -> None:
    reports = TaskReports()
    running, failed = TaskStatus(TaskState.RUNNING), TaskStatus(TaskState.FAILED)
    reports.put("t2", failed)
    reports.tell_again({"t2": running, "t1": running})
    assert [(one.task_id, one.status) for one in await reports.next()] == [("t1", running), ("t2", failed)]
