"""Queries on their way to upstream servers and back: a state machine without a socket or a clock.

A query that nobody here can answer is sent to the sandbox's servers in their order. The next one is
asked when a server was silent for `ATTEMPT` seconds, when the connection was refused, or when it said that it
cannot help (SERVFAIL, REFUSED, NOTIMP, FORMERR). Earlier attempts stay open meanwhile: a slow first
server that answers after the second was asked still wins. After `LIFETIME` seconds the client hears
SERVFAIL, just before the 5 s after which C libraries would ask again.

The message itself passes through unchanged in both directions, except for its id: upstream it
carries a number drawn at random for each attempt. A reply counts only if it came through the channel
that was asked (the shell connects its sockets, so the kernel has checked address and port),
carries that number, and repeats the question. Everything else is dropped and counted as stray.

A client that came by TCP wants the whole answer: it is asked for by UDP first, and again by TCP when
the reply is marked as truncated. A client that came by UDP gets the truncated reply itself and decides.

Each sandbox may have `PER_SANDBOX` queries under way, all together `IN_ALL`; one more is refused at
once. So a container that floods a dead server takes nothing from its neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from fairlead.core.dns.codes import PeerError, Rcode
from fairlead.core.dns.wire import MAX_STREAM, PLAIN_UDP, Query, fail, parse_query, parse_reply_head, shorten
from fairlead.model.dns import Channel, Reply, Transmit, Upstream

ATTEMPT = 1.5
LIFETIME = 4.5
PER_SANDBOX = 128
IN_ALL = 8192

_NO_HELP = frozenset({Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})
_IDS = 1 << 16


@dataclass(slots=True, eq=False)
class _Pursuit:
    """One client's query. `attempts` are the ids under which it is out, `spent` the servers that cannot
    help, `wake` the next time something must be tried, `consolation` the best of the unhelpful replies."""

    sandbox: str
    token: int
    data: bytes
    query: Query
    upstreams: Sequence[Upstream]
    stream: bool
    deadline: float
    wake: float = 0.0
    turn: int = 0
    attempts: set[tuple[Channel, int]] = field(default_factory=set)
    spent: set[Upstream] = field(default_factory=set)
    consolation: bytes | None = None
    done: bool = False

    def next_upstream(self) -> Upstream | None:
        """The server whose turn it is, among those that may still help."""
        for _ in self.upstreams:
            candidate = self.upstreams[self.turn % len(self.upstreams)]
            self.turn += 1
            if candidate not in self.spent:
                return candidate
        return None

    def asked(self, section: bytes, rcode: int) -> bool:
        """Whether a reply repeats this question; a server that understood nothing may leave it out."""
        own = self.query.section
        if not section:
            return rcode != Rcode.NOERROR
        return section[-4:] == own[-4:] and section[:-4].lower() == own[:-4].lower()

    @property
    def limit(self) -> int:
        """The largest reply that the client takes."""
        if self.stream:
            return MAX_STREAM
        return PLAIN_UDP if self.query.edns is None else max(PLAIN_UDP, self.query.edns.size)


class Forwarder:
    """See the module. `number(n)` draws a random integer from [0, n)."""

    def __init__(self, number: Callable[[int], int]) -> None:
        self._number = number
        self._out: dict[Channel, dict[int, _Pursuit]] = {}
        self._pursuits: dict[int, _Pursuit] = {}
        self._load: Counter[str] = Counter()
        self._timers: list[tuple[float, int, _Pursuit]] = []
        self._order = count()
        self._transmits: list[Transmit] = []
        self._events: list[Reply] = []
        self._counts: Counter[str] = Counter()

    # --- input ------------------------------------------------------------------------------------

    def ask(
        self, sandbox: str, token: int, data: bytes, upstreams: Sequence[Upstream], now: float, *, stream: bool
    ) -> None:
        """A well-formed query of a client. Exactly one `Reply` with `token` follows, unless it is forgotten."""
        query = parse_query(data)
        if self._load[sandbox] >= PER_SANDBOX or len(self._pursuits) >= IN_ALL:
            self._counts["refused"] += 1
            self._events.append(Reply(token, fail(query, Rcode.SERVFAIL)))
            return
        pursuit = _Pursuit(sandbox, token, data, query, tuple(upstreams), stream, now + LIFETIME)
        self._counts["forwarded"] += 1
        self._load[sandbox] += 1
        self._pursuits[token] = pursuit
        self._advance(pursuit, now)

    def receive(self, data: bytes, source: Channel, now: float) -> None:
        """A message came through a channel."""
        try:
            head = parse_reply_head(data)
        except PeerError:
            self._counts["stray"] += 1
            return
        pursuit = self._out.get(source, {}).get(head.id)
        if pursuit is None or not pursuit.asked(head.section, head.rcode):
            self._counts["stray"] += 1
            return
        self._withdraw(pursuit, source, head.id)
        if head.rcode in _NO_HELP:
            self._without_help(pursuit, source.upstream, data, now)
        elif head.truncated and pursuit.stream and not source.tcp:
            pursuit.consolation = data
            self._attempt(pursuit, Channel(source.sandbox, source.upstream, tcp=True), now)
        else:
            self._finish(pursuit, data)

    def failed(self, channel: Channel, now: float, number: int | None = None) -> None:
        """The channel is broken: for one attempt, or (UDP, refused by the other side) for all that are out on it."""
        out = self._out.get(channel, {})
        numbers = list(out) if number is None else [number]
        for each in numbers:
            pursuit = out.get(each)
            if pursuit is not None:
                self._counts["failed"] += 1
                self._withdraw(pursuit, channel, each)
                self._without_help(pursuit, channel.upstream, None, now)

    def forget(self, sandbox: str) -> None:
        """The sandbox is gone, and with it everybody who waits."""
        for pursuit in [p for p in self._pursuits.values() if p.sandbox == sandbox]:
            self._close(pursuit)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        while self._timers and self._timers[0][0] <= now:
            wake, _, pursuit = heappop(self._timers)
            if pursuit.done or pursuit.wake != wake:
                continue
            if now >= pursuit.deadline:
                self._counts["timeouts"] += 1
                self._give_up(pursuit)
            else:
                self._advance(pursuit, now)

    # --- output -----------------------------------------------------------------------------------

    def next_deadline(self) -> tuple[float, str] | None:
        """When to call `handle_timeout` next, and why."""
        while self._timers and (self._timers[0][2].done or self._timers[0][2].wake != self._timers[0][0]):
            heappop(self._timers)
        return (self._timers[0][0], "an upstream server is silent") if self._timers else None

    def transmits(self) -> list[Transmit]:
        """What has to be sent, once."""
        out, self._transmits = self._transmits, []
        return out

    def events(self) -> list[Reply]:
        """What has to be told to clients, once."""
        events, self._events = self._events, []
        return events

    def counters(self) -> Mapping[str, int]:
        """Since the start: forwarded, refused, failed, timeouts, stray."""
        return dict(self._counts)

    # --- one pursuit ------------------------------------------------------------------------------

    def _advance(self, pursuit: _Pursuit, now: float) -> None:
        """Ask the next server; when none is left, wait for those that are still out."""
        upstream = pursuit.next_upstream()
        if upstream is not None:
            self._attempt(pursuit, Channel(pursuit.sandbox if upstream.inside else "", upstream), now)
        elif pursuit.attempts:
            self._wake(pursuit, pursuit.deadline)
        else:
            self._give_up(pursuit)

    def _attempt(self, pursuit: _Pursuit, channel: Channel, now: float) -> None:
        out = self._out.setdefault(channel, {})
        number = self._number(_IDS)
        while number in out:
            number = (number + 1) % _IDS
        out[number] = pursuit
        pursuit.attempts.add((channel, number))
        self._transmits.append(Transmit(channel, number.to_bytes(2) + pursuit.data[2:], number))
        self._wake(pursuit, min(now + ATTEMPT, pursuit.deadline))

    def _without_help(self, pursuit: _Pursuit, upstream: Upstream, reply: bytes | None, now: float) -> None:
        pursuit.spent.add(upstream)
        if pursuit.consolation is None:
            pursuit.consolation = reply
        self._advance(pursuit, now)

    def _wake(self, pursuit: _Pursuit, when: float) -> None:
        pursuit.wake = when
        heappush(self._timers, (when, next(self._order), pursuit))

    def _give_up(self, pursuit: _Pursuit) -> None:
        self._finish(pursuit, pursuit.consolation or fail(pursuit.query, Rcode.SERVFAIL))

    def _finish(self, pursuit: _Pursuit, reply: bytes) -> None:
        if len(reply) > pursuit.limit:
            reply = shorten(reply, pursuit.query.section)
        self._events.append(Reply(pursuit.token, pursuit.data[:2] + reply[2:]))
        self._close(pursuit)

    def _close(self, pursuit: _Pursuit) -> None:
        pursuit.done = True
        for channel, number in list(pursuit.attempts):
            self._withdraw(pursuit, channel, number)
        del self._pursuits[pursuit.token]
        self._load[pursuit.sandbox] -= 1
        if not self._load[pursuit.sandbox]:
            del self._load[pursuit.sandbox]

    def _withdraw(self, pursuit: _Pursuit, channel: Channel, number: int) -> None:
        pursuit.attempts.discard((channel, number))
        out = self._out[channel]
        del out[number]
        if not out:
            del self._out[channel]
