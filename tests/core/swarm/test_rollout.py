"""Updates: how many at a time, in which order, and what when they fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.swarm import rollout
from fairlead.core.swarm.changes import Changes
from fairlead.core.swarm.revise import rolled, updated
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Failed, Invalid
from fairlead.model.swarm.service import START_FIRST, Service, UpdateConfig, UpdateStatus
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.task import Task
from fairlead.model.swarm.template import SECOND, Placement
from tests.core.swarm.builders import NOW, moment, node, service, task, template, wishes, written

OLD, NEW = template("web:1"), template("web:2")


def updating(replicas: int, config: UpdateConfig, **status: object) -> Service:
    begun = UpdateStatus("updating", started=NOW, total=replicas, **status)  # type: ignore[arg-type]
    previous = service("web", replicas, template=OLD, update=config).spec
    return service("web", replicas, template=NEW, update=config, update_status=begun, previous=previous)


def old(slot: int, **over: object) -> Task:
    return task(f"old{slot}", service("web", template=OLD), slot, **over)


def new(slot: int, **over: object) -> Task:
    return task(f"new{slot}", service("web", template=NEW), slot, **{"created": NOW, **over})


def look(of: Service, *tasks: Task, seconds: float = 0.0) -> Changes:
    snapshot = Snapshot([of, node("n1"), *tasks])
    return rollout.decide(snapshot, [("service", "web")], moment(seconds, "fresh"))


def status_of(changes: Changes) -> UpdateStatus:
    (after,) = written(changes, Service)
    assert isinstance(after, Service)
    assert after.update is not None
    return after.update


def test_an_update_begins_when_a_task_is_outdated() -> None:
    web = service("web", 2, template=NEW)
    assert status_of(look(web, old(1), old(2))) == UpdateStatus(
        "updating", started=NOW, message="update in progress", total=2
    )
    assert not len(look(web, new(1), new(2)))


def test_a_change_of_placement_alone_moves_nobody_who_still_fits() -> None:
    here = replace(NEW, placement=Placement(constraints=("node.hostname==n1",)))
    there = replace(NEW, placement=Placement(constraints=("node.hostname==n2",)))
    assert not len(look(service("web", template=here), new(1)))
    assert len(look(service("web", template=there), new(1)))


@pytest.mark.parametrize(("parallelism", "changed"), [(1, 1), (2, 2), (0, 4)])
def test_no_more_than_parallelism_at_once(parallelism: int, changed: int) -> None:
    after = wishes(look(updating(4, UpdateConfig(parallelism)), *(old(slot) for slot in range(1, 5))))
    assert sum(desired == TaskState.SHUTDOWN for desired in after.values()) == changed


def test_stop_first_prepares_the_new_one_while_the_old_one_stops() -> None:
    assert wishes(look(updating(1, UpdateConfig()), old(1))) == {
        "old1": TaskState.SHUTDOWN,
        "fresh1": TaskState.READY,
    }


def test_start_first_lets_the_old_one_go_when_the_new_one_runs() -> None:
    web = updating(1, UpdateConfig(order=START_FIRST))
    assert wishes(look(web, old(1))) == {"fresh1": TaskState.RUNNING}
    assert not wishes(look(web, old(1), new(1, state=TaskState.STARTING)))
    assert wishes(look(web, old(1), new(1, at=NOW + 1))) == {"old1": TaskState.SHUTDOWN}


def test_a_third_version_does_not_make_a_third_task() -> None:
    web = updating(1, UpdateConfig(order=START_FIRST))
    half = replace(task("half", service("web", template=template("web:1.5")), 1), created=NOW - 1)
    starting = replace(half, status=replace(half.status, state=TaskState.STARTING))
    assert wishes(look(web, old(1), starting)) == {"half": TaskState.SHUTDOWN, "fresh1": TaskState.RUNNING}


def test_a_place_is_busy_until_its_task_runs_and_the_delay_is_over() -> None:
    web = updating(2, UpdateConfig(delay=10 * SECOND))
    assert not wishes(look(web, new(1, state=TaskState.STARTING), old(2)))
    waiting = look(web, new(1, at=NOW), old(2), seconds=9)
    assert not wishes(waiting)
    assert waiting.wakes == [(NOW + 10 * SECOND, ("service", "web"))]
    assert wishes(look(web, new(1, at=NOW), old(2), seconds=10))


def test_it_is_complete_when_the_last_task_was_watched() -> None:
    web = updating(1, UpdateConfig())
    early = look(web, new(1, at=NOW), seconds=4)
    assert not len(early)
    assert early.wakes == [(NOW + 5 * SECOND, ("service", "web"))]
    done = status_of(look(web, new(1, at=NOW), seconds=5))
    assert (done.state, done.message, done.completed) == ("completed", "update completed", NOW + 5 * SECOND)


def failed(slot: int, ran: float = 0.0) -> Task:
    one = new(slot, state=TaskState.FAILED, at=NOW + int(ran * SECOND))
    return replace(one, status=replace(one.status, started=NOW if ran else 0))


def test_a_failure_pauses() -> None:
    after = status_of(look(updating(3, UpdateConfig()), failed(1), old(2), old(3)))
    assert (after.state, after.failures) == ("paused", ("1",))
    assert after.message == "update paused due to failure or early termination of task new1"


def test_a_paused_update_does_nothing_more() -> None:
    web = updating(2, UpdateConfig())
    assert web.update is not None
    paused = replace(web, update=replace(web.update, state="paused"))
    assert not len(look(paused, new(1), old(2)))


def test_a_failure_after_the_monitor_is_not_the_updates() -> None:
    changes = look(updating(2, UpdateConfig()), failed(1, ran=6), old(2), seconds=7)
    assert not written(changes, Service)


def test_failures_within_the_ratio_are_borne() -> None:
    web = updating(4, UpdateConfig(max_failure_ratio=0.25))
    assert status_of(look(web, failed(1), old(2), old(3), old(4))).state == "updating"
    assert status_of(look(web, failed(1), failed(2), old(3), old(4))).state == "paused"


def test_continue_goes_on() -> None:
    changes = look(updating(2, UpdateConfig(failure_action="continue")), failed(1), old(2))
    assert status_of(changes).state == "updating"
    assert wishes(changes)["old2"] == TaskState.SHUTDOWN


def test_rollback_restores_the_previous_spec() -> None:
    web = updating(2, UpdateConfig(failure_action="rollback"))
    changes = look(web, failed(1), old(2))
    (after,) = written(changes, Service)
    assert isinstance(after, Service)
    assert (after.spec, after.previous) == (web.previous, None), "what failed is nothing to go back to"
    assert status_of(changes).state == "rollback_started"
    assert status_of(changes).message == "update rolled back due to failure or early termination of task new1"
    assert not wishes(changes)


def test_a_rollback_that_fails_is_paused_and_one_that_works_completes() -> None:
    web = updating(1, UpdateConfig(failure_action="rollback"))
    assert web.update is not None
    back = replace(web, update=replace(web.update, state="rollback_started"))
    assert status_of(look(back, failed(1))).state == "rollback_paused"
    assert status_of(look(back, new(1, at=NOW), seconds=6)).state == "rollback_completed"


def test_a_user_may_go_back_once_there_is_something_to_go_back_to() -> None:
    web = service("web", template=OLD)
    with pytest.raises(Invalid, match="FailedPrecondition desc = service web does not have a previous spec"):
        rolled(web, 0, NOW)
    changed = updated(web, replace(web.spec, template=NEW), 0, NOW)
    back = rolled(changed, 0, NOW)
    assert back.spec == web.spec
    assert back.update is not None
    assert back.update.message == "manually requested rollback"


def test_an_update_of_an_old_version_is_out_of_sequence() -> None:
    with pytest.raises(Failed, match="rpc error: code = Unknown desc = update out of sequence"):
        updated(service("web"), service("web").spec, 7, NOW)
