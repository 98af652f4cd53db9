"""The verdict: does it arrive, where does it end, and what cannot be told.

Conditions that nobody can read (a match of iptables, a limit, a user id) split the walk: both ways are gone. Where
they end alike the answer is certain all the same; where they do not it is that it cannot be told, with the condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from fairlead.core.firewall.fate import Packet, UnknownShapeError
from fairlead.core.firewall.interpret import Doubt
from fairlead.core.trace.stopping import Departed, Stopped, Tunnel
from fairlead.core.trace.walk import Carried, Walk, stopped_at
from fairlead.model.network import Address
from fairlead.model.plan import HOST
from fairlead.model.scene import Scene
from fairlead.model.trace import (
    ANSWER,
    DOUBTS,
    DROPPED,
    FINDING,
    LINK,
    PASSES,
    REACHES,
    UNSURE,
    Hop,
    Known,
    Question,
    Trace,
)

MOST_BRANCHES = 64
_TRY = "--send tries it"
_MENDED = "the daemon puts it back within two seconds; if it does not, its log says why, and restarting it does"


@dataclass(frozen=True, slots=True)
class _Branch:
    """One way through the conditions that cannot be read, with those that were taken to apply."""

    trace: Trace
    taken: tuple[str, ...]


def decide(question: Question, scenes: Mapping[str, Scene], known: Known) -> Trace:
    """The whole answer. Raises `Unseen` for a namespace whose scene is wanted as well."""
    backends: dict[tuple[Address, int], int] = {}
    trace = _settled(question, scenes, known, 0, backends)
    others = [(address, turn) for (address, _), turn in backends.items() if turn]
    if others:
        traces = {address: _settled(question, scenes, known, turn, {}) for address, turn in others}
        trace = _of_all(trace, traces)
    return _with_findings(trace, scenes, known)


def _settled(
    question: Question, scenes: Mapping[str, Scene], known: Known, turn: int, backends: dict[tuple[Address, int], int]
) -> Trace:
    """One trace for all ways through what cannot be read; whom balancing may choose goes to `backends`."""

    def walk(doubt: Doubt) -> Trace:
        walked = Walk(scenes, known, question, doubt, turn, list(question.before))
        trace = _walk(walked)
        backends.update(walked.backends)
        return trace

    branches = list(_branches(walk))
    first = branches[0]
    other = next((branch for branch in branches if branch.trace.verdict != first.trace.verdict), None)
    return first.trace if other is None else _torn(first.trace, other)


def _of_all(first: Trace, others: Mapping[Address, Trace]) -> Trace:
    """Of a virtual address: what is true of each of its backends, else which of them differ."""
    odd = {address: trace for address, trace in others.items() if trace.verdict != first.verdict}
    if not odd:
        return first
    each = "; ".join(f"by {address}: {trace.told}" for address, trace in odd.items())
    hop = Hop("", FINDING, each, verdict=DOUBTS)
    told = f"it depends on the backend: {first.told}; but {each}"
    return Trace(UNSURE, told, (*first.hops, hop), len(first.hops) + 1, next(iter(odd.values())).remedy)


def _branches(walk: Callable[[Doubt], Trace]) -> Iterator[_Branch]:
    """Every way, the one on which nothing unreadable applies first."""
    pending: list[tuple[bool, ...]] = [()]
    for _ in range(MOST_BRANCHES):
        if not pending:
            return
        given = pending.pop(0)
        asked: list[str] = []

        def doubt(text: str, given: tuple[bool, ...] = given, asked: list[str] = asked) -> bool:
            asked.append(text)
            return len(asked) <= len(given) and given[len(asked) - 1]

        trace = walk(doubt)
        yield _Branch(trace, tuple(text for text, applies in zip(asked, given, strict=False) if applies))
        fresh = range(len(given), len(asked))
        pending += [(*given, *(False for _ in range(at - len(given))), True) for at in fresh]
    if pending:
        told = f"more than {MOST_BRANCHES} ways through conditions that are not read here"
        yield _Branch(Trace(UNSURE, told, (Hop("", FINDING, told, verdict=DOUBTS),), 1), (told,))


def _walk(walk: Walk) -> Trace:
    try:
        if walk.question.resolver:
            walk.check_resolver()
        ns, arrived = walk.there()
        return _arrived(walk, ns, arrived)
    except Stopped as stopped:
        return _stopped(walk, stopped.hop)
    except Departed as departed:
        return _departed(walk, departed)
    except UnknownShapeError as unknown:
        hop = Hop("", FINDING, f"what decides is not read here: {unknown}", verdict=DOUBTS)
        return Trace(UNSURE, hop.told, (*walk.hops, hop), len(walk.hops) + 1)


def _arrived(walk: Walk, ns: str, arrived: Packet) -> Trace:
    question, hop = walk.question, walk.listened_to(ns, arrived)
    if question.goal is not None and ns != question.goal:
        told = f"it ends in {walk.known.place(ns)}, which is not {question.target}"
        return _stopped(walk, Hop(walk.known.place(ns), LINK, told))
    if walk.segments.smallest < 1 << 16:
        hop = replace(hop, told=f"{hop.told}; MTU {walk.segments.smallest}")
    walk.hops.append(hop)
    try:
        walk.back(ns, arrived)
    except Departed as departed:
        if not question.outside:
            told = f"the answer leaves this host by {departed.link} towards {departed.target}"
            hop = Hop(walk.known.place(departed.ns), ANSWER, told, verdict=DOUBTS)
            return Trace(UNSURE, told, (*walk.hops, hop), len(walk.hops) + 1)
    return Trace(REACHES, f"{question.source} reaches {question.target}", tuple(walk.hops))


def _stopped(walk: Walk, hop: Hop) -> Trace:
    at = len(walk.hops) + 1
    question = walk.question
    told = f"{question.source} does not reach {question.target}: at hop {at} ({hop.place}) {hop.told}"
    if hop.where:
        told += f" [{hop.where}]"
    return Trace(DROPPED, told, (*walk.hops, stopped_at(hop)), at, hop.remedy)


def _departed(walk: Walk, departed: Departed) -> Trace:
    """Out of sight."""
    question, place = walk.question, walk.known.place(departed.ns)
    if departed.tunnel is not None:
        return _tunnelled(walk, departed.ns, departed.tunnel)
    told = f"leaves this host by {departed.link} towards {departed.target}"
    hop = Hop(place, LINK, told, verdict=DOUBTS)
    line = f"{question.source} -> {question.target} {told}; what becomes of it there is not seen from here"
    return Trace(UNSURE, line, (*walk.hops, hop), len(walk.hops) + 1, _TRY)


def _tunnelled(walk: Walk, ns: str, tunnel: Tunnel) -> Trace:
    """To another node: whether the frame leaves this one, sealed if it must be, and what is heard of the other."""
    question, node = walk.question, f"node {tunnel.vtep}"
    network = next((one for one in walk.known.networks if one.home == ns), None)
    sealed = next((one.sealed for one in walk.known.nodes if one.vtep == tunnel.vtep), "down")
    if network is not None and network.encrypted:
        told = f"encryption to {node} is {sealed}"
        if sealed != "established":
            return _stopped(walk, Hop("host", LINK, f"{told}, and nothing leaves in clear", "ip xfrm state"))
        walk.hops.append(Hop("host", LINK, told, "ip xfrm state"))
    carrier = _walk(_carrier(walk, tunnel, bool(network and network.encrypted)))
    walk.hops += (replace(hop, verdict=PASSES) for hop in carrier.hops)
    if carrier.verdict == DROPPED:
        return _stopped(walk, replace(walk.hops.pop(), told=f"the tunnel: {carrier.hops[-1].told}"))
    if tunnel.owner is not None and tunnel.owner.silent:
        told = f"{node} has not been heard of for a while: it is down, or the way to it is cut"
        remedy = "docker node ls; fairlead doctor on that node"
    else:
        told = f"{node} is heard, and what it does with the packet is not seen from here"
        remedy = f"{_TRY}; on {node} `fairlead trace outside {question.destination}` shows the rest"
    hop = Hop(node, LINK, told, "gossip", DOUBTS, remedy)
    line = f"{question.source} -> {question.target} leaves this host as it should; {told}"
    return Trace(UNSURE, line, (*walk.hops, hop), len(walk.hops) + 1, remedy)


def _carrier(walk: Walk, tunnel: Tunnel, sealed: bool) -> Walk:
    """The datagram that carries the frame: it comes out of a socket of the host."""
    port = walk.known.data_port
    asked = Question("host", str(tunnel.vtep), HOST, tunnel.vtep, "udp", port)
    return Walk(walk.scenes, walk.known, asked, walk.doubt, carried=Carried(tunnel.vni, sealed))


def _torn(trace: Trace, other: _Branch) -> Trace:
    """Two ways that end differently."""
    condition = " and ".join(dict.fromkeys(other.taken))
    told = f"cannot tell: it depends on a condition that is not read here: {condition}"
    hop = Hop("", FINDING, f"where that applies: {other.trace.told}", verdict=DOUBTS)
    return Trace(UNSURE, f"{told}; where it does not: {trace.told}", (*trace.hops, hop), len(trace.hops) + 1)


def _with_findings(trace: Trace, scenes: Mapping[str, Scene], known: Known) -> Trace:
    """What is not as it should be, whether or not it stood in the way; and what was not seen."""
    missing = (
        Hop("host", FINDING, f"should be in the kernel and is not: {words}", "the engine's state", DOUBTS)
        for words in known.missing
    )
    blind = [
        Hop(known.place(scene.ns), FINDING, f"not looked at: {what}", verdict=DOUBTS)
        for scene in scenes.values()
        for what in scene.blind
    ]
    found = replace(trace, hops=(*trace.hops, *missing, *blind))
    if known.missing and trace.verdict == DROPPED:
        told = f"{trace.told}; the kernel lacks what the engine made (see below)"
        found = replace(found, told=told, remedy=_MENDED)
    if blind and trace.verdict == REACHES:
        what = ", ".join(scene for one in scenes.values() for scene in one.blind)
        return replace(found, verdict=UNSURE, told=f"{trace.told}, unless {what} say otherwise")
    return found
