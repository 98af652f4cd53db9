"""What a container has changed: its overlay's upper directory read as a list of changes.

overlayfs (Documentation/filesystems/overlayfs.rst) marks a removal by a character device 0:0 and a directory that
replaces another by the xattr `trusted.overlay.opaque`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairlead.model.runtime import ADDED, DELETED, MODIFIED, FileChange


def changes(upper: Path, lower: Sequence[Path]) -> list[FileChange]:
    """In the order of paths, each directory before what is in it."""
    return list(_walk(upper, "", lower)) if upper.is_dir() else []


def _walk(upper: Path, inside: str, lower: Sequence[Path]) -> Iterator[FileChange]:
    for entry in sorted(os.scandir(upper / inside), key=lambda item: item.name):
        path = f"{inside}/{entry.name}".lstrip("/")
        info = entry.stat(follow_symlinks=False)
        known = any(os.path.lexists(layer / path) for layer in lower)
        if stat.S_ISCHR(info.st_mode) and info.st_rdev == 0:
            yield FileChange(f"/{path}", DELETED)
            continue
        yield FileChange(f"/{path}", MODIFIED if known else ADDED)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(upper, path, lower)
