"""inotify(7) on the event loop: wake up when a file grows or moves, without looking at it in between."""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path

IN_MODIFY, IN_MOVED_TO, IN_CREATE = 0x2, 0x80, 0x100
_IN_NONBLOCK, _IN_CLOEXEC = 0o4000, 0o2000000

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One inotify instance with one awaiting reader. Close it."""

    def __init__(self) -> None:
        self._descriptor = _libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "inotify")
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._drain)

    def watch(self, path: Path, mask: int) -> None:
        """Raises OSError when the path is not there."""
        if _libc.inotify_add_watch(self._descriptor, os.fsencode(path), ctypes.c_uint32(mask)) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))

    def _drain(self) -> None:
        try:
            os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        self._changed.set()

    async def changed(self) -> None:
        """Wait until something watched has changed since the last call returned."""
        await self._changed.wait()
        self._changed.clear()

    def wake(self) -> None:
        """Let `changed` return although nothing did."""
        self._changed.set()

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
