"""`docker cp` and `docker export`: files of a container as tar streams, in both directions.

The work is done inside the container's root by a short-lived process (`inside`), so that nothing a container plants
leads outside, and tars of any size cost the daemon's loop nothing. Streams go through pipes: nothing is held in
memory, and a slow client slows the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec

from fairlead.effects.oci import inside
from fairlead.effects.oci.process import Stdio, ended, read_all, read_some, spawn, write_all
from fairlead.effects.oci.users import identity_in
from fairlead.model.errors import Failed, Invalid, NotAllowed, NotFound, Refusal
from fairlead.model.runtime import FileRoot, PathStat, UnpackOptions

_PACKAGES = str(Path(__file__).parents[3])
_PROGRAM = f"import sys; sys.path.insert(0, {_PACKAGES!r}); from fairlead.effects.oci.inside import main; main()"
_ERRORS: dict[str, type[Refusal]] = {
    inside.NOT_FOUND: NotFound,
    inside.INVALID: Invalid,
    inside.NOT_ALLOWED: NotAllowed,
    inside.FAILED: Failed,
}


class ContainerArchive:
    async def stat(self, root: FileRoot, path: str) -> PathStat:
        """Raises NotFound."""
        work = _Work(root, "stat", path)
        try:
            return msgspec.convert(await work.result(), PathStat)
        finally:
            work.close()

    async def pack(self, root: FileRoot, path: str) -> AsyncIterator[bytes]:
        """A tar of the file or directory under its own name; `dir/.` packs the contents."""
        async for chunk in _output(_Work(root, "pack", path)):
            yield chunk

    async def export(self, root: FileRoot) -> AsyncIterator[bytes]:
        """A tar of the whole root, without what the kernel makes up."""
        async for chunk in _output(_Work(root, "export", "/")):
            yield chunk

    async def unpack(self, root: FileRoot, path: str, archive: AsyncIterator[bytes], options: UnpackOptions) -> None:
        """Raises NotFound for a missing directory, Invalid for what is none and for bad archives."""
        identity = identity_in(root.rootfs, options.user) if options.to_user and options.user else None
        owner = (identity.uid, identity.gid) if identity else None
        work = _Work(root, "unpack", path, keep_kind=options.keep_kind, owner=owner)
        feeding = asyncio.ensure_future(work.feed(archive))
        try:
            await work.result()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            work.close()


class _Work:
    """One run of `inside`. Its pipes are closed by `close`, which also ends it."""

    def __init__(self, root: FileRoot, verb: str, path: str, **how: object) -> None:
        stdin, self._sink = os.pipe2(os.O_CLOEXEC)
        self._source, stdout = os.pipe2(os.O_CLOEXEC)
        self._answer, result = os.pipe2(os.O_CLOEXEC)
        request = {
            "verb": verb,
            "path": path,
            "pid": root.pid,
            "rootfs": str(root.rootfs),
            "mounts": [(point.source, point.target) for point in root.mounts],
            "result": result,
            **how,
        }
        argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, msgspec.json.encode(request).decode()]
        try:
            self._pid = spawn(argv, {"LC_ALL": "C.UTF-8"}, Stdio(stdin, stdout), (result,))
        finally:
            for descriptor in (stdin, stdout, result):
                os.close(descriptor)
        self._ended = asyncio.ensure_future(ended(self._pid))

    async def feed(self, archive: AsyncIterator[bytes]) -> None:
        """Pass a tar on to it; that it has seen enough is fine."""
        try:
            with suppress(BrokenPipeError):
                async for chunk in archive:
                    await write_all(self._sink, chunk)
        finally:
            os.close(self._sink)
            self._sink = -1

    async def output(self) -> bytes:
        return await read_some(self._source)

    async def result(self) -> object:
        """What it found. Raises the Refusal that it met."""
        answer, self._answer = self._answer, -1
        text = await read_all(answer)
        await self._ended
        said = msgspec.json.decode(text or b"{}")
        if "value" not in said:
            raise _ERRORS.get(said.get("error", ""), Failed)(
                said.get("message", "the container's files cannot be read")
            )
        return said["value"]

    def close(self) -> None:
        for descriptor in (self._sink, self._source, self._answer):
            if descriptor >= 0:
                os.close(descriptor)
        self._sink = self._source = self._answer = -1
        if not self._ended.done():
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


async def _output(work: _Work) -> AsyncIterator[bytes]:
    """Its tar, then its result, which may be a refusal."""
    try:
        while chunk := await work.output():
            yield chunk
        await work.result()
    finally:
        work.close()


async def folder_size(folder: Path) -> int:
    """Bytes of all files below a directory, counted in a thread."""
    return await asyncio.to_thread(_tree_size, folder)


def _tree_size(folder: Path) -> int:
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total
