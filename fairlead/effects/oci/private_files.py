"""Files that containers get for one run, on a tmpfs of the daemon's own: never on a disk, and gone with the run.

<directory>              a tmpfs, where the kernel can without swap
<directory>/<container>  0700, the files by number: their names tell nothing
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from errno import EINVAL
from pathlib import Path

from fairlead.effects.oci.mount import MS_NODEV, MS_NOEXEC, MS_NOSUID, detach, mount
from fairlead.model.errors import Failed
from fairlead.model.runtime import MountPoint, PrivateFile

_OPTIONS = ("bind", "ro", "rprivate", "nosuid", "nodev", "noexec")


class PrivateFiles:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def give(self, container_id: str, files: Sequence[PrivateFile]) -> tuple[MountPoint, ...]:
        """Write them down and tell how they are mounted, read-only. Raises Failed."""
        if not files:
            return ()
        try:
            self._mount()
            folder = self._directory / container_id
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            return tuple(_written(folder / str(number), file) for number, file in enumerate(files))
        except OSError as error:
            self.take_back(container_id)
            raise Failed(f"the container's secrets and configs cannot be written: {error}") from error

    def _mount(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._directory.is_mount():
            return
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        try:
            mount("private", self._directory, "tmpfs", flags, "mode=0700,noswap")
        except OSError as error:
            if error.errno != EINVAL:
                raise
            mount("private", self._directory, "tmpfs", flags, "mode=0700")

    def take_back(self, container_id: str) -> None:
        """Forget them; none there is fine. Without any the tmpfs goes too."""
        folder = self._directory / container_id
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            self._unmount_if_empty()

    def keep_only(self, container_ids: Collection[str]) -> None:
        """Forget those of all other containers (at boot)."""
        if self._directory.is_mount():
            for folder in self._directory.iterdir():
                if folder.name not in container_ids:
                    shutil.rmtree(folder, ignore_errors=True)
            self._unmount_if_empty()

    def _unmount_if_empty(self) -> None:
        if self._directory.is_mount() and not any(self._directory.iterdir()):
            detach(self._directory)
            self._directory.rmdir()


def _written(path: Path, file: PrivateFile) -> MountPoint:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.data)
        os.fchown(descriptor, file.uid, file.gid)
        os.fchmod(descriptor, file.mode)
    return MountPoint("bind", str(path), file.path, _OPTIONS)
