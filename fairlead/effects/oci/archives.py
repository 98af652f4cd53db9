"""Tar archives of whole images, in and out, without a second copy on disk on the way in."""

from __future__ import annotations

import asyncio
import os
import stat
import tarfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from fairlead.effects.oci import process, scope
from fairlead.effects.oci.compression import MAGIC_LENGTH, compression_of, decompressor
from fairlead.model.errors import Invalid
from fairlead.model.image import PLAIN

_CHUNK = 1 << 18
_BLOCK = 512
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
_EXTRACT = ("tar", "--extract", "--file=-", "--no-same-owner", "--no-same-permissions", "--warning=no-timestamp")

Member = tuple[str, bytes | Path]


class Archives:
    async def unpack(self, stream: AsyncIterator[bytes], target: Path) -> None:
        """Unpack a tar, compressed or not, into a fresh directory as it arrives. Raises `Invalid`."""
        head = b""
        while len(head) < MAGIC_LENGTH and (chunk := await anext(stream, b"")):
            head += chunk
        compression = compression_of(head)
        options = () if compression == PLAIN else (f"--use-compress-program={decompressor(compression)[0]}",)
        source, sink = os.pipe2(os.O_CLOEXEC)
        complaints, complaint_sink = os.pipe2(os.O_CLOEXEC)
        try:
            command = (*_EXTRACT, *options, f"--directory={target}")
            pid = process.spawn(command, _ENVIRONMENT, process.Stdio(source, None, complaint_sink))
        finally:
            os.close(source)
            os.close(complaint_sink)
        end = asyncio.gather(process.read_all(complaints), process.ended(pid))
        try:
            await _feed(sink, head, stream)
        finally:
            # The pipe is closed now: tar ends soon, and must be collected even when this request is given up.
            words, status = await asyncio.shield(end)
        if status:
            lines = words.decode("utf-8", "replace").splitlines() or [f"tar ended with {status}"]
            raise Invalid(f"invalid tar: {lines[0].removeprefix('tar: ')}")

    def file(self, directory: Path, name: str) -> Path:
        """A regular file of the unpacked archive. Links are followed inside it only."""
        try:
            found = scope.inside(directory, name)
            if stat.S_ISREG(os.lstat(found).st_mode):
                return found
        except OSError:
            pass
        raise Invalid(f"invalid archive: it has no file {name!r}")

    async def receive(self, stream: AsyncIterator[bytes], target: Path) -> None:
        """Write a body to a file."""
        with target.open("wb", buffering=0) as file:
            async for chunk in stream:
                file.write(chunk)

    async def pack(self, members: Sequence[Member]) -> AsyncIterator[bytes]:
        """A tar of these files, piece by piece."""
        for name, content in members:
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            yield _header(name, size)
            if isinstance(content, bytes):
                yield content
            else:
                with content.open("rb", buffering=0) as file:
                    while chunk := file.read(_CHUNK):
                        yield chunk
            yield bytes(-size % _BLOCK)
        yield bytes(2 * _BLOCK)


async def _feed(sink: int, head: bytes, stream: AsyncIterator[bytes]) -> None:
    """Everything into the pipe; when nobody reads any more, the rest of the stream is still taken."""
    try:
        await process.write_all(sink, head)
        async for chunk in stream:
            await process.write_all(sink, chunk)
    except BrokenPipeError:
        async for _ in stream:
            pass
    finally:
        os.close(sink)


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.PAX_FORMAT)
