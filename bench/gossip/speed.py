"""The machine alone: packets per second through receive and transmit on one core, with codec and AES-256-GCM.

Fifty peers ping one node; each ping also carries a record that is news to it, in the second figure. The peers' packets
are sealed beforehand, so what is timed is one node's work: open, decode, judge, answer, encode, seal.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace

from fairlead.core.gossip import LAN, Entry, Identity, Keyring, Node
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.envelope import Envelope
from fairlead.core.gossip.wire.messages import Ping

PEERS = 50
_CONFIG = replace(LAN, max_peer_rate=1 << 30)


def measure(packets: int) -> dict[str, float]:
    quiet = _run([_pings(packets, news=False)])
    busy = _run([_pings(packets // 5, news=True)])
    return {
        "packets": packets,
        "pings_per_s": round(quiet[0]),
        "sent_per_ping": round(quiet[1], 2),
        "pings_with_news_per_s": round(busy[0]),
        "sent_per_ping_with_news": round(busy[1], 2),
    }


def _pings(count: int, *, news: bool) -> tuple[Node, list[tuple[bytes, tuple[str, int]]]]:
    ring = Keyring(b"k" * 32)
    identities = [Identity(f"n{i:05d}", (f"10.0.0.{i}", 7946), "speed", bytes([i]) * 7) for i in range(PEERS + 1)]
    nodes = [Node(identity, ring, random.Random(i), 0.0, _CONFIG) for i, identity in enumerate(identities)]
    target = nodes[0]
    target.restore([record for node in nodes for record in node.snapshot()], 0.0)
    for node in nodes[1:]:
        node.adopt(target)
    target.transmits()
    packets = []
    envelopes = [Envelope("speed", identity.session, ring, 512, 1 << 20) for identity in identities]
    heads = [codec.packet_head(identity.name) for identity in identities]
    for number in range(count):
        peer = 1 + number % PEERS
        messages = [codec.encode(Ping(number, target.name, b"", target.digest))]
        if news:
            row = Entry("", "endpoints", f"key{number % 1000}", identities[peer].name, 1, number + 1, b"10.0.0.1/24")
            messages.append(codec.encode(row))
        packets.append((envelopes[peer].seal(codec.packet(heads[peer], messages)), identities[peer].address))
    return target, packets


def _run(loads: list[tuple[Node, list[tuple[bytes, tuple[str, int]]]]]) -> tuple[float, float]:
    sent = received = 0
    started = time.process_time()
    for target, packets in loads:
        now = 0.0
        for data, source in packets:
            now += 0.00002
            target.receive(data, source, now)
            deadline = target.next_deadline()
            if deadline is not None and deadline[0] <= now:
                target.handle_timeout(now)
            sent += len(target.transmits())
            target.events()
        received += len(packets)
        errors = target.counters.peer_errors
        if errors:
            raise RuntimeError(f"the node refused packets: {errors}")
    spent = time.process_time() - started
    return received / spent, sent / received
