"""Layers as directory trees: between the tar form of the OCI image specification and overlayfs's own.

In a layer's tar a file `.wh.NAME` says that NAME of the layers below is gone, and `.wh..wh..opq` that everything
below in its directory is. overlayfs wants a character device 0:0 named NAME, and the extended
attribute `trusted.overlay.opaque` on the directory (Documentation/filesystems/overlayfs.rst).

All functions here block; they run in threads.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

WHITEOUT = ".wh."
OPAQUE_MARK = ".wh..wh..opq"
_AUFS_METADATA = ".wh..wh."
OPAQUE = "trusted.overlay.opaque"
_OVERLAY_PREFIX = "trusted.overlay."


def settle(root: Path) -> int:
    """Turn the whiteouts below `root` from tar form into overlayfs form; returns the bytes of all files.

    Nothing is followed out of the tree: links are looked at, never through.
    """
    total, seen = 0, set[int]()
    for directory, entries in _walk(root):
        marks = [entry for entry in entries if entry.name.startswith(WHITEOUT)]
        if marks:
            _settle_whiteouts(directory, marks)
        for entry in entries:
            if entry in marks:
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_ino not in seen:
                total += status.st_size
                if status.st_nlink > 1:
                    seen.add(status.st_ino)
    return total


def usage(root: Path) -> int:
    """The bytes of all files below `root`, hard links once. What vanishes meanwhile counts nothing."""
    total, seen = 0, set[tuple[int, int]]()
    for _, entries in _walk(root):
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in seen:
                total += status.st_size
                if status.st_nlink > 1:
                    seen.add((status.st_dev, status.st_ino))
    return total


def pack(upper: Path, target: IO[bytes]) -> None:
    """Write an overlayfs upper directory as the tar of a layer."""
    inodes: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        for directory, entries in _walk(upper):
            if _is_opaque(directory):
                archive.addfile(_mark(directory.relative_to(upper) / OPAQUE_MARK))
            for entry in entries:
                _pack_entry(archive, Path(entry.path), upper, inodes)


def _walk(root: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Directories from the top down with their entries, sorted by name. Not recursive: trees may be thousands deep."""
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        yield directory, entries
        waiting.extend(
            directory / entry.name
            for entry in reversed(entries)
            if not entry.name.startswith(WHITEOUT) and entry.is_dir(follow_symlinks=False)
        )


def _settle_whiteouts(directory: Path, marks: list[os.DirEntry[str]]) -> None:
    """All marks of one directory; its times stay as the layer has them."""
    status = os.lstat(directory)
    for entry in marks:
        _settle_whiteout(directory, entry)
    os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))


def _settle_whiteout(directory: Path, entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        raise OSError(f"{entry.name}: a whiteout is a file, this one is a directory")
    os.unlink(entry.path)
    if entry.name == OPAQUE_MARK:
        os.setxattr(directory, OPAQUE, b"y", follow_symlinks=False)
        return
    if entry.name.startswith(_AUFS_METADATA):
        return
    name = entry.name.removeprefix(WHITEOUT)
    if name in ("", ".", ".."):
        raise OSError(f"{entry.name}: a whiteout of no file")
    hidden = directory / name
    if not os.path.lexists(hidden):
        os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0))
    elif hidden.is_dir() and not hidden.is_symlink():
        # Gone below and new here: the new directory must not show what was in the old one.
        os.setxattr(hidden, OPAQUE, b"y", follow_symlinks=False)


def _is_opaque(directory: Path) -> bool:
    try:
        return os.getxattr(directory, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _mark(name: Path) -> tarfile.TarInfo:
    return tarfile.TarInfo(str(name))


def _pack_entry(archive: tarfile.TarFile, path: Path, root: Path, inodes: dict[tuple[int, int], str]) -> None:
    name = str(path.relative_to(root))
    status = os.lstat(path)
    if stat.S_ISSOCK(status.st_mode):
        return
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        archive.addfile(_mark(path.relative_to(root).parent / f"{WHITEOUT}{path.name}"))
        return
    member = archive.gettarinfo(str(path), name)
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    member.pax_headers = _attributes(path)
    linked = inodes.setdefault((status.st_dev, status.st_ino), name)
    if linked != name and not stat.S_ISDIR(status.st_mode):
        member.type, member.linkname, member.size = tarfile.LNKTYPE, linked, 0
    if member.isreg():
        with path.open("rb") as content:
            archive.addfile(member, content)
    else:
        archive.addfile(member)


def _attributes(path: Path) -> dict[str, str]:
    """Extended attributes as PAX records; overlayfs's own are not the container's."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    kept = (name for name in names if not name.startswith(_OVERLAY_PREFIX))
    return {
        f"SCHILY.xattr.{name}": os.getxattr(path, name, follow_symlinks=False).decode("utf-8", "surrogateescape")
        for name in kept
    }
