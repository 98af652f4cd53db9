"""mount(2), umount2(2) and unshare(2), which Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os
from errno import EINVAL, ENOENT
from pathlib import Path

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
CLONE_FS, CLONE_NEWNS = 0x200, 0x20000
_MNT_DETACH, _UMOUNT_NOFOLLOW = 0x2, 0x8

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str, flags: int = 0, options: str = "") -> None:
    """Raises OSError with the kernel's number and the target."""
    arguments = [os.fsencode(item) for item in (source, target, kind)]
    if _libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options) or None) != 0:
        _fail(target)


def detach(target: Path) -> None:
    """Take the topmost mount off at once; whoever still has files open keeps them. Not mounted is fine."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW) != 0:
        _fail(target, EINVAL, ENOENT)


def unshare(flags: int) -> None:
    """Give the calling thread its own copy of the named parts of its context (CLONE_FS, CLONE_NEWNS)."""
    if _libc.unshare(flags) != 0:
        _fail(Path("/"))


def _fail(target: Path, *harmless: int) -> None:
    errno = ctypes.get_errno()
    if errno not in harmless:
        raise OSError(errno, os.strerror(errno), str(target))
