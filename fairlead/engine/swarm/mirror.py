"""A manager's copy of the shared store, kept current by its watch, and the way to write to it.

Every object carries the revision of its last write as its `version`, so it does not matter by which way it comes (the
watch, or at once because this manager wrote it) nor how often: only a newer version replaces an older one. A write asks
that what it was made from still stands, so two managers never overwrite each other unseen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from fairlead.core.swarm.changes import Change, Drop, Put, Thing
from fairlead.core.swarm.snapshot import Snapshot
from fairlead.engine.ports import Clock
from fairlead.engine.swarm import store_records
from fairlead.engine.swarm.ports import ClusterStore, Entry, Fence, Write
from fairlead.engine.swarm.subscription import Subscription
from fairlead.model.errors import Unavailable
from fairlead.model.swarm.errors import Stale
from fairlead.model.swarm.store import MOST_AT_ONCE

MOST_BYTES = 1 << 20
"""Of documents in one transaction: two such objects more and etcd's own limits would come into sight."""
CATCHING_UP = 5.0
PAUSE = 0.5

_log = logging.getLogger("fairlead.swarm.store")


class Mirror:
    """`snapshot` is the present as far as this manager has heard; `write` changes it."""

    def __init__(self, store: ClusterStore, clock: Clock) -> None:
        self.snapshot = Snapshot()
        self._store, self._clock = store, clock
        self._heard = 0
        self._moved = asyncio.Event()
        self._dropped: dict[tuple[str, str], int] = {}
        self._subscriptions: list[Subscription] = []
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read everything, and follow from there. Raises Unavailable while there is no majority."""
        self._resync(*await self._store.load())
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        for subscription in list(self._subscriptions):
            subscription.close()

    def changes(self) -> Subscription:
        """Everything that changes the snapshot from now on, this manager's own writes too."""
        subscription = Subscription(self._subscriptions.remove)
        self._subscriptions.append(subscription)
        return subscription

    async def write(self, changes: Iterable[Change], fence: Fence | None = None) -> list[Thing]:
        """Commit, and answer the objects that were put, as they are now. Up to 64 objects are one transaction; more are
        several, in order, and those before one that is refused stay. Raises Outdated, NameTaken, Deposed,
        Unavailable."""
        now = self._clock.now()
        written: list[Thing] = []
        for batch in self._batches(store_records.dated(change, now) for change in changes):
            version = await self._store.commit([write for _, write in batch], fence)
            done = [_versioned(change, version) for change, _ in batch]
            if version > self._heard:
                self._apply((change, version) for change in done)
            written += (change.thing for change in done if isinstance(change, Put))
        return written

    async def refresh(self) -> None:
        """Returns when the snapshot holds everything that was committed, by anybody, before the call."""
        revision = await self._store.revision()
        try:
            async with asyncio.timeout(CATCHING_UP):
                while self._heard < revision:
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable("this manager does not hear of the others' changes") from None

    # --- writing ------------------------------------------------------------------------------

    def _batches(self, changes: Iterable[Change]) -> Iterator[list[tuple[Change, Write]]]:
        batch: list[tuple[Change, Write]] = []
        size, since = 0, self._heard
        for change in changes:
            write = store_records.write(change, self.snapshot, since)
            length = len(write.value or b"")
            if batch and (len(batch) == MOST_AT_ONCE or size + length > MOST_BYTES):
                yield batch
                batch, size = [], 0
            batch.append((change, write))
            size += length
        if batch:
            yield batch

    # --- following ----------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                async for entries, revision in self._store.watch(self._heard):
                    self._apply(self._told(entries))
                    self._heard_of(revision)
            except Stale:
                _log.info("behind the store's history, reading everything anew")
                await self._reload()
            except Exception:
                _log.exception("the watch failed, reading everything anew")
                await asyncio.sleep(PAUSE)
                await self._reload()

    async def _reload(self) -> None:
        while True:
            try:
                self._resync(*await self._store.load())
            except Unavailable:
                await asyncio.sleep(PAUSE)
            else:
                return

    def _resync(self, entries: Sequence[Entry], revision: int) -> None:
        """Bring the snapshot to what was read at `revision`, telling only the differences."""
        there = {(entry.kind, entry.id) for entry in entries}
        gone = [
            thing
            for thing in self.snapshot.things()
            if thing.version <= revision and (store_records.kind_of(thing), thing.id) not in there
        ]
        self._apply((Drop(thing), revision) for thing in gone)
        self._apply(self._told(entries))
        self._heard_of(revision)

    def _told(self, entries: Iterable[Entry]) -> Iterator[tuple[Change, int]]:
        """Entries as changes: those that are news."""
        for entry in entries:
            if entry.kind not in store_records.KINDS:
                continue
            known = self._find(entry.kind, entry.id)
            if entry.value is None:
                if known is not None and known.version < entry.version:
                    yield Drop(known), entry.version
            elif entry.version > max(known.version if known else 0, self._dropped.get((entry.kind, entry.id), 0)):
                try:
                    yield Put(store_records.thing(entry)), entry.version
                except (msgspec.DecodeError, ValueError, TypeError):
                    _log.exception("unreadable in the store", extra={"kind": entry.kind, "id": entry.id})

    def _apply(self, changes: Iterable[tuple[Change, int]]) -> None:
        """Changes with the revisions that made them; older ones than what is known are passed over."""
        told: list[Change] = []
        for change, version in changes:
            thing = change.thing
            known = self.snapshot.present(thing)
            if isinstance(change, Drop):
                if known is None:
                    continue
                self._dropped[store_records.kind_of(thing), thing.id] = version
            elif known is not None and known.version >= version:
                continue
            self.snapshot.apply(change)
            told.append(change)
        if told:
            for subscription in self._subscriptions:
                subscription.tell(told)

    def _heard_of(self, revision: int) -> None:
        """All that was committed up to `revision` has been told."""
        self._heard = max(self._heard, revision)
        self._dropped = {key: at for key, at in self._dropped.items() if at > self._heard}
        self._moved.set()
        self._moved = asyncio.Event()

    def _find(self, kind: str, id_: str) -> Thing | None:
        return self.snapshot.cluster if kind == "cluster" else self.snapshot.find(kind, id_)


def _versioned(change: Change, version: int) -> Change:
    """As the store has it."""
    return change if isinstance(change, Drop) else Put(store_records.at(change.thing, version))


__all__ = ["Mirror", "Subscription"]
