"""Containers' logs: files that conmon writes, read from either end, followed, and turned over.

    <data-root>/containers/<id>/<id>.log       the newest part
                               <id>.log.1 ...  older ones, when `max-file` allows more than one

With one file conmon itself starts afresh at `max-size`. With several, this daemon turns them over: it moves the files
and tells conmon to open a new one. Only containers with that option are watched, and by inotify.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path

from fairlead.effects.oci.inotify import IN_CREATE, IN_MODIFY, IN_MOVED_TO, Inotify
from fairlead.effects.oci.logformat import last_lines, parse, select
from fairlead.model.container import Container
from fairlead.model.errors import Failed
from fairlead.model.runtime import LogEntry, LogQuery

_BLOCK = 256 << 10
_PAUSE_BETWEEN_CHECKS = 1.0
"""Seconds that the size of a log is left alone after it was looked at."""

Limits = Callable[[Container], tuple[int, int]]


class LogFiles:
    """`limits` tells (bytes of a file, files) for a container; `reopen` makes conmon open its log anew."""

    def __init__(self, folder: Path, limits: Limits, reopen: Callable[[str], None]) -> None:
        self._folder = folder
        self._limits, self._reopen = limits, reopen
        self._turners: dict[str, asyncio.Task[None]] = {}

    def path(self, container_id: str) -> Path:
        return self._folder / container_id / f"{container_id}.log"

    async def entries(
        self, container: Container, query: LogQuery, ended: asyncio.Future[int] | None
    ) -> AsyncIterator[LogEntry]:
        """What was written, then, if followed, what comes, until `ended` is done (None: it has ended before)."""
        path = self.path(container.id)
        tail = Follower(path)
        try:
            for entry in _stored(path, query, tail):
                yield entry
            if query.follow and ended is not None:
                async for entry in _followed(tail, query, ended):
                    yield entry
        finally:
            tail.close()

    def follow_rotation(self, container: Container) -> None:
        size, files = self._limits(container)
        if size and files > 1 and container.id not in self._turners:
            turner = self._turn(container.id, size, files)
            self._turners[container.id] = asyncio.get_running_loop().create_task(turner)

    def make_folder(self, container_id: str) -> None:
        """The folder of a container's own files. Raises Failed."""
        folder = self._folder / container_id
        try:
            folder.mkdir(parents=True, mode=0o710)
        except OSError as error:
            raise Failed(f"mkdir {folder}: {error.strerror}") from error

    async def remove_folder(self, container_id: str) -> None:
        self._let_go(container_id)
        await asyncio.to_thread(shutil.rmtree, self._folder / container_id, ignore_errors=True)

    async def keep_folders(self, container_ids: Collection[str]) -> None:
        """Remove the folders of all other containers (at boot)."""
        found = {folder.name for folder in self._folder.glob("*")}
        for name in found.difference(container_ids):
            await self.remove_folder(name)

    def _let_go(self, container_id: str) -> None:
        turner = self._turners.pop(container_id, None)
        if turner is not None:
            turner.cancel()

    def close(self) -> None:
        for container_id in list(self._turners):
            self._let_go(container_id)

    async def _turn(self, container_id: str, size: int, files: int) -> None:
        path = self.path(container_id)
        while True:
            watch = Inotify()
            try:
                watch.watch(path, IN_MODIFY)
                while path.stat().st_size < size:
                    await watch.changed()
                    await asyncio.sleep(_PAUSE_BETWEEN_CHECKS)
            except FileNotFoundError:
                return
            finally:
                watch.close()
            turn_over(path, files)
            self._reopen(container_id)
            await _until_exists(path)


def turn_over(path: Path, files: int) -> None:
    """`log` becomes `log.1`, that `log.2`, ...; the oldest goes."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, files))]
    for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
        with contextlib.suppress(FileNotFoundError):
            os.replace(newer, older)


async def _until_exists(path: Path) -> None:
    watch = Inotify()
    try:
        watch.watch(path.parent, IN_CREATE | IN_MOVED_TO)
        while not path.exists():
            await watch.changed()
    finally:
        watch.close()


class Follower:
    """A log read forwards, across conmon's fresh starts: what was read stays read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1
        self._rest = b""
        self._open()

    def _open(self) -> bool:
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        return True

    def skip_to(self, offset: int) -> None:
        if self._file >= 0:
            os.lseek(self._file, offset, os.SEEK_SET)

    def size(self) -> int:
        return os.fstat(self._file).st_size if self._file >= 0 else 0

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def entries(self) -> Iterator[LogEntry]:
        """Everything that has been written completely since the last call."""
        while True:
            if self._file < 0 and not self._open():
                return
            block = os.read(self._file, _BLOCK)
            if not block:
                if not self._replaced():
                    return
                os.close(self._file)
                self._file = -1
                continue
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                entry = parse(line)
                if entry is not None:
                    yield entry

    def _replaced(self) -> bool:
        """Whether the path is another file by now."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return there.st_ino != os.fstat(self._file).st_ino

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _stored(path: Path, query: LogQuery, newest: Follower) -> Iterator[LogEntry]:
    """The wanted part of what is there; leaves `newest` where following has to go on."""
    if query.tail is None:
        for older in _older_files(path):
            yield from select(_all_of(older), query)
        yield from select(newest.entries(), query)
        return
    entries = _last_entries(newest, query)
    for older in reversed(_older_files(path)):
        if sum(entry.complete for entry in entries) > query.tail:
            break
        entries = [*select(_all_of(older), query), *entries]
    yield from last_lines(entries, query.tail)


def _last_entries(newest: Follower, query: LogQuery) -> list[LogEntry]:
    """At least `tail` wanted lines from the end of the newest file, if it has them; reads no more than it must."""
    end = newest.size()
    start, unfinished, entries = end, 0, list[LogEntry]()
    wanted = query.tail or 0
    while start > 0 and sum(entry.complete for entry in entries) <= wanted:
        start = max(0, start - max(_BLOCK, end - start))
        text = newest.read_at(start, end - start)
        *lines, rest = text.split(b"\n")
        lines, unfinished = lines[1 if start else 0 :], len(rest)
        parsed = (parse(line) for line in lines)
        entries = list(select((entry for entry in parsed if entry is not None), query))
    newest.skip_to(end - unfinished)
    return entries


def _older_files(path: Path) -> list[Path]:
    """Oldest first."""
    found: list[Path] = []
    while (older := path.with_name(f"{path.name}.{len(found) + 1}")).exists():
        found.append(older)
    return found[::-1]


def _all_of(path: Path) -> Iterator[LogEntry]:
    reader = Follower(path)
    try:
        yield from reader.entries()
    finally:
        reader.close()


async def _followed(tail: Follower, query: LogQuery, ended: asyncio.Future[int]) -> AsyncIterator[LogEntry]:
    """What comes from now on. The folder is watched, so that a fresh file of the same name is noticed too."""
    watch = Inotify()
    ended.add_done_callback(lambda _: watch.wake())
    try:
        watch.watch(tail.path.parent, IN_MODIFY | IN_CREATE | IN_MOVED_TO)
        while True:
            over = ended.done()
            for entry in tail.entries():
                if query.until and entry.time > query.until:
                    return
                for wanted in select((entry,), query):
                    yield wanted
            if over:
                return
            await watch.changed()
    finally:
        watch.close()
