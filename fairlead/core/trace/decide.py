"""The verdict: does it arrive, where does it end, and what cannot be told.

Conditions that nobody can read (a match of iptables, a limit, a user id) split the walk: both ways are gone. Where
they end alike the answer is certain all the same; where they do not it is that it cannot be told, with the condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from fairlead.core.firewall.fate import Packet, UnknownShapeError
from fairlead.core.trace.stopping import Departed, Stopped
from fairlead.core.trace.walk import Walk, stopped_at
from fairlead.model.scene import Scene
from fairlead.model.trace import (
    ANSWER,
    DOUBTS,
    DROPPED,
    FINDING,
    LINK,
    REACHES,
    UNSURE,
    Hop,
    Known,
    Question,
    Trace,
)

MOST_BRANCHES = 64
_MENDED = "the daemon puts it back within two seconds; if it does not, its log says why, and restarting it does"


@dataclass(frozen=True, slots=True)
class _Branch:
    """One way through the conditions that cannot be read, with those that were taken to apply."""

    trace: Trace
    taken: tuple[str, ...]


def decide(question: Question, scenes: Mapping[str, Scene], known: Known) -> Trace:
    """The whole answer. Raises `Unseen` for a namespace whose scene is wanted as well."""
    branches = list(_branches(lambda doubt: _walk(question, scenes, known, doubt)))
    first = branches[0]
    other = next((branch for branch in branches if branch.trace.verdict != first.trace.verdict), None)
    trace = first.trace if other is None else _torn(first.trace, other)
    return _with_findings(trace, scenes, known)


def _branches(walk: Callable[[Callable[[str], bool]], Trace]) -> Iterator[_Branch]:
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


def _walk(question: Question, scenes: Mapping[str, Scene], known: Known, doubt: Callable[[str], bool]) -> Trace:
    walk = Walk(scenes, known, question, doubt, hops=list(question.before))
    try:
        ns, arrived = walk.there()
        return _arrived(walk, ns, arrived)
    except Stopped as stopped:
        return _stopped(walk, stopped.hop)
    except Departed as departed:
        return _departed(walk, departed)
    except UnknownShapeError as unknown:
        hop = Hop("", FINDING, f"a rule that cannot be read decides: {unknown}", verdict=DOUBTS)
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
    told = f"leaves this host by {departed.link} towards {departed.target}"
    hops = [*walk.hops, *([departed.tunnel] if departed.tunnel else [])]
    hop = Hop(place, LINK, told, verdict=DOUBTS)
    line = f"{question.source} -> {question.target} {told}; what becomes of it there is not seen from here"
    return Trace(UNSURE, line, (*hops, hop), len(hops) + 1, "--send tries it")


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
