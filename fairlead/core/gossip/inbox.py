"""What comes in, and how far it is trusted.

A packet is believed when it opens under one of our keys, comes from the session that its sender's membership record
names, and was not seen before. One that opens but comes from an unknown session may only introduce its sender; the rest
of it is ignored then, and the sender is asked who it is.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.core.gossip import member as members
from fairlead.core.gossip.errors import PeerError
from fairlead.core.gossip.events import EntryHeeded
from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.parts import Parts
from fairlead.core.gossip.replay import ReplayGuard
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Ack, Alive, Heeded, Message, Nack, Packet, Ping, Relay, Who
from fairlead.core.gossip.wire.stream import Answer, Check, Deliver, Here, Question, Sync, Thanks

INTRODUCTIONS_ASKED = 50
"""Strangers that are asked who they are, per second."""


class Inbox:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._replays = ReplayGuard()
        self._second = parts.turn.now
        self._heard: dict[str, int] = {}  # packets by sender in the current second
        self._asked = 0
        self._handlers: dict[type, Callable[..., None]] = {
            Ping: self._ping,
            Ack: self._ack,
            Relay: self._relay,
            Nack: self._nack,
            Who: self._who,
            Heeded: self._heeded,
        }

    def packet(self, data: bytes, source: Address) -> str:
        """Handles a datagram and returns its sender's name. Raises PeerError when it is not acceptable."""
        counters = self._parts.turn.counters
        counters.packets_received += 1
        counters.bytes_received += len(data)
        session, counter, body = self._parts.envelope.open(data)
        packet = codec.decode_packet(body)
        sender = packet.sender
        self._limit(sender)
        member = self._parts.roster.get(sender)
        if member is None or member.session != session:
            member = self._introduced(packet, session, source)
        if not self._replays.accept(sender, counter):
            raise PeerError("replay")
        self._messages(packet.messages, member, source)
        return sender

    def question(self, hello: bytes, data: bytes) -> bytes:
        """The sealed answer to a stream question."""
        request, nonce = self._parts.calls.open_question(hello, data)
        self._limit(request.sender.name)
        if isinstance(request.question, Sync):
            self._parts.membership.hear_alive(request.sender)
        return self._parts.calls.seal_answer(nonce, self._answer(request.question))

    def forget(self, name: str) -> None:
        """The member is gone or in another session: its counters start anew."""
        self._replays.forget(name)

    def _messages(self, messages: list[Message], member: Member, source: Address) -> None:
        theirs = None
        for message in messages:
            handler = self._handlers.get(type(message))
            if handler is None:
                self._parts.records.hear(message)  # type: ignore[arg-type]
            else:
                handler(message, member, source)
            if type(message) is Ping and message.target == self._parts.roster.own_name:
                theirs = message.digest
        # Only now: the packet's own records may have settled the difference.
        if theirs is None:
            return
        if theirs == self._parts.holdings.digest_with(member.name):
            self._parts.syncer.agree()
        else:
            self._parts.syncer.disagree(member)

    def _ping(self, ping: Ping, member: Member, source: Address) -> None:
        self._parts.coordinates.heard(member.name, ping.position)
        self._parts.prober.hear_ping(ping, source, member)

    def _ack(self, ack: Ack, member: Member, source: Address) -> None:
        self._parts.coordinates.heard(member.name, ack.position)
        self._parts.prober.hear_ack(ack, member.name)

    def _relay(self, relay: Relay, member: Member, source: Address) -> None:
        self._parts.prober.hear_relay(relay, source, member.name)

    def _nack(self, nack: Nack, member: Member, source: Address) -> None:
        self._parts.prober.hear_nack(nack, member.name)

    def _who(self, who: Who, member: Member, source: Address) -> None:
        self._introduce(source, [])

    def _heeded(self, heeded: Heeded, member: Member, source: Address) -> None:
        event = EntryHeeded(heeded.network, heeded.table, heeded.key, heeded.time, member.name)
        self._parts.turn.events.append(event)

    def _answer(self, question: Question) -> Answer:
        parts = self._parts
        match question:
            case Check(target=target):
                if target != parts.roster.own_name:
                    raise PeerError("wrong target")
                return Here(parts.joiner.age)
            case Sync():
                return parts.syncer.answer(question)
            case Deliver(records=records):
                parts.records.hear_all(records)
                return Thanks()

    def _introduced(self, packet: Packet, session: bytes, source: Address) -> Member:
        """The sender, if the packet itself makes it known."""
        for message in packet.messages:
            if isinstance(message, Alive) and message.name == packet.sender and message.session == session:
                self._parts.membership.hear_alive(message)
        member = self._parts.roster.get(packet.sender)
        if member is not None and member.session == session and packet.sender != self._parts.roster.own_name:
            return member
        if self._asked < INTRODUCTIONS_ASKED and packet.sender != self._parts.roster.own_name:
            self._asked += 1
            held = self._parts.membership.held_of(packet.sender)
            self._introduce(source, [codec.encode(message) for message in (Who(), *held)])
        raise PeerError("stranger")

    def _introduce(self, to: Address, messages: list[bytes]) -> None:
        own = codec.encode(members.to_alive(self._parts.roster.own))
        self._parts.mail.send(to, None, [own, *messages])

    def _limit(self, sender: str) -> None:
        turn = self._parts.turn
        if turn.now - self._second >= 1.0:
            self._second = turn.now
            self._heard.clear()
            self._asked = 0
        heard = self._heard.get(sender, 0) + 1
        self._heard[sender] = heard
        if heard > turn.config.max_peer_rate:
            raise PeerError("rate")
        if len(self._heard) > 2 * turn.config.max_members:
            raise PeerError("rate")
