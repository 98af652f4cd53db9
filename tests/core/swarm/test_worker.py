"""What a node does about a task: every state against every wish and every container."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.swarm.worker import Act, Decision, Seen, decide, failed
from fairlead.model.swarm.endpoint import PortConfig
from fairlead.model.swarm.states import DESIRED, TaskState, may_follow
from fairlead.model.swarm.task import ContainerStatus, Task, TaskStatus
from fairlead.model.swarm.template import TaskTemplate
from tests.core.swarm import builders

NOW = builders.NOW
WEB = builders.service("web")
MADE = Seen("c1")
UP = Seen("c1", begun=True, running=True, pid=7)
S = TaskState


def task(desired: TaskState = S.RUNNING) -> Task:
    return builders.task("t1", WEB, state=S.ASSIGNED, desired=desired)


def status(state: TaskState, message: str = "", **over: object) -> TaskStatus:
    return TaskStatus(state, at=1, message=message, **over)  # type: ignore[arg-type]


def over(exit_code: int = 0, health: str = "") -> Seen:
    return Seen("c1", begun=True, exit_code=exit_code, health=health)


def said(decision: Decision) -> tuple[TaskState, str, Act]:
    return decision.status.state, decision.status.message, decision.act


@pytest.mark.parametrize(
    ("before", "container", "after"),
    [
        (S.ASSIGNED, None, (S.ACCEPTED, "accepted", Act.REST)),
        (S.ACCEPTED, None, (S.PREPARING, "preparing", Act.REST)),
        (S.PREPARING, None, (S.PREPARING, "", Act.PREPARE)),
        (S.PREPARING, MADE, (S.READY, "prepared", Act.REST)),
        (S.READY, MADE, (S.STARTING, "starting", Act.REST)),
        (S.READY, None, (S.READY, "", Act.PREPARE)),
        (S.STARTING, MADE, (S.STARTING, "", Act.START)),
        (S.STARTING, UP, (S.RUNNING, "started", Act.REST)),
        (S.RUNNING, UP, (S.RUNNING, "", Act.REST)),
        (S.RUNNING, over(), (S.COMPLETE, "finished", Act.REST)),
    ],
)
def test_the_way_to_running(before: TaskState, container: Seen | None, after: tuple[TaskState, str, Act]) -> None:
    assert said(decide(task(), status(before), container, NOW)) == after


def test_a_task_wished_ready_is_prepared_and_not_started() -> None:
    standby = task(S.READY)
    assert decide(standby, status(S.PREPARING), None, NOW).act is Act.PREPARE
    prepared = decide(standby, status(S.PREPARING), MADE, NOW).status
    assert prepared.state == S.READY
    assert decide(standby, prepared, MADE, NOW) == Decision(prepared)


def test_it_runs_only_when_it_is_healthy() -> None:
    starting = status(S.STARTING, "starting")
    assert decide(task(), starting, replace(UP, health="starting"), NOW) == Decision(starting)
    assert decide(task(), starting, replace(UP, health="healthy"), NOW).status.state == S.RUNNING
    assert decide(task(), starting, replace(UP, health="unhealthy"), NOW) == Decision(starting, Act.STOP)


@pytest.mark.parametrize("before", [S.STARTING, S.RUNNING])
@pytest.mark.parametrize(
    ("container", "error"),
    [
        (over(1), "task: non-zero exit (1)"),
        (over(143, "unhealthy"), "task: non-zero exit (143): dockerexec: unhealthy container"),
        (over(0, "unhealthy"), "task: unhealthy container"),
        (None, "No such container: c1"),
    ],
)
def test_why_it_failed(before: TaskState, container: Seen | None, error: str) -> None:
    known = status(before, "started", container=ContainerStatus("c1", 7))
    after = decide(task(), known, container, NOW).status
    assert (after.state, after.message, after.error) == (S.FAILED, "started", error)
    assert after.container is not None
    assert (after.container.container_id, after.container.pid) == ("c1", 0)


def test_before_its_start_it_is_rejected_and_from_then_on_failed() -> None:
    for before, after in ((S.ACCEPTED, S.REJECTED), (S.PREPARING, S.REJECTED), (S.STARTING, S.FAILED)):
        ended = failed(status(before, "so far"), "No such image: x:latest", NOW)
        assert (ended.state, ended.message, ended.error) == (after, "so far", "No such image: x:latest")


def test_a_shutdown_stops_the_container_first() -> None:
    running = status(S.RUNNING, "started", started=5)
    assert decide(task(S.SHUTDOWN), running, UP, NOW) == Decision(running, Act.STOP)
    after = decide(task(S.SHUTDOWN), running, over(143), NOW).status
    assert (after.state, after.message, after.error, after.started) == (S.SHUTDOWN, "shutdown", "", 5)
    assert after.container == ContainerStatus("c1", 0, 143)


def test_a_task_that_ended_lets_nothing_run() -> None:
    ended = status(S.FAILED)
    assert decide(task(), ended, UP, NOW) == Decision(ended, Act.STOP)


def test_the_ports_that_the_node_chose_are_told_while_it_runs() -> None:
    port = PortConfig(80, 49153, mode="host")
    running = decide(task(), status(S.STARTING), replace(UP, ports=(port,)), NOW).status
    assert (running.ports, running.started) == ((port,), NOW)
    assert decide(task(), running, over(), NOW).status.ports == ()


def test_an_attachment_lives_with_its_container_and_leaves_it_alone() -> None:
    attachment = replace(task(), spec=TaskTemplate(attached_container="c1"))
    running = decide(attachment, status(S.ASSIGNED), UP, NOW).status
    assert running.state == S.RUNNING
    assert decide(attachment, running, over(), NOW) == Decision(running)
    assert decide(attachment, running, None, NOW).status.state == S.COMPLETE
    ending = replace(attachment, desired=S.SHUTDOWN)
    assert said(decide(ending, running, UP, NOW)) == (S.SHUTDOWN, "shutdown", Act.REST)


# --- whatever happens -------------------------------------------------------------------------------

CONTAINERS = st.none() | st.builds(
    Seen,
    st.just("c1"),
    begun=st.booleans(),
    running=st.booleans(),
    exit_code=st.sampled_from([0, 1, 137]),
    health=st.sampled_from(["", "starting", "healthy", "unhealthy"]),
).filter(lambda one: one.begun or not one.running)
STATES = st.sampled_from([state for state in TaskState if S.ASSIGNED <= state <= S.REJECTED])


@given(STATES, st.sampled_from(DESIRED), CONTAINERS)
def test_states_move_forward_only_and_settle(state: TaskState, desired: TaskState, container: Seen | None) -> None:
    wished, known = task(desired), status(state)
    for _ in range(8):
        decision = decide(wished, known, container, NOW)
        if decision.status == known:
            break
        assert decision.status.state == known.state or may_follow(known.state, decision.status.state)
        known = decision.status
    assert decide(wished, known, container, NOW).status == known


@given(STATES, st.sampled_from(DESIRED), CONTAINERS)
def test_only_what_is_wanted_and_lives_is_made_or_started(
    state: TaskState, desired: TaskState, container: Seen | None
) -> None:
    act = decide(task(desired), status(state), container, NOW).act
    if act is Act.PREPARE:
        assert container is None
        assert desired <= S.COMPLETE
    if act is Act.START:
        assert S.READY < desired <= S.COMPLETE or state >= S.STARTING
        assert container is not None
        assert not container.begun
    if act is Act.STOP:
        assert container is not None
        assert container.running


@given(st.lists(st.tuples(st.sampled_from(DESIRED), CONTAINERS), max_size=12))
def test_no_history_starts_a_task_again_after_its_end(history: list[tuple[TaskState, Seen | None]]) -> None:
    known = status(S.ASSIGNED)
    for desired, container in history:
        decision = decide(task(desired), known, container, NOW)
        if known.state.ended:
            assert decision.status == known
            assert decision.act in (Act.REST, Act.STOP)
        known = decision.status
