"""The data of volumes: `<data-root>/volumes/<name>/_data`, a directory, or a mount while the volume is in use."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from itertools import count
from pathlib import Path

from fairlead.effects.oci import process, scope
from fairlead.effects.oci.doomed import Doomed
from fairlead.effects.oci.mount import MS_BIND, MS_REC, detach, mount
from fairlead.effects.oci.trees import usage
from fairlead.model.errors import Failed
from fairlead.model.volume import Volume

_PARTS = "parts"
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}


class VolumePart:
    """A file or directory inside a volume, mounted at `path`: it stays the same whatever becomes of its name."""

    def __init__(self, descriptor: int, path: Path) -> None:
        """Mounts what the descriptor stands for, and closes it."""
        self.path = path
        try:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                path.mkdir()
            else:
                path.touch(exist_ok=False)
            mount(f"/proc/self/fd/{descriptor}", path, "", MS_BIND | MS_REC)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        detach(self.path)
        _remove_place(self.path)


def _remove_place(path: Path) -> None:
    """Only what is empty goes: whatever is mounted there must survive."""
    if path.is_dir():
        path.rmdir()
    elif path.stat().st_size == 0:
        path.unlink()


class VolumeFiles:
    def __init__(self, root: Path, doomed: Doomed) -> None:
        self._home, self._doomed = root / "volumes", doomed
        self._home.mkdir(parents=True, exist_ok=True, mode=0o701)
        self._serial = count(1)
        for left in self._home.glob(f"*/{_PARTS}/*"):
            detach(left)
            _remove_place(left)

    def mountpoint(self, name: str) -> Path:
        """`name` must have been checked: it names a directory."""
        return self._home / name / "_data"

    def make(self, name: str) -> None:
        """The directory of a volume; one that is there stays as it is."""
        data = self.mountpoint(name)
        data.parent.mkdir(mode=0o701, exist_ok=True)
        if not data.is_dir():
            data.mkdir()
            data.chmod(0o755)

    def discard(self, name: str) -> None:
        """Take the volume's mounts off and delete its directory in the background."""
        for part in (self._home / name).glob(f"{_PARTS}/*"):
            detach(part)
        detach(self.mountpoint(name))
        self._doomed.add(self._home / name)
        self._doomed.sweep()

    async def mount(self, volume: Volume) -> None:
        """Mount what the volume's options describe; mounted already is fine. Raises `Failed`."""
        target = Path(volume.mountpoint)
        if target.is_mount():
            return
        device, options = volume.options.get("device", ""), volume.options.get("o", "")
        # mount(8) rather than mount(2): it knows the names of options and asks the helpers of network file systems.
        command = ["mount", "-t", volume.options.get("type", "none"), *(["-o", options] if options else [])]
        done = await process.run((*command, "--", device, str(target)), _ENVIRONMENT)
        if done.status:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["mount failed"]
            raise Failed(
                f"error while mounting volume '{target}': failed to mount local volume: mount {device}:{target}: "
                f"{reason[0].removeprefix(f'mount: {target}: ').removesuffix('.')}"
            )

    def unmount(self, name: str) -> None:
        """Take its mount off; not mounted is fine."""
        detach(self.mountpoint(name))

    def part(self, name: str, subpath: str) -> VolumePart:
        """A file or directory of the volume, held until it is closed. Raises `Failed` when it is none of its own."""
        base = self.mountpoint(name)
        places = base.with_name(_PARTS)
        places.mkdir(mode=0o701, exist_ok=True)
        try:
            return VolumePart(scope.open_beneath(base, subpath), places / str(next(self._serial)))
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise Failed(
                    f'path concatenation escapes the base directory, base: "{base}", subpath: "{subpath}"'
                ) from error
            raise Failed(f"cannot access path {base / subpath}: {(error.strerror or '').lower()}") from error

    async def populate(self, target: Path, root: Path, directory: str) -> None:
        """Copy what `root` has at `directory` into an empty directory of a volume, with owners, modes and links.

        `target` then has the directory's own owner and mode too. Links are resolved as if `root` were "/".
        """
        source = scope.inside(root, directory)
        if not target.is_dir() or any(target.iterdir()) or not source.is_dir():
            return
        command = ("cp", "--archive", "--no-target-directory", "--", f"{source}/.", f"{target}/.")
        done = await process.run(command, _ENVIRONMENT)
        if done.status:
            reason = done.stderr.decode("utf-8", "replace").strip()
            raise Failed(f"failed to copy the image's {directory} into {target}: {reason}")

    async def size(self, name: str) -> int:
        """The bytes of all its files."""
        return await asyncio.to_thread(usage, self.mountpoint(name))
