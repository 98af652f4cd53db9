"""IPVS as the second way from a virtual address to a backend, in the sandbox of the client.

The table of `virtual` stays as it is. Where IPVS serves a virtual address, its packets of TCP, UDP and SCTP get a mark
before translation; what is marked IPVS takes, just behind the place where the table would have translated it. Both
translate the destination alone, so the backend sees who asks. Everything else, ping for instance, and services whose
algorithm IPVS has not, go the table's way.

What the table says about refusals holds too. A service without backends gets no mark, so its packets still carry the
virtual address where they are refused. When a backend is gone, IPVS forgets its connections at once
(expire_nodest_conn); their next packet finds nobody, and is refused like those.

Real servers come first, then the mark that leads to them, and what is gone goes last: so no packet is led to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain

from fairlead.core.balance.service import LEAST, ROUND_ROBIN, SOURCE, VirtualService
from fairlead.model.network import Address
from fairlead.model.plan import (
    ChangeRules,
    DelRealServer,
    DelVirtualServer,
    Operation,
    Plan,
    PutRealServer,
    PutVirtualServer,
    SetSysctl,
    SettleVirtualServers,
)
from fairlead.model.ruleset import Element, Transaction
from fairlead.model.servers import QUIET, ServerKey, VirtualServer

IPVS, MAGLEV, TWO_CHOICES = "ip_vs", "ip_vs_mh", "ip_vs_twos"
"""What a kernel must have, and what it may have: a hash that moves few sources when backends change, and the choice of
the less busy of two."""

SERVED = 0x20000000
"""The bit of marks that lead to IPVS; those below it are the virtual address's own."""

PATIENCE = 432_000
"""Seconds after which an idle TCP connection is forgotten: five days, as connection tracking does."""

_MOST_WEIGHT = 65535


def scheduler(service: VirtualService, features: frozenset[str]) -> str:
    """The name of the kernel's scheduler for a service; "" when it has none."""
    weights = {backend.weight for backend in service.backends if backend.weight}
    chosen = {
        ROUND_ROBIN: "wrr" if len(weights) > 1 else "rr",
        SOURCE: "mh" if MAGLEV in features else "sh",
        LEAST: "twos" if TWO_CHOICES in features else "wlc",
    }
    return chosen.get(service.algorithm, "")


def mark_of(vip: Address) -> int:
    """Addresses of IPv4 have marks of their own as long as they differ in their lower 29 bits."""
    number = int(vip) if vip.version == 4 else int.from_bytes(blake2b(vip.packed, digest_size=4).digest())
    return SERVED | number & (SERVED - 1)


def virtual_server(service: VirtualService, features: frozenset[str]) -> VirtualServer | None:
    """What IPVS holds for a service; None if nothing."""
    chosen, version = scheduler(service, features), service.vip.version
    leaving = {address: QUIET for address in sorted(service.leaving, key=int) if address.version == version}
    serving = {each.address: min(each.weight, _MOST_WEIGHT) for each in service.backends}
    real = leaving | {address: weight for address, weight in serving.items() if address.version == version}
    return VirtualServer(ServerKey(mark_of(service.vip), version), chosen, real) if chosen and real else None


def is_marked(server: VirtualServer) -> bool:
    """Whether new connections are led to it."""
    return any(server.real.values())


def mark(vip: Address, server: VirtualServer) -> Element:
    return Element(f"marks{vip.version}", (vip,), (server.key.mark,))


@dataclass(frozen=True, slots=True)
class ServersChange:
    """What a sandbox goes through: operations before and after its table changes, and the marks to add and remove."""

    before: tuple[Operation, ...] = ()
    add: tuple[Element, ...] = ()
    remove: tuple[Element, ...] = ()
    after: tuple[Operation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.before or self.add or self.remove or self.after)

    def with_rules(self, rules: Transaction) -> Transaction:
        """The table's change with the marks in it."""
        return replace(rules, add=rules.add + self.add, remove=rules.remove + self.remove)

    def plan(self, rules: Transaction, ns: str) -> Plan:
        """All that happens in the sandbox `ns`, whose table's change (with marks) is `rules`."""
        first, last = ([replace(each, ns=ns) for each in side] for side in (self.before, self.after))
        return Plan((*first, *((ChangeRules(rules, ns),) if rules else ()), *last))


@dataclass(frozen=True, slots=True)
class Servers:
    """What IPVS holds for a network, by virtual address, on a kernel with these `features`."""

    features: frozenset[str]
    held: Mapping[Address, VirtualServer] = field(default_factory=dict)

    def marks(self) -> Iterator[Element]:
        return (mark(vip, server) for vip, server in self.held.items() if is_marked(server))

    def changed(self, changes: Mapping[Address, VirtualService | None]) -> tuple[Servers, ServersChange]:
        """The servers after a change, and only what differs. Of two addresses with one mark the second goes the
        table's way."""
        held = {vip: server for vip, server in self.held.items() if vip not in changes}
        taken = {server.key for server in held.values()}
        for vip, service in changes.items():
            server = virtual_server(service, self.features) if service is not None else None
            if server is not None and server.key not in taken:
                held[vip] = server
                taken.add(server.key)
        steps = [_difference(vip, self.held.get(vip), held.get(vip)) for vip in changes]
        return replace(self, held=held), _together(steps)


def whole(known: Iterable[Servers], rules: Transaction, ns: str) -> Plan:
    """A sandbox on these networks as it shall be, whatever it holds; `rules` is its whole table without marks."""
    known = tuple(known)
    servers = {server.key: server for each in known for server in each.held.values()}
    marks = tuple(chain.from_iterable(each.marks() for each in known))
    return Plan(
        (
            SetSysctl("net/ipv4/vs/conntrack", "1", ns),
            SetSysctl("net/ipv4/vs/expire_nodest_conn", "1", ns),
            SettleVirtualServers(tuple(servers.values()), PATIENCE, ns),
            ChangeRules(replace(rules, add=rules.add + marks), ns),
        )
    )


def turned(server: VirtualServer, phase: int) -> VirtualServer:
    """The same server for a sandbox of this phase: those that choose the first of equals do not all begin with one."""
    real = list(server.real.items())
    start = phase % len(real) if real else 0
    return replace(server, real=dict(real[start:] + real[:start]))


def _together(steps: Iterable[ServersChange]) -> ServersChange:
    total = ServersChange()
    for step in steps:
        total = ServersChange(
            total.before + step.before, total.add + step.add, total.remove + step.remove, total.after + step.after
        )
    return total


def _difference(vip: Address, old: VirtualServer | None, new: VirtualServer | None) -> ServersChange:
    marks = [mark(vip, server) if server and is_marked(server) else None for server in (old, new)]
    remove, add = ((each,) if each and marks[0] != marks[1] else () for each in marks)
    if new is None:
        return ServersChange((), add, remove, (DelVirtualServer(old.key),) if old else ())
    head = () if old and old.scheduler == new.scheduler else (PutVirtualServer(new.key, new.scheduler),)
    real = old.real if old else {}
    # Whoever comes is there before others become quiet.
    wanted = sorted(new.real.items(), key=lambda item: item[1] == QUIET)
    puts = (PutRealServer(new.key, each, weight) for each, weight in wanted if real.get(each) != weight)
    gone = tuple(DelRealServer(new.key, address) for address in real if address not in new.real)
    return ServersChange((*head, *puts), add, remove, gone)
