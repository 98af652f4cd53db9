"""Parts of the gossip machine beside dumb models of them."""

from __future__ import annotations

import contextlib
import math
import random
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core.gossip import Entry, Keyring, Member, PeerError, Status, fuzz_entry
from fairlead.core.gossip.broadcast import Broadcast, Queue
from fairlead.core.gossip.member import digest
from fairlead.core.gossip.replay import WINDOW, ReplayGuard
from fairlead.core.gossip.roster import Roster
from fairlead.core.gossip.rows import Rows, row_digest, version
from fairlead.core.gossip.suspicion import suspicion_time
from fairlead.core.gossip.sync import Holding, bucket_of, differing, digests
from fairlead.core.gossip.timers import Timer, Timers
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire import messages as wire
from fairlead.core.gossip.wire.envelope import Envelope
from fairlead.core.gossip.wire.messages import Message, Tombstone

_FIELDS = {
    wire.Name: st.text(min_size=1, max_size=64),
    wire.Scope: st.text(max_size=64),
    wire.Key: st.text(min_size=1, max_size=256),
    wire.Counter: st.integers(0, (1 << 48) - 1),
    wire.Seconds: st.integers(0, (1 << 32) - 1),
    wire.Digest: st.integers(0, (1 << 64) - 1),
    wire.Session: st.binary(min_size=7, max_size=7),
    wire.Position: st.binary(max_size=20),
    wire.Labels: st.binary(max_size=512),
    wire.PackedIP: st.binary(min_size=4, max_size=16),
    wire.Port: st.integers(0, (1 << 16) - 1),
    wire.Verdict: st.sampled_from(wire.Verdict),
    bytes: st.binary(max_size=100),
}


def _instances(kind: type) -> st.SearchStrategy[Message]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: _FIELDS.get(hint, _WITNESSES) for name, hint in hints.items()})


_WITNESSES = st.lists(st.builds(wire.Witness, _FIELDS[wire.Name], _FIELDS[wire.Verdict]), max_size=8).map(tuple)
messages = st.one_of([_instances(kind) for kind in get_args(Message)])
names = st.sampled_from([f"n{i}" for i in range(8)])


@given(st.lists(st.integers(0, 3 * WINDOW), max_size=200))
def test_the_replay_window_accepts_what_a_set_would(counters: list[int]) -> None:
    guard, seen, highest = ReplayGuard(), set[int](), -1
    for counter in counters:
        fresh = counter not in seen and (highest < 0 or counter > highest - WINDOW)
        assert guard.accept("peer", counter) == fresh
        if fresh:
            seen.add(counter)
            highest = max(highest, counter)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.floats(0, 10)), max_size=40), st.floats(0, 10))
def test_timers_ring_like_a_sorted_dictionary(settings_: list[tuple[str, float | None]], now: float) -> None:
    timers, model = Timers(), dict[str, float]()
    for name, when in settings_:
        if when is None:
            timers.cancel(Timer(name))
            model.pop(name, None)
        else:
            timers.set(Timer(name), when)
            model[name] = when
    rung = []
    while due := timers.pop_due(now):
        rung.append((due[1].kind, due[0]))
    assert sorted(rung) == sorted((name, when) for name, when in model.items() if when <= now)
    assert [when for _, when in rung] == sorted(when for _, when in rung)


@given(st.integers(1, 12), st.lists(st.tuples(names, st.integers(1, 200)), min_size=1, max_size=20))
def test_the_queue_sends_each_subjects_last_word_exactly_as_often_as_allowed(limit: int, adds: list) -> None:
    queue = Queue(lambda scope: limit, 150)
    for count, (name, size) in enumerate(adds):
        queue.add(Broadcast(name, "", bytes([count]) * size))
    last = {name: bytes([count]) * size for count, (name, size) in enumerate(adds)}
    sent: list[bytes] = []
    for _ in range(limit * len(adds) + 1):
        packet = queue.pack(250, ("",))
        assert sum(map(len, packet)) <= 250
        large = queue.take_large(("",))
        assert all(len(blob) > 150 for blob in large)
        sent += packet + large
    assert sorted(sent) == sorted(blob for blob in last.values() for _ in range(limit))
    assert len(queue) == 0


@given(st.integers(1, 30), st.integers(0, 2**32))
def test_a_lap_of_probes_visits_everybody_once(size: int, seed: int) -> None:
    rng = random.Random(seed)
    roster = Roster(_member("own"))
    for number in range(size):
        roster.put(_member(f"n{number}"))
    for _ in range(3):
        lap = [roster.next_probe(rng) for _ in range(size)]
        assert {member.name for member in lap if member} == {f"n{number}" for number in range(size)}


@given(st.lists(st.tuples(names, st.sampled_from(Status), st.integers(0, 3), st.booleans()), max_size=40))
def test_the_rosters_sums_are_those_of_its_members(changes: list) -> None:
    roster = Roster(_member("own"))
    for name, status, incarnation, forget in changes:
        if forget:
            roster.forget(name)
        else:
            roster.put(_member(name, status, incarnation))
    assert roster.digest == _xor(digest(member) for member in roster)
    assert roster.present == sum(member.present for member in roster)
    rng, present = random.Random(1), {member.name for member in roster if member.present} - {"own"}
    assert {member.name for member in roster.pick(rng, 100, lambda member: True)} == present


@given(st.lists(st.tuples(names, st.sampled_from("kl"), st.integers(1, 9), st.booleans()), max_size=40))
def test_the_digest_of_rows_does_not_depend_on_their_order(writes: list) -> None:
    forth, back = Rows(60), Rows(60)
    for rows, order in ((forth, writes), (back, writes[::-1])):
        for owner, key, time, dead in order:
            row = Tombstone("", "t", key, owner, 1, time, 60) if dead else Entry("", "t", key, owner, 1, time, b"v")
            held = rows.get(("t", key, owner))
            if held is None or version(row) > version(held):
                rows.put(row, 0.0)
    assert forth.digest == back.digest == _xor(row_digest(row) for row in forth)
    for rows in (forth, back):
        held = list(rows)
        assert rows.value_bytes == sum(len(row.value) for row in held if isinstance(row, Entry))
        for key in "kl":
            assert sorted(row.owner for row in rows.of_key("t", key)) == sorted(r.owner for r in held if r.key == key)


@given(st.sets(st.integers(0, 500)), st.sets(st.integers(0, 500)), st.sampled_from((1, 4, 64)))
def test_differing_buckets_hold_every_difference(mine: set[int], theirs: set[int], count: int) -> None:
    def packed(held: set[int]) -> bytes:
        return digests([Holding(str(item), item * 0x9E3779B97F4A7C15 % 2**64, []) for item in held], count)

    places = differing(packed(mine), packed(theirs))
    assert {bucket_of(str(item), count) for item in (mine ^ theirs) - {0}} == set(places)


@given(st.integers(0, 8), st.integers(0, 5), st.floats(0.1, 10), st.floats(1, 10))
def test_more_witnesses_never_prolong_a_suspicion(confirmed: int, wanted: int, shortest: float, factor: float) -> None:
    times = [suspicion_time(count, wanted, shortest, shortest * factor) for count in range(confirmed + 1)]
    assert times == sorted(times, reverse=True)
    assert all(shortest <= time <= shortest * factor or math.isclose(time, shortest) for time in times)


@given(st.binary(max_size=300), st.binary(max_size=40), st.booleans())
def test_an_envelope_opens_only_as_it_was_sealed(body: bytes, context: bytes, clear: bool) -> None:
    ring = Keyring(None if clear else b"k" * 32)
    envelope = Envelope("here", b"session", ring, 64, 1000)
    sealed = envelope.seal(body, context)
    assert envelope.open(sealed, context).body == body
    for other, data, where in (
        (Envelope("there", b"session", ring, 64, 1000), sealed, context),
        (envelope, sealed, context + b"!"),
        (envelope, sealed[:-1] + bytes([sealed[-1] ^ 1]), context),
    ):
        with pytest.raises(PeerError):
            other.open(data, where)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_the_peers_fault(data: bytes) -> None:
    for decode in (codec.decode_packet, codec.decode_request, codec.decode_reply, codec.decode_record):
        with contextlib.suppress(PeerError):
            decode(data)


@given(messages)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    body = codec.packet(codec.packet_head("peer"), [codec.encode(message)])
    assert codec.decode_packet(body).messages == [message]


@settings(max_examples=300)
@given(messages, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_mutated_packets_never_raise(message: Message, mutations: list[tuple[int, int]]) -> None:
    body = bytearray(codec.packet(codec.packet_head("peer"), [codec.encode(message)]))
    for place, value in mutations:
        body[place % len(body)] = value
    fuzz_entry(bytes(body))


def _member(name: str, status: Status = Status.ALIVE, incarnation: int = 0) -> Member:
    return Member(name, ("10.0.0.1", 1), 1, incarnation, name.ljust(7).encode()[:7], b"", status)


def _xor(values) -> int:
    total = 0
    for value in values:
        total ^= value
    return total
