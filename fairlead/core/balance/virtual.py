"""Virtual addresses, translated in the sandbox of the client.

Nobody has a virtual address. What a container sends to one is led to a backend before it leaves the sandbox, whatever
its protocol (ping too), so that there is no hop in between and the backend sees who asks; a container may be led to
itself. Then:

- a service without backends refuses at once (TCP by a reset, the rest by ICMP): its packets still carry the virtual
  address behind the translation;
- a backend that is gone for good resets the connections that were led to it, instead of leaving them in silence. A
  backend that only leaves keeps them;
- an idle connection is forgotten after five days (nf_conntrack_tcp_timeout_established), not after 900 seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address

from fairlead.core.balance.service import VirtualService
from fairlead.core.balance.slots import share_out
from fairlead.core.balance.ways import (
    ADDRESS,
    DSTNAT,
    FAMILY,
    FILTER,
    NAME,
    PROTOCOL,
    chains,
    destination,
    moved,
    turned,
    way,
)
from fairlead.model.network import Address
from fairlead.model.ruleset import (
    Chain,
    Ct,
    Element,
    Match,
    Reject,
    Rule,
    Set,
    Statement,
    Table,
    Transaction,
    Verdict,
    VerdictMap,
)

VERSIONS = (4, 6)
UNSERVED, LOST = Verdict("goto", "unserved"), Verdict("goto", "lost")
_TCP = 6


def sandbox_table() -> Table:
    """The table of a sandbox on a network with virtual addresses: constant."""
    keys = {version: (destination(version),) for version in VERSIONS}
    ways = (Rule((VerdictMap(key, f"ways{version}"),), "a virtual address") for version, key in keys.items())
    balance = Chain("balance", tuple(ways), "nat", "output", DSTNAT)
    looked = (Rule((VerdictMap(key, f"refused{version}"),), "nobody to go to") for version, key in keys.items())
    refuse = Chain("refuse", tuple(looked), "filter", "output", FILTER)
    return Table(FAMILY, NAME, tuple(_sets()), (*chains(dict(keys)), *_refusals(), balance, refuse))


def _sets() -> Iterator[Set]:
    for version, address in ADDRESS.items():
        yield Set(f"ways{version}", (address,), ("verdict",))
        yield Set(f"slots{version}", (address, "mark"), (address,))
        yield Set(f"refused{version}", (address,), ("verdict",))


def _refusals() -> Iterator[Chain]:
    """Every packet that leaves pays one look-up for both."""
    yield Chain(UNSERVED.chain, tuple(rejections("nobody serves this virtual address")))
    balanced = Match(Ct("status"), "&", ("dnat",))
    yield Chain(LOST.chain, tuple(rejections("the backend of this connection is gone", balanced)))


def rejections(comment: str, *matches: Statement) -> Iterator[Rule]:
    """TCP by a reset, everything else by ICMP."""
    yield Rule((*matches, Match(PROTOCOL, "==", _TCP), Reject("tcp reset")), comment)
    yield Rule((*matches, Reject("port-unreachable")), comment)


@dataclass(frozen=True, slots=True)
class Balanced:
    """A service with its slots as they are written: the backend of each slot, in order."""

    service: VirtualService
    slots: tuple[Address, ...]

    @classmethod
    def of(cls, service: VirtualService) -> Balanced:
        fitting = [backend for backend in service.backends if backend.address.version == service.vip.version]
        dealt = share_out([(backend.address.packed, backend.weight) for backend in fitting], service.algorithm)
        return cls(service, tuple(fitting[index].address for index in dealt))

    def elements(self) -> Iterator[Element]:
        """All that the service adds to a sandbox's table."""
        yield from self.head()
        yield from self.written(enumerate(self.slots))

    def head(self) -> Iterator[Element]:
        """What leads to the slots."""
        vip, version = self.service.vip, self.service.vip.version
        yield Element(f"refused{version}", (vip,), UNSERVED)
        if self.slots:
            yield Element(f"ways{version}", (vip,), way(self.service.algorithm, len(self.slots)))

    def written(self, slots: Iterable[tuple[int, Address]]) -> Iterator[Element]:
        vip = self.service.vip
        return (Element(f"slots{vip.version}", (vip, slot), (backend,)) for slot, backend in slots)


@dataclass(frozen=True, slots=True)
class Services:
    """All services of a network by their virtual addresses, and the addresses of backends that are gone: those of tasks
    of any service that nobody has again."""

    balanced: Mapping[Address, Balanced] = field(default_factory=dict)
    gone: frozenset[Address] = frozenset()

    def elements(self) -> Iterator[Element]:
        """All that a sandbox on the network holds."""
        for balanced in self.balanced.values():
            yield from balanced.elements()
        yield from map(_gone, sorted(self.gone, key=str))

    def turned(self, elements: Iterable[Element], phase: int) -> Iterator[Element]:
        """The same elements for a sandbox of this `phase` (any number that is its own)."""
        for element in elements:
            vip, *slot = element.key
            if not element.set.startswith("slots"):
                yield element
            elif isinstance(vip, IPv4Address | IPv6Address) and isinstance(slot[0], int):
                balanced = self.balanced[vip]
                number = turned(slot[0], phase, balanced.service.algorithm, len(balanced.slots))
                yield replace(element, key=(vip, number))

    def changed(self, changes: Mapping[Address, VirtualService | None]) -> tuple[Services, Transaction]:
        """The services after a change, and what a sandbox's table goes through for it: only what differs."""
        fresh = {vip: Balanced.of(service) for vip, service in changes.items() if service is not None}
        kept = {vip: balanced for vip, balanced in self.balanced.items() if vip not in changes}
        after = Services({**kept, **fresh}, frozenset())
        after = replace(after, gone=(self.gone | self._alive()) - after._alive())
        add = [_gone(address) for address in sorted(after.gone - self.gone, key=str)]
        remove = [_gone(address) for address in sorted(self.gone - after.gone, key=str)]
        for vip in changes:
            gone, come = _difference(self.balanced.get(vip), fresh.get(vip))
            remove += gone
            add += come
        return after, Transaction(FAMILY, NAME, add=tuple(add), remove=tuple(remove))

    def _alive(self) -> frozenset[Address]:
        """Who may go on with the connections that it has."""
        services = [balanced.service for balanced in self.balanced.values()]
        serving = {backend.address for service in services for backend in service.backends}
        return frozenset(serving).union(*(service.leaving for service in services))


def turned_change(change: Transaction, before: Services, after: Services, phase: int) -> Transaction:
    """A change of `before` into `after` for a sandbox of this phase."""
    add, remove = tuple(after.turned(change.add, phase)), tuple(before.turned(change.remove, phase))
    return replace(change, add=add, remove=remove)


def _gone(address: Address) -> Element:
    return Element(f"refused{address.version}", (address,), LOST)


def _difference(old: Balanced | None, new: Balanced | None) -> tuple[list[Element], list[Element]]:
    """The elements to remove and to add."""
    heads = [list(balanced.head()) if balanced else [] for balanced in (old, new)]
    were, are = (balanced.slots if balanced else () for balanced in (old, new))
    taken, given = moved(were, are, [balanced.service.algorithm for balanced in (old, new) if balanced])
    remove = [element for element in heads[0] if element not in heads[1]]
    add = [element for element in heads[1] if element not in heads[0]]
    return remove + list(old.written(taken) if old else ()), list(new.written(given) if new else ()) + add
