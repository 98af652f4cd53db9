"""Nodes: roles and quorum, sessions and heartbeats, keys."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from fairlead.core.swarm import roles
from fairlead.core.swarm.dispatch import (
    Assignments,
    Session,
    beat_every,
    deadline,
    difference,
    full,
    given_up,
    opened,
    step,
    unknown,
)
from fairlead.core.swarm.keys import ROTATION, due, primary, ring, rotate
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.model.errors import Invalid
from fairlead.model.swarm.cluster import GOSSIP, IPSEC
from fairlead.model.swarm.files import FileSpec, Secret
from fairlead.model.swarm.node import DOWN, MANAGER, REACHABLE, READY, UNREACHABLE, ManagerStatus, Node
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.template import SECOND, ContainerTemplate, FileReference, TaskTemplate
from tests.core.swarm.builders import CLUSTER, NOW, moment, node, observed, service, task, written

BEAT = 5 * SECOND


def manager(name: str, reachability: str = REACHABLE, wished: str = MANAGER, *, seated: bool = True) -> Node:
    one, status = node(name, role=MANAGER), ManagerStatus(f"member {name}" if seated else "", reachability=reachability)
    return replace(one, spec=replace(one.spec, role=wished), manager=status)


def decided(*nodes: Node) -> dict[str, Node]:
    changes = roles.decide(Snapshot(nodes), [("node", one.id) for one in nodes], moment())
    return {one.id: one for one in written(changes, Node) if isinstance(one, Node)}


def test_a_worker_is_promoted_at_once() -> None:
    worker = node("w")
    assert decided(replace(worker, spec=replace(worker.spec, role=MANAGER)))["w"].role == MANAGER


def test_a_manager_is_demoted_when_the_others_can_decide() -> None:
    after = decided(manager("a"), manager("b"), manager("c", wished="worker"))
    assert (after["c"].role, after["c"].manager) == ("worker", None)


def test_a_demotion_that_would_lose_quorum_waits_and_says_why() -> None:
    after = decided(manager("a"), manager("b", UNREACHABLE), manager("c", wished="worker"))
    assert after["c"].role == MANAGER
    assert after["c"].error.startswith("without it 1 of 2 managers would be reachable and 2 are needed")


def test_a_manager_that_has_left_the_consensus_is_demoted_whoever_else_is_away() -> None:
    gone = manager("c", UNREACHABLE, wished="worker", seated=False)
    after = decided(manager("a"), manager("b", UNREACHABLE, seated=False), gone)
    assert after["c"].role == "worker"
    after = decided(manager("a"), manager("b"), manager("c", UNREACHABLE, seated=False), manager("d", wished="worker"))
    assert after["d"].role == "worker", "of the two that decide with it both are there"


def test_a_manager_without_a_seat_does_not_stand_in_for_one_that_decides() -> None:
    after = decided(manager("a", seated=False), manager("b", wished="worker"))
    assert after["b"].role == MANAGER
    assert after["b"].error == "no other manager has taken its seat yet: wait until one is reachable"


def test_two_demotions_at_once_are_judged_one_after_the_other() -> None:
    after = decided(manager("a", wished="worker"), manager("b", wished="worker"))
    assert sorted(one.role for one in after.values()) == [MANAGER, "worker"]


def test_the_last_manager_is_not_demoted() -> None:
    with pytest.raises(Invalid) as refused:
        roles.may_demote(manager("a"), [manager("a")])
    assert refused.value.message == (
        "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm"
    )


def test_only_a_worker_that_is_down_is_removed() -> None:
    with pytest.raises(Invalid, match="must be demoted to worker before removal"):
        roles.may_remove(manager("a"), force=True)
    with pytest.raises(Invalid, match="node n1 is not down and can't be removed"):
        roles.may_remove(node("n1"), force=False)
    roles.may_remove(node("n1"), force=True)
    roles.may_remove(node("n1", state=DOWN), force=False)


# --- sessions -------------------------------------------------------------------------------------


def test_silence_is_borne_for_two_heartbeats_and_a_broken_session_for_one() -> None:
    assert deadline(Session("s", NOW), BEAT) == NOW + 10 * SECOND
    assert deadline(Session("s", NOW + SECOND, broken=NOW + 2 * SECOND), BEAT) == NOW + 7 * SECOND


def test_a_lost_heartbeat_is_no_alarm() -> None:
    silence = deadline(Session("s", NOW), BEAT) - NOW
    assert silence > 3 * beat_every(BEAT)


def test_a_node_is_given_up_in_dockers_words() -> None:
    assert given_up(node("n1"), Session("s", NOW), NOW).status.message == "heartbeat failure"
    lost = given_up(node("n1", state="unknown"), None, NOW)
    assert (lost.status.state, lost.status.message) == (DOWN, 'heartbeat failure for node in "unknown" state')


def test_a_new_leader_knows_nobody_but_those_who_were_down() -> None:
    assert unknown(node("n1"), NOW).status.state == "unknown"
    assert unknown(node("n1", state=DOWN), NOW).status.state == DOWN


def test_a_session_makes_a_node_ready() -> None:
    back = opened(node("n1", state=DOWN), node("n1").description, "10.0.0.7", NOW + 1)
    assert (back.status.state, back.status.address, back.status.since) == (READY, "10.0.0.7", NOW + 1)


# --- assignments ----------------------------------------------------------------------------------

SECRET = Secret("sec", FileSpec("password"))
WITH_SECRET = TaskTemplate(ContainerTemplate("db", secrets=(FileReference("sec", "password"),)))


def test_a_node_is_told_its_own_tasks_and_their_secrets() -> None:
    db = service("db", template=WITH_SECRET)
    mine, others = task("mine", db, 1, state=TaskState.ASSIGNED), task("others", db, 2, node_id="n2")
    unplaced = task("unplaced", db, 3, state=TaskState.PENDING, node_id="")
    known = full(Snapshot([db, SECRET, mine, others, unplaced]), "n1")
    assert (set(known.tasks), set(known.secrets)) == ({"mine"}, {"sec"})


def test_what_a_node_reports_is_not_told_back_to_it() -> None:
    one = task("t1", service(), state=TaskState.ASSIGNED)
    before, after = Snapshot([one]), Snapshot([observed(one, TaskState.RUNNING)])
    assert difference(full(before, "n1"), full(after, "n1")).empty


def test_a_step_says_the_same_as_the_whole() -> None:
    db = service("db", template=WITH_SECRET)
    first, second = task("a", db, 1), task("b", db, 2)
    snapshot = Snapshot([db, SECRET, first, second])
    told = full(snapshot, "n1")
    snapshot.put(replace(first, desired=TaskState.SHUTDOWN))
    snapshot.drop(second)
    snapshot.put(task("c", service(), 3))
    after, news = step(told, ["a", "b", "c"], snapshot, "n1")
    assert after == full(snapshot, "n1")
    assert {one.id for one in news.tasks} == {"a", "c"}
    assert (news.drop_tasks, news.drop_secrets) == (("b",), ("sec",))


def test_a_node_that_knows_nothing_is_told_all() -> None:
    news = difference(Assignments(), full(Snapshot([task("t1", service())]), "n1"))
    assert [one.id for one in news.tasks] == ["t1"]


# --- keys -----------------------------------------------------------------------------------------


def test_each_subsystem_has_three_keys_and_sends_with_the_middle_one() -> None:
    numbers = count()
    cluster = rotate(CLUSTER, NOW, lambda: f"key{next(numbers)}")
    assert [key.lamport for key in ring(cluster, GOSSIP)] == [1, 2, 3]
    assert primary(cluster, IPSEC) == ring(cluster, IPSEC)[1]
    assert due(cluster) == NOW + ROTATION


def test_at_a_rotation_nobody_meets_a_key_that_it_does_not_know() -> None:
    numbers = count()
    before = rotate(CLUSTER, NOW, lambda: f"key{next(numbers)}")
    after = rotate(before, NOW + ROTATION, lambda: f"key{next(numbers)}")
    for subsystem in (GOSSIP, IPSEC):
        assert primary(after, subsystem) in ring(before, subsystem)
        assert primary(before, subsystem) in ring(after, subsystem)
        assert len(ring(after, subsystem)) == 3
    assert after.lamport == before.lamport + 2
