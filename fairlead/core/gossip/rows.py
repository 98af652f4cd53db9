"""The rows of one network, as one node holds them.

A row has one writer, its owner, so two versions of it are never concurrent: the later life wins, in one life the later
Lamport time. A deleted row is a tombstone with a bounded life: told to others until it retires, then kept silently for
as long again, so that a peer that missed the deletion cannot bring the row back.

*Unspoken* records are held but neither counted in the digest nor told: retired tombstones, and rows of an owner's
earlier life, which stay visible for a while so that services do not blink while their node restarts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator
from typing import TypeVar

from fairlead.core.gossip.wire.messages import Entry, Tombstone

Row = Entry | Tombstone
RowKey = tuple[str, str, str]
"""Table, key, owner: each owner writes in a space of its own, so nobody can write another's rows by accident."""

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V", bound=Hashable)

Version = tuple[int, int, bool, bytes]


def row_key(row: Row) -> RowKey:
    return row.table, row.key, row.owner


def version(row: Row) -> Version:
    """Greater is newer. The last two parts only decide between two lives that took the same epoch."""
    if isinstance(row, Tombstone):
        return row.epoch, row.time, True, b""
    return row.epoch, row.time, False, row.value


def value_size(row: Row) -> int:
    return len(row.value) if isinstance(row, Entry) else 0


def row_digest(row: Row) -> int:
    """64 bits of the row's key and version."""
    text = f"{row.network}\0{row.table}\0{row.key}\0{row.owner}\0{row.epoch} {row.time}\0".encode()
    text += b"\0" if isinstance(row, Tombstone) else b"\1" + row.value
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


class Rows:
    """Invariants: `digest` is the XOR over all spoken rows, `value_bytes` the size of all values; each row is listed
    under its owner and among the holders of its key.
    """

    def __init__(self, tombstone_life: float) -> None:
        self._life = tombstone_life
        self._rows: dict[RowKey, Row] = {}
        self._owners: dict[str, dict[RowKey, None]] = {}
        self._holders: dict[tuple[str, str], dict[str, None]] = {}
        self._retires: dict[RowKey, float] = {}
        self._unspoken: dict[RowKey, float] = {}
        self.digest = 0
        self.value_bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, key: RowKey) -> Row | None:
        return self._rows.get(key)

    def copy(self) -> Rows:
        """The same rows for another node."""
        twin = Rows(self._life)
        twin._rows = self._rows.copy()
        twin._owners = {owner: keys.copy() for owner, keys in self._owners.items()}
        twin._holders = {key: owners.copy() for key, owners in self._holders.items()}
        twin._retires = self._retires.copy()
        twin._unspoken = self._unspoken.copy()
        twin.digest = self.digest
        twin.value_bytes = self.value_bytes
        return twin

    def of_owner(self, owner: str) -> list[Row]:
        return [self._rows[key] for key in self._owners.get(owner, ())]

    def of_key(self, table: str, key: str) -> list[Row]:
        """One for each owner that holds the key."""
        return [self._rows[table, key, owner] for owner in self._holders.get((table, key), ())]

    def spoken(self) -> list[tuple[str, int, Row]]:
        """What is told to others: a text that identifies the row, its digest, the row."""
        return [("\0".join(key), row_digest(row), row) for key, row in self._rows.items() if key not in self._unspoken]

    def put(self, row: Row, now: float) -> Row | None:
        """Stores the row and returns the one it replaces. Whether it is newer is the caller's judgement."""
        key = row_key(row)
        old = self._take_out(key)
        self._rows[key] = row
        self._owners.setdefault(row.owner, {})[key] = None
        self._holders.setdefault((row.table, row.key), {})[row.owner] = None
        self.value_bytes += value_size(row)
        self.digest ^= row_digest(row)
        if isinstance(row, Tombstone):
            self._retires[key] = now + min(row.life, self._life)
        return old

    def remove(self, row: Row) -> None:
        self._take_out(row_key(row))

    def hush(self, row: Row, until: float) -> None:
        """Keeps the row until then, but stops telling it."""
        key = row_key(row)
        if key not in self._unspoken:
            self.digest ^= row_digest(row)
        self._unspoken[key] = until
        self._retires.pop(key, None)

    def is_spoken(self, row: Row) -> bool:
        return row_key(row) not in self._unspoken

    def remaining_life(self, key: RowKey, now: float) -> int:
        """Seconds for which a tombstone is still to be told."""
        return max(int(self._retires.get(key, now) - now), 0)

    def reap(self, now: float) -> list[Row]:
        """Retires old tombstones, and removes and returns what was kept unspoken for long enough."""
        for key in [key for key, when in self._retires.items() if when <= now]:
            self.hush(self._rows[key], now + self._life)
        over = [self._rows[key] for key, when in self._unspoken.items() if when <= now]
        for row in over:
            self.remove(row)
        return over

    def _take_out(self, key: RowKey) -> Row | None:
        old = self._rows.pop(key, None)
        if old is None:
            return None
        _unlist(self._owners, old.owner, key)
        _unlist(self._holders, (old.table, old.key), old.owner)
        self.value_bytes -= value_size(old)
        self._retires.pop(key, None)
        if self._unspoken.pop(key, None) is None:
            self.digest ^= row_digest(old)
        return old


def _unlist(index: dict[_K, dict[_V, None]], key: _K, value: _V) -> None:
    """Takes the value out of what the index lists under the key."""
    listed = index[key]
    del listed[value]
    if not listed:
        del index[key]
