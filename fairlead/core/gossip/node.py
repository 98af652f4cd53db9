"""One node of the cluster: a state machine without clock, socket or randomness of its own.

Its parts each decide one thing (who is there: `membership`, is it there: `probe`, what is known: `tables`, who else
should know: `spread`, do we agree: `sync`, how to get in: `join`); this file connects them and is the whole interface.

Inputs are a packet, a stream question or answer, a timeout, or a wish of the user, each with the time `now` (seconds
on any clock that does not jump). Outputs wait to be taken: `transmits()`, `calls()`, `events()`, and `next_deadline()`
says when to come back and why. The same inputs give the same outputs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from fairlead.core.gossip.broadcast import EVERYWHERE
from fairlead.core.gossip.calls import Call
from fairlead.core.gossip.config import LAN, Config
from fairlead.core.gossip.coordinates import Place, distance
from fairlead.core.gossip.counters import Counters
from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.events import EntryEvent, EntrySet, Event
from fairlead.core.gossip.inbox import Inbox
from fairlead.core.gossip.join import RECONNECT
from fairlead.core.gossip.keyring import Keyring
from fairlead.core.gossip.mail import Datagram
from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.parts import Parts
from fairlead.core.gossip.probe import ASK_WITNESSES, CONCLUDE, PROBE
from fairlead.core.gossip.report import report
from fairlead.core.gossip.spread import PUSH, TICK
from fairlead.core.gossip.timers import REAP, Timer
from fairlead.core.gossip.turn import Identity, check_labels
from fairlead.core.gossip.watch import Watch
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Entry, Heeded, Record, Verdict


class Node:
    """A member of the cluster `identity.cluster`. Without keys in `keyring` it talks in the clear."""

    def __init__(
        self, identity: Identity, keyring: Keyring, rng: random.Random, now: float, config: Config = LAN
    ) -> None:
        self.identity = identity
        self.config = config
        self.keyring = keyring
        self._parts = parts = Parts(identity, keyring, rng, now, config)
        self._turn = parts.turn
        self._inbox = Inbox(parts)
        parts.on_session = self._inbox.forget
        parts.prober.begin()
        parts.joiner.begin()
        self._alarms: dict[Timer, Callable[[], None]] = {
            PROBE: parts.prober.probe,
            ASK_WITNESSES: parts.prober.ask_witnesses,
            CONCLUDE: parts.prober.conclude,
            PUSH: parts.spread.push,
            TICK: parts.spread.tick,
            RECONNECT: parts.joiner.reconnect,
            REAP: self._reap,
        }
        parts.turn.timers.set(REAP, now + config.reap_interval)

    # What the user wishes.

    def join(self, seeds: Iterable[Address], now: float) -> None:
        """Enters the cluster through any of these nodes, now or as soon as one of them answers."""
        with self._turn_at(now) as parts:
            parts.joiner.join(list(seeds))

    def leave(self, now: float) -> None:
        """Says goodbye. The node should run on until `farewell_said`, then stop."""
        with self._turn_at(now) as parts:
            parts.membership.leave()
            parts.turn.timers.cancel(PROBE)
            parts.turn.timers.cancel(RECONNECT)

    @property
    def farewell_said(self) -> bool:
        return not self._parts.roster.own.present and not len(self._parts.queue)

    def set_labels(self, labels: bytes, now: float) -> None:
        """Labels travel with the membership record, to every node. Raises GossipError when they are too long."""
        check_labels(labels)
        with self._turn_at(now) as parts:
            parts.membership.renew(labels=labels)

    def join_network(self, network: str, now: float) -> None:
        """Takes part in a network: its rows come here, and rows can be written to it."""
        with self._turn_at(now) as parts:
            parts.tables.join(network)
            others = [parts.roster.get(name) for name in parts.tables.participants(network)]
            present = [member for member in others if member and member.present and member.name != self.name]
            if present:
                chosen = parts.turn.rng.choice(present)
                parts.syncer.start(chosen.address, parts.tables.shared(chosen.name))

    def leave_network(self, network: str, now: float) -> None:
        """Drops the network's rows here, and this node's rows in it everywhere."""
        with self._turn_at(now) as parts:
            parts.tables.leave(network)

    def set_entry(self, network: str, table: str, key: str, value: bytes, now: float) -> Entry:
        """Writes a row of ours. Raises GossipError when the network is not joined or the row too large."""
        with self._turn_at(now) as parts:
            return parts.tables.set(network, table, key, value)

    def complete(self, now: float) -> None:
        """All that is ours has been written: what others still hold of an earlier life of ours is gone for good."""
        with self._turn_at(now) as parts:
            parts.tables.complete()

    def delete_entry(self, network: str, table: str, key: str, now: float) -> bool:
        """Deletes a row of ours; False when there is none."""
        with self._turn_at(now) as parts:
            return parts.tables.delete(network, table, key)

    def heed(self, entries: Iterable[Entry], now: float) -> None:
        """Tells the rows' owners that this node acts by them (`EntryHeeded`). Said once: what is lost is lost."""
        with self._turn_at(now) as parts:
            for entry in entries:
                owner = parts.roster.get(entry.owner)
                if owner is not None and owner.present and owner.name != self.name:
                    heeded = Heeded(entry.network, entry.table, entry.key, entry.time)
                    parts.mail.send(owner.address, owner.name, [codec.encode(heeded)])

    def watch(self, network: str, table: str | None = None) -> Watch:
        """What is visible now and what changes from now on, in order. End it with `unwatch`."""
        rows = self._parts.tables.networks.get(network, ())
        tables = dict.fromkeys(row.table for row in rows if table in (None, row.table))
        first: list[EntryEvent] = [
            EntrySet(row, None) for name in tables for row in self._parts.tables.entries(network, name)
        ]
        watch = Watch(network, table, first)
        self._parts.watches.append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        self._parts.watches.remove(watch)

    def snapshot(self) -> list[Record]:
        """The members and cluster-wide rows known here, to start a node from (`restore`)."""
        everything = self._parts.holdings
        return [record for network in (None, EVERYWHERE) for held in everything.of(network) for record in held.records]

    def restore(self, records: list[Record], now: float) -> None:
        """Starts from a snapshot. What has changed since, the first digests will tell."""
        with self._turn_at(now) as parts:
            parts.records.hear_all(records)

    def adopt(self, other: Node) -> None:
        """Takes over the members and cluster-wide rows of a node in the same process, at the cost of a copy."""
        self._parts.roster.adopt(other._parts.roster)
        self._parts.tables.adopt(other._parts.tables)
        self._parts.queue.clear()

    # What the user can read.

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def counters(self) -> Counters:
        return self._turn.counters

    @property
    def digest(self) -> int:
        """64 bits that are equal on two nodes if they hold the same of all they share cluster-wide."""
        return self._parts.roster.digest ^ self._parts.tables.networks[""].digest

    def table_digests(self) -> dict[str, int]:
        """For each joined network, 64 bits over its rows."""
        return {network: rows.digest for network, rows in self._parts.tables.networks.items() if network}

    def members(self) -> list[Member]:
        """All that are known, ourselves included, the departed and the dead for as long as they are remembered."""
        return list(self._parts.roster)

    def member(self, name: str) -> Member | None:
        return self._parts.roster.get(name)

    @property
    def networks(self) -> list[str]:
        return [network for network in self._parts.tables.networks if network]

    def participants(self, network: str) -> list[str]:
        """Names of the nodes that joined the network, as far as this one knows."""
        return self._parts.tables.participants(network)

    def entries(self, network: str, table: str) -> list[Entry]:
        """The visible rows of a table. Several owners may hold one key."""
        return self._parts.tables.entries(network, table)

    def lookup(self, network: str, table: str, key: str) -> Entry | None:
        """The visible row of this key that was written last."""
        return self._parts.tables.lookup(network, table, key)

    def rtt(self, a: str, b: str | None = None) -> float | None:
        """Estimated round trip in seconds between two members, or from here; None when a place is not known."""
        here, there = self._place(a), self._place(b or self.name)
        return None if here is None or there is None else distance(here, there)

    def report(self, now: float) -> dict[str, object]:
        """Everything about this node as plain data, ready for JSON. No keys, no values of rows."""
        self._turn.now = now
        return report(self._parts)

    # What comes in.

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """A datagram. Whatever it is, the worst it does is to raise a counter."""
        self._turn.now = now
        if self._parts.silent:
            return
        try:
            sender = self._inbox.packet(data, source)
        except PeerError as error:
            self._turn.counters.peer_error(error.reason)
            sender = None
        self._parts.spread.news(sender)

    def handle_timeout(self, now: float) -> None:
        """Does what is due. Being woken late is a fact about this node, so what others owe it is given the delay."""
        self._turn.now = now
        timers = self._turn.timers
        due = timers.next()
        if due is not None and self.config.lifeguard and now - due[0] > self.config.lateness:
            self._parts.membership.awareness.add(1)
            timers.delay(now - due[0])
        while (ripe := timers.pop_due(now)) is not None:
            self._ring(ripe[1])
        self._parts.spread.news()

    def hello(self) -> bytes:
        """What to say first to whoever connects: bytes that were never used before."""
        return self._parts.envelope.nonce()

    def answer(self, hello: bytes, question: bytes, source: Address, now: float) -> bytes | None:
        """The answer to a stream question. None: hang up."""
        self._turn.now = now
        if self._parts.silent:
            return None
        try:
            answer = self._inbox.question(hello, question)
        except PeerError as error:
            self._turn.counters.peer_error(error.reason)
            return None
        self._parts.spread.news()
        return answer

    def ask(self, call: int, hello: bytes) -> bytes | None:
        """The bytes to send once the other side of a call has said its hello. None: hang up."""
        return self._parts.calls.seal(call, hello)

    def answered(self, call: int, data: bytes, now: float) -> None:
        """The other side of a call has answered."""
        self._turn.now = now
        try:
            self._parts.calls.answered(call, data)
        except PeerError as error:
            self._turn.counters.peer_error(error.reason)
        self._parts.spread.news()

    def call_failed(self, call: int, how: str, now: float) -> None:
        """A call came to nothing: `silent`, `stalled` or `refused` (see `Verdict`)."""
        with self._turn_at(now) as parts:
            parts.calls.failed(call, Verdict[how.upper()])

    # What goes out.

    def next_deadline(self) -> tuple[float, str] | None:
        """When `handle_timeout` wants to be called, and why."""
        due = None if self._parts.silent else self._turn.timers.next()
        return None if due is None else (due[0], due[1].kind)

    def transmits(self) -> list[Datagram]:
        """The datagrams to send."""
        return self._parts.mail.take()

    def calls(self) -> list[Call]:
        """The streams to open."""
        return self._parts.calls.take_orders()

    def events(self) -> list[Event]:
        """What happened since the last time."""
        if not self._turn.events:
            return []
        events, self._turn.events = self._turn.events, []
        return events

    # Inside.

    def _ring(self, timer: Timer) -> None:
        parts = self._parts
        match timer.kind:
            case "suspicion":
                parts.membership.suspicion_ended(str(timer.subject))
            case "relay":
                parts.prober.relay_unanswered(int(timer.subject))
            case _:
                self._alarms[timer]()

    def _place(self, name: str) -> Place | None:
        coordinates = self._parts.coordinates
        return coordinates.place if name == self.name else coordinates.of(name)

    def _reap(self) -> None:
        self._turn.timers.set(REAP, self._turn.now + self.config.reap_interval)
        self._parts.reap()

    @contextmanager
    def _turn_at(self, now: float) -> Iterator[Parts]:
        """One turn: what it queued is on its way when it ends. `receive` does the same by hand, for speed."""
        self._turn.now = now
        yield self._parts
        self._parts.spread.news()
