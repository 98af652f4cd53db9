"""A thread whose root directory is a container's.

`docker cp` reads and writes paths that the container's owner controls, links included. Instead of resolving them with
care, the work is done by a thread that has entered the container's root: unshare(2) gives it a root of its own
(CLONE_FS) and, for a container at rest, mounts of its own (CLONE_NEWNS) in which the container's volumes and binds are
put in place. What it opens lies inside, whatever the links say, and its mounts end with it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fairlead.effects.oci.mount import CLONE_FS, CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare
from fairlead.effects.oci.scope import inside
from fairlead.model.runtime import FileRoot, MountPoint

T = TypeVar("T")
_SLASH = Path("/")


async def inside_of(root: FileRoot, work: Callable[[], T]) -> T:
    """Run `work` in a fresh thread that sees the container's files as its own; its result or exception."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def thread() -> None:
        try:
            enter(root)
            result = work()
        except BaseException as error:
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=thread, name="container-files", daemon=True).start()
    return await future


def enter(root: FileRoot) -> None:
    """Make the container's root that of the calling thread, for good."""
    if root.pid:
        unshare(CLONE_FS)
        os.chroot(f"/proc/{root.pid}/root")
    else:
        unshare(CLONE_NEWNS)
        mount("none", _SLASH, "", MS_REC | MS_PRIVATE)
        for point in root.mounts:
            _bind(root, point)
        os.chroot(root.rootfs)
    os.chdir("/")


def _bind(root: FileRoot, point: MountPoint) -> None:
    target = inside(root.rootfs, point.target)
    if os.path.isdir(point.source):
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(point.source, target, "", MS_BIND | MS_REC)
