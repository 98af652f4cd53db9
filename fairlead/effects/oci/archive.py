"""`docker cp` and `docker export`: files of a container as tar streams, in both directions.

All work on a container's files happens in a thread inside its root (`chamber`). Streams cross between that thread and
the loop through a pipe, so nothing is held in memory and a slow client slows the thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from fairlead.effects.oci.chamber import inside_of
from fairlead.effects.oci.process import read_some, write_all
from fairlead.model.errors import Failed, Invalid, NotAllowed, NotFound
from fairlead.model.runtime import FileRoot, PathStat, UnpackOptions

# Go's os.FileMode: its own bits for the kind, the Unix ones for permissions.
_GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_SETUID, _GO_SETGID, _GO_STICKY = 1 << 23, 1 << 22, 1 << 20
_VIRTUAL = ("/proc", "/sys", "/dev")


class ContainerArchive:
    async def stat(self, root: FileRoot, path: str) -> PathStat:
        """Raises NotFound."""
        return await inside_of(root, lambda: _stat(path))

    async def pack(self, root: FileRoot, path: str) -> AsyncIterator[bytes]:
        """A tar of the file or directory under its own name; `dir/.` packs the contents."""
        await self.stat(root, path)
        async for chunk in _streamed(root, lambda target: _pack(path, target)):
            yield chunk

    async def export(self, root: FileRoot) -> AsyncIterator[bytes]:
        """A tar of the whole root, without what the kernel makes up."""
        async for chunk in _streamed(root, _export):
            yield chunk

    async def unpack(self, root: FileRoot, path: str, archive: AsyncIterator[bytes], options: UnpackOptions) -> None:
        """Raises NotFound for a missing directory, Invalid for what is none and for bad archives."""
        source, sink = os.pipe2(os.O_CLOEXEC)
        feeding = asyncio.ensure_future(_feed(sink, archive))
        try:
            await inside_of(root, lambda: _unpack(path, source, options))
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(sink: int, archive: AsyncIterator[bytes]) -> None:
    try:
        async for chunk in archive:
            await write_all(sink, chunk)
    except BrokenPipeError:
        return  # the reader has seen enough
    finally:
        os.close(sink)


async def _streamed(root: FileRoot, write: Callable[[IO[bytes]], None]) -> AsyncIterator[bytes]:
    """What `write` writes, run inside the container."""
    source, sink = os.pipe2(os.O_CLOEXEC)

    def work() -> None:
        with open(sink, "wb") as target:
            write(target)

    working = asyncio.ensure_future(inside_of(root, work))
    try:
        while chunk := await read_some(source):
            yield chunk
        await working
    except BrokenPipeError:
        return
    finally:
        os.close(source)
        working.add_done_callback(lambda done: done.cancelled() or done.exception())


# --- inside the container ---------------------------------------------------------------------------


def _stat(path: str) -> PathStat:
    """The link itself, unless the path ends in a slash."""
    try:
        info = os.stat(path) if path.endswith(("/", "/.")) else os.lstat(path)
        link = os.path.realpath(path) if stat.S_ISLNK(info.st_mode) else ""
    except OSError as error:
        raise _missing(path, error) from error
    name = os.path.basename(os.path.normpath(path)) or "/"
    return PathStat(name, info.st_size, _go_mode(info.st_mode), info.st_mtime_ns, link)


def _missing(path: str, error: OSError) -> NotFound | Failed:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"Could not find the file {path} in container")
    return Failed(f"{path}: {error.strerror}")


def _go_mode(mode: int) -> int:
    result = stat.S_IMODE(mode) & 0o777 | _GO_KINDS.get(stat.S_IFMT(mode), 0)
    for bit, go_bit in ((stat.S_ISUID, _GO_SETUID), (stat.S_ISGID, _GO_SETGID), (stat.S_ISVTX, _GO_STICKY)):
        if mode & bit:
            result |= go_bit
    return result


def _pack(path: str, target: IO[bytes]) -> None:
    contents_only = path.endswith("/.")
    real = os.path.normpath(path)
    if path.endswith("/") or contents_only:
        real = os.path.realpath(real)
    name = "." if contents_only or real == "/" else os.path.basename(os.path.normpath(path))
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, real, name)


def _export(target: IO[bytes]) -> None:
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir("/")):
            _add(tar, f"/{name}", name)


def _add(tar: tarfile.TarFile, path: str, name: str) -> None:
    """A file or a tree; what vanishes meanwhile and sockets are left out."""
    try:
        info = tar.gettarinfo(path, name)
    except OSError:
        return
    if info is None:
        return
    info.uname = info.gname = ""
    try:
        if info.isreg():
            with open(path, "rb") as content:
                tar.addfile(info, content)
            return
        tar.addfile(info)
        if info.isdir() and path not in _VIRTUAL:
            for child in sorted(os.listdir(path)):
                _add(tar, os.path.join(path, child), f"{name}/{child}")
    except PermissionError:
        return


def _unpack(path: str, source: int, options: UnpackOptions) -> None:
    with open(source, "rb") as stream:
        try:
            info = os.stat(path)
        except OSError as error:
            raise _missing(path, error) from error
        if not stat.S_ISDIR(info.st_mode):
            raise Invalid("extraction point is not a directory")
        _check_writable(path)
        try:
            with tarfile.open(fileobj=stream, mode="r|*") as tar:
                for member in tar:
                    _extract(tar, member, path, options)
        except tarfile.TarError as error:
            raise Invalid(f"invalid archive: {error}") from error
        except OSError as error:
            raise Failed(f"cannot unpack to {path}: {error.strerror}") from error


def _check_writable(path: str) -> None:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        what = "mounted volume" if os.path.ismount(path) else "container rootfs"
        raise NotAllowed(f"{what} is marked read-only")


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: str, options: UnpackOptions) -> None:
    """One member, with its numeric owner, its mode and its time. Names with `..` stay inside: the root is ours."""
    target = os.path.normpath(os.path.join(folder, member.name.lstrip("/")))
    if options.keep_kind and os.path.lexists(target):
        exists_as_folder = os.path.isdir(target) and not os.path.islink(target)
        if exists_as_folder != member.isdir():
            kinds = ("directory", "non-directory") if exists_as_folder else ("non-directory", "directory")
            raise Invalid(f"cannot overwrite {kinds[0]} {target!r} with {kinds[1]} {folder!r}".replace("'", '"'))
    if not member.isdir() and os.path.islink(target):
        os.unlink(target)
    member.uname = member.gname = ""
    tar.extract(member, folder, numeric_owner=True)


async def folder_size(folder: Path) -> int:
    """Bytes of all files below a directory, counted in a thread."""
    return await asyncio.to_thread(_tree_size, folder)


def _tree_size(folder: Path) -> int:
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                continue
    return total
