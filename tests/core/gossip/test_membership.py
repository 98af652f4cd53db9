"""Who is in the cluster: joining, failing, refuting, leaving, coming back, and two nodes of one name."""

from __future__ import annotations

from fairlead.core.gossip import MemberFailed, MemberJoined, MemberLeft, MemberSuspected, NameConflict
from tests.core.gossip.cluster import Cluster


def test_a_node_that_joins_through_a_seed_is_known_to_all() -> None:
    cluster = Cluster("abc")
    cluster.add("d", seeds="b")
    cluster.run(0.5)
    assert all(cluster.status(name, other) == "alive" for name in "abcd" for other in "abcd")


def test_a_seed_that_is_not_there_yet_is_tried_again() -> None:
    cluster = Cluster()
    cluster.add("b", seeds="a")
    cluster.run(3.0)
    cluster.add("a")
    cluster.run(1.5)
    assert cluster.status("a", "b") == cluster.status("b", "a") == "alive"


def test_a_killed_process_is_declared_dead_as_soon_as_its_kernel_refuses_two_of_us() -> None:
    cluster = Cluster("abcde")
    cluster.kill("e")
    cluster.run(3.5)
    assert all(cluster.status(name, "e") == "dead" for name in "abcd")
    assert len([event for event in cluster.events(MemberFailed) if event.here]) >= 1


def test_a_silent_member_gets_the_time_of_a_short_outage() -> None:
    cluster = Cluster("abcde")
    cluster.cut = {"e"}
    cluster.run(4.0)
    assert cluster.events(MemberSuspected, "a")
    assert not cluster.events(MemberFailed, "a")
    cluster.cut = set()
    cluster.run(10.0)
    assert not cluster.events(MemberFailed)
    assert all(cluster.status(name, "e") == "alive" for name in "abcde")


def test_a_member_that_is_silent_for_longer_is_declared_dead_by_all() -> None:
    cluster = Cluster("abcde")
    cluster.cut = {"e"}
    cluster.run(9.0)
    assert all(cluster.status(name, "e") == "dead" for name in "abcd")


def test_a_member_declared_dead_that_comes_back_refutes_and_returns_to_all() -> None:
    cluster = Cluster("abcde")
    cluster.cut = {"e"}
    cluster.run(9.0)
    cluster.cut = set()
    cluster.run(11.0)
    assert all(cluster.status(name, "e") == "alive" for name in "abcde")
    assert cluster["e"].member("e").incarnation > 0
    assert any(event.returned and event.member.name == "e" for event in cluster.events(MemberJoined, "a"))


def test_a_goodbye_needs_no_suspicion() -> None:
    cluster = Cluster("abc")
    cluster["c"].leave(cluster.now)
    cluster.run(1.0)
    assert cluster["c"].farewell_said
    assert cluster.status("a", "c") == cluster.status("b", "c") == "left"
    assert len(cluster.events(MemberLeft, "a")) == 1
    assert not cluster.events(MemberSuspected)


def test_a_restarted_node_begins_its_next_life_and_nobody_buries_it_for_the_last() -> None:
    cluster = Cluster("abc")
    cluster.kill("c")
    cluster.run(0.2)
    cluster.add("c", seeds="a", life=2)
    cluster.run(5.0)
    assert cluster.status("a", "c") == cluster.status("b", "c") == "alive"
    assert cluster["a"].member("c").epoch == 2
    assert cluster["a"].member("c").session == cluster["c"].identity.session


def test_of_two_living_nodes_with_one_name_the_younger_falls_silent() -> None:
    cluster = Cluster("abc")
    cluster.run(5.0)
    cluster.add("b", seeds="a", at="z", life=2)
    cluster.run(5.0)
    assert [event.name for event in cluster.events(NameConflict)] == ["b"]
    assert cluster["a"].member("b").address == cluster["b"].identity.address
    assert cluster["z"].report(cluster.now)["silent"] is True
    assert not cluster.events(MemberFailed)


def test_a_name_whose_holder_is_gone_can_be_taken_over_from_another_address() -> None:
    cluster = Cluster("abc")
    cluster.kill("b")
    cluster.run(6.0)
    cluster.add("b", seeds="a", at="z", life=2)
    cluster.run(5.0)
    assert not cluster.events(NameConflict)
    assert cluster["a"].member("b").address == cluster["z"].identity.address
    assert cluster.status("a", "b") == cluster.status("c", "b") == "alive"


def test_the_halves_of_a_split_cluster_find_each_other_again() -> None:
    cluster = Cluster("abcdef")
    cluster.cut = set("def")
    cluster.run(60.0)
    assert {cluster.status("a", name) for name in "def"} == {"dead"}
    cluster.cut = set()
    cluster.run(15.0)
    assert all(cluster.status(name, other) == "alive" for name in "abcdef" for other in "abcdef")


def test_a_member_that_was_gone_for_two_lives_is_forgotten_and_not_brought_back_by_others() -> None:
    cluster = Cluster()
    cluster.add("a", dead_life=20.0)
    cluster.add("b", seeds="a", dead_life=20.0)
    cluster.add("c", seeds="a", dead_life=1000.0)
    cluster.add("d", seeds="a")
    cluster.run(2.0)
    cluster.kill("d")
    cluster.run(60.0)
    assert cluster.status("a", "d") is None
    assert cluster.status("c", "d") == "dead"


def test_a_member_that_was_forgotten_while_it_was_away_comes_back_by_itself() -> None:
    cluster = Cluster()
    for name in "abcd":
        cluster.add(name, seeds="" if name == "a" else "a", dead_life=20.0)
    cluster.run(2.0)
    cluster.cut = {"d"}
    cluster.run(45.0)
    assert cluster.status("a", "d") is None
    cluster.cut = set()
    cluster.run(5.0)
    assert all(cluster.status(name, other) == "alive" for name in "abcd" for other in "abcd")


def test_labels_travel_with_the_member() -> None:
    cluster = Cluster("abc")
    cluster["b"].set_labels(b"role=manager", cluster.now)
    cluster.run(0.5)
    assert cluster["c"].member("b").labels == b"role=manager"
