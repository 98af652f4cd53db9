"""Documents in SQLite: what the daemon must remember over `kill -9` and power cuts.

One table of (kind, id, value), and two steps, in threads, because the event loop must not wait for a disk. Transactions
are written into the log (write-ahead log): from then on they outlive the process. The log is brought to the disk: from
then on they outlive the machine. Whoever is about to change the kernel waits for the first step only, since what he
changes does not outlive the machine either (`write`, or `begin`, with which the thread that changes the kernel writes
by itself); whoever acknowledges waits for both (`commit`). Whatever arrives while a step is being taken is done
together by the next, so fifty containers started at once pay for a handful of syncs, not for a hundred.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from fairlead.model.change import Change, Put
from fairlead.model.errors import Failed

POST_SECONDS = 0.05
"""How long what was posted waits at most for a commit that takes it along."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, value BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID"
_PUT = "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_DELETE = "DELETE FROM document WHERE kind = ? AND id = ?"

_Item = TypeVar("_Item")

_log = logging.getLogger(__name__)


class _Outcome:
    """What comes of a step that a thread takes; may be awaited once. The loop is woken only if it waits already: most
    often the disk is done before the kernel, and the thread at work there wants the interpreter for itself."""

    __slots__ = ("_failure", "_known", "waiter")

    def __init__(self) -> None:
        self._known = False
        self._failure: Failed | None = None
        self.waiter: asyncio.Future[None] | None = None

    def know(self, failure: Failed | None) -> None:
        self._failure, self._known = failure, True

    def __await__(self) -> Generator[None, None, None]:
        if not self._known:
            self.waiter = asyncio.get_running_loop().create_future()
            # Whoever tells sets `_known` before it looks for a waiter, so one of the two sees the other.
            if not self._known:
                yield from self.waiter
        if self._failure is not None:
            raise self._failure


@dataclass(slots=True)
class _Writing:
    """Changes that belong together; what came of writing them, and of bringing them to the disk if anybody asks."""

    changes: Sequence[Change]
    written: _Outcome | None = None
    durable: _Outcome | None = None
    failure: Failed | None = None


class Begun:
    """Changes that are to be written before all that are asked for later."""

    def __init__(self, writing: _Writing, durable: _Outcome, write_waiting: Callable[[], None]) -> None:
        self.durable: Awaitable[None] = durable
        self._writing, self._write_waiting = writing, write_waiting

    def now(self) -> None:
        """Write them, unless somebody has. Blocks for a tenth of a millisecond or longer. Raises Failed."""
        self._write_waiting()
        if self._writing.failure is not None:
            raise self._writing.failure


class SqliteStore:
    """A store in one file. Only one process may hold it: the second is refused."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o710)
        self._lock = _lock(path.with_suffix(".lock"))
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._to_sync = _prepare(self._database, path)
        self._broken: Failed | None = None
        self._posted: list[Change] = []
        self._waiting: deque[_Writing] = deque()
        self._turn = threading.Lock()
        self._unwritten: SimpleQueue[bool | None] = SimpleQueue()
        self._unsynced: SimpleQueue[_Outcome | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._write_on, name="store", daemon=True),
            threading.Thread(target=self._sync_on, args=(path.parent,), name="store-sync", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def load(self) -> Mapping[str, Mapping[str, bytes]]:
        """Everything, by kind and id. Read once, before the first commit."""
        documents: dict[str, dict[str, bytes]] = {}
        for kind, key, value in self._database.execute("SELECT kind, id, value FROM document"):
            documents.setdefault(kind, {})[key] = value
        return documents

    async def commit(self, changes: Sequence[Change]) -> None:
        """All changes or none, on the disk when this returns.

        A caller that is cancelled while it waits does not know whether its changes were written.
        """
        if not changes:
            return
        durable = _Outcome()
        self._ask(_Writing(changes, durable=durable))
        await durable

    def begin(self, changes: Sequence[Change]) -> Begun:
        """All changes or none, when somebody wants them written, at the latest with the next that are asked for."""
        durable = _Outcome()
        writing = self._enqueue(_Writing(changes, durable=durable))
        return Begun(writing, durable, self._write_waiting)

    async def write(self, changes: Sequence[Change]) -> Awaitable[None]:
        """All changes or none: written when this returns, on the disk when what it returns has come.

        The latter may be left alone where a later commit is waited for.
        """
        written, durable = _Outcome(), _Outcome()
        if not changes:
            durable.know(None)
            return durable
        self._ask(_Writing(changes, written, durable))
        await written
        return durable

    def post(self, changes: Sequence[Change]) -> None:
        """All changes or none, soon, before those of every later commit."""
        if changes and not self._posted:
            asyncio.get_running_loop().call_later(POST_SECONDS, self._write_posted)
        self._posted += changes

    def _write_posted(self) -> None:
        if self._posted:
            self._ask(_Writing(()))

    def _ask(self, writing: _Writing) -> None:
        self._enqueue(writing)
        self._unwritten.put(True)

    def _enqueue(self, writing: _Writing) -> _Writing:
        if self._posted:
            writing.changes = (*self._posted, *writing.changes)
            self._posted = []
        self._waiting.append(writing)
        return writing

    def close(self) -> None:
        """Write what waits, then let go of the file."""
        self._write_posted()
        self._unwritten.put(True)
        self._unwritten.put(None)
        for thread in self._threads:
            thread.join()
        self._database.close()
        os.close(self._to_sync)
        os.close(self._lock)

    # --- the first step ---------------------------------------------------------------------------

    def _write_on(self) -> None:
        for _ in _together(self._unwritten):
            self._write_waiting()
        self._unsynced.put(None)

    def _write_waiting(self) -> None:
        """Write what waits, in any thread; returns when it is written, by whomever."""
        with self._turn:
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if batch:
                self._settle(batch, self._write(batch))

    def _settle(self, batch: Sequence[_Writing], failure: Failed | None) -> None:
        for each in batch:
            each.failure = failure
        _tell([each.written for each in batch if each.written], failure)
        durable = [each.durable for each in batch if each.durable]
        if failure:
            _tell(durable, failure)
            return
        for waiter in durable:
            self._unsynced.put(waiter)

    def _write(self, batch: Iterable[_Writing]) -> Failed | None:
        if self._broken:
            return self._broken
        try:
            self._transact([change for each in batch for change in each.changes])
        except sqlite3.Error as error:
            return _failed(error)
        return None

    def _transact(self, changes: Iterable[Change]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for kind, run in groupby(changes, type):
                if kind is Put:
                    self._database.executemany(_PUT, [(each.kind, each.id, each.value) for each in run])  # type: ignore[union-attr]
                else:
                    self._database.executemany(_DELETE, [(each.kind, each.id) for each in run])
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # --- the second step --------------------------------------------------------------------------

    def _sync_on(self, folder: Path) -> None:
        """After a failure nobody knows what is on the disk, and a second try would not tell (the kernel reports it
        once), so nothing is written any more."""
        _sync_folder(folder)
        for batch in _together(self._unsynced):
            if not self._broken:
                try:
                    os.fdatasync(self._to_sync)
                except OSError as error:
                    self._broken = _failed(error)
            _tell(batch, self._broken)


def _prepare(database: sqlite3.Connection, path: Path) -> int:
    """Make the table; a descriptor of the file that has to reach the disk. Where the file system cannot share memory
    (9p, NFS) SQLite keeps no such log, and syncs by itself when it writes."""
    (mode,) = database.execute("PRAGMA journal_mode=WAL").fetchone()
    logged = mode == "wal"
    database.execute(f"PRAGMA synchronous={'NORMAL' if logged else 'FULL'}")
    database.execute(_SCHEMA)
    return os.open(f"{path}-wal" if logged else path, os.O_RDONLY | os.O_CLOEXEC)


def _together(queue: SimpleQueue[_Item | None]) -> Iterator[list[_Item]]:
    """Whatever waits in the queue, again and again, until None comes."""
    while (first := queue.get()) is not None:
        batch = [first]
        while not queue.empty():
            following = queue.get()
            if following is None:
                yield batch
                return
            batch.append(following)
        yield batch


def _failed(error: Exception) -> Failed:
    failure = Failed(f"the state could not be written: {error}")
    _log.error(failure.message)
    return failure


def _tell(outcomes: Sequence[_Outcome], failure: Failed | None) -> None:
    for each in outcomes:
        each.know(failure)
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for each in outcomes:
        if each.waiter is not None:
            by_loop.setdefault(each.waiter.get_loop(), []).append(each.waiter)
    for loop, waiters in by_loop.items():
        with suppress(RuntimeError):  # nobody waits on a loop that is closed
            loop.call_soon_threadsafe(_wake, waiters)


def _wake(waiters: Iterable[asyncio.Future[None]]) -> None:
    for each in waiters:
        if not each.done():
            each.set_result(None)


def _sync_folder(folder: Path) -> None:
    """The log may be new in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Failed(f"another daemon runs on {path.parent}: give each its own --data-root") from None
    return descriptor
