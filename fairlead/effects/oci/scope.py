"""Paths inside a container's root, resolved as if that root were `/`.

A container may plant symbolic links that point anywhere; following them from outside must never
leave its root (CVE-2018-15664 is the lesson). Each component is looked at with lstat and a link's
target is resolved from the root again.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MAX_LINKS = 255


def inside(root: Path, path: str, follow_last: bool = True) -> Path:
    """The real place of `path` below `root`; components that do not exist are taken as they are.

    Raises OSError(ELOOP) for endless links.
    """
    return _walk(root, path, follow_last)


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
