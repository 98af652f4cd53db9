"""States of tasks move forward only."""

from __future__ import annotations

import itertools

import pytest

from fairlead.core.swarm.dispatch import report
from fairlead.model.swarm.states import DESIRED, TRANSITIONS, TaskState, may_follow, parse_state
from fairlead.model.swarm.task import TaskStatus
from tests.core.swarm.builders import NOW, service, task

ALL = list(TaskState)


@pytest.mark.parametrize("before", ALL)
def test_no_state_is_followed_by_an_earlier_one(before: TaskState) -> None:
    assert all(after > before for after in TRANSITIONS[before])


def test_what_has_ended_stays_as_it_ended() -> None:
    ended = [state for state in ALL if state.ended]
    assert not any(may_follow(before, after) for before, after in itertools.product(ended, ALL))


def test_a_task_without_a_node_cannot_run() -> None:
    assert not may_follow(TaskState.NEW, TaskState.RUNNING)
    assert not may_follow(TaskState.PENDING, TaskState.RUNNING)


def test_a_quick_node_may_skip_states() -> None:
    assert may_follow(TaskState.ASSIGNED, TaskState.RUNNING)
    assert may_follow(TaskState.ASSIGNED, TaskState.REJECTED)


def test_remove_is_a_wish_and_never_observed() -> None:
    assert not any(TaskState.REMOVE in after for after in TRANSITIONS.values())
    assert TaskState.REMOVE in DESIRED


def test_words_are_those_of_the_api() -> None:
    assert TaskState.PREPARING.word == "preparing"
    assert parse_state("running") is TaskState.RUNNING
    assert parse_state("flying") is None


def test_a_stale_report_is_no_news() -> None:
    ran = task("t1", service(), state=TaskState.FAILED)
    assert report(ran, TaskStatus(TaskState.RUNNING, at=NOW), "n1") is None


def test_a_node_reports_on_its_own_tasks_only() -> None:
    starting = task("t1", service(), state=TaskState.STARTING)
    assert report(starting, TaskStatus(TaskState.RUNNING, at=NOW), "n2") is None
    assert report(starting, TaskStatus(TaskState.RUNNING, at=NOW), "n1") is not None


def test_the_start_is_remembered_beyond_the_end() -> None:
    ran = report(task("t1", service(), state=TaskState.STARTING), TaskStatus(TaskState.RUNNING, at=NOW), "n1")
    assert ran is not None
    failed = report(ran, TaskStatus(TaskState.FAILED, at=NOW + 5), "n1")
    assert failed is not None
    assert (failed.status.started, failed.status.at) == (NOW, NOW + 5)
