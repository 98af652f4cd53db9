"""The addresses of one network: who may have which.

The machine holds what is leased, so that giving out an address does not need a walk over all of them:

- `local` networks give the lowest free address. Everything below the *frontier* was given out once; what came back
  lies in a heap. A lease takes the lowest of the heap, else the frontier moves on.
- `serial` networks (cluster scope) give the next address after the last one given, round the range, so that a
  peer's stale cache seldom meets a new owner.

Gateway, auxiliary, network and broadcast addresses are never given. A pool of 2^64 addresses costs what is leased
from it and no more. Nothing is stored here: after a restart the engine claims again what its endpoints hold.

Invariant: an address is in at most one lease, and a lease is in exactly one pool.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.core.ipam.blocks import address_of, parse_address, usable
from fairlead.core.ipam.request import IN_USE
from fairlead.model.errors import Failed, Invalid, NotAllowed
from fairlead.model.network import Address, Network, Pool

Interface = IPv4Interface | IPv6Interface

LOWEST, SERIAL = "lowest", "serial"


class PoolLeases:
    """The leases of one pool. Addresses are numbers in here."""

    def __init__(self, pool: Pool, policy: str = LOWEST) -> None:
        first, last = usable(pool.subnet)
        within = pool.ip_range or pool.subnet
        self.pool = pool
        self._policy = policy
        self._usable = (first, last)
        self._first = max(first, int(within.network_address))
        self._last = min(last, int(within.broadcast_address))
        self._set_aside = {int(address) for address in pool.aux.values()}
        if pool.gateway is not None:
            self._set_aside.add(int(pool.gateway))
        self._leased: set[int] = set()
        self._returned: list[int] = []
        self._waiting: set[int] = set()
        self._frontier = self._first

    def __len__(self) -> int:
        return len(self._leased)

    @property
    def capacity(self) -> int:
        """How many endpoints the range can hold."""
        kept = sum(self._first <= number <= self._last for number in self._set_aside)
        return self._last - self._first + 1 - kept

    def lease(self) -> Address | None:
        """The next address by the policy; None when the range is used up."""
        number = self._lowest() if self._policy == LOWEST else self._next()
        if number is None:
            return None
        self._leased.add(number)
        return address_of(self.pool.subnet, number)

    def _lowest(self) -> int | None:
        while self._returned:
            number = heappop(self._returned)
            self._waiting.discard(number)
            if self._free(number):
                return number
        while self._frontier <= self._last:
            number, self._frontier = self._frontier, self._frontier + 1
            if self._free(number):
                return number
        return None

    def _next(self) -> int | None:
        for _ in range(len(self._leased) + len(self._set_aside) + 1):
            if self._frontier > self._last:
                self._frontier = self._first
            number, self._frontier = self._frontier, self._frontier + 1
            if number <= self._last and self._free(number):
                return number
        return None

    def _free(self, number: int) -> bool:
        return number not in self._leased and number not in self._set_aside

    def claim(self, address: Address) -> None:
        """Lease exactly `address`, which lies in the subnet; NotAllowed when somebody has it or nobody may."""
        number = int(address)
        first, last = self._usable
        if not first <= number <= last or not self._free(number):
            raise NotAllowed(IN_USE)
        self._leased.add(number)

    def resume(self, address: Address) -> None:
        """Go on after `address`, if it is the highest seen: a serial range does not begin anew with its holder."""
        if self._policy == SERIAL and self._first <= int(address) <= self._last:
            self._frontier = max(self._frontier, int(address) + 1)

    def release(self, address: Address) -> None:
        """Take `address` back; one that is not leased is fine."""
        number = int(address)
        if number not in self._leased:
            return
        self._leased.discard(number)
        if self._policy == LOWEST and self._first <= number < self._frontier and number not in self._waiting:
            heappush(self._returned, number)
            self._waiting.add(number)


class Leases:
    """The leases of a network, over all its pools."""

    def __init__(self, network: Network, policy: str = LOWEST) -> None:
        self._network = network
        self._pools = tuple(PoolLeases(pool, policy) for pool in network.pools)

    def __len__(self) -> int:
        return sum(len(pool) for pool in self._pools)

    def pools(self) -> Iterable[tuple[Pool, int, int]]:
        """(pool, addresses leased, addresses it can lease) of each pool."""
        return [(leases.pool, len(leases), leases.capacity) for leases in self._pools]

    def lease(self, version: int) -> Interface:
        """An address of IP `version` with its prefix, chosen by the policy, out of the first pool that has one.

        Raises Failed when all pools of that family are used up.
        """
        for leases in self._pools:
            if leases.pool.subnet.version == version and (address := leases.lease()) is not None:
                return _with_prefix(address, leases.pool)
        name, network_id = self._network.name, self._network.id
        raise Failed(f"no available IPv{version} addresses on this network's address pools: {name} ({network_id})")

    def claim(self, text: str) -> Interface:
        """The address that a user asked for. Raises Invalid when it is none of this network's, NotAllowed when it
        is not free."""
        address = parse_address(text)
        leases = self._of(address) if address is not None else None
        if address is None or leases is None:
            raise Invalid(f"no configured subnet or ip-range contain the IP address {text}")
        leases.claim(address)
        return _with_prefix(address, leases.pool)

    def release(self, address: Address | Interface) -> None:
        """Give an address back; one that is not leased is fine."""
        bare = address.ip if isinstance(address, IPv4Interface | IPv6Interface) else address
        leases = self._of(bare)
        if leases is not None:
            leases.release(bare)

    def restore(self, addresses: Iterable[Interface]) -> None:
        """Claim again, after a restart, what endpoints hold; an address outside the pools stays theirs unseen."""
        for address in addresses:
            leases = self._of(address.ip)
            if leases is not None:
                leases.claim(address.ip)
                leases.resume(address.ip)

    def _of(self, address: Address) -> PoolLeases | None:
        return next((leases for leases in self._pools if address in leases.pool.subnet), None)


def _with_prefix(address: Address, pool: Pool) -> Interface:
    length = pool.subnet.prefixlen
    return IPv4Interface((address, length)) if address.version == 4 else IPv6Interface((address, length))
