"""The constants of the protocol, each with what it costs and what it buys, and three profiles of them.

All times are seconds. `LAN` is the default. `n` below is the number of live members.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Config:
    """Constants of one node. Nodes of one cluster may differ: no constant is part of an agreement."""

    # Probing. A crashed node is first probed after 1.6 intervals on average, whatever n is (SWIM, section 3.1);
    # half the interval finds it half an interval sooner and doubles the idle traffic.
    probe_interval: float = 1.0
    # How long a direct ping may take before others are asked. Under the slowest healthy round trip, every probe
    # costs `indirect` extra packets; each second here is a second of detection.
    probe_timeout: float = 0.3
    # From the question to the witnesses until the verdict. Must cover a relay, its patience and a connect.
    indirect_timeout: float = 0.5
    # What a witness waits for its own ping before it tries a stream.
    relay_patience: float = 0.1
    # Witnesses asked per failed probe: with loss p a live node is missed with about (2p)^(indirect + 1).
    indirect: int = 3

    # Suspicion. A silent member is given `suspicion_factor * log10(n)` intervals, but at least `suspicion_floor`,
    # once enough witnesses agree, `suspicion_max` times that while only one complains. A shorter floor buries
    # machines that stall (a migration, a switch that reboots); every second of it is a second of detection.
    suspicion_factor: float = 1.5
    suspicion_floor: float = 4.5
    suspicion_max: float = 6.0
    # Independent witnesses, besides the accuser, that bring the time down to its floor.
    confirmations: int = 3
    # Floor when the witnesses agree that the member's kernel refuses connections: its process is gone. Only a
    # restart within this time would have been worth waiting for.
    refused_floor: float = 0.4
    # Floor, as a multiple of the ordinary one, when its kernel accepts connections and the process says nothing:
    # it is stopped or starved, not gone.
    stalled_factor: float = 2.0
    # The machine tells a late timer from a slow peer beyond this lateness, and then gives the others the time back.
    lateness: float = 0.25
    # Lifeguard: local health scales the probe times by up to this many steps.
    awareness_max: int = 8
    # False: SWIM of 2002 (a fixed suspicion time, no health, no witnesses' verdicts, no buddy), for comparison.
    lifeguard: bool = True

    # Dissemination. Each node sends a change `retransmit * log10(n + 1)` times in all: with fewer, the epidemic
    # leaves nodes to the digests (a second later instead of a tenth), with more it costs bytes for nothing.
    retransmit: float = 4.0
    # Of these, so many at once when a node first sees the change. 0 leaves everything to the tick.
    push_fanout: int = 4
    # Two pushes are at least so far apart, so that a burst shares packets.
    push_spacing: float = 0.005
    # The rest goes out in ticks of this length, to `gossip_fanout` peers each, while there is something to tell.
    gossip_interval: float = 0.1
    gossip_fanout: int = 2
    # Packets per peer and tick when the queue is deeper than one packet.
    gossip_burst: int = 4

    # Anti-entropy. Every ping carries one digest of all that both nodes should agree on. They compare notes on a
    # difference when nothing has changed here for `settle` (it may be in flight), when nobody has agreed for
    # `disagreement`, or when the last sync is `sync_interval` old; fruitless syncs back off up to `sync_interval`.
    # Under changes without pause, a shorter `disagreement` costs syncs that find only what was in flight.
    settle: float = 0.5
    disagreement: float = 2.0
    sync_interval: float = 10.0
    sync_patience: float = 5.0
    # Up to so many records learned by one sync are gossiped on; a bigger difference is left to the digests.
    sync_gossip: int = 64

    # Memory of what is gone. A tombstone or a dead member is told to others for this long and refused for as long
    # again, so a peer that was away for less cannot bring it back. Longer costs memory only.
    tombstone_life: float = 1800.0
    dead_life: float = 86400.0
    # Entries of a member's earlier life stay visible for this long after its return, while it writes them anew.
    stale_life: float = 10.0
    # And for this long once it has said that it has written all of them: what is in flight may still come.
    rewritten_life: float = 2.0
    reap_interval: float = 5.0

    # Finding each other again: how often a lost member or an absent seed is tried.
    reconnect_interval: float = 10.0
    join_retry: float = 1.0

    # Bounds on what peers can make us hold or do; rows and bytes are those of one network.
    mtu: int = 1400
    max_frame: int = 4 << 20
    max_members: int = 20_000
    max_networks: int = 4096
    max_rows: int = 262_144
    max_table_bytes: int = 64 << 20
    max_value: int = 64 << 10
    max_calls: int = 64
    max_peer_rate: int = 5000
    # Bodies from this size on are compressed, if that makes them smaller.
    compress_from: int = 512


LAN = Config()

# One host or rack: round trips far below a millisecond. Costs twice the idle traffic of LAN.
LOCAL = replace(
    LAN,
    probe_interval=0.5,
    probe_timeout=0.15,
    indirect_timeout=0.3,
    relay_patience=0.05,
    suspicion_factor=3.0,
    suspicion_floor=4.5,
    gossip_interval=0.05,
    settle=0.25,
    disagreement=1.0,
    sync_interval=5.0,
    reconnect_interval=5.0,
)

# Sites far apart: round trips of 300 ms and bursts of loss are healthy, and a detection of half a minute is not late.
WAN = replace(
    LAN,
    probe_interval=3.0,
    probe_timeout=1.5,
    indirect_timeout=1.2,
    relay_patience=0.5,
    suspicion_factor=2.0,
    suspicion_floor=10.0,
    refused_floor=1.0,
    gossip_interval=0.3,
    settle=1.5,
    disagreement=6.0,
    sync_interval=30.0,
    sync_patience=15.0,
    reconnect_interval=30.0,
)

PROFILES = {"local": LOCAL, "lan": LAN, "wan": WAN}


def plain_swim(config: Config) -> Config:
    """The same probing and the same shortest suspicion, without anything Lifeguard and the witnesses add."""
    return replace(config, lifeguard=False)
