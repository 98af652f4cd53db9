"""Vivaldi network coordinates: round trips estimated between nodes that never spoke (Dabek et al., SIGCOMM 2004).

Each node has a place in a small Euclidean space and a height above it (its access link). Every measured round trip
pulls or pushes its place a little, weighted by how sure both ends are, until distances predict round trips. The place
travels in each ping and ack as five 32-bit floats.

Section 3.5 of the paper gives the update, its constants 0.25 for both steps.
"""

from __future__ import annotations

import math
import random
import struct
from typing import NamedTuple

from fairlead.core.gossip.errors import PeerError

_PLACE = struct.Struct("<5f")
_STEP = 0.25
_MAX_RTT = 10.0
_MIN_HEIGHT = 1e-5
_START_ERROR = 1.5
KEPT = 512


class Place(NamedTuple):
    """Seconds in each direction; `error` is relative, 1 means no idea."""

    x: float
    y: float
    z: float
    height: float
    error: float


def distance(a: Place, b: Place) -> float:
    """The estimated round trip in seconds."""
    dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
    return math.sqrt(dx * dx + dy * dy + dz * dz) + a.height + b.height


class Coordinates:
    """Our own place, and the last one heard of each of up to `KEPT` peers (packed, as they came)."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.place = Place(0.0, 0.0, 0.0, _MIN_HEIGHT, _START_ERROR)
        self.packed = _PLACE.pack(*self.place)
        self._peers: dict[str, bytes] = {}

    def heard(self, name: str, packed: bytes) -> None:
        """A peer told where it is. Empty: it does not say."""
        if not packed:
            return
        peers = self._peers
        if name not in peers and len(peers) >= KEPT:
            del peers[next(iter(peers))]
        peers[name] = packed

    def measured(self, name: str, rtt: float) -> None:
        """A round trip to a peer whose place was heard. Raises PeerError for a place that cannot be."""
        packed = self._peers.get(name)
        if packed is None or not 0.0 < rtt < _MAX_RTT:
            return
        self.place = _moved(self.place, unpack(packed), rtt, self._rng)
        self.packed = _PLACE.pack(*self.place)

    def of(self, name: str) -> Place | None:
        packed = self._peers.get(name)
        try:
            return None if packed is None else unpack(packed)
        except PeerError:
            return None

    def to(self, place: Place) -> float:
        """The estimated round trip from here, in seconds."""
        return distance(self.place, place)

    def forget(self, name: str) -> None:
        self._peers.pop(name, None)


def unpack(packed: bytes) -> Place:
    if len(packed) != _PLACE.size:
        raise PeerError("position")
    place = Place(*_PLACE.unpack(packed))
    # NaN fails every comparison, so it is refused too.
    if not all(-_MAX_RTT <= part <= _MAX_RTT for part in place) or place.height < 0 or place.error < 0:
        raise PeerError("position")
    return place


def _moved(own: Place, peer: Place, rtt: float, rng: random.Random) -> Place:
    """Where `own` is after a round trip to `peer` took `rtt`."""
    dx, dy, dz = own.x - peer.x, own.y - peer.y, own.z - peer.z
    flat = math.sqrt(dx * dx + dy * dy + dz * dz)
    estimate = flat + own.height + peer.height
    weight = own.error / (own.error + peer.error) if own.error + peer.error > 0 else 0.5
    miss = min(abs(estimate - rtt) / rtt, _START_ERROR)
    error = miss * _STEP * weight + own.error * (1 - _STEP * weight)
    force = _STEP * weight * (rtt - estimate)
    if flat < 1e-9:  # two nodes in one spot must part in some direction
        dx, dy, dz = rng.random() - 0.5, rng.random() - 0.5, rng.random() - 0.5
        flat = math.sqrt(dx * dx + dy * dy + dz * dz) or 1.0
    pull = force / flat
    height = max(own.height + (own.height + peer.height) * force / max(estimate, 1e-9), _MIN_HEIGHT)
    return Place(
        _bounded(own.x + dx * pull),
        _bounded(own.y + dy * pull),
        _bounded(own.z + dz * pull),
        min(height, _MAX_RTT),
        min(error, _START_ERROR),
    )


def _bounded(value: float) -> float:
    return min(max(value, -_MAX_RTT), _MAX_RTT)
