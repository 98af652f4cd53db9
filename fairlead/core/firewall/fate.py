"""What becomes of a packet: the hooks of the kernel in their order, over rulesets that are values.

`follow` takes a packet on its way through a host: it arrives on a link, or a process of the host sends it. It is led
through the device's own chains, guard, destination translation, the routing decision, then input or forwarding, then
source translation, and the answer names where it came out, how it looks there, and every rule that had a say. The
interpreter knows exactly the shapes it was taught; anything else raises `UnknownShapeError`, so an answer can be
believed.

Chains of type nat see only the first packet of a flow, and only until one has translated it, as in the kernel. For
later packets pass `state="established"` and the packet as it looks after translation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fairlead.core.firewall.interpret import ACCEPT, Doubt, Flow, Moment, Position, Step, Undo, run_base
from fairlead.core.firewall.lookup import Contents, UnknownShapeError
from fairlead.core.firewall.packet import LOOPBACK_LINK, Host, Packet, Stack
from fairlead.model.ruleset import Chain, Element, Table

HERE = "here"
"""The end of a packet that a process of the host receives."""

NOWHERE = "nowhere"
"""The end of a packet that no route leads on."""

NEW, ESTABLISHED = "new", "established"

__all__ = [
    "ESTABLISHED",
    "HERE",
    "NEW",
    "NOWHERE",
    "Fate",
    "Flow",
    "Host",
    "Packet",
    "Ruleset",
    "Stack",
    "Step",
    "Undo",
    "UnknownShapeError",
    "bridged",
    "follow",
]


@dataclass(frozen=True, slots=True)
class Fate:
    """`verdict` is "accept", "drop" or "reject". `end` is the link that an accepted packet leaves by, or HERE.
    `packet` is how it looks at its end, `steps` the rules that applied, in order, `flow` what its connection is
    remembered by. `drawn`: a rule drew a number below that (`Flow.turn`), so others of its flows may fare otherwise."""

    verdict: str
    end: str
    packet: Packet
    steps: tuple[Step, ...]
    flow: Flow = field(default_factory=Flow)
    drawn: int = 0

    @property
    def trace(self) -> tuple[str, ...]:
        """The steps in words."""
        return tuple(map(str, self.steps))

    @property
    def arrives(self) -> bool:
        return self.verdict == ACCEPT and self.end != NOWHERE


class Ruleset:
    """Tables with their elements."""

    def __init__(self, *loaded: tuple[Table, Iterable[Element]]) -> None:
        self._tables = tuple((table, Contents(table, elements)) for table, elements in loaded)

    def at(self, hook: str, device: str, trace: list[Step]) -> Sequence[tuple[Position, Chain]]:
        """The base chains of a hook in the order in which the kernel asks them, without those of other devices."""
        found = [
            (Position(hook, table, contents, trace), chain)
            for table, contents in self._tables
            for chain in table.chains
            if chain.hook == hook and chain.device in ("", device)
        ]
        return sorted(found, key=lambda place: place[1].priority)


class _StoppedError(Exception):
    """A chain dropped or rejected the packet."""


def follow(
    packet: Packet,
    iif: str,
    rules: Ruleset,
    host: Stack,
    state: str = NEW,
    flow: Flow | None = None,
    doubt: Doubt | None = None,
    undo: Undo | None = None,
) -> Fate:
    """The fate of `packet` that arrives on link `iif`, or with "" is sent by a process of `host`. With `doubt` what
    cannot be read is asked about, where it is a condition; everything else still raises UnknownShapeError. `undo` is
    given for the answer to a packet that `host` translated."""
    moment = Moment(packet, host, iif, "", state, frozenset(), flow or Flow(port=packet.dport), doubt, undo)
    trace: list[Step] = []
    try:
        end = _arrive(moment, rules, trace) if iif else _send(moment, rules, trace)
    except _StoppedError as stopped:
        return Fate(str(stopped), "", moment.packet, tuple(trace), moment.flow, moment.drawn)
    return Fate(ACCEPT, end, moment.packet, tuple(trace), moment.flow, moment.drawn)


def bridged(packet: Packet, iif: str, oif: str, rules: Ruleset, host: Stack, doubt: Doubt | None = None) -> Fate:
    """What rules of bridges say of a frame from one port to another, or with `oif` "" to the bridge itself."""
    moment = Moment(packet, host, iif, "", NEW, frozenset(), Flow(port=packet.dport), doubt)
    trace: list[Step] = []
    try:
        _hook("prerouting", moment, rules, trace)
        moment.oif = oif
        _hook("forward" if oif else "input", moment, rules, trace)
    except _StoppedError as stopped:
        return Fate(str(stopped), "", moment.packet, tuple(trace), moment.flow)
    return Fate(ACCEPT, oif or HERE, moment.packet, tuple(trace), moment.flow)


def _arrive(moment: Moment, rules: Ruleset, trace: list[Step]) -> str:
    _hook("ingress", moment, rules, trace)
    _hook("prerouting", moment, rules, trace)
    if moment.host.is_local(moment.packet.destination):
        _hook("input", moment, rules, trace)
        return HERE
    moment.oif = _way(moment)
    if not moment.oif:
        return NOWHERE
    _hook("forward", moment, rules, trace)
    return _leave(moment, rules, trace)


def _send(moment: Moment, rules: Ruleset, trace: list[Step]) -> str:
    """A packet of the host's own; one for the host itself comes back over loopback, already translated."""
    moment.oif = _way(moment)
    _hook("output", moment, rules, trace)
    if not moment.oif:
        return NOWHERE
    if _leave(moment, rules, trace) != LOOPBACK_LINK:
        return moment.oif
    moment.iif, moment.oif = LOOPBACK_LINK, ""
    _hook("ingress", moment, rules, trace)
    _hook("prerouting", moment, rules, trace)
    _hook("input", moment, rules, trace)
    return HERE


def _way(moment: Moment) -> str:
    return moment.host.way(moment.packet, moment.iif)


def _leave(moment: Moment, rules: Ruleset, trace: list[Step]) -> str:
    """Through the last hooks, by the link where the packet is led now."""
    _hook("postrouting", moment, rules, trace)
    _hook("egress", moment, rules, trace)
    return moment.oif


def _hook(hook: str, moment: Moment, rules: Ruleset, trace: list[Step]) -> None:
    kind = "snat" if hook in ("postrouting", "input") else "dnat"
    looped = hook == "prerouting" and moment.iif == LOOPBACK_LINK
    waiting = moment.undo is not None and hook in _UNDONE
    for position, chain in rules.at(hook, moment.oif if hook == "egress" else moment.iif, trace):
        if waiting and chain.priority >= _UNDONE[hook]:
            waiting = _take_back(hook, moment)
        settled = moment.state != NEW or kind in moment.status or looped
        if chain.kind == "nat" and settled:
            continue
        verdict = run_base(position, chain, moment)
        if verdict != ACCEPT:
            raise _StoppedError(verdict)
        if hook == "output" and chain.kind in ("nat", "route"):
            moment.oif = _way(moment)
    if waiting:
        _take_back(hook, moment)


_DSTNAT, _SRCNAT = -100, 100
_UNDONE = {"prerouting": _DSTNAT, "output": _DSTNAT, "input": _SRCNAT, "postrouting": _SRCNAT}
"""At which priority of each hook connection tracking translates."""


def _take_back(hook: str, moment: Moment) -> bool:
    """Translate one end of an answer back; False, since it is done."""
    undo = moment.undo
    if undo is not None and _UNDONE[hook] == _DSTNAT:
        moment.packet = replace(moment.packet, destination=undo.destination, dport=undo.dport)
    elif undo is not None:
        moment.packet = replace(moment.packet, source=undo.source, sport=undo.sport)
    return False
