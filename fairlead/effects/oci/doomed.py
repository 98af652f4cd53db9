"""Directory trees on their way out: moved aside at once, deleted in the background.

A container may leave trees thousands of levels deep or millions of files; `rm` copes with both and does not hold
the event loop. What a crash interrupts is finished by the next start.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from fairlead.effects.oci import process


class Doomed:
    def __init__(self, root: Path) -> None:
        self._directory = root / "doomed"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweeping: asyncio.Task[None] | None = None

    def add(self, path: Path) -> None:
        """Move a tree of the same file system aside; missing is fine. `sweep` deletes it. Any thread may call this."""
        with suppress(FileNotFoundError):
            # In one step: a folder made for it first could be swept away before it is filled.
            os.rename(path, self._directory / os.urandom(8).hex())

    def sweep(self) -> None:
        """Delete in the background what was added; call it on the event loop."""
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    async def settled(self) -> None:
        """Wait until nothing is left to delete."""
        while any(self._directory.iterdir()):
            self.sweep()
            assert self._sweeping is not None
            await self._sweeping

    async def _sweep(self) -> None:
        while graves := [str(found) for found in self._directory.iterdir()]:
            # Whatever is still mounted below is not ours to empty.
            command = ("rm", "-rf", "--one-file-system", "--", *graves[:256])
            done = await process.run(command, {"PATH": os.defpath})
            if done.status:
                return
