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

from collections.abc import Collection, Iterator, Mapping

from fairlead.core.balance.pool import Change
from fairlead.core.balance.roster import Roster, Tasks, Told
from fairlead.core.balance.service import Backend, Turnover, VirtualService
from fairlead.core.balance.ways import ADDRESS, DSTNAT, FAMILY, FILTER, NAME, PROTOCOL, chains, destination
from fairlead.model.network import Address
from fairlead.model.ruleset import (
    ACCEPT,
    Chain,
    Ct,
    Element,
    MapLookup,
    Match,
    Meta,
    Payload,
    Reject,
    Rule,
    Set,
    SetMark,
    Statement,
    Table,
    Verdict,
    VerdictMap,
)

VERSIONS = (4, 6)
UNSERVED, LOST = Verdict("goto", "unserved"), Verdict("goto", "lost")
_TCP = 6
_PORTED = (_TCP, 17, 132)
_MANGLE, _BEHIND_IPVS = -150, -90


def sandbox_table(served: int = 0) -> Table:
    """The table of a sandbox on a network with virtual addresses: constant. `served` is the bit of the marks that lead
    to IPVS, where there is one."""
    keys = {version: (destination(version),) for version in VERSIONS}
    ways = (Rule((VerdictMap(key, f"ways{version}"),), "a virtual address") for version, key in keys.items())
    spared = (Rule((Match(Meta("mark"), "&", served), ACCEPT), "IPVS leads it"),) if served else ()
    balance = Chain("balance", (*spared, *ways), "nat", "output", DSTNAT)
    looked = (Rule((VerdictMap(key, f"refused{version}"),), "nobody to go to") for version, key in keys.items())
    refuse = Chain("refuse", tuple(looked), "filter", "output", FILTER)
    marking = (_marking(keys), _unmarking(served)) if served else ()
    sets = (*_sets(), *(_marks() if served else ()))
    return Table(FAMILY, NAME, sets, (*chains(dict(keys)), *_refusals(), *marking, balance, refuse))


def _marking(keys: Mapping[int, tuple[Payload, ...]]) -> Chain:
    ported = Match(PROTOCOL, "in", _PORTED)
    translated = Rule((Match(Ct("status"), "&", ("dnat",)), ACCEPT), "the table leads it already")
    rules = (Rule((ported, SetMark(MapLookup(key, f"marks{version}"))), "for IPVS") for version, key in keys.items())
    return Chain("marking", (translated, *rules), "filter", "output", _MANGLE)


def _unmarking(served: int) -> Chain:
    """Behind IPVS, which leaves what it leads to the sandbox itself on the route that the virtual address had: a mark
    that changes makes the kernel look for the route again."""
    led = (Match(Meta("mark"), "&", served), SetMark(0))
    return Chain("unmarking", (Rule(led, "led by IPVS"),), "route", "output", _BEHIND_IPVS)


def _marks() -> Iterator[Set]:
    for version, address in ADDRESS.items():
        yield Set(f"marks{version}", (address,), ("mark",))


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


class Services:
    """All services of a network by their virtual addresses, and the addresses of backends that are gone: those of tasks
    of any service that nobody has again."""

    def __init__(self) -> None:
        self._roster: Roster[Address] = Roster(lambda vip: (vip,), lambda vip: (vip.version,), _gone)

    @property
    def gone(self) -> Collection[Address]:
        return self._roster.gone

    def elements(self, phase: int = 0) -> Iterator[Element]:
        """All that a sandbox of this `phase` (any number that is its own) on the network holds."""
        return self._roster.elements(phase)

    def change(self, told: Mapping[Address, VirtualService | Turnover[Backend] | None]) -> Change:
        """What sandboxes' tables go through for it: only what differs. A turnover costs what its tasks cost, whatever
        the number of the others."""
        return self._roster.change({vip: _read(news) for vip, news in told.items()})


def _read(news: VirtualService | Turnover[Backend] | None) -> Told | Tasks | None:
    if isinstance(news, VirtualService):
        leaving: Tasks = {address: ((address,), 0) for address in news.leaving}
        head = Element(f"refused{news.vip.version}", (news.vip,), UNSERVED)
        return Told(news.algorithm, (head,), {**leaving, **_read_tasks({one.address: one for one in news.backends})})
    return None if news is None else _read_tasks(news.tasks)


def _read_tasks(tasks: Mapping[Address, Backend | None]) -> Tasks:
    return {address: ((address,), one.weight) if one else None for address, one in tasks.items()}


def _gone(address: Address) -> Element:
    return Element(f"refused{address.version}", (address,), LOST)
