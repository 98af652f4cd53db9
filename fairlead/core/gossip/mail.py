"""Datagrams on their way out: messages to one peer, filled up with what is to be told, sealed.

Every packet that goes out anyway carries as many waiting records as its recipient should hear and the MTU allows, so
in a busy cluster most news travels for free on pings and acks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fairlead.core.gossip.broadcast import EVERYWHERE, Queue
from fairlead.core.gossip.member import Address
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.envelope import OVERHEAD, Envelope


class Datagram(NamedTuple):
    to: Address
    data: bytes


def room(turn: Turn) -> int:
    """Bytes of messages that a packet of this node has room for."""
    return turn.config.mtu - OVERHEAD - len(codec.packet_head(turn.identity.name)) - 2


class Mail:
    """`takes_part(network, name)` says whether a member should hear what concerns a network."""

    def __init__(self, turn: Turn, envelope: Envelope, queue: Queue, takes_part: Callable[[str, str], bool]) -> None:
        self._turn = turn
        self._envelope = envelope
        self._queue = queue
        self._takes_part = takes_part
        self._head = codec.packet_head(turn.identity.name)
        self._room = room(turn)
        self._out: list[Datagram] = []

    def send(self, to: Address, name: str | None, messages: list[bytes]) -> None:
        """Sends messages, with waiting records beside them when the recipient's name is known."""
        if name is not None and len(self._queue):
            left = self._room - sum(map(len, messages))
            messages = messages + self._queue.pack(left, self.scopes(name))
        data = self._envelope.seal(codec.packet(self._head, messages))
        counters = self._turn.counters
        counters.packets_sent += 1
        counters.bytes_sent += len(data)
        self._out.append(Datagram(to, data))

    def send_records(self, to: Address, name: str, packets: int) -> list[bytes]:
        """Sends up to so many packets of waiting records. Returns the records that are too large for any packet."""
        scopes = self.scopes(name)
        waiting = self._queue.pack(self._room * packets, scopes)
        while waiting:
            size = count = 0
            while count < len(waiting) and size + len(waiting[count]) <= self._room:
                size += len(waiting[count])
                count += 1
            self.send(to, None, waiting[:count])
            waiting = waiting[count:]
        return self._queue.take_large(scopes) if scopes else []

    def scopes(self, name: str) -> tuple[str, ...]:
        return tuple(scope for scope in self._queue.scopes() if scope == EVERYWHERE or self._takes_part(scope, name))

    def take(self) -> list[Datagram]:
        if not self._out:
            return []
        out, self._out = self._out, []
        return out
