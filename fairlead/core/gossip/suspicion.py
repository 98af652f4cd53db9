"""How long an accused member has to refute, and how that time shrinks as independent witnesses agree.

The time starts at `longest` for a single accuser and falls with the logarithm of the number of further witnesses to
`shortest` (Lifeguard, "dogpile"). Lifeguard waits for others to stumble over the member by their own probes. Here the
witnesses whom the accuser asked answer with what they saw (`Nack`), and the accusation carries their statements, so
agreement is there from the first moment, unless the accuser is cut off from its witnesses, in which case it should be
slow to judge.

What they saw decides the floor. A refused connection is the kernel's word that the process is gone. An accepted one
that stays mute is its word that the process is still there. Silence may be either, or the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fairlead.core.gossip.config import Config
from fairlead.core.gossip.wire.messages import Suspect, Verdict, Witness


def silent_floor(config: Config, members: int) -> float:
    """Seconds that a member is given at least when nothing at all comes back from it."""
    intervals = config.suspicion_factor * math.log10(max(members, 1))
    return max(config.suspicion_floor, intervals * config.probe_interval)


def suspicion_time(confirmed: int, wanted: int, shortest: float, longest: float) -> float:
    """Seconds from the accusation to the verdict when `confirmed` of `wanted` further witnesses agree."""
    if confirmed >= wanted:
        return shortest
    return longest - (longest - shortest) * math.log(confirmed + 1) / math.log(wanted + 1)


@dataclass(slots=True)
class Suspicion:
    """One member under suspicion, as one node sees it.

    Invariant: at most `confirmations + 1` witnesses, each named once.
    """

    epoch: int
    incarnation: int
    since: float
    witnesses: dict[str, Verdict] = field(default_factory=dict)

    def add(self, witnesses: tuple[Witness, ...], limit: int) -> bool:
        """Whether any of these witnesses says something new."""
        news = False
        for witness in witnesses:
            known = self.witnesses.get(witness.name)
            if (known is None and len(self.witnesses) < limit) or (known is not None and known < witness.verdict):
                self.witnesses[witness.name] = witness.verdict
                news = True
        return news

    def statement(self, name: str) -> Suspect:
        witnesses = tuple(Witness(witness, verdict) for witness, verdict in self.witnesses.items())
        return Suspect(name, self.epoch, self.incarnation, witnesses)

    def deadline(self, config: Config, members: int) -> float:
        """When the member is dead, unless it refutes or more witnesses speak."""
        if not config.lifeguard:
            return self.since + silent_floor(config, members)
        possible = max(members - 2, 0)  # neither the member nor its accuser
        wanted = min(config.confirmations, possible)
        shortest = self._floor(config, members, wanted)
        longest = shortest * config.suspicion_max
        return self.since + suspicion_time(len(self.witnesses) - 1, wanted, shortest, longest)

    def _floor(self, config: Config, members: int, wanted: int) -> float:
        verdicts = list(self.witnesses.values())
        floor = silent_floor(config, members)
        if Verdict.STALLED in verdicts:
            return floor * config.stalled_factor
        # The kernels of two independent paths agree; where there is only one other node, its word must do.
        if verdicts.count(Verdict.REFUSED) >= min(2, wanted + 1):
            return min(floor, config.refused_floor)
        return floor
