"""Documents in SQLite: what the daemon must remember over `kill -9` and power cuts.

One table of (kind, id, value). A thread of its own owns the connection: a commit waits for the disk (write-ahead
log, `synchronous=FULL`), and the event loop must not. Whatever arrives while a commit is on its way to the
disk is written together by the next one, so fifty containers started at once pay for a handful of
syncs, not for a hundred.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue

from fairlead.model.change import Change, Put
from fairlead.model.errors import Failed

_SCHEMA = "CREATE TABLE IF NOT EXISTS document (kind TEXT, id TEXT, value BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID"
_PUT = "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_DELETE = "DELETE FROM document WHERE kind = ? AND id = ?"

_Waiting = tuple[Sequence[Change], "asyncio.Future[None] | None"]

_log = logging.getLogger(__name__)


class SqliteStore:
    """A store in one file. Only one process may hold it: the second is refused."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o710)
        self._lock = _lock(path.with_suffix(".lock"))
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(_SCHEMA)
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="store", daemon=True)
        self._thread.start()

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
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((changes, written))
        await written

    def post(self, changes: Sequence[Change]) -> None:
        """All changes or none, soon, before those of every later commit."""
        if changes:
            self._queue.put((changes, None))

    def close(self) -> None:
        """Write what waits, then let go of the file."""
        self._queue.put(None)
        self._thread.join()
        self._database.close()
        os.close(self._lock)

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._write_batch(batch)
            if last:
                return

    def _write_batch(self, batch: Sequence[_Waiting]) -> None:
        failure: Exception | None = None
        try:
            self._transact([change for changes, _ in batch for change in changes])
        except sqlite3.Error as error:
            failure = Failed(f"the state could not be written: {error}")
            _log.error(failure.message)
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for _, written in batch:
            if written is not None:
                by_loop.setdefault(written.get_loop(), []).append(written)
        for loop, waiting in by_loop.items():
            loop.call_soon_threadsafe(_settle, waiting, failure)

    def _transact(self, changes: Sequence[Change]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for change in changes:
                if isinstance(change, Put):
                    self._database.execute(_PUT, (change.kind, change.id, change.value))
                else:
                    self._database.execute(_DELETE, (change.kind, change.id))
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


def _settle(waiting: Sequence[asyncio.Future[None]], failure: Exception | None) -> None:
    for written in waiting:
        if written.done():
            continue
        if failure is None:
            written.set_result(None)
        else:
            written.set_exception(failure)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Failed(f"another daemon runs on {path.parent}: give each its own --data-root") from None
    return descriptor
