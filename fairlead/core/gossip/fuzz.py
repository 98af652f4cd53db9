"""One entrance for fuzzers: any bytes at all, as whatever a peer could make of them.

The property: no input raises, and what the node holds stays within its bounds.
"""

from __future__ import annotations

import functools
import random
from dataclasses import replace

from fairlead.core.gossip.config import LAN
from fairlead.core.gossip.keyring import Keyring
from fairlead.core.gossip.node import Node
from fairlead.core.gossip.turn import Identity
from fairlead.core.gossip.wire.envelope import Envelope

_BOUNDS = replace(LAN, max_members=64, max_rows=64, max_networks=8, max_peer_rate=1 << 40, tombstone_life=5.0)
_PEER = ("192.0.2.2", 7946)
_STEP = 0.01


class _Target:
    """A node that has a peer, a network and a row, and the peer's hand to seal what the fuzzer makes up."""

    def __init__(self) -> None:
        ring = Keyring(b"k" * 32)
        rng = random.Random(0)
        own = Identity("own", ("192.0.2.1", 7946), "fuzz", b"session")
        peer = Identity("peer", _PEER, "fuzz", b"another")
        self.now = 0.0
        self.node = Node(own, ring, rng, self.now, _BOUNDS)
        other = Node(peer, ring, rng, self.now, _BOUNDS)
        other.adopt(self.node)
        self.node.adopt(other)
        self.node.join_network("net", self.now)
        self.node.set_entry("net", "table", "key", b"value", self.now)
        self.hand = Envelope("fuzz", peer.session, ring, 1 << 30, 1 << 20)

    def feed(self, data: bytes) -> None:
        self.now += _STEP
        node = self.node
        node.receive(data, _PEER, self.now)
        node.receive(self.hand.seal(data), _PEER, self.now)
        hello = node.hello()
        node.answer(hello, self.hand.seal(data, b"question" + hello), _PEER, self.now)
        node.handle_timeout(self.now)
        for call in node.calls():
            question = node.ask(call.id, self.hand.nonce())
            if question is not None:
                node.answered(call.id, self.hand.seal(data, b"answer" + question[3:15]), self.now)
        node.transmits()
        node.events()


@functools.cache
def _target() -> _Target:
    return _Target()


def fuzz_entry(data: bytes) -> None:
    """Feeds the bytes to a joined node: as a datagram, as a peer's packet body, question and answer."""
    _target().feed(data)
