"""Which subnet a network gets when its user named none.

A `Space` knows the pools to take from and the ground that is occupied: subnets of other networks, and routes,
addresses and nameservers of the host. The choice is the lowest free prefix of the first pool that has one, so a
freed subnet is used again at once and the same history gives the same answer.

The occupied ground is merged into sorted, disjoint spans; a pool is then walked span by span, never prefix by
prefix, so a choice costs O(n log n) in the number of occupied prefixes and nothing in the size of the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network

from fairlead.model.config import AddressPool
from fairlead.model.errors import Invalid
from fairlead.model.host import HostFacts
from fairlead.model.network import Network, Subnet

EXHAUSTED = "all predefined address pools have been fully subnetted"
ULA_SIZE = 64
_ULA_BITS = 40

DEFAULT_POOLS = (
    *(AddressPool(IPv4Network((0xAC110000 + (n << 16), 16)), 16) for n in range(15)),
    AddressPool(IPv4Network("192.168.0.0/16"), 20),
    AddressPool(IPv4Network("10.192.0.0/10"), 24),
)
"""172.17.0.0/16 to 172.31.0.0/16, the /20s of 192.168.0.0/16 as Docker has them, then 16,384 more /24s."""

Span = tuple[int, int]


def ula(seed: bytes) -> AddressPool:
    """A unique local /48 (RFC 4193) to take /64s from, the same for the same seed: something of the host's own."""
    global_id = int.from_bytes(sha256(seed).digest()[: _ULA_BITS // 8])
    return AddressPool(IPv6Network(((0xFD << 120) | (global_id << 80), 48)), ULA_SIZE)


@dataclass(frozen=True, slots=True)
class Space:
    """Where networks may lie. `networks` are the subnets of other networks, `host` what the host itself uses."""

    pools: tuple[AddressPool, ...]
    networks: tuple[Subnet, ...] = ()
    host: tuple[Subnet, ...] = ()

    def with_network(self, subnet: Subnet) -> Space:
        """The same space once `subnet` is given away."""
        return Space(self.pools, (*self.networks, subnet), self.host)

    def overlaps(self, subnet: Subnet) -> Subnet | None:
        """The network's subnet that `subnet` would overlap, if there is one."""
        return next((other for other in self.networks if _overlap(subnet, other)), None)

    def choose(self, version: int, size: int | None = None) -> Subnet:
        """The lowest free prefix for IP `version`; `size` asks for that prefix length instead of the pool's own.

        Raises Invalid when no pool has one left.
        """
        taken = _spans(version, (*self.networks, *self.host))
        for pool in self.pools:
            length = pool.size if size is None else size
            if pool.base.version == version and pool.base.prefixlen <= length:
                found = _lowest_free(pool.base, length, taken)
                if found is not None:
                    return found
        raise Invalid(EXHAUSTED if size is None else f"no free /{size} is left in the predefined address pools")


def space(facts: HostFacts, networks: Iterable[Network], pools: Iterable[AddressPool], seed: bytes) -> Space:
    """The space of this host now. `pools` are the configured ones, possibly none; a family without any gets the
    defaults (IPv6: the ULA of `seed`)."""
    configured = tuple(pools)
    defaults = (*DEFAULT_POOLS, ula(seed))
    versions = {pool.base.version for pool in configured}
    return Space(
        pools=(*configured, *(pool for pool in defaults if pool.base.version not in versions)),
        networks=tuple(pool.subnet for network in networks for pool in network.pools),
        host=(*facts.routes, *(ip_network(address) for address in (*facts.addresses, *facts.nameservers))),
    )


def _overlap(one: Subnet, other: Subnet) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.overlaps(other)


def _spans(version: int, subnets: Iterable[Subnet]) -> list[Span]:
    """The ground of one family as sorted spans that do not touch each other; both ends included."""
    merged: list[Span] = []
    for low, high in sorted(_bounds(subnet) for subnet in subnets if subnet.version == version):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _bounds(subnet: Subnet) -> Span:
    return int(subnet.network_address), int(subnet.broadcast_address)


def _lowest_free(base: Subnet, size: int, taken: list[Span]) -> Subnet | None:
    first, last = _bounds(base)
    step = 1 << (base.max_prefixlen - size)
    for low, high in _within(first, last, taken):
        if first + step - 1 < low:
            break
        first = max(first, -(-(high + 1) // step) * step)
    return base.__class__((first, size)) if first + step - 1 <= last else None


def _within(first: int, last: int, spans: list[Span]) -> Iterator[Span]:
    return (span for span in spans if span[1] >= first and span[0] <= last)
