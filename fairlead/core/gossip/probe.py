"""Failure detection: one member at a time is asked whether it is there (SWIM), and how others see it.

    0               ping
    probe_timeout   no ack: ask `indirect` witnesses to ping it, ping it again, and try its stream port
    + indirect_timeout   still nothing: accuse it, with the verdicts of all who tried

A witness pings at once, tries the stream port a moment later, and answers either way: with the ack, or with a `Nack`
that carries what it saw. The accusation is ready as soon as all of them have spoken and the member's kernel has refused
our own connection. Witnesses that say nothing are a sign that this node is the one with the problem (Lifeguard).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fairlead.core.gossip import member as members
from fairlead.core.gossip.calls import Calls
from fairlead.core.gossip.coordinates import Coordinates, distance
from fairlead.core.gossip.mail import Mail
from fairlead.core.gossip.member import Address, Member
from fairlead.core.gossip.membership import Membership
from fairlead.core.gossip.timers import Timer
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Ack, Nack, Ping, Relay, Verdict, Witness
from fairlead.core.gossip.wire.stream import Check, Here, Reply

PROBE = Timer("probe")
ASK_WITNESSES = Timer("probe timeout")
CONCLUDE = Timer("probe verdict")
RELAY = "relay"
MAX_RELAYS = 256


@dataclass(slots=True)
class _Probe:
    name: str
    seq: int
    sent: float
    repeated: bool = False
    asked: dict[str, None] = field(default_factory=dict)
    verdict: Verdict | None = None
    nacks: dict[str, Verdict] = field(default_factory=dict)


@dataclass(slots=True)
class _Relayed:
    """A ping we sent for somebody else."""

    target: str
    to: Address
    requester: str
    seq: int


class Prober:
    """`digest_with(name)` is what goes into a ping to that member."""

    def __init__(
        self,
        turn: Turn,
        membership: Membership,
        mail: Mail,
        calls: Calls,
        coordinates: Coordinates,
        digest_with: Callable[[str], int],
    ) -> None:
        self._turn = turn
        self._membership = membership
        self._roster = membership.roster
        self._mail = mail
        self._calls = calls
        self._coordinates = coordinates
        self._digest_with = digest_with
        self._probe: _Probe | None = None
        self._relayed: dict[int, _Relayed] = {}
        self._seq = 0

    def begin(self) -> None:
        """At a random moment of the first interval, so that nodes started together do not probe together."""
        self._turn.timers.set(PROBE, self._turn.now + self._turn.rng.random() * self._turn.config.probe_interval)

    def probe(self) -> None:
        """Starts the next probe; an earlier one that is still open is concluded first."""
        if self._probe is not None:
            self.conclude()
        turn = self._turn
        turn.timers.set(PROBE, turn.now + self._membership.awareness.scale(turn.config.probe_interval))
        member = self._roster.next_probe(turn.rng)
        if member is None:
            return
        turn.counters.probes += 1
        self._probe = _Probe(member.name, self._next_seq(), turn.now)
        self._send_ping(member, self._probe.seq)
        turn.timers.set(ASK_WITNESSES, turn.now + self._membership.awareness.scale(turn.config.probe_timeout))

    def ask_witnesses(self) -> None:
        probe, turn = self._probe, self._turn
        member = None if probe is None else self._roster.get(probe.name)
        if probe is None or member is None:
            return
        probe.repeated = True
        relay = codec.encode(Relay(probe.seq, member.name))
        for witness in self._witnesses(member):
            probe.asked[witness.name] = None
            self._mail.send(witness.address, witness.name, [relay])
        self._send_ping(member, probe.seq)
        patience = self._membership.awareness.scale(turn.config.indirect_timeout)
        self._try_stream(member, patience * 0.9, lambda: self._succeed(probe), lambda seen: self._saw(probe, seen))
        turn.timers.set(CONCLUDE, turn.now + patience)

    def conclude(self) -> None:
        """Accuses the member: nobody reached it."""
        probe, turn = self._probe, self._turn
        if probe is None:
            return
        self._end_probe()
        member = self._roster.get(probe.name)
        if member is None or not member.present:
            return
        turn.counters.probes_failed += 1
        silent = len(probe.asked) - len(probe.nacks)
        self._membership.awareness.add(silent if probe.asked else 1)
        own = Witness(self._roster.own_name, probe.verdict or Verdict.SILENT)
        others = tuple(Witness(name, verdict) for name, verdict in probe.nacks.items())
        witnesses = (own, *others) if turn.config.lifeguard else (own,)
        self._membership.suspect(member, member.incarnation, witnesses)

    def hear_ping(self, ping: Ping, source: Address, sender: Member | None) -> None:
        """Answers, if we are meant: an address may have belonged to another node before."""
        if ping.target != self._roster.own_name:
            return
        messages = [codec.encode(Ack(ping.seq, self._coordinates.packed))]
        if sender is not None and (rumour := self._membership.refute_to(sender)) is not None:
            messages.append(rumour)
        self._mail.send(source, sender.name if sender else None, messages)

    def hear_ack(self, ack: Ack, sender: str) -> None:
        probe = self._probe
        if probe is not None and ack.seq == probe.seq:
            if sender == probe.name and not probe.repeated:
                self._coordinates.measured(sender, self._turn.now - probe.sent)
            if sender == probe.name or sender in probe.asked:
                self._succeed(probe)
            return
        relayed = self._relayed.get(ack.seq)
        if relayed is not None and sender == relayed.target:
            self._answer_relay(ack.seq, None)

    def hear_relay(self, relay: Relay, source: Address, sender: str) -> None:
        target = self._roster.get(relay.target)
        if target is None or len(self._relayed) >= MAX_RELAYS:
            return
        seq = self._next_seq()
        self._relayed[seq] = _Relayed(target.name, source, sender, relay.seq)
        self._send_ping(target, seq)
        self._turn.timers.set(Timer(RELAY, seq), self._turn.now + self._turn.config.relay_patience)

    def relay_unanswered(self, seq: int) -> None:
        """The ping we sent for another brought no ack: try the stream, and report what that shows."""
        relayed = self._relayed.get(seq)
        target = None if relayed is None else self._roster.get(relayed.target)
        if target is None:
            self._relayed.pop(seq, None)
            return
        patience = self._turn.config.indirect_timeout * 0.9 - self._turn.config.relay_patience
        tried = self._try_stream(
            target,
            patience,
            lambda: self._answer_relay(seq, None),
            lambda seen: self._answer_relay(seq, seen),
        )
        if not tried:
            self._relayed.pop(seq, None)

    def hear_nack(self, nack: Nack, sender: str) -> None:
        probe = self._probe
        if probe is not None and nack.seq == probe.seq and sender in probe.asked:
            probe.nacks[sender] = nack.verdict
            self._conclude_if_clear(probe)

    def _witnesses(self, suspect: Member) -> list[Member]:
        """Near ones, which answer fast, and one at random, which sees the network from elsewhere."""
        count = self._turn.config.indirect
        candidates = self._roster.pick(self._turn.rng, 3 * count, lambda member: member.name != suspect.name)
        far, rest = candidates[:1], candidates[1:]
        here = self._coordinates.place
        rest.sort(key=lambda member: distance(here, there) if (there := self._coordinates.of(member.name)) else 1.0)
        return (far + rest)[:count]

    def _send_ping(self, member: Member, seq: int) -> None:
        ping = codec.encode(Ping(seq, member.name, self._coordinates.packed, self._digest_with(member.name)))
        rumour = self._membership.refute_to(member) if member.status is not members.Status.ALIVE else None
        self._mail.send(member.address, member.name, [ping] if rumour is None else [ping, rumour])

    def _try_stream(
        self, member: Member, patience: float, here: Callable[[], None], failed: Callable[[Verdict], None]
    ) -> bool:
        def answered(reply: Reply, address: Address) -> None:
            if isinstance(reply.answer, Here) and reply.sender.name == member.name:
                here()
            else:
                failed(Verdict.STALLED)

        return self._calls.ask(member.address, Check(member.name), max(patience, 0.05), answered, failed)

    def _saw(self, probe: _Probe, verdict: Verdict) -> None:
        probe.verdict = verdict
        self._conclude_if_clear(probe)

    def _conclude_if_clear(self, probe: _Probe) -> None:
        if probe is self._probe and probe.verdict is Verdict.REFUSED and len(probe.nacks) == len(probe.asked):
            self.conclude()

    def _succeed(self, probe: _Probe) -> None:
        if probe is self._probe:
            self._end_probe()
            self._membership.awareness.add(-1)

    def _end_probe(self) -> None:
        self._probe = None
        self._turn.timers.cancel(ASK_WITNESSES)
        self._turn.timers.cancel(CONCLUDE)

    def _answer_relay(self, seq: int, verdict: Verdict | None) -> None:
        relayed = self._relayed.pop(seq, None)
        if relayed is None:
            return
        self._turn.timers.cancel(Timer(RELAY, seq))
        answer = Ack(relayed.seq, b"") if verdict is None else Nack(relayed.seq, verdict)
        self._mail.send(relayed.to, relayed.requester, [codec.encode(answer)])

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq
