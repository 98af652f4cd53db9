"""What is believed, and what is dropped and counted: keys, clusters, sessions, replays, floods."""

from __future__ import annotations

import random

import pytest

from fairlead.core.gossip import LAN, GossipError, Identity, Keyring, Node
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.envelope import Envelope
from fairlead.core.gossip.wire.messages import Entry
from tests.core.gossip.cluster import KEY, Cluster, address


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster("ab")
    made.join_network("ab")
    return made


def errors(node: Node) -> dict[str, int]:
    return node.counters.peer_errors


def packet(envelope: Envelope, sender: str, key: str = "web") -> bytes:
    row = Entry("net", "table", key, "b", 1, 50, b"")
    return envelope.seal(codec.packet(codec.packet_head(sender), [codec.encode(row)]))


def test_a_packet_is_accepted_once(cluster: Cluster) -> None:
    cluster.run(1.0)
    cluster["b"].set_entry("net", "table", "web", b"1", cluster.now)
    (datagram, *_) = cluster["b"].transmits()
    for _ in range(3):
        cluster["a"].receive(datagram.data, address("b"), cluster.now)
    assert errors(cluster["a"]) == {"replay": 2}


@pytest.mark.parametrize(
    ("cluster_id", "key", "reason"),
    [("other", KEY, "key"), ("test", b"x" * 32, "key"), ("test", None, "clear")],
)
def test_a_packet_of_another_cluster_or_key_or_in_the_clear_is_dropped(
    cluster: Cluster, cluster_id: str, key: bytes | None, reason: str
) -> None:
    stranger = Envelope(cluster_id, cluster["b"].identity.session, Keyring(key), 512, 1 << 20)
    cluster["a"].receive(packet(stranger, "b"), address("b"), cluster.now)
    assert errors(cluster["a"]) == {reason: 1}
    assert cluster.rows("a") == {}


def test_in_the_clear_another_clusters_packet_is_told_apart_too() -> None:
    cluster = Cluster("ab", key=None)
    stranger = Envelope("other", cluster["b"].identity.session, Keyring(), 512, 1 << 20)
    cluster["a"].receive(packet(stranger, "b"), address("b"), cluster.now)
    assert errors(cluster["a"]) == {"foreign": 1}


def test_a_packet_from_an_earlier_session_is_not_believed(cluster: Cluster) -> None:
    earlier = Envelope("test", b"earlier", Keyring(KEY), 512, 1 << 20)
    cluster["a"].receive(packet(earlier, "b"), address("b"), cluster.now)
    assert errors(cluster["a"]) == {"stranger": 1}
    assert cluster.rows("a") == {}


def test_a_peer_that_floods_is_cut_short() -> None:
    cluster = Cluster("a")
    cluster.add("b", seeds="a")
    cluster.nodes[address("a")] = calm = cluster.add("a", seeds="b", life=2, max_peer_rate=5)
    cluster.run(1.0)
    envelope = Envelope("test", cluster["b"].identity.session, Keyring(KEY), 512, 1 << 20)
    envelope._counter = 1000
    for number in range(20):
        calm.receive(packet(envelope, "b", str(number)), address("b"), cluster.now + 5)
    assert errors(calm)["rate"] == 15


def test_a_compressed_bomb_is_dropped(cluster: Cluster) -> None:
    small = Envelope("test", b"session", Keyring(KEY), 512, 1000)
    large = Envelope("test", b"session", Keyring(KEY), 512, 1 << 30)
    bomb = large.seal(bytes(1 << 20))
    assert len(bomb) < 5000
    with pytest.raises(Exception, match="compression"):
        small.open(bomb)


def test_bytes_of_any_kind_only_count() -> None:
    cluster = Cluster("ab")
    rng = random.Random(1)
    for size in range(200):
        cluster["a"].receive(rng.randbytes(size), address("b"), cluster.now)
        assert cluster["a"].answer(cluster["a"].hello(), rng.randbytes(size), address("b"), cluster.now) is None
    assert sum(errors(cluster["a"]).values()) == 400
    assert set(errors(cluster["a"])) <= {"foreign", "key", "clear", "malformed"}


def test_an_answer_from_an_earlier_conversation_is_refused(cluster: Cluster) -> None:
    a, b = cluster["a"], cluster["b"]
    a._parts.syncer.start(address("b"), [])
    (call,) = a.calls()
    hello = b.hello()
    question = a.ask(call.id, hello)
    answer = b.answer(hello, question, address("a"), cluster.now)
    assert b.answer(b.hello(), question, address("a"), cluster.now) is None
    a.answered(call.id, answer, cluster.now)
    a._parts.syncer.start(address("b"), [])
    (again,) = a.calls()
    a.ask(again.id, b.hello())
    a.answered(again.id, answer, cluster.now)
    assert errors(a) == {"key": 1}
    assert errors(b) == {"key": 1}


def test_a_key_is_replaced_without_losing_a_packet() -> None:
    cluster = Cluster("abc")
    cluster.join_network("abc")
    new = b"n" * 32
    for count, (step, key) in enumerate((("install", new), ("use", new), ("remove", KEY))):
        for name in "abc":
            getattr(cluster[name].keyring, step)(key)
            cluster.write(name, f"{name}{count}", b"")
            cluster.run(1.0)
    cluster.run(1.0)
    for name in "abc":
        assert "key" not in errors(cluster[name])
        assert len(cluster.rows(name)) == 9


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda ring: ring.install(b"short"), "a key has 5 bytes; it must have 32"),
        (lambda ring: ring.use(b"n" * 32), "is not installed; install it on every node"),
        (lambda ring: ring.remove(KEY), "is the primary; use another one first"),
    ],
)
def test_the_keyring_refuses_steps_out_of_order(action, text: str) -> None:
    with pytest.raises(GossipError, match=text):
        action(Keyring(KEY))


def test_a_session_must_be_seven_fresh_bytes() -> None:
    with pytest.raises(GossipError, match="a session has 5 bytes; it must be 7"):
        Node(Identity("a", address("a"), "test", b"short"), Keyring(KEY), random.Random(1), 0.0, LAN)
