"""How changes travel and how nodes find out that they disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fairlead.core.gossip.spread import retransmit_limit
from tests.core.gossip.cluster import Cluster


def test_each_node_sends_a_change_about_four_times_the_logarithm_of_their_number() -> None:
    assert [retransmit_limit(4.0, members) for members in (1, 4, 30, 100, 1000)] == [2, 3, 6, 9, 13]


def test_the_example_of_the_document_runs_as_it_stands() -> None:
    text = (Path(__file__).parents[3] / "docs" / "gossip.md").read_text()
    example = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)
    assert [row.value for row in names["node"].entries("pets", "endpoints")] == [b"10.0.0.7"]
    assert [event.entry.key for event in names["watch"].take()] == ["web"]


def test_without_push_the_tick_alone_reaches_everybody() -> None:
    cluster = Cluster()
    for name in "abcdef":
        cluster.add(name, seeds="" if name == "a" else "a", push_fanout=0)
    cluster.join_network("abcdef")
    cluster.run(2.0)
    cluster.write("a", "web", b"1")
    assert cluster.rows("f") == {}
    cluster.run(1.0)
    assert all(cluster.rows(name) == {"web": b"1"} for name in "abcdef")


def test_what_gossip_lost_the_digest_in_a_ping_finds_within_seconds() -> None:
    cluster = Cluster("abcd")
    cluster.join_network("abcd")
    cluster.cut = {"d"}
    cluster.write("a", "web", b"1")
    cluster.run(1.0)
    cluster.cut = set()
    assert cluster.rows("d") == {}
    cluster.run(3.0)
    assert cluster.rows("d") == {"web": b"1"}


def test_a_node_that_missed_something_finds_out_while_the_others_keep_writing() -> None:
    cluster = Cluster("abcd")
    cluster.join_network("abcd")
    cluster.cut = {"d"}
    cluster.write("a", "web", b"1")
    cluster.run(1.0)
    cluster.cut = set()
    for number in range(50):
        cluster.write("b", f"key{number}", b"v")
        cluster.run(0.1)
    assert cluster.rows("d")["web"] == b"1"


def test_nodes_that_agree_exchange_nothing_but_probes() -> None:
    cluster = Cluster("abcd")
    cluster.join_network("abcd")
    cluster.write("a", "web", b"1")
    cluster.run(10.0)
    before = {name: (node.counters.packets_sent, node.counters.calls_made) for name, node in _named(cluster)}
    cluster.run(10.0)
    for name, node in _named(cluster):
        packets, calls = before[name]
        assert node.counters.calls_made == calls
        assert node.counters.packets_sent - packets <= 2 * 11 + 10


def test_a_large_difference_is_settled_by_exchanging_it_and_not_more() -> None:
    cluster = Cluster("ab")
    cluster.join_network("ab")
    for number in range(400):
        cluster.write("a", f"key{number}", b"v")
    cluster.run(3.0)
    cluster.cut = {"b"}
    cluster.write("a", "late", b"v")
    cluster.run(1.0)
    cluster.cut = set()
    before = cluster["a"].counters.call_bytes_sent + cluster["b"].counters.call_bytes_sent
    cluster.run(5.0)
    after = cluster["a"].counters.call_bytes_sent + cluster["b"].counters.call_bytes_sent
    assert len(cluster.rows("b")) == 401
    assert 0 < after - before < 4000


def test_the_report_is_json_without_keys_and_values() -> None:
    cluster = Cluster("ab")
    cluster.join_network("ab")
    cluster.write("a", "web", b"secret value")
    text = json.dumps(cluster["b"].report(cluster.now))
    report = json.loads(text)
    assert report["members"]["a"]["status"] == "alive"
    assert report["networks"]["net"]["entries"] == {"table": 1}
    assert report["next_deadline"][1] in ("probe", "gossip", "reconnect", "reap", "probe timeout")
    assert "secret value" not in text
    assert ("k" * 32) not in text


def _named(cluster: Cluster):
    return [(node.name, node) for node in cluster.nodes.values()]
