"""What gossip tells, brought to the views a slice at a time.

A sync may bring a thousand rows in one turn of the loop, and the loop also answers names and the API. So events wait
in a queue, and each turn of the loop takes at most `SLICE` of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fairlead.core import gossip
from fairlead.core.discovery.presence import Origin, Refused, decode
from fairlead.engine.discovery.group import Group
from fairlead.engine.discovery.heeding import Heeding
from fairlead.engine.discovery.node import TABLE
from fairlead.model.discovery import Presence

SLICE = 64

_log = logging.getLogger("fairlead.engine.discovery")


@dataclass(frozen=True, slots=True)
class Reactions:
    """`changed` is called for each group whose view may have changed, then `retired` with the rows by which an endpoint
    has ceased to serve; `conflict` when this node's name is another's."""

    changed: Callable[[Group], None]
    retired: Callable[[Sequence[gossip.Entry]], None]
    conflict: Callable[[], None]


class Hearing:
    """`refused` counts rows that were not acceptable, by reason."""

    def __init__(self, groups: Mapping[str, Group], heeding: Heeding, reactions: Reactions) -> None:
        self.refused: Counter[str] = Counter()
        self._groups = groups
        self._heeding = heeding
        self._reactions = reactions
        self._retired: list[gossip.Entry] = []
        self._events: deque[gossip.Event] = deque()
        self._turn: asyncio.Handle | None = None

    def hear(self, event: gossip.Event) -> None:
        """Something happened in the cluster."""
        self._events.append(event)
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take)

    def close(self) -> None:
        self._events.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _take(self) -> None:
        """One slice; the rest is taken when the loop has looked at everything else."""
        self._turn = None
        touched: dict[str, Group] = {}
        for _ in range(min(SLICE, len(self._events))):
            group = self._apply(self._events.popleft())
            if group is not None:
                touched[group.network.id] = group
        for group in touched.values():
            self._reactions.changed(group)
        retired, self._retired = self._retired, []
        if retired:
            self._reactions.retired(retired)
        if self._events and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take)

    def _apply(self, event: gossip.Event) -> Group | None:
        """The group that an event touched."""
        match event:
            case gossip.EntrySet(entry=entry, old=old):
                return self._row(entry, self._set if old is None else self._replace)
            case gossip.EntryResumed(entry=entry):
                return self._row(entry, self._set)
            case gossip.EntryHeeded():
                self._heeding.heard(event)
            case gossip.EntrySuspended(entry=entry):
                return self._row(entry, _silence)
            case gossip.EntryDeleted(entry=entry):
                return self._row(entry, _drop)
            case gossip.MemberFailed(member=member):
                self._heeding.gone(member.name)
                _log.warning("a node is lost", extra={"node": member.name, "address": member.address[0]})
            case gossip.MemberJoined(member=member):
                _log.info("a node is there", extra={"node": member.name, "address": member.address[0]})
            case gossip.MemberLeft(member=member):
                self._heeding.gone(member.name)
                _log.info("a node has left", extra={"node": member.name})
            case gossip.NameConflict(rival=rival):
                _log.error("another node has this node's id", extra={"address": rival[0]})
                self._reactions.conflict()
            case _:
                pass
        return None

    def _row(self, entry: gossip.Entry, apply: Callable[[Group, gossip.Entry], object]) -> Group | None:
        """Our own rows are in the view already."""
        group = self._groups.get(entry.network)
        if group is None or entry.table != TABLE or entry.owner == group.node_id:
            return None
        apply(group, entry)
        return group

    def _replace(self, group: Group, entry: gossip.Entry) -> None:
        """Of one that serves no more its owner wants to know when that is heeded here."""
        told = self._set(group, entry)
        if told is not None and not told.serving:
            self._retired.append(entry)

    def _set(self, group: Group, entry: gossip.Entry) -> Presence | None:
        """A row that is refused is as good as none: nothing of what stood there before may count any more."""
        origin = Origin(entry.owner, entry.key)
        try:
            told = decode(entry.value, origin)
        except Refused as refused:
            group.view.drop(origin)
            if not self.refused[refused.reason]:
                _log.warning("a row is not acceptable: %s", refused, extra={"node": entry.owner})
            self.refused[refused.reason] += 1
            return None
        group.view.put(told, entry.time)
        return told


def _silence(group: Group, entry: gossip.Entry) -> None:
    group.view.silence(Origin(entry.owner, entry.key))


def _drop(group: Group, entry: gossip.Entry) -> None:
    group.view.drop(Origin(entry.owner, entry.key))
