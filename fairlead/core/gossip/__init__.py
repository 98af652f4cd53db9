"""Gossip: who is in the cluster, and what its nodes tell each other about their networks.

A `Node` is a state machine (see `node.py`) that keeps a membership list by probing (SWIM with Lifeguard), spreads
changes epidemically, and holds per-network key/value tables that converge. It needs nothing but this package: time and
randomness are handed in, bytes are handed in and out. `fairlead.effects.wire` drives it over real sockets,
`fairlead.sim.gossip` over a simulated network. `docs/gossip.md` describes the protocol.
"""

from __future__ import annotations

from fairlead.core.gossip.calls import Call
from fairlead.core.gossip.config import LAN, LOCAL, PROFILES, WAN, Config, plain_swim
from fairlead.core.gossip.errors import GossipError, PeerError
from fairlead.core.gossip.events import (
    EntryDeleted,
    EntryEvent,
    EntryHeeded,
    EntryResumed,
    EntrySet,
    EntrySuspended,
    Event,
    MemberChanged,
    MemberEvent,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberSuspected,
    NameConflict,
)
from fairlead.core.gossip.fuzz import fuzz_entry
from fairlead.core.gossip.keyring import KEY_BYTES, Keyring, fingerprint
from fairlead.core.gossip.mail import Datagram
from fairlead.core.gossip.member import Address, Member, Status
from fairlead.core.gossip.node import Node
from fairlead.core.gossip.turn import Identity
from fairlead.core.gossip.watch import Watch
from fairlead.core.gossip.wire.messages import Entry, Verdict

__all__ = [
    "Address",
    "Call",
    "Config",
    "Datagram",
    "Entry",
    "EntryDeleted",
    "EntryEvent",
    "EntryHeeded",
    "EntryResumed",
    "EntrySet",
    "EntrySuspended",
    "Event",
    "GossipError",
    "Identity",
    "KEY_BYTES",
    "Keyring",
    "LAN",
    "LOCAL",
    "Member",
    "MemberChanged",
    "MemberEvent",
    "MemberFailed",
    "MemberJoined",
    "MemberLeft",
    "MemberSuspected",
    "NameConflict",
    "Node",
    "PROFILES",
    "PeerError",
    "Status",
    "Verdict",
    "WAN",
    "Watch",
    "fingerprint",
    "fuzz_entry",
    "plain_swim",
]
