"""The states of a DHCP client (RFC 2131 section 4.4), for one container on one network.

    SELECTING ──offer──▶ REQUESTING ──ack──▶ BOUND ──T1──▶ RENEWING ──T2──▶ REBINDING ──expiry──▶ SELECTING
        ▲                    │nak              ▲              │ack│nak          │ack│nak
        └────────────────────┘                 └──────────────┘   └▶ SELECTING  ┘   └▶ SELECTING

While it renews it asks the server that granted the lease; while it rebinds, anybody. A lease that was refused or ran
out is `Lost`: the address must not be used from that moment. Then the client starts over, and goes on asking for as
long as it exists. It sends again after 1, 2, 4, ... 64 s, each spread by a tenth: RFC 2131 proposes to begin with 4 s,
which is long for a container that waits to start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface

from fairlead.core.dhcp import frame, message
from fairlead.core.dhcp.message import Kind, MalformedError, Message, Option
from fairlead.model.lease import FOREVER, Lease, LeaseRequest

FIRST_WAIT, LONGEST_WAIT = 1.0, 64.0
SHORTEST_RENEWAL = 60.0
"""While renewing and rebinding, half of what is left is waited between two requests, but not less than this."""

_WANTED = bytes([Option.MASK, Option.ROUTER, Option.LEASE_TIME, Option.RENEWAL, Option.REBINDING])
_SIZE = (1472).to_bytes(2, "big")


class State(Enum):
    SELECTING = "selecting"
    REQUESTING = "requesting"
    BOUND = "bound"
    RENEWING = "renewing"
    REBINDING = "rebinding"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Bound:
    """The address may be used; also after each renewal."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Lost:
    """The address must not be used any more."""

    reason: str


class Client:
    """`random(n)` draws from 0..n-1. With a `lease`, which began at `now`, it goes on from there."""

    def __init__(
        self, request: LeaseRequest, random: Callable[[int], int], now: float, lease: Lease | None = None
    ) -> None:
        self._request, self._random = request, random
        self._lease = lease
        self._since = now
        self._offer: Message | None = None
        self._out: list[bytes] = []
        self._events: list[Bound | Lost] = []
        self._deadline: float | None = None
        self._wait = FIRST_WAIT
        self._xid = 0
        self.state = State.BOUND
        if lease is None:
            self._discover(now)
        else:
            self._rest(now)

    # --- what a shell does with it --------------------------------------------------------------------

    @property
    def listening(self) -> bool:
        """Whether an answer may come now."""
        return self.state not in (State.BOUND, State.RELEASED)

    def next_deadline(self) -> tuple[float, str] | None:
        return None if self._deadline is None else (self._deadline, self.state.value)

    def transmits(self) -> Iterable[bytes]:
        """Takes the frames to send."""
        out, self._out = self._out, []
        return out

    def events(self) -> Iterable[Bound | Lost]:
        """Takes what happened."""
        events, self._events = self._events, []
        return events

    def receive(self, data: bytes, now: float) -> None:
        """A frame came in; whatever is not an answer to the last question is passed over."""
        received = frame.unwrap(data)
        if received is None or not self.listening:
            return
        try:
            said = message.decode(received.data)
        except MalformedError:
            return
        if said.op != message.BOOTREPLY or said.xid != self._xid or said.mac != self._request.mac:
            return
        if said.kind is Kind.OFFER and self.state is State.SELECTING:
            if _granted(said, received.sender_mac) is not None:
                self._choose(said, now)
        elif said.kind is Kind.ACK and self.state is not State.SELECTING:
            if (lease := _granted(said, received.sender_mac)) is not None:
                self._bind(lease, now)
        elif said.kind is Kind.NAK and self.state is not State.SELECTING:
            self._start_over(f"the server refused: {_words(said)}", now)

    def handle_timeout(self, now: float) -> None:
        if self._deadline is None or now < self._deadline:
            return
        if self.state is State.SELECTING:
            self._say(self._discovery(), now)
        elif self.state is State.REQUESTING:
            # The server that made the offer does not answer: ask all of them once more.
            self._discover(now) if self._wait > FIRST_WAIT * 8 else self._say(self._acceptance(), now)
        else:
            self._keep_lease(now)

    def release(self, now: float) -> None:
        """Give the lease back, if there is one, and be silent from now on."""
        if self._lease is not None:
            self._xid = self._random(1 << 32)
            options = self._options({Option.SERVER: self._lease.server.packed}, polite=False)
            parting = Message(
                Kind.RELEASE, self._xid, self._request.mac, ciaddr=self._lease.address.ip, options=options
            )
            self._out.append(frame.wrap(self._to_server(self._lease), message.encode(parting)))
        self._lease, self._deadline, self.state = None, None, State.RELEASED

    # --- getting a lease ------------------------------------------------------------------------------

    def _discover(self, now: float) -> None:
        self.state, self._offer = State.SELECTING, None
        self._xid, self._since, self._wait = self._random(1 << 32), now, FIRST_WAIT
        self._say(self._discovery(), now)

    def _discovery(self) -> Message:
        return self._broadcast(Kind.DISCOVER, {})

    def _choose(self, offer: Message, now: float) -> None:
        self.state, self._offer, self._wait = State.REQUESTING, offer, FIRST_WAIT
        self._say(self._acceptance(), now)

    def _acceptance(self) -> Message:
        assert self._offer is not None
        server = self._offer.options[Option.SERVER]
        return self._broadcast(Kind.REQUEST, {Option.REQUESTED: self._offer.yiaddr.packed, Option.SERVER: server})

    def _say(self, said: Message, now: float) -> None:
        """Broadcast, and wait longer each time."""
        said = replace(said, secs=int(now - self._since))
        route = frame.Route(self._request.mac, message.UNSPECIFIED)
        self._out.append(frame.wrap(route, message.encode(said)))
        spread = self._wait * (0.9 + self._random(200) / 1000)
        self._deadline, self._wait = now + spread, min(self._wait * 2, LONGEST_WAIT)

    def _bind(self, lease: Lease, now: float) -> None:
        """The lease counts from the moment of the request, since that is what the server cannot see later."""
        self._lease, self._since, self.state = lease, now, State.BOUND
        self._rest(now)
        self._events.append(Bound(lease))

    def _start_over(self, reason: str, now: float) -> None:
        if self._lease is not None:
            self._events.append(Lost(reason))
        self._lease = None
        self._discover(now)

    # --- keeping it -----------------------------------------------------------------------------------

    def _rest(self, now: float) -> None:
        assert self._lease is not None
        self._deadline = None if self._lease.expire == FOREVER else self._since + self._lease.renew

    def _keep_lease(self, now: float) -> None:
        """T1, T2 or the end has passed, or a request to renew was not answered."""
        lease = self._lease
        assert lease is not None
        expiry, rebinding = self._since + lease.expire, self._since + lease.rebind
        if now >= expiry:
            self._start_over("it ran out, and no server renewed it", now)
            return
        if not self.listening:
            self._xid = self._random(1 << 32)
        self.state = State.REBINDING if now >= rebinding else State.RENEWING
        route = self._to_server(lease)
        if self.state is State.REBINDING:
            route = frame.Route(self._request.mac, lease.address.ip)
        asked = Message(Kind.REQUEST, self._xid, self._request.mac, ciaddr=lease.address.ip, options=self._options({}))
        self._out.append(frame.wrap(route, message.encode(asked)))
        following = expiry if self.state is State.REBINDING else rebinding
        self._deadline = min(following, now + max((following - now) / 2, SHORTEST_RENEWAL))

    def _to_server(self, lease: Lease) -> frame.Route:
        return frame.Route(self._request.mac, lease.address.ip, lease.server_mac, lease.server)

    # --- words ----------------------------------------------------------------------------------------

    def _broadcast(self, kind: Kind, options: dict[int, bytes]) -> Message:
        return Message(kind, self._xid, self._request.mac, flags=message.BROADCAST, options=self._options(options))

    def _options(self, given: dict[int, bytes], polite: bool = True) -> dict[int, bytes]:
        options = {**given, int(Option.CLIENT): self._request.client_id}
        if polite:
            options |= {int(Option.ASKED_FOR): _WANTED, int(Option.MAX_SIZE): _SIZE}
            if self._request.hostname:
                options[Option.HOSTNAME] = self._request.hostname.encode()[:63]
        return options


def _granted(said: Message, sender_mac: str) -> Lease | None:
    """The lease that an offer or an acknowledgement speaks of; None when it lacks what a lease needs."""
    mask, server, seconds = said.address(Option.MASK), said.address(Option.SERVER), said.number(Option.LEASE_TIME)
    usable = not (said.yiaddr.is_multicast or said.yiaddr.is_unspecified or said.yiaddr.is_loopback)
    if mask is None or server is None or not seconds or not usable:
        return None
    try:
        address = IPv4Interface(f"{said.yiaddr}/{mask}")
    except ValueError:
        return None
    rebind = said.number(Option.REBINDING) or seconds * 7 // 8
    renew = said.number(Option.RENEWAL) or seconds // 2
    if not 0 < renew <= rebind <= seconds:
        renew, rebind = seconds // 2, seconds * 7 // 8
    gateway = said.address(Option.ROUTER)
    return Lease(address, _reachable(gateway, address), server, sender_mac, renew, rebind, seconds)


def _reachable(gateway: IPv4Address | None, address: IPv4Interface) -> IPv4Address | None:
    return gateway if gateway in address.network and gateway != address.ip else None


def _words(said: Message) -> str:
    """What a server said about its refusal, safe to print."""
    text = said.options.get(Option.MESSAGE, b"").decode("ascii", "replace")[:80]
    return "".join(letter if letter.isprintable() else "?" for letter in text) or "no reason given"
