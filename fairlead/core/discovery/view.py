"""One network as its rows show it to one node. See the package.

Two rows may claim one address: a node that was lost and whose task was replaced, a node that missed a deletion, a peer
that lies. The swarm gives an address to one endpoint at a time, so only one of them is right, and the others are
treated as if they were not there: not forwarded to, not named, not balanced to. Right is our own endpoint before
others', one whose node lives before one whose node is lost, and the one that was written later. The same holds for an
endpoint's id, and, for forwarding alone, for a MAC.

Rows of a lost node are *silent*: their tasks do not serve, so they have no names and get no new connections, but they
are forwarded to and keep the connections that they have, since it may be this node that cannot hear. (A service all of
whose tasks are silent goes on with them: a daemon that takes its time to start again is no reason to refuse anybody.)
When the managers do not hear the node either (`expect`), its tasks are gone, and their connections with them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from fairlead.core.discovery.differences import Differences, Named, ServiceChange
from fairlead.core.discovery.naming import endpoint_names, head_of
from fairlead.core.discovery.presence import Origin
from fairlead.core.discovery.services import Services, Told
from fairlead.model.discovery import BALANCER, Presence
from fairlead.model.network import Address


@dataclass(frozen=True, slots=True)
class Row:
    """`written` is the Lamport time of the row."""

    presence: Presence
    written: int = 0
    silent: bool = False

    @property
    def origin(self) -> Origin:
        return Origin(self.presence.node_id, self.presence.endpoint_id)


@dataclass(slots=True)
class _Said:
    """What was last said of a row."""

    forwarded: Presence | None = None
    named: Named | None = None
    task: Told | None = None
    balancer: Presence | None = None


_NOTHING = _Said()


class NetworkView:
    """`node_id` is this node: its endpoints are named and balanced to like any, and never forwarded to."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._expected: frozenset[Address] | None = None
        self._rows: dict[Origin, Row] = {}
        self._claims: dict[Hashable, dict[Origin, None]] = {}
        self._touched: dict[Origin, None] = {}
        self._said: dict[Origin, _Said] = {}
        self._services = Services()

    # --- what is known ----------------------------------------------------------------------------

    def put(self, presence: Presence, written: int = 0) -> None:
        """The row of its owner and endpoint is now this one, and its owner lives."""
        self._set(Row(presence, written))

    def silence(self, origin: Origin) -> None:
        """The row's owner is lost; unknown is fine."""
        if (row := self._rows.get(origin)) is not None:
            self._set(Row(row.presence, row.written, silent=True))

    def expect(self, nodes: frozenset[Address]) -> None:
        """The managers hear the nodes with these data addresses."""
        before, self._expected = self._expected, nodes
        if before != nodes:
            self._touched.update(dict.fromkeys(origin for origin, row in self._rows.items() if row.silent))

    def drop(self, origin: Origin) -> None:
        """The row is gone; unknown is fine."""
        row = self._rows.pop(origin, None)
        if row is not None:
            self._unclaim(row)

    def clear(self) -> None:
        """All rows are gone."""
        for origin in list(self._rows):
            self.drop(origin)

    def rows(self) -> Iterator[Row]:
        return iter(self._rows.values())

    @property
    def services(self) -> Services:
        """The services as last said."""
        return self._services

    def __len__(self) -> int:
        return len(self._rows)

    def _set(self, row: Row) -> None:
        origin = row.origin
        old = self._rows.get(origin)
        if old == row:
            return
        if old is not None:
            self._unclaim(old)
        self._rows[origin] = row
        for key in _claimed(row.presence):
            claimants = self._claims.setdefault(key, {})
            claimants[origin] = None
            self._touched.update(claimants)

    def _unclaim(self, row: Row) -> None:
        self._touched[row.origin] = None
        for key in _claimed(row.presence):
            claimants = self._claims[key]
            del claimants[row.origin]
            self._touched.update(claimants)
            if not claimants:
                del self._claims[key]

    # --- what follows -----------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether something may have changed since the last `take`."""
        return bool(self._touched)

    def take(self) -> Differences:
        """What changed since the last time. Its cost is that of the rows that were touched."""
        touched, self._touched = self._touched, {}
        news, balancers_changed = _News(), False
        for origin in touched:
            old = self._said.pop(origin, _NOTHING)
            new = self._follows(origin)
            if new != _NOTHING:
                self._said[origin] = new
            news.forwarding(origin, old.forwarded, new.forwarded)
            news.naming(old.named, new.named)
            self._services.replace(old.task, new.task)
            balancers_changed |= old.balancer != new.balancer
        changes, renamed = self._services.take()
        for before, after in renamed:
            news.naming(before, after)
        return news.differences(changes, self._balancers() if balancers_changed else None)

    def _balancers(self) -> tuple[Presence, ...]:
        return tuple(said.balancer for said in self._said.values() if said.balancer is not None)

    def _follows(self, origin: Origin) -> _Said:
        """What is to be said of a row."""
        row = self._rows.get(origin)
        if row is None or not all(self._is_best(origin, key) for key in _identity(row.presence)):
            return _Said()
        presence = replace(row.presence, serving=False) if row.silent else row.presence
        ended = row.silent and self._expected is not None and presence.vtep not in self._expected
        return _Said(
            forwarded=row.presence if self._forwards(row) else None,
            named=endpoint_names(presence),
            task=_told(row) if head_of(presence) and not ended else None,
            balancer=presence if presence.kind == BALANCER else None,
        )

    def _forwards(self, row: Row) -> bool:
        presence = row.presence
        foreign = presence.node_id != self._node_id and bool(presence.mac)
        return foreign and self._is_best(row.origin, presence.mac)

    def _is_best(self, origin: Origin, key: Hashable) -> bool:
        claimants = self._claims[key]
        return len(claimants) == 1 or origin == max(claimants, key=self._rank)

    def _rank(self, origin: Origin) -> tuple[bool, bool, int, str, str]:
        row = self._rows[origin]
        own = origin.owner == self._node_id
        return own, not row.silent, row.written, origin.owner, origin.endpoint_id


def _told(row: Row) -> Told:
    return Told(row.presence, row.silent and row.presence.serving)


def _identity(presence: Presence) -> tuple[Hashable, ...]:
    """What only one row may have."""
    return presence.endpoint_id, *presence.addresses


def _claimed(presence: Presence) -> tuple[Hashable, ...]:
    return (*_identity(presence), presence.mac) if presence.mac else _identity(presence)


def _way(presence: Presence) -> tuple[object, ...]:
    """What forwarding depends on."""
    return presence.vtep, presence.mac, presence.addresses, presence.kind


class _News:
    """Differences in the making. What goes and comes again under the same id, with another owner, has only come."""

    def __init__(self) -> None:
        self._unforward: dict[str, None] = {}
        self._forward: dict[str, Presence] = {}
        self._unnamed: dict[str, None] = {}
        self._named: dict[str, Named] = {}

    def forwarding(self, origin: Origin, old: Presence | None, new: Presence | None) -> None:
        if old is not None and new is None:
            self._unforward[origin.endpoint_id] = None
        elif new is not None and (old is None or _way(old) != _way(new)):
            self._forward[origin.endpoint_id] = new

    def naming(self, old: Named | None, new: Named | None) -> None:
        if old is not None and new is None:
            self._unnamed[old.owner] = None
        elif new is not None and new != old:
            self._named[new.owner] = new

    def differences(self, services: tuple[ServiceChange, ...], balancers: tuple[Presence, ...] | None) -> Differences:
        return Differences(
            unforward=tuple(key for key in self._unforward if key not in self._forward),
            forward=tuple(self._forward.values()),
            unnamed=tuple(key for key in self._unnamed if key not in self._named),
            named=tuple(self._named.values()),
            services=services,
            balancers=balancers,
        )
