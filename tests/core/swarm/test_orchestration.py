"""Places and their tasks: made, restarted, moved, forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.swarm import enforcer, jobs, orchestrate_global, orchestrate_replicated, orphans, reaper, removal
from fairlead.core.swarm.changes import Thing
from fairlead.core.swarm.naming import task_name
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.swarm.service import GLOBAL, GLOBAL_JOB, REPLICATED_JOB, JobStatus, Service, ServiceMode
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import SECOND, Placement, ResourceAmount, RestartPolicy
from tests.core.swarm.builders import (
    CLUSTER,
    GIB,
    NOW,
    dropped,
    moment,
    node,
    service,
    task,
    template,
    wishes,
    written,
)

SHUT = TaskState.SHUTDOWN


def reconciled(*things: Thing, seconds: float = 0.0) -> list[Task]:
    changes = orchestrate_replicated.decide(Snapshot(things), [("service", "web")], moment(seconds))
    return [one for one in written(changes) if isinstance(one, Task)]


def tended(place: str, *things: Thing, seconds: float = 0.0) -> dict[str, Task]:
    changes = orchestrate_replicated.decide(Snapshot(things), [("place", "web", place)], moment(seconds))
    return {one.id: one for one in written(changes) if isinstance(one, Task)}


# --- replicated -----------------------------------------------------------------------------------


def test_a_new_service_gets_its_slots_from_one() -> None:
    assert [one.slot for one in reconciled(service("web", 3))] == [1, 2, 3]


def test_scaling_up_fills_the_gaps() -> None:
    web = service("web", 3)
    assert [one.slot for one in reconciled(web, task("t2", web, 2))] == [1, 3]


def test_a_slot_that_is_still_being_cleared_waits() -> None:
    web = service("web", 1)
    leaving = task("old", web, 1, desired=TaskState.REMOVE)
    (born,) = reconciled(web, node("n1"), leaving)
    assert (born.slot, born.desired) == (1, TaskState.READY)


def test_scaling_down_gives_up_what_does_not_run_then_the_fullest_nodes() -> None:
    web = service("web", 1)
    tasks = [
        task("a", web, 1, node_id="n1"),
        task("b", web, 2, node_id="n1"),
        task("c", web, 3, node_id="n2"),
        task("d", web, 4, state=TaskState.PENDING, node_id=""),
    ]
    gone = {one.id: one.desired for one in reconciled(web, *tasks)}
    assert gone == {"d": TaskState.REMOVE, "b": TaskState.REMOVE, "c": TaskState.REMOVE}


def test_a_container_that_fails_is_followed_after_the_delay() -> None:
    web = service("web")
    failed = task("t1", web, state=TaskState.FAILED, at=NOW)
    after = tended("1", web, node("n1"), failed)
    assert after["t1"].desired == SHUT
    assert (after["new1"].desired, after["new1"].not_before) == (TaskState.READY, NOW + 5 * SECOND)


def test_the_follower_is_let_go_when_its_time_has_come_and_the_slot_is_clear() -> None:
    web = service("web")
    old = task("t1", web, state=TaskState.FAILED, desired=SHUT)
    waiting = task("t2", web, state=TaskState.READY, desired=TaskState.READY, not_before=NOW + 5 * SECOND, created=NOW)
    assert not tended("1", web, node("n1"), old, waiting)
    assert tended("1", web, node("n1"), old, waiting, seconds=5)["t2"].desired == TaskState.RUNNING
    running = replace(old, status=replace(old.status, state=TaskState.RUNNING))
    assert not tended("1", web, node("n1"), running, waiting, seconds=5)


def test_one_that_fails_while_it_is_made_ready_is_followed_when_its_own_delay_is_over() -> None:
    web = service("web")
    refused = task("t2", web, state=TaskState.REJECTED, desired=TaskState.READY, not_before=NOW + 5 * SECOND)
    assert not tended("1", web, node("n1"), refused)
    after = tended("1", web, node("n1"), refused, seconds=5)
    assert (after["t2"].desired, after["new1"].not_before) == (SHUT, NOW + 10 * SECOND)


def test_a_lost_node_is_not_waited_for() -> None:
    web = service("web")
    old = task("t1", web, node_id="n1", desired=SHUT)
    waiting = task("t2", web, state=TaskState.READY, desired=TaskState.READY, created=NOW)
    assert tended("1", web, node("n1", state="down"), old, waiting)["t2"].desired == TaskState.RUNNING
    assert not tended("1", web, node("n1", state="unknown"), old, waiting)


@pytest.mark.parametrize(
    ("condition", "state", "follows"),
    [
        ("any", TaskState.COMPLETE, True),
        ("any", TaskState.FAILED, True),
        ("on-failure", TaskState.COMPLETE, False),
        ("on-failure", TaskState.FAILED, True),
        ("on-failure", TaskState.REJECTED, True),
        ("none", TaskState.FAILED, False),
    ],
)
def test_the_restart_condition(condition: str, state: TaskState, follows: bool) -> None:
    web = service("web", template=template(restart=RestartPolicy(condition)))
    after = tended("1", web, node("n1"), task("t1", web, state=state))
    assert ("new1" in after) is follows
    assert not reconciled(web, *(one for one in after.values() if one.id == "t1")) or follows


def test_attempts_are_counted_within_the_window() -> None:
    policy = RestartPolicy(attempts=2, window=60 * SECOND)
    web = service("web", template=template(restart=policy))
    twice = task("t1", web, state=TaskState.FAILED, restarts=(NOW - 30 * SECOND, NOW - 10 * SECOND))
    assert "new1" not in tended("1", web, node("n1"), twice)
    later = tended("1", web, node("n1"), twice, seconds=31)
    assert later["new1"].restarts == (NOW - 10 * SECOND, NOW + 31 * SECOND)


def test_a_slot_that_rests_is_taken() -> None:
    web = service("web", template=template(restart=RestartPolicy("none")))
    assert not reconciled(web, task("t1", web, state=TaskState.COMPLETE, desired=SHUT))


# --- enforcer -------------------------------------------------------------------------------------


def enforced(node_id: str, *things: Thing) -> dict[str, TaskState]:
    return wishes(enforcer.decide(Snapshot(things), [("node", node_id)], moment()))


@pytest.mark.parametrize("over", [{"availability": "drain"}, {"state": "down"}])
def test_a_node_that_goes_gives_its_tasks_up_at_once(over: dict[str, str]) -> None:
    web = service("web")
    assert enforced("n1", web, node("n1", **over), task("t1", web)) == {"t1": SHUT, "new1": TaskState.READY}


@pytest.mark.parametrize("over", [{"availability": "pause"}, {"state": "unknown"}])
def test_a_paused_or_unknown_node_keeps_its_tasks(over: dict[str, str]) -> None:
    web = service("web")
    assert not enforced("n1", web, node("n1", **over), task("t1", web))


def test_moving_is_no_restart() -> None:
    web = service("web", template=template(restart=RestartPolicy("none", attempts=1)))
    changes = enforcer.decide(Snapshot([web, task("t1", web)]), [("node", "n1")], moment())
    (born,) = (one for one in written(changes) if isinstance(one, Task) and one.id == "new1")
    assert (born.not_before, born.restarts) == (NOW, ())


def test_a_changed_label_moves_the_tasks_that_need_it() -> None:
    picky = service("web", template=template(placement=Placement(constraints=("node.labels.disk==ssd",))))
    calm = service("calm")
    tasks = [task("p", picky), task("c", calm)]
    assert set(enforced("n1", picky, calm, node("n1", labels={"disk": "hdd"}), *tasks)) == {"p", "new1"}


def test_a_shrunken_node_gives_up_its_youngest() -> None:
    web = service("web", 2, template=template(reservations=ResourceAmount(memory=3 * GIB)))
    tasks = [task("old", web, 1, created=NOW - 9), task("young", web, 2, created=NOW - 1)]
    assert set(enforced("n1", web, node("n1", memory=4 * GIB), *tasks)) == {"young", "new1"}


# --- global ---------------------------------------------------------------------------------------


def per_node(*things: Thing) -> list[Task]:
    changes = orchestrate_global.decide(Snapshot(things), [("service", "web")], moment())
    return [one for one in written(changes) if isinstance(one, Task)]


def test_a_global_service_has_a_task_on_each_node_that_fits() -> None:
    spec = template(placement=Placement(constraints=("node.role==worker",)))
    web = service("web", mode=ServiceMode(GLOBAL), template=spec)
    nodes = [node("w1"), node("m1", role="manager"), node("w2"), node("w3", availability="pause")]
    assert [one.node_id for one in per_node(web, *nodes)] == ["w1", "w2"]


def test_a_drained_node_loses_its_global_task_and_a_paused_one_keeps_it() -> None:
    web = service("web", mode=ServiceMode(GLOBAL))
    nodes = [node("n1", availability="drain"), node("n2", availability="pause")]
    tasks = [task("t1", web, 0, node_id="n1"), task("t2", web, 0, node_id="n2")]
    assert {one.id: one.desired for one in per_node(web, *nodes, *tasks)} == {"t1": SHUT}


# --- jobs -----------------------------------------------------------------------------------------


def job(kind: str = REPLICATED_JOB, **mode: int) -> Service:
    return service("web", mode=ServiceMode(kind, **mode), job=JobStatus(1))


def jobbed(*things: Thing, key: tuple[str, ...] = ("service", "web")) -> list[Task]:
    changes = jobs.decide(Snapshot(things), [key], moment())
    return [one for one in written(changes) if isinstance(one, Task)]


def test_a_job_runs_as_many_at_once_as_it_may() -> None:
    born = jobbed(job(total=5, concurrent=2))
    assert [(one.slot, one.desired, one.iteration) for one in born] == [
        (1, TaskState.COMPLETE, 1),
        (2, TaskState.COMPLETE, 1),
    ]


def test_users_see_a_jobs_tasks_numbered_from_0_as_dockers_cli_waits_for() -> None:
    born = [replace(one, node_id="n1") for one in jobbed(job(total=2, concurrent=2))]
    assert [(one.number, task_name(one)) for one in born] == [(0, "web.n1"), (1, "web.1")]


def test_a_completed_slot_is_done_and_the_next_one_begins() -> None:
    work = job(total=3, concurrent=1)
    done = task("t1", work, 1, state=TaskState.COMPLETE, desired=TaskState.COMPLETE, iteration=1)
    assert [one.slot for one in jobbed(work, done)] == [2]


def test_a_finished_job_rests() -> None:
    work = job(total=1)
    done = task("t1", work, 1, state=TaskState.COMPLETE, desired=TaskState.COMPLETE, iteration=1)
    assert not jobbed(work, done)


def test_a_failed_attempt_is_made_again() -> None:
    work = job(total=1)
    failed = task("t1", work, 1, state=TaskState.FAILED, desired=TaskState.COMPLETE, iteration=1)
    after = {one.id: one.desired for one in jobbed(work, failed, key=("place", "web", "1"))}
    assert after["t1"] == SHUT
    assert TaskState.READY in after.values()


def test_a_new_iteration_removes_the_last_one() -> None:
    work = job(total=1)
    last = task("t0", work, 1, state=TaskState.COMPLETE, desired=TaskState.COMPLETE, iteration=0)
    after = {one.id: one.desired for one in jobbed(work, last)}
    assert after["t0"] == TaskState.REMOVE
    assert len(after) == 2


def test_a_global_job_runs_once_on_each_node() -> None:
    work = job(GLOBAL_JOB)
    done = task("t1", work, 0, state=TaskState.COMPLETE, desired=TaskState.COMPLETE, iteration=1)
    assert [one.node_id for one in jobbed(work, node("n1"), node("n2"), done)] == ["n2"]


# --- forgetting -----------------------------------------------------------------------------------


def test_a_removed_services_tasks_are_wished_away() -> None:
    web = service("web")
    changes = removal.decide(Snapshot([task("t1", web)]), [("service", "web")], moment())
    assert wishes(changes) == {"t1": TaskState.REMOVE}


def test_what_is_wished_away_is_forgotten_once_it_is_dead() -> None:
    web = service("web")
    running = task("t1", web, desired=TaskState.REMOVE)
    stopped = task("t2", web, 2, state=TaskState.SHUTDOWN, desired=TaskState.REMOVE)
    unborn = task("t3", web, 3, state=TaskState.PENDING, desired=TaskState.REMOVE, node_id="")
    snapshot = Snapshot([node("n1"), running, stopped, unborn])
    assert dropped(reaper.decide(snapshot, [("task", f"t{n}") for n in (1, 2, 3)], moment())) == ["t2", "t3"]


def test_history_keeps_the_five_youngest_dead() -> None:
    web = service("web")
    dead = [task(f"d{n}", web, state=TaskState.FAILED, desired=SHUT, created=NOW - 100 + n) for n in range(8)]
    snapshot = Snapshot([CLUSTER, web, task("now", web), *dead])
    assert dropped(reaper.decide(snapshot, [("place", "web", "1")], moment())) == ["d0", "d1", "d2"]


def test_a_negative_limit_keeps_all_and_zero_keeps_the_last_of_a_resting_place() -> None:
    web = service("web")
    dead = [task(f"d{n}", web, state=TaskState.FAILED, desired=SHUT, created=NOW - 100 + n) for n in range(8)]

    def forgotten(limit: int) -> list[str]:
        cluster = replace(CLUSTER, spec=replace(CLUSTER.spec, history_limit=limit))
        return dropped(reaper.decide(Snapshot([cluster, web, *dead]), [("place", "web", "1")], moment()))

    assert forgotten(-1) == []
    assert forgotten(0) == [f"d{n}" for n in range(7)]


def test_a_lost_nodes_tasks_are_orphans_after_a_day() -> None:
    web = service("web")
    snapshot = Snapshot([web, node("n1", state="down"), task("t1", web, desired=SHUT)])
    early = orphans.decide(snapshot, [("node", "n1")], moment(60))
    assert not len(early)
    assert early.wakes == [(NOW + 86400 * SECOND, ("node", "n1"))]
    (late,) = written(orphans.decide(snapshot, [("node", "n1")], moment(86400)))
    assert isinstance(late, Task)
    assert late.status.state == TaskState.ORPHANED


def test_a_removed_nodes_tasks_are_orphans_at_once() -> None:
    web = service("web")
    (orphan,) = written(orphans.decide(Snapshot([web, task("t1", web)]), [("node", "n1")], moment()))
    assert isinstance(orphan, Task)
    assert (orphan.status.state, orphan.status.error) == (TaskState.ORPHANED, "the node was removed")
