"""Root file systems of containers: overlayfs over the layers of their image.

    <data-root>/rootfs/<container id>/upper     what the container wrote; survives stops and restarts
                                     /work      overlayfs's own
                                     /merged    the mount
    <data-root>/overlay/base/                   the lowest layer of all: mount points and files every container has

One thread does the mounts. Its working directory (its own, by unshare(CLONE_FS)) is the directory of the layers, so
that the options name them relatively and 128 fit into the page that mount(2) reads. No process is started.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fairlead.effects.oci.doomed import Doomed
from fairlead.effects.oci.mount import CLONE_FS, detach, mount, unshare
from fairlead.effects.oci.trees import usage
from fairlead.model.errors import Failed
from fairlead.model.image import Layer

BASE = "base"
_PAGE = 4096
_OPTIONS = "index=off,redirect_dir=off,metacopy=off"
_BASE_DIRECTORIES = ("dev", "dev/pts", "dev/shm", "etc", "proc", "sys")
_BASE_FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")
T = TypeVar("T")


class Rootfs:
    """Mounts are idempotent both ways and may be made again after a reboot."""

    def __init__(self, root: Path, doomed: Doomed) -> None:
        self._overlay, self._home = root / "overlay", root / "rootfs"
        self._home.mkdir(parents=True, exist_ok=True, mode=0o710)
        self._doomed = doomed
        _make_base(self._overlay / BASE)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rootfs", initializer=self._enter)

    def merged(self, container_id: str) -> Path:
        return self._home / container_id / "merged"

    def upper(self, container_id: str) -> Path:
        """What the container changed, in overlayfs form."""
        return self._home / container_id / "upper"

    async def mount(self, container_id: str, layers: Sequence[Layer]) -> Path:
        """Mount the container's root over `layers` (bottom first) and return its path; already mounted is fine."""
        return await self._in_thread(lambda: self._mount(container_id, layers))

    async def unmount(self, container_id: str) -> None:
        """Take the mount off; what was written stays."""
        await self._in_thread(lambda: detach(self.merged(container_id)))

    async def remove(self, container_id: str) -> None:
        """Unmount and forget everything the container wrote; missing is fine."""
        await self._in_thread(lambda: self._remove(container_id))
        self._doomed.sweep()

    def lower_directories(self, layers: Sequence[Layer]) -> list[Path]:
        """Where these layers and the one below all lie, bottom first."""
        return [self._overlay / name for name in (BASE, *(layer.directory for layer in layers))]

    async def size(self, container_id: str) -> int:
        """The bytes of what the container wrote; 0 if there is none."""
        return await asyncio.to_thread(usage, self.upper(container_id))

    async def keep_only(self, container_ids: Collection[str]) -> None:
        """Remove the root of every other container (at boot)."""
        for found in [found.name for found in self._home.iterdir() if found.name not in container_ids]:
            await self.remove(found)

    def close(self) -> None:
        """Stop the thread; mounts stay, because containers may run."""
        self._thread.shutdown(wait=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _enter(self) -> None:
        unshare(CLONE_FS)
        os.chdir(self._overlay)

    def _mount(self, container_id: str, layers: Sequence[Layer]) -> Path:
        merged = self.merged(container_id)
        if merged.is_mount():
            return merged
        self._prepare(container_id, layers)
        own = f"../rootfs/{container_id}"
        lower = ":".join([layer.directory for layer in reversed(layers)] + [BASE])
        options = f"lowerdir={lower},upperdir={own}/upper,workdir={own}/work,{_OPTIONS}"
        if len(options) >= _PAGE:
            raise Failed(f"max depth exceeded: {len(layers)} layers do not fit into one mount")
        try:
            mount("overlay", merged, "overlay", 0, options)
        except OSError as error:
            raise Failed(f"error creating overlay mount to {merged}: {error.strerror}") from error
        return merged

    def _prepare(self, container_id: str, layers: Sequence[Layer]) -> None:
        home = self._home / container_id
        if (home / "merged").is_dir():
            return  # it is made last
        upper = self.upper(container_id)
        for directory in (home, home / "work", upper):
            directory.mkdir(mode=0o710, exist_ok=True)
        # The container's "/" has the attributes of the uppermost directory: take them from the image.
        top = os.stat(self._overlay / (layers[-1].directory if layers else BASE))
        os.chown(upper, top.st_uid, top.st_gid)
        os.chmod(upper, stat.S_IMODE(top.st_mode))
        (home / "merged").mkdir(mode=0o710)

    def _remove(self, container_id: str) -> None:
        detach(self.merged(container_id))
        if (self._home / container_id).exists():
            self._doomed.add(self._home / container_id)


def _make_base(base: Path) -> None:
    """What Docker puts under every container: an image's own files of these names lie over them."""
    base.mkdir(parents=True, exist_ok=True)
    base.chmod(0o755)
    for name in _BASE_DIRECTORIES:
        (base / name).mkdir(exist_ok=True)
        (base / name).chmod(0o755)
    for name in _BASE_FILES:
        (base / name).touch(mode=0o755 if name == ".dockerenv" else 0o644)
    mtab = base / "etc" / "mtab"
    if not mtab.is_symlink():
        mtab.symlink_to("/proc/mounts")
