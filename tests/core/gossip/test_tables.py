"""Networks and their tables: who holds what, who may write it, and what becomes of it."""

from __future__ import annotations

import pytest

from fairlead.core.gossip import (
    EntryDeleted,
    EntryHeeded,
    EntryResumed,
    EntrySet,
    EntrySuspended,
    GossipError,
)
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Entry, Tombstone
from tests.core.gossip.cluster import Cluster, address


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster("abcd")
    made.join_network("abc")
    made.run(1.0)
    return made


def test_a_write_reaches_the_networks_nodes_at_once_and_no_others(cluster: Cluster) -> None:
    cluster.write("a", "web", b"1")
    assert cluster.rows("b") == cluster.rows("c") == {"web": b"1"}
    assert cluster.rows("d") == {}


def test_whoever_joins_a_network_gets_its_rows(cluster: Cluster) -> None:
    cluster.write("a", "web", b"1")
    cluster.join_network("d")
    assert cluster.rows("d") == {"web": b"1"}
    assert sorted(cluster["a"].participants("net")) == ["a", "b", "c", "d"]


def test_leaving_a_network_drops_its_rows_here_and_ours_everywhere(cluster: Cluster) -> None:
    cluster.write("a", "web", b"1")
    cluster.write("b", "db", b"2")
    cluster["a"].leave_network("net", cluster.now)
    cluster.run(0.1)
    assert cluster.rows("a") == {}
    assert cluster.rows("b") == cluster.rows("c") == {"db": b"2"}


def test_a_later_write_replaces_an_earlier_one_and_a_deletion_both(cluster: Cluster) -> None:
    cluster.write("a", "web", b"1")
    cluster.write("a", "web", b"2")
    assert cluster.rows("c") == {"web": b"2"}
    assert cluster["a"].delete_entry("net", "table", "web", cluster.now)
    cluster.run(0.1)
    assert cluster.rows("c") == {}
    assert not cluster["a"].delete_entry("net", "table", "web", cluster.now)


def test_of_two_owners_of_one_key_the_one_that_wrote_last_is_found(cluster: Cluster) -> None:
    cluster.write("a", "task", b"here")
    cluster.write("b", "task", b"moved")
    assert cluster["c"].lookup("net", "table", "task").value == b"moved"
    cluster["b"].delete_entry("net", "table", "task", cluster.now)
    cluster.run(0.1)
    assert cluster["c"].lookup("net", "table", "task").value == b"here"


def test_a_failed_owners_rows_are_suspended_and_come_back_with_it(cluster: Cluster) -> None:
    cluster.write("c", "web", b"1")
    cluster.cut = {"c"}
    cluster.run(9.0)
    assert cluster.rows("a") == {}
    assert cluster.events(EntrySuspended, "a")
    cluster.cut = set()
    cluster.run(11.0)
    assert cluster.rows("a") == {"web": b"1"}
    assert cluster.events(EntryResumed, "a")
    assert not cluster.events(EntryDeleted, "a")


def test_rows_of_an_earlier_life_fade_unless_they_are_written_anew(cluster: Cluster) -> None:
    cluster.write("c", "kept", b"1")
    cluster.write("c", "lost", b"1")
    cluster.kill("c")
    cluster.run(0.1)
    cluster.add("c", seeds="a", life=2)
    cluster.join_network("c")
    cluster.write("c", "kept", b"2")
    assert cluster.rows("a") == {"kept": b"2", "lost": b"1"}
    cluster.run(20.0)
    assert cluster.rows("a") == cluster.rows("b") == cluster.rows("c") == {"kept": b"2"}


def test_rows_of_an_earlier_life_go_soon_after_their_owner_has_written_all_anew(cluster: Cluster) -> None:
    cluster.write("c", "kept", b"1")
    cluster.write("c", "lost", b"1")
    cluster["c"].join_network("old", cluster.now)
    cluster.run(0.1)
    cluster.kill("c")
    cluster.run(0.1)
    cluster.add("c", seeds="a", life=2)
    cluster.join_network("c")
    cluster.write("c", "kept", b"1")
    cluster["c"].complete(cluster.now)
    cluster.run(0.5)
    assert cluster.rows("a") == cluster.rows("b") == {"kept": b"1", "lost": b"1"}
    assert cluster["a"].participants("old") == ["c"]
    cluster.run(2.0)
    assert cluster.rows("a") == cluster.rows("b") == cluster.rows("c") == {"kept": b"1"}
    assert cluster["a"].participants("old") == []
    assert sorted(cluster["a"].participants("net")) == ["a", "b", "c"]


def test_a_departed_owners_rows_go_with_it(cluster: Cluster) -> None:
    cluster.write("c", "web", b"1")
    cluster["c"].leave(cluster.now)
    cluster.run(0.1)
    assert cluster.rows("a") == {}


def test_a_node_that_missed_a_deletion_does_not_bring_the_row_back() -> None:
    cluster = Cluster()
    for name in "abc":
        cluster.add(name, seeds="" if name == "a" else "a", tombstone_life=60.0)
    cluster.join_network("abc")
    cluster.write("a", "web", b"1")
    cluster.cut = {"c"}
    cluster["a"].delete_entry("net", "table", "web", cluster.now)
    cluster.run(70.0)  # the tombstone is no longer told, but still kept
    cluster.cut = set()
    cluster.run(60.0)
    assert cluster.rows("a") == cluster.rows("b") == {}


def test_tombstones_are_forgotten_in_the_end() -> None:
    cluster = Cluster()
    for name in "ab":
        cluster.add(name, seeds="" if name == "a" else "a", tombstone_life=10.0)
    cluster.join_network("ab")
    cluster.write("a", "web", b"1")
    cluster["a"].delete_entry("net", "table", "web", cluster.now)
    cluster.run(40.0)
    for name in "ab":
        networks = cluster[name].report(cluster.now)["networks"]
        assert networks["net"]["tombstones"] == 0


def test_a_row_that_is_deleted_while_its_owner_is_lost_is_told_to_be_gone(cluster: Cluster) -> None:
    """Else whoever kept it for the owner's return (forwarding does) would keep it for ever."""
    written = cluster.write("c", "web", b"1")
    cluster.cut = {"c"}
    cluster.run(9.0)
    _say(cluster, "b", "a", Tombstone("net", "table", "web", "c", written.epoch, written.time + 1, 60))
    assert [event.entry.key for event in cluster.events(EntryDeleted, "a")] == ["web"]


def test_a_forged_row_in_our_name_is_answered_with_the_truth(cluster: Cluster) -> None:
    cluster.write("a", "web", b"truth")
    forged = [
        Entry("net", "table", "web", "a", 1, 1000, b"lie"),
        Entry("net", "table", "more", "a", 1, 1001, b"lie"),
        Tombstone("net", "table", "web", "a", 1, 1002, 60),
    ]
    _say(cluster, "b", "c", *forged)
    cluster.run(3.0)
    assert cluster.rows("a") == cluster.rows("b") == cluster.rows("c") == {"web": b"truth"}


def test_rows_that_cannot_be_are_refused_and_counted(cluster: Cluster) -> None:
    _say(
        cluster,
        "b",
        "c",
        Entry("net", "table", "future", "b", 1, 1 << 40, b""),
        Entry("net", "table", "before it joined", "b", 1, 1, b""),
        Entry("elsewhere", "table", "not ours to keep", "b", 1, 50, b""),
    )
    assert cluster.rows("c") == {}
    assert cluster["c"].counters.refused_records == {"clock": 1, "not in network": 1}


def test_rows_larger_than_a_packet_arrive_too(cluster: Cluster) -> None:
    large = bytes(range(256)) * 100
    cluster.write("a", "large", large)
    cluster.run(2.0)
    assert cluster.rows("b") == cluster.rows("c") == {"large": large}


def test_tables_are_bounded() -> None:
    cluster = Cluster()
    cluster.add("a")
    cluster.add("b", seeds="a", max_rows=10)
    cluster.join_network("ab")
    for number in range(50):
        cluster.write("a", f"key{number}", b"")
    cluster.run(3.0)
    assert len(cluster.rows("b")) == 10
    assert cluster["b"].counters.refused_records["table size"] > 0


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda a: a.set_entry("none", "t", "k", b"", 0.0), "has not joined network 'none'; join it before"),
        (lambda a: a.set_entry("net", "t", "k", bytes(70_000), 0.0), "has 70000 bytes; at most 65536"),
        (lambda a: a.set_entry("net", "t", "", b"", 0.0), "key '' 1 to 256"),
        (lambda a: a.join_network("x" * 65, 0.0), "has 65 characters; it must have 1 to 64"),
        (lambda a: a.set_labels(bytes(600), 0.0), "labels have 600 bytes; at most 512"),
    ],
)
def test_refusals_name_what_is_wrong_and_what_would_be_right(cluster: Cluster, action, text: str) -> None:
    with pytest.raises(GossipError, match=text):
        action(cluster["a"])


def test_a_watch_begins_with_what_is_there_and_goes_on_in_order(cluster: Cluster) -> None:
    cluster.write("a", "one", b"1")
    watch = cluster["b"].watch("net", "table")
    cluster.write("a", "one", b"2")
    cluster["a"].set_entry("net", "other", "x", b"", cluster.now)
    cluster["a"].delete_entry("net", "table", "one", cluster.now)
    cluster.run(0.1)
    told = [(type(event), event.entry.value) for event in watch.take()]
    assert told[0] == (EntrySet, b"1")
    assert told[-1][0] is EntryDeleted
    cluster["b"].unwatch(watch)
    cluster.write("a", "two", b"2")
    assert watch.take() == []


def test_an_owner_hears_who_acts_by_what_it_wrote(cluster: Cluster) -> None:
    entry = cluster.write("a", "one", b"1")
    cluster.log.clear()
    cluster["b"].heed([entry], cluster.now)
    cluster.settle()
    heeded = EntryHeeded("net", "table", "one", entry.time, "b")
    assert [(name, event) for name, event in cluster.log if isinstance(event, EntryHeeded)] == [("a", heeded)]


def test_nobody_is_told_of_rows_whose_owner_has_gone(cluster: Cluster) -> None:
    entry = cluster.write("a", "one", b"1")
    cluster["a"].leave(cluster.now)
    cluster.run(1)
    cluster["b"].heed([entry], cluster.now)
    assert not cluster["b"].transmits()


def _say(cluster: Cluster, speaker: str, listener: str, *records: Entry | Tombstone) -> None:
    """Has the speaker send these records, whatever it thinks of them itself."""
    parts = cluster[speaker]._parts
    parts.mail.send(address(listener), None, [codec.encode(record) for record in records])
    cluster.settle()
