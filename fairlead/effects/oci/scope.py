"""Paths inside a container's root, resolved as if that root were `/`.

A container may plant symbolic links that point anywhere; following them from outside must never
leave its root (CVE-2018-15664 is the lesson). Each component is looked at with lstat and a link's
target is resolved from the root again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

MAX_LINKS = 255
_OPENAT2 = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 0x02, 0x08

_libc = ctypes.CDLL(None, use_errno=True)


def inside(root: Path, path: str, follow_last: bool = True) -> Path:
    """The real place of `path` below `root`; components that do not exist are taken as they are.

    Raises OSError(ELOOP) for endless links.
    """
    return _walk(root, path, follow_last)


class _OpenHow(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(root: Path, path: str) -> int:
    """A descriptor (O_PATH) of what `path` is below `root`; whoever swaps things meanwhile cannot change that.

    Raises OSError: EXDEV when the path, or a link on it, leads out of `root`.
    """
    how = _OpenHow(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        opened = _libc.syscall(_OPENAT2, directory, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    finally:
        os.close(directory)
    if opened < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(opened)


def _walk(root: Path, path: str, follow_last: bool) -> Path:
    pending = [part for part in path.split("/") if part and part != "."][::-1]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del done[-1:]
            continue
        candidate = root.joinpath(*done, part)
        if (pending or follow_last) and _is_link(candidate):
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(candidate)
            if target.startswith("/"):
                done = []
            pending.extend(piece for piece in reversed(target.split("/")) if piece and piece != ".")
            continue
        done.append(part)
    return root.joinpath(*done)


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False
