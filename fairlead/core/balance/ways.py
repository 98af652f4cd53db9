"""The constant part that both kinds of balancing share: one chain for each way of choosing a slot.

A service is an element of a verdict map that leads to the chain of its algorithm and number of slots; the chain draws a
number and translates the destination to what stands in the slot. So a packet passes two look-ups and one draw, however
many services and backends there are, and only the first packet of a connection does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from fairlead.core.balance.service import ALGORITHMS, RANDOM, ROUND_ROBIN, SOURCE
from fairlead.core.balance.slots import SIZES
from fairlead.model.ruleset import Chain, Dnat, Jhash, Meta, Numgen, Payload, Rule, Selector, Verdict

FAMILY, NAME = "inet", "fairlead"
"""The table of a sandbox that balances."""

FAMILIES = {4: "ip", 6: "ip6"}
ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
DSTNAT, FILTER = -100, 0
PROTOCOL, PORT = Meta("l4proto"), Payload("th", "dport")
_SEED = 0x66616972


def source(version: int) -> Payload:
    return Payload(FAMILIES[version], "saddr")


def destination(version: int) -> Payload:
    return Payload(FAMILIES[version], "daddr")


def way(algorithm: str, size: int) -> Verdict:
    """Where a service of this algorithm with so many slots is led."""
    return Verdict("goto", _name(algorithm, size))


def _name(algorithm: str, size: int) -> str:
    return f"{algorithm if algorithm in ALGORITHMS else ROUND_ROBIN}-{size}"


def chains(keys: dict[int, Sequence[Selector]]) -> Iterator[Chain]:
    """The chains of all ways. `keys` are the selectors, by IP version, that stand before the slot in `slots4` and
    `slots6`."""
    for algorithm, size in product(ALGORITHMS, SIZES):
        rules = (
            Rule((Dnat(FAMILIES[version], (*key, _slot(algorithm, size, version)), f"slots{version}"),), "a backend")
            for version, key in keys.items()
        )
        yield Chain(_name(algorithm, size), tuple(rules))


def turned(slot: int, phase: int, algorithm: str, size: int) -> int:
    """The number under which a sandbox holds a slot. Those who ask by turns begin at a place of their own: else all
    that ask for the first time would ask the same backend. A source finds its backend everywhere at the same."""
    return slot if algorithm == SOURCE else (slot + phase) % size


def _slot(algorithm: str, size: int, version: int) -> Selector:
    if algorithm == SOURCE:
        return Jhash((source(version),), size, _SEED)
    return Numgen("random" if algorithm == RANDOM else "inc", size)
