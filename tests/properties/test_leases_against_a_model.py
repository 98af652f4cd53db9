"""The allocator beside a model as dumb as can be: a set of addresses, walked from the bottom."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fairlead.core.ipam.leases import LOWEST, SERIAL, Leases
from fairlead.model.errors import Refusal
from fairlead.model.network import Network, Pool

RESERVED = {"a": IPv4Address("10.1.0.10")}
SUBNETS = [
    Pool(IPv4Network("10.1.0.0/29"), IPv4Address("10.1.0.1")),
    Pool(IPv4Network("10.1.0.0/30"), IPv4Address("10.1.0.2")),
    Pool(IPv4Network("10.1.0.0/31")),
    Pool(IPv4Network("10.1.0.0/32")),
    Pool(
        IPv4Network("10.1.0.0/28"), IPv4Address("10.1.0.9"), IPv4Network("10.1.0.8/29"), {"a": IPv4Address("10.1.0.10")}
    ),
    Pool(IPv6Network("fd00::/124")),
]


class LeasesMachine(RuleBasedStateMachine):
    """Leases, claims and releases in any order never double an address, nor lose one."""

    @initialize(pool=st.sampled_from(SUBNETS), policy=st.sampled_from([LOWEST, SERIAL]))
    def begin(self, pool: Pool, policy: str) -> None:
        self.pool, self.policy = pool, policy
        self.leases = Leases(Network("0" * 64, "n", "bridge", 0, pools=(pool,)), policy)
        self.held: set[int] = set()
        kept = {int(address) for address in pool.aux.values()} | ({int(pool.gateway)} if pool.gateway else set())
        net = pool.subnet
        hosts = set(range(int(net.network_address), int(net.broadcast_address) + 1))
        if net.max_prefixlen - net.prefixlen >= 2:
            hosts -= {int(net.network_address)}
            hosts -= {int(net.broadcast_address)} if net.version == 4 else set()
        self.may_have = hosts - kept
        within = pool.ip_range or net
        inside = range(int(within.network_address), int(within.broadcast_address) + 1)
        self.given_out = {number for number in self.may_have if number in inside}

    def text(self, number: int) -> str:
        return str(self.pool.subnet.network_address + (number - int(self.pool.subnet.network_address)))

    @rule()
    def lease(self) -> None:
        free = self.given_out - self.held
        try:
            got = int(self.leases.lease(self.pool.subnet.version).ip)
        except Refusal:
            assert not free
            return
        assert got in free
        if self.policy == LOWEST:
            assert got == min(free)
        self.held.add(got)

    @rule(offset=st.integers(0, 15))
    def claim(self, offset: int) -> None:
        number = int(self.pool.subnet.network_address) + offset
        text = self.text(number)
        try:
            got = int(self.leases.claim(text).ip)
        except Refusal:
            assert number not in self.may_have - self.held
            return
        assert got == number
        assert number in self.may_have - self.held
        self.held.add(number)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.held)))
        address = self.pool.subnet.network_address + (number - int(self.pool.subnet.network_address))
        self.leases.release(address)
        self.leases.release(address)
        self.held.discard(number)

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "held"):
            assert len(self.leases) == len(self.held)


LeasesMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLeases = LeasesMachine.TestCase
