"""What a node is told, and that it is told once."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from fairlead.core.swarm import keys
from fairlead.core.swarm.changes import Put
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.swarm.briefing import CLUSTER, MANAGERS, NETWORKS, PEERS, SELF, Briefing
from fairlead.engine.swarm.messages import LogWish, News
from fairlead.model.swarm.attachment import Attachment
from fairlead.model.swarm.cluster import GOSSIP, IPSEC, RootCa
from fairlead.model.swarm.node import DOWN, ManagerStatus
from fairlead.model.swarm.states import TaskState
from fairlead.model.swarm.template import SECOND
from tests.core.swarm import builders

CLUSTER_1 = replace(
    keys.rotate(builders.CLUSTER, builders.NOW, builders.ids("key")),
    root=RootCa("ROOT", digest="d1"),
    data_path_port=4790,
)
NODE = builders.node("n1", issuer="d1", data_address="10.9.0.1")
LEADER = builders.node(
    "n2",
    role="manager",
    issuer="d1",
    data_address="10.9.0.2",
    manager=ManagerStatus("m2", "10.9.0.2:2377", leader=True),
)
OTHER = builders.node(
    "n0", role="manager", issuer="d1", data_address="10.9.0.3", manager=ManagerStatus("m0", "10.9.0.3:2377")
)
FRONT, BACK = builders.network("front"), builders.network("back")
WEB = builders.service("web")
TASK = builders.task("t1", WEB, attachments=(Attachment("front"),))


def snapshot() -> Snapshot:
    return Snapshot([CLUSTER_1, NODE, LEADER, OTHER, FRONT, BACK, WEB, TASK])


def briefed(present: Snapshot) -> Briefing:
    """It knows everything."""
    briefing = Briefing("n1")
    assert briefing.next(present) is not None
    return briefing


def told(briefing: Briefing, present: Snapshot) -> News:
    news = briefing.next(present)
    assert news is not None
    assert briefing.next(present) is None
    return news


def test_the_first_news_are_everything() -> None:
    news = told(Briefing("n1"), snapshot())
    assert news.everything
    assert [task.id for task in news.difference.tasks] == ["t1"]
    assert (news.node, news.networks) == (NODE, (FRONT,))
    assert (news.managers, news.manager_ids) == (("10.9.0.2:2377", "10.9.0.3:2377"), ("n2", "n0"))
    assert news.peers == (ip_address("10.9.0.3"), ip_address("10.9.0.2"))
    assert (news.root, news.data_path_port, news.cluster_id) == ("ROOT", 4790, "cluster")
    assert news.beat_every == CLUSTER_1.spec.heartbeat // 2
    primaries = [(one.key.subsystem, one.key.lamport) for one in news.keys if one.primary]
    assert (primaries, len(news.keys)) == ([(GOSSIP, 2), (IPSEC, 5)], 6)
    assert not news.force_renew


def test_a_node_alone_is_told_that_nobody_else_is_there() -> None:
    news = told(Briefing("n1"), Snapshot([CLUSTER_1, NODE]))
    assert (news.everything, news.peers, news.networks) == (True, (), ())


def test_marks_without_a_difference_are_not_news() -> None:
    present = snapshot()
    briefing = briefed(present)
    briefing.mark(SELF, NETWORKS, MANAGERS, PEERS, CLUSTER)
    briefing.mark_task("t1")
    assert briefing.next(present) is None


def test_only_what_changed_is_told() -> None:
    present = snapshot()
    briefing = briefed(present)
    present.apply(Put(replace(OTHER, status=replace(OTHER.status, state=DOWN))))
    briefing.mark(PEERS, MANAGERS)
    news = told(briefing, present)
    assert news == News(peers=(ip_address("10.9.0.2"),))


def test_a_network_is_told_with_the_task_that_needs_it() -> None:
    present = snapshot()
    briefing = briefed(present)
    second = builders.task("t2", WEB, slot=2, attachments=(Attachment("back"),))
    present.apply(Put(second))
    briefing.mark_task("t2")
    news = told(briefing, present)
    assert [task.id for task in news.difference.tasks] == ["t2"]
    assert news.networks == (FRONT, BACK)


def test_a_network_that_changes_is_told_to_who_is_on_it() -> None:
    present = snapshot()
    briefing = briefed(present)
    assert not briefing.mark_network("back")
    present.apply(Put(replace(FRONT, vnis=(4097,))))
    assert briefing.mark_network("front")
    news = told(briefing, present)
    assert news.networks is not None
    assert [one.vnis for one in news.networks] == [(4097,)]


def test_the_last_network_goes_with_the_last_task() -> None:
    present = snapshot()
    briefing = briefed(present)
    present.apply(Put(replace(TASK, desired=TaskState.SHUTDOWN)))
    briefing.mark_task("t1")
    assert told(briefing, present).networks == ()


def test_a_slow_node_is_told_less_often_and_never_less() -> None:
    present = snapshot()
    briefing = briefed(present)
    for state in (TaskState.READY, TaskState.SHUTDOWN):
        present.apply(Put(replace(TASK, desired=state)))
        briefing.mark_task("t1")
    present.apply(Put(replace(TASK, id="t2")))
    briefing.mark_task("t2")
    news = told(briefing, present)
    assert [(task.id, task.desired) for task in news.difference.tasks] == [
        ("t1", TaskState.SHUTDOWN),
        ("t2", TaskState.RUNNING),
    ]


def test_fresh_keys_and_another_pace_are_told_as_they_come() -> None:
    present = snapshot()
    briefing = briefed(present)
    rotated = keys.rotate(CLUSTER_1, builders.NOW, builders.ids("fresh"))
    present.apply(Put(rotated))
    briefing.mark(CLUSTER)
    news = told(briefing, present)
    assert [one.key.lamport for one in news.keys if one.primary] == [3, 6]
    assert (news.beat_every, news.root) == (0, "")
    present.apply(Put(replace(rotated, spec=replace(rotated.spec, heartbeat=2 * SECOND))))
    briefing.mark(CLUSTER)
    assert told(briefing, present) == News(beat_every=SECOND)


def test_who_has_papers_of_the_former_root_renews_them() -> None:
    present = snapshot()
    briefing = briefed(present)
    present.apply(Put(replace(CLUSTER_1, root=RootCa("NEW", digest="d2", previous="ROOT"))))
    briefing.mark(CLUSTER)
    news = told(briefing, present)
    assert (news.root, news.force_renew) == ("NEWROOT", True)
    present.apply(Put(replace(NODE, issuer="d2")))
    briefing.mark(SELF)
    news = told(briefing, present)
    assert (news.node, news.force_renew) == (replace(NODE, issuer="d2"), False)


def test_a_wish_for_logs_is_told_once() -> None:
    present = snapshot()
    briefing = briefed(present)
    wish = LogWish("w1", "t1")
    briefing.wish(wish)
    assert told(briefing, present) == News(logs=(wish,))
