"""Sharing out all slots of a service among its backends.

A packet that begins a connection is given a slot number by the kernel (the next one, a random one, or a hash of its
source), and a map leads from the slot to a backend. Which backend has which slot follows here from the backends alone,
so every node and every restart comes to the same table, which is what makes a source find its backend by any node.
(Where nobody asks for that, `pool` goes on from there by moving shares.) Two ways:

- *rounds*, for few backends that are asked by turns: one shuffled round of all of them after the other. Whoever makes
  2n - 1 connections has met all n, and two services that a client asks alternately do not fall into step, as they
  would with the same order in every round. A change moves most slots, of which there are few.
- *Maglev* (Eisenbud et al., NSDI 2016), else: each backend has an order of preference over the slots, and they choose
  in turn. A change moves little more than the slots of the backend that came or went, so a source keeps its backend.

With `SLOTS_EACH` slots for each backend, no share is further from fair than one slot in that number.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import gcd

from fairlead.core.balance.service import SOURCE

SIZES = (61, 251, 1021, 4093, 16381)
"""Numbers of slots: primes, so that every step from slot to slot visits them all."""

SLOTS_EACH = 20
FEW = 12
"""Up to how many backends rounds are dealt."""

MOST_SHARES = 4096
"""Weights are scaled down until their sum is no more than that."""


def size_for(shares: int) -> int:
    """The number of slots for so many backends (or shares of weighted ones)."""
    return next((size for size in SIZES if size >= SLOTS_EACH * shares), SIZES[-1])


def shares(weights: Sequence[int]) -> tuple[int, ...]:
    """Weights in their lowest terms; whoever has any weight keeps a share."""
    divisor = gcd(*weights) if any(weights) else 1
    lowest = tuple(weight // divisor for weight in weights)
    total = sum(lowest)
    if total <= MOST_SHARES:
        return lowest
    return tuple(max(1, weight * MOST_SHARES // total) if weight else 0 for weight in lowest)


def share_out(backends: Sequence[tuple[bytes, int]], algorithm: str) -> tuple[int, ...]:
    """For each slot the index of its backend; () when nobody takes connections. A backend is what identifies it, and
    its weight. The order in which backends are given changes nothing but the indexes."""
    parts = shares([weight for _, weight in backends])
    present = sorted((name, index, parts[index]) for index, (name, _) in enumerate(backends) if parts[index])
    if not present:
        return ()
    names, indexes, weights = zip(*present, strict=True)
    size = size_for(sum(weights))
    if algorithm != SOURCE and len(names) <= FEW and len(set(weights)) == 1:
        dealt = _rounds(names, size)
    else:
        dealt = _maglev(names, weights, size)
    return tuple(indexes[number] for number in dealt)


def _rounds(names: Sequence[bytes], size: int) -> list[int]:
    """Round after round, each in an order of its own; the last one is cut short."""
    dealt: list[int] = []
    for number in range(-(-size // len(names))):
        salt = number.to_bytes(4)
        dealt += sorted(range(len(names)), key=lambda index: _hash(names[index], salt))
    return dealt[:size]


def _maglev(names: Sequence[bytes], weights: Sequence[int], size: int) -> list[int]:
    places = [_hash(name, b"offset") % size for name in names]
    steps = [_hash(name, b"step") % (size - 1) + 1 for name in names]
    dealt, left = [-1] * size, size
    while True:
        for index, weight in enumerate(weights):
            for _ in range(weight):
                place = places[index]
                while dealt[place] >= 0:
                    place = (place + steps[index]) % size
                dealt[place], places[index] = index, place
                left -= 1
                if not left:
                    return dealt


def _hash(name: bytes, salt: bytes) -> int:
    return int.from_bytes(blake2b(name, digest_size=8, salt=salt.ljust(16, b"\0")).digest())
