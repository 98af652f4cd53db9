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

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain

from fairlead.core.balance.service import LEAST, ROUND_ROBIN, SOURCE, Backend, Turnover, VirtualService
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

FEATURE, MAGLEV, TWO_CHOICES = "ip_vs", "ip_vs_mh", "ip_vs_twos"
"""What a kernel must have, and what it may have: a hash that moves few sources when backends change, and the choice of
the less busy of two."""

SERVED = 0x20000000
"""The bit of marks that lead to IPVS; those below it are the virtual address's own."""

PATIENCE = 432_000
"""Seconds after which an idle TCP connection is forgotten: five days, as connection tracking does."""

_MOST_WEIGHT = 65535

Weights = Mapping[Address, int | None]
"""Of tasks by their addresses; None is gone."""


def scheduler(algorithm: str, weighted: bool, features: frozenset[str]) -> str:
    """The name of the kernel's scheduler; "" when it has none. `weighted`: not all backends weigh the same."""
    chosen = {
        ROUND_ROBIN: "wrr" if weighted else "rr",
        SOURCE: "mh" if MAGLEV in features else "sh",
        LEAST: "twos" if TWO_CHOICES in features else "wlc",
    }
    return chosen.get(algorithm, "")


def mark_of(vip: Address) -> int:
    """Addresses of IPv4 have marks of their own as long as they differ in their lower 29 bits."""
    number = int(vip) if vip.version == 4 else int.from_bytes(blake2b(vip.packed, digest_size=4).digest())
    return SERVED | number & (SERVED - 1)


@dataclass(frozen=True, slots=True)
class ServersChange:
    """What a sandbox goes through: servers that come whole, and operations, before its table changes; the marks to add
    and remove there; operations after it."""

    come: tuple[VirtualServer, ...] = ()
    before: tuple[Operation, ...] = ()
    add: tuple[Element, ...] = ()
    remove: tuple[Element, ...] = ()
    after: tuple[Operation, ...] = ()

    @classmethod
    def together(cls, parts: Iterable[ServersChange]) -> ServersChange:
        parts = tuple(parts)
        return cls(
            tuple(server for part in parts for server in part.come),
            tuple(operation for part in parts for operation in part.before),
            tuple(element for part in parts for element in part.add),
            tuple(element for part in parts for element in part.remove),
            tuple(operation for part in parts for operation in part.after),
        )

    def __bool__(self) -> bool:
        return bool(self.come or self.before or self.add or self.remove or self.after)

    def plan(self, rules: Transaction, ns: str, phase: int = 0) -> Plan:
        """All that happens in the sandbox `ns` of this phase; `rules` is its table's change without the marks."""
        rules = replace(rules, add=rules.add + self.add, remove=rules.remove + self.remove)
        come = chain.from_iterable(_whole_server(turned(server, phase)) for server in self.come)
        before, after = ([replace(each, ns=ns) for each in side] for side in ((*come, *self.before), self.after))
        return Plan((*before, *((ChangeRules(rules, ns),) if rules else ()), *after))


class Servers:
    """What IPVS holds for a network, on a kernel with these `features`. `taken` are the keys in use on all networks of
    a host: of two addresses with one key the second goes the table's way."""

    def __init__(self, features: frozenset[str], taken: set[ServerKey]) -> None:
        self._features, self._taken = features, taken
        self._services: dict[Address, _Service] = {}

    def held(self) -> Iterator[VirtualServer]:
        for service in self._services.values():
            if service.scheduler:
                yield service.server()

    def marks(self) -> Iterator[Element]:
        return (service.mark for service in self._services.values() if service.is_marked)

    def change(self, told: Mapping[Address, VirtualService | Turnover[Backend] | None]) -> ServersChange:
        """What sandboxes go through for it: only what differs. A turnover costs what its tasks cost."""
        return ServersChange.together([self._follow(vip, news) for vip, news in told.items()])

    def close(self) -> None:
        """The network is left."""
        self._taken.difference_update(service.key for service in self._services.values())
        self._services.clear()

    def _follow(self, vip: Address, news: VirtualService | Turnover[Backend] | None) -> ServersChange:
        service = self._services.get(vip)
        if service is None:
            key = ServerKey(mark_of(vip), vip.version)
            if not isinstance(news, VirtualService) or key in self._taken:
                return ServersChange()
            self._taken.add(key)
            service = self._services[vip] = _Service(vip, key, self._features)
        if news is None:
            self._taken.discard(service.key)
            del self._services[vip]
        return service.follow(news)


def whole(known: Iterable[Servers], rules: Transaction, ns: str, phase: int = 0) -> Plan:
    """A sandbox on these networks as it shall be, whatever it holds; `rules` is its whole table without marks."""
    known = tuple(known)
    servers = tuple(turned(server, phase) for each in known for server in each.held())
    marks = tuple(chain.from_iterable(each.marks() for each in known))
    return Plan(
        (
            SetSysctl("net/ipv4/vs/conntrack", "1", ns),
            SetSysctl("net/ipv4/vs/expire_nodest_conn", "1", ns),
            SettleVirtualServers(servers, PATIENCE, ns),
            ChangeRules(replace(rules, add=rules.add + marks), ns),
        )
    )


def turned(server: VirtualServer, phase: int) -> VirtualServer:
    """The same server for a sandbox of this phase: not all that ask for the first time ask the same backend."""
    real = list(server.real.items())
    start = phase % len(real) if real else 0
    return replace(server, real=dict(real[start:] + real[:start]))


def _whole_server(server: VirtualServer) -> Iterator[Operation]:
    yield PutVirtualServer(server.key, server.scheduler)
    for address, weight in server.real.items():
        yield PutRealServer(server.key, address, weight)


class _Service:
    """One virtual address. `scheduler` is "" while IPVS holds nothing of it."""

    def __init__(self, vip: Address, key: ServerKey, features: frozenset[str]) -> None:
        self.key, self.scheduler = key, ""
        self.mark = Element(f"marks{key.version}", (vip,), (key.mark,))
        self._features = features
        self._algorithm = ROUND_ROBIN
        self._real: dict[Address, int] = {}
        self._shares: Counter[int] = Counter()

    @property
    def is_marked(self) -> bool:
        """Whether new connections are led to it."""
        return bool(self.scheduler and self._shares)

    def server(self) -> VirtualServer:
        return VirtualServer(self.key, self.scheduler, dict(self._real))

    def follow(self, news: VirtualService | Turnover[Backend] | None) -> ServersChange:
        former, marked = self.scheduler, self.is_marked
        changed = self._take(_weights_told(news, self._real))
        if isinstance(news, VirtualService):
            self._algorithm = news.algorithm
        self.scheduler = scheduler(self._algorithm, len(self._shares) > 1, self._features) if self._real else ""
        marks = (self.mark,) if marked != self.is_marked else ()
        add, remove = (marks, ()) if self.is_marked else ((), marks)
        if not self.scheduler:
            return ServersChange((), (), add, remove, (DelVirtualServer(self.key),) if former else ())
        if not former:
            return ServersChange((self.server(),), (), add, remove)
        head = (PutVirtualServer(self.key, self.scheduler),) if former != self.scheduler else ()
        return ServersChange((), (*head, *self._puts(changed)), add, remove, tuple(self._gone(changed)))

    def _take(self, told: Weights) -> Weights:
        """Returns those that are not what they were."""
        own = ((address, weight) for address, weight in told.items() if address.version == self.key.version)
        changed = {address: weight for address, weight in own if weight != self._real.get(address)}
        for address, weight in changed.items():
            self._count(self._real.pop(address, None), -1)
            self._count(weight, 1)
            if weight is not None:
                self._real[address] = weight
        return changed

    def _count(self, weight: int | None, by: int) -> None:
        if weight:
            self._shares[weight] += by
            if not self._shares[weight]:
                del self._shares[weight]

    def _puts(self, changed: Weights) -> Iterator[Operation]:
        """Whoever comes is there before others become quiet."""
        for address, weight in sorted(changed.items(), key=lambda item: item[1] == QUIET):
            if weight is not None:
                yield PutRealServer(self.key, address, weight)

    def _gone(self, changed: Weights) -> Iterator[Operation]:
        return (DelRealServer(self.key, address) for address, weight in changed.items() if weight is None)


def _weights_told(news: VirtualService | Turnover[Backend] | None, real: Iterable[Address]) -> Weights:
    match news:
        case Turnover(tasks=tasks):
            return {address: min(one.weight, _MOST_WEIGHT) if one else None for address, one in tasks.items()}
        case VirtualService(backends=backends, leaving=leaving):
            serving = {one.address: min(one.weight, _MOST_WEIGHT) for one in backends}
            return {**dict.fromkeys(real), **dict.fromkeys(leaving, QUIET), **serving}
    return dict.fromkeys(real)
