"""Key/value tables of networks, replicated to the nodes that joined them.

The cluster itself is the network `EVERYWHERE`, which every node is in. Who is in which other network is a table there
(`NETWORKS`, key: the network), so joining and leaving are ordinary writes and spread and heal like any other.

A row of another is accepted if it is newer than what is held and its owner may have written it: in its present life,
after it joined the network, and before it left. A row of ours that we did not write is answered with a newer truth, so
a forged or ancient one does not stay.

Rows of a member that failed are suspended: hidden, not dropped, and back in the moment the member is. Those of a
member's earlier life stay for a while after its return, a shorter one as soon as it says that it has written all that
is left of them anew (`WHOLE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fairlead.core.gossip.broadcast import EVERYWHERE, Broadcast, Queue
from fairlead.core.gossip.errors import GossipError
from fairlead.core.gossip.events import EntryDeleted, EntryEvent, EntryResumed, EntrySet, EntrySuspended
from fairlead.core.gossip.member import Member, Status
from fairlead.core.gossip.rows import Row, Rows, value_size, version
from fairlead.core.gossip.timers import REAP
from fairlead.core.gossip.turn import Turn
from fairlead.core.gossip.wire import codec
from fairlead.core.gossip.wire.messages import Entry, Tombstone

NETWORKS = "networks"
WHOLE = "whole"
"""A table of the cluster: its owner has written all that is its own in this life."""
MAX_LEAP = 1 << 32
"""No honest Lamport clock is so many writes ahead of ours."""


class Tables:
    """`find(name)` is the roster's view of an owner; `emit` takes the events."""

    def __init__(
        self,
        turn: Turn,
        queue: Queue,
        own: Callable[[], Member],
        find: Callable[[str], Member | None],
        emit: Callable[[EntryEvent], None],
    ) -> None:
        self._turn = turn
        self._queue = queue
        self._own = own
        self._find = find
        self._emit = emit
        self.clock = 0
        self.networks: dict[str, Rows] = {EVERYWHERE: Rows(turn.config.tombstone_life)}
        self._participants: dict[str, dict[str, None]] = {}
        self._orphans: dict[str, float] = {}  # owners that no member record came for yet, and since when

    # What the node's user does.

    def join(self, network: str) -> None:
        if network in self.networks:
            return
        if not 1 <= len(network) <= 64:
            raise GossipError(f"network {network!r} has {len(network)} characters; it must have 1 to 64")
        if len(self.networks) >= self._turn.config.max_networks:
            raise GossipError(f"cannot join {network}: this node is in {len(self.networks)} networks already")
        self.networks[network] = Rows(self._turn.config.tombstone_life)
        self._write(EVERYWHERE, NETWORKS, network, b"")

    def leave(self, network: str) -> None:
        if network == EVERYWHERE or network not in self.networks:
            return
        for row in list(self.networks.pop(network)):
            self._say_gone(row)
        self._erase(EVERYWHERE, NETWORKS, network)

    def set(self, network: str, table: str, key: str, value: bytes) -> Entry:
        if network not in self.networks:
            raise GossipError(f"this node has not joined network {network!r}; join it before writing to it")
        limit = self._turn.config.max_value
        if len(value) > limit:
            raise GossipError(f"value of {table}/{key} has {len(value)} bytes; at most {limit} are allowed")
        if not 1 <= len(table) <= 64 or not 1 <= len(key) <= 256:
            raise GossipError(f"table {table!r} must have 1 to 64 characters and key {key!r} 1 to 256")
        return self._write(network, table, key, value)

    def delete(self, network: str, table: str, key: str) -> bool:
        """False when this node owns no such row."""
        rows = self.networks.get(network)
        if rows is None or not isinstance(rows.get((table, key, self._own().name)), Entry):
            return False
        self._erase(network, table, key)
        return True

    def complete(self) -> None:
        """All that is ours has been written in this life."""
        self._write(EVERYWHERE, WHOLE, WHOLE, b"")

    def adopt(self, other: Tables) -> None:
        """Takes over the cluster-wide rows of another node."""
        self.networks[EVERYWHERE] = other.networks[EVERYWHERE].copy()
        self._participants = {network: names.copy() for network, names in other._participants.items()}
        self.clock = max(self.clock, other.clock)

    # What can be read.

    def entries(self, network: str, table: str) -> list[Entry]:
        """The visible rows, one per owner and key."""
        rows = self.networks.get(network, ())
        return [row for row in rows if isinstance(row, Entry) and row.table == table and self._is_live(row.owner)]

    def lookup(self, network: str, table: str, key: str) -> Entry | None:
        """The row that was written last where several owners hold the key, as while a task moves between nodes."""
        rows = self.networks.get(network)
        found = [] if rows is None else rows.of_key(table, key)
        held = [row for row in found if isinstance(row, Entry) and self._is_live(row.owner)]
        return max(held, key=lambda row: (row.time, row.owner), default=None)

    def takes_part(self, network: str, name: str) -> bool:
        return network == EVERYWHERE or name in self._participants.get(network, ())

    def participants(self, network: str) -> list[str]:
        return list(self._participants.get(network, ()))

    def shared(self, name: str) -> Iterator[str]:
        """The networks that both we and the member are in."""
        for network in self.networks:
            if self.takes_part(network, name):
                yield network

    # What others say.

    def hear(self, row: Row) -> bool:
        """Judges a row that came from another node. Returns whether it was news."""
        rows = self.networks.get(row.network)
        if rows is None:
            return False
        if row.owner == self._own().name:
            return self._defend(row)
        old = rows.get((row.table, row.key, row.owner))
        if old is not None and version(row) <= version(old):
            return False
        refusal = self._refusal(row, rows, new=old is None)
        if refusal is not None:
            self._turn.counters.refused(refusal)
            return False
        self.clock = max(self.clock, row.time)
        self._store(row, rows)
        return True

    def owner_changed(self, old: Member | None, member: Member) -> None:
        """The roster changed its view of an owner (or of ourselves)."""
        name = member.name
        self._orphans.pop(name, None)
        if name == self._own().name:
            return
        restarted = old is not None and member.epoch > old.epoch
        if member.status is Status.LEFT:
            self._drop_all(name)
        elif restarted:
            self._fade(name, member.epoch)
        self._show_or_hide(name, was=old is not None and old.present, now=member.present)
        if restarted or member.status is Status.LEFT:
            self._recount_participation(name)

    def owner_reaped(self, name: str) -> None:
        self._orphans.pop(name, None)
        self._drop_all(name)
        self._recount_participation(name)

    def rewrite(self) -> None:
        """Our life has another number than we thought: write all that is ours anew, participation first."""
        own = self._own().name
        for rows in self.networks.values():
            for row in rows.of_owner(own):
                if isinstance(row, Entry):
                    self._write(row.network, row.table, row.key, row.value)
                else:
                    rows.remove(row)

    def reap(self) -> None:
        now = self._turn.now
        for rows in self.networks.values():
            gone = rows.reap(now)
            for row in gone:
                self._say_gone(row)
            for owner in {row.owner for row in gone if row.table == NETWORKS}:
                self._recount_participation(owner)
        patience = self._turn.config.sync_interval
        for owner in [owner for owner, since in self._orphans.items() if now - since > 2 * patience]:
            self.owner_reaped(owner)

    # Inside.

    def _write(self, network: str, table: str, key: str, value: bytes) -> Entry:
        self.clock += 1
        own = self._own()
        entry = Entry(network, table, key, own.name, own.epoch, self.clock, value)
        self._store(entry, self.networks[network])
        return entry

    def _erase(self, network: str, table: str, key: str) -> None:
        self.clock += 1
        own = self._own()
        life = int(self._turn.config.tombstone_life)
        self._store(Tombstone(network, table, key, own.name, own.epoch, self.clock, life), self.networks[network])

    def _defend(self, row: Row) -> bool:
        """Somebody told us of a row in our own name."""
        own, rows = self._own(), self.networks[row.network]
        held = rows.get((row.table, row.key, row.owner))
        if row.epoch < own.epoch or (held is not None and version(row) <= version(held)):
            return False
        if row.epoch > own.epoch or row.time > self.clock + MAX_LEAP:
            self._turn.counters.refused("forged")
            return False
        self.clock = max(self.clock, row.time)
        if isinstance(held, Entry):
            self._write(held.network, held.table, held.key, held.value)
        elif isinstance(row, Entry):
            self._erase(row.network, row.table, row.key)
        else:
            self._store(row, rows)
        return True

    def _refusal(self, row: Row, rows: Rows, *, new: bool) -> str | None:
        """Why the row is not acceptable, None if it is."""
        if row.time > self.clock + MAX_LEAP:
            return "clock"
        if isinstance(row, Entry) and len(row.value) > self._turn.config.max_value:
            return "value size"
        if new and len(rows) >= self._turn.config.max_rows:
            return "table size"
        if rows.value_bytes + value_size(row) > self._turn.config.max_table_bytes:
            return "table size"
        owner = self._find(row.owner)
        if owner is not None and row.epoch < owner.epoch:
            return "earlier life"
        if owner is not None and owner.status is Status.LEFT and row.epoch == owner.epoch:
            return "owner left"
        part = self.networks[EVERYWHERE].get((NETWORKS, row.network, row.owner))
        if part is not None and (row.epoch, row.time) <= (part.epoch, part.time):
            return "not in network"
        return None

    def _store(self, row: Row, rows: Rows) -> None:
        old = rows.put(row, self._turn.now)
        self._turn.changed_at = self._turn.now
        if self._find(row.owner) is None:
            self._orphans.setdefault(row.owner, self._turn.now)
        subject = ("row", row.network, row.table, row.key, row.owner)
        self._queue.add(Broadcast(subject, row.network, codec.encode(row)))
        if row.network == EVERYWHERE and row.table == NETWORKS:
            self._participation(row)
        if row.network == EVERYWHERE and row.table == WHOLE and row.owner != self._own().name:
            self._fade(row.owner, row.epoch)
        self._report(row, old)

    def _report(self, row: Row, old: Row | None) -> None:
        """What is deleted while its owner is lost is told too: nothing else would ever say so."""
        if isinstance(row, Tombstone):
            if isinstance(old, Entry):
                self._emit(EntryDeleted(old))
        elif self._is_live(row.owner):
            self._emit(EntrySet(row, old.value if isinstance(old, Entry) else None))

    def _participation(self, row: Row) -> None:
        """An owner joined or left a network: of its rows there, those written before no longer count."""
        network, owner = row.key, row.owner
        if isinstance(row, Entry):
            self._participants.setdefault(network, {})[owner] = None
        else:
            self._unlist(network, owner)
        rows = self.networks.get(network)
        if rows is None or network == EVERYWHERE:
            return
        for held in rows.of_owner(owner):
            earlier = held.epoch == row.epoch and held.time < row.time
            if earlier or (held.epoch < row.epoch and isinstance(row, Tombstone)):
                self._drop(rows, held)

    def _recount_participation(self, owner: str) -> None:
        everywhere = self.networks[EVERYWHERE]
        for network in list(self._participants):
            if not isinstance(everywhere.get((NETWORKS, network, owner)), Entry):
                self._unlist(network, owner)

    def _unlist(self, network: str, owner: str) -> None:
        listed = self._participants.get(network, {})
        listed.pop(owner, None)
        if not listed:
            self._participants.pop(network, None)

    def _show_or_hide(self, owner: str, *, was: bool, now: bool) -> None:
        if was == now:
            return
        event = EntryResumed if now else EntrySuspended
        for rows in self.networks.values():
            for row in rows.of_owner(owner):
                if isinstance(row, Entry):
                    self._emit(event(row))

    def _fade(self, owner: str, epoch: int) -> None:
        """What the owner wrote in lives before this one goes, unless it is written anew meanwhile."""
        said = self.networks[EVERYWHERE].get((WHOLE, WHOLE, owner))
        whole, config = said is not None and said.epoch >= epoch, self._turn.config
        until = self._turn.now + (config.rewritten_life if whole else config.stale_life)
        for rows in self.networks.values():
            for row in rows.of_owner(owner):
                if row.epoch < epoch:
                    rows.hush(row, until)
        if whole:
            self._turn.timers.set(REAP, until)

    def _drop_all(self, owner: str) -> None:
        for rows in self.networks.values():
            for row in rows.of_owner(owner):
                self._drop(rows, row)

    def _drop(self, rows: Rows, row: Row) -> None:
        rows.remove(row)
        self._turn.changed_at = self._turn.now
        if isinstance(row, Entry):
            self._emit(EntryDeleted(row))

    def _say_gone(self, row: Row) -> None:
        if isinstance(row, Entry):
            self._emit(EntryDeleted(row))

    def _is_live(self, owner: str) -> bool:
        member = self._find(owner)
        return member is not None and member.present
